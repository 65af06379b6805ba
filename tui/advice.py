"""What the engine advises, which it says in the command line's words, in those of the screens."""

from __future__ import annotations

import re

from tui import texts

_PARAMETER = re.compile(r"give it with --set(?:-file)? \S+=(?:VALUE|FILE)")


def here(hint: str) -> str:
    """`hint`, or another sentence, with the options of the command line as what there is for them on the screens."""
    hint = _PARAMETER.sub(texts.GIVEN_HERE, hint)
    for said, meant in texts.OPTIONS.items():
        hint = re.sub(rf"(?<![\w-]){re.escape(said)}(?![\w-])", meant, hint)
    return hint
