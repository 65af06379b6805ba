"""How tests press the guide's keys, and wait for what they set going."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.screens.page import Page

if TYPE_CHECKING:
    from textual.pilot import Pilot


_ROUNDS = 3
"""How often in a row a screen must be found at rest: a key's message may still be on its way to who starts the work."""


async def settle(pilot: Pilot[int]) -> None:
    """Wait until a screen is there, nothing works for it, and all messages are dealt with."""
    quiet = 0
    for _ in range(3000):
        await pilot.pause(0.02)
        await pilot.pause()
        pages = [screen for screen in pilot.app.screen_stack if isinstance(screen, Page)]
        resting = bool(pages) and all(page.is_running and not page._jobs for page in pages)
        quiet = quiet + 1 if resting else 0
        if quiet > _ROUNDS:
            return
    raise AssertionError("the screen does not come to rest")


async def press(pilot: Pilot[int], *keys: str) -> None:
    """Press keys, one after the other, each when the one before has done its work."""
    for key in keys:
        await pilot.press(key)
        await settle(pilot)


async def type_in(pilot: Pilot[int], text: str) -> None:
    """Type a text."""
    names = {"/": "slash", ".": "full_stop", "-": "minus", ",": "comma", " ": "space"}
    await pilot.press(*(names.get(letter, letter) for letter in text))
