"""What the engine advises, which it says in the command line's words, in those of the screens."""

from __future__ import annotations

import re

from tui import texts


def here(hint: str) -> str:
    """`hint` with the options of the command line as what there is for them on the screens."""
    for said, meant in texts.OPTIONS.items():
        hint = re.sub(rf"(?<![\w-]){re.escape(said)}(?![\w-])", meant, hint)
    return hint
