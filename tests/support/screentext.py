"""What a screen shows, as text, and its comparison with a file; ``APPLIANCE_UPDATE_SCREENS=1`` writes the file anew."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textual.app import App

FOLDER = Path(__file__).parents[1] / "tui" / "screens"
_DIGEST = re.compile(r"(sha256:|SHA256:)[0-9a-zA-Z+/]{40,64}")


def text_of(app: App[int]) -> str:
    """The screen's characters, line by line, without spaces at their ends; digests are blotted out."""
    strips = app.screen._compositor.render_strips(app.size)
    lines = ["".join(segment.text for segment in strip).rstrip() for strip in strips]
    shown = "\n".join(lines).rstrip() + "\n"
    return _DIGEST.sub(lambda match: match[1] + "0" * (len(match[0]) - len(match[1])), shown)


def compare(app: App[int], name: str) -> None:
    """Fail unless the screen is as ``NAME.COLUMNSxLINES.txt`` says."""
    path = FOLDER / f"{name}.{app.size.width}x{app.size.height}.txt"
    shown = text_of(app)
    if os.environ.get("APPLIANCE_UPDATE_SCREENS"):
        path.write_text(shown)
    assert path.exists(), f"{path} is missing; APPLIANCE_UPDATE_SCREENS=1 writes it"
    assert shown.splitlines() == path.read_text().splitlines(), f"{name}:\n{shown}"
