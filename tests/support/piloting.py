"""How tests press the guide's keys, and wait for what they set going."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tui.screens.page import Page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from textual.app import App
    from textual.message_pump import MessagePump
    from textual.pilot import Pilot


_PATIENCE = 60.0
_ROUNDS = 3
"""How often in a row all must be found at rest: a thread may be about to post what it found."""


async def until(pilot: Pilot[int], condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    end = time.monotonic() + _PATIENCE
    while not condition():
        assert time.monotonic() < end, "it does not come true"
        await pilot.pause(0.01)


async def settle(pilot: Pilot[int], *, at_work: bool = False) -> None:
    """Wait until a screen is there, nothing works for it (unless it is `at_work`), and all messages are dealt with."""
    end, quiet = time.monotonic() + _PATIENCE, 0
    while quiet < _ROUNDS:
        assert time.monotonic() < end, "the screen does not come to rest"
        await pilot.pause(0.01)
        await pilot.pause()
        quiet = quiet + 1 if _resting(pilot.app, at_work=at_work) else 0


def _resting(app: App[int], *, at_work: bool) -> bool:
    pages = [screen for screen in app.screen_stack if isinstance(screen, Page)]
    working = any(page._jobs for page in pages) and not at_work
    there = bool(pages) and all(page.is_running for page in pages)
    return there and not working and app.screen.is_mounted and all(_idle(pump) for pump in _pumps(app))


def _pumps(app: App[int]) -> Iterator[MessagePump]:
    """The app, and what is in front: what lies behind does nothing before it is seen again."""
    yield app
    yield app.screen
    yield from app.screen.walk_children()


_PUT_OFF = ("_next_callbacks", "_require_update_dimensions", "_updated_cells")
"""What widgets and tables keep for when they have nothing else to do."""


def _idle(pump: MessagePump) -> bool:
    """Whether it has begun, nobody has anything to tell it, and it has put nothing off."""
    return pump._is_mounted and pump._message_queue.empty() and not any(getattr(pump, name, None) for name in _PUT_OFF)


async def press(pilot: Pilot[int], *keys: str) -> None:
    """Press keys, one after the other, each when the one before has done its work."""
    for key in keys:
        await pilot.press(key)
        await settle(pilot)


async def type_in(pilot: Pilot[int], text: str) -> None:
    """Type a text."""
    names = {"/": "slash", ".": "full_stop", "-": "minus", ",": "comma", " ": "space"}
    await pilot.press(*(names.get(letter, letter) for letter in text))
    await settle(pilot)
