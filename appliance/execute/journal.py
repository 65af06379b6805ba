"""The journal: all that a run says, a JSON object a line, appended and never changed.

It is the one output of a run and the one thing that console, TUI and report read. A line that a power cut left
unfinished is not an event; whoever opens the journal to append takes it off.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Self

from appliance.errors import StateError
from appliance.events import (
    RunFinished,
    RunPaused,
    RunResumed,
    RunStarted,
    StageStarted,
    Stamped,
    StepFinished,
    from_json,
    to_json,
)
from appliance.files import disk_errors, sync_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import TracebackType

    from appliance.clock import Clock

POLL_SECONDS = 0.1

_BOUNDARIES = (RunStarted, StageStarted, StepFinished, RunPaused, RunResumed, RunFinished)


class Journal:
    """A journal open for appending; `write` is a reader of a `Stream`, which orders and locks."""

    def __init__(self, path: Path) -> None:
        """Open `path`, made if need be. `StateError` when what is there is not a journal."""
        self._path = path
        known, end = _scan(path)
        self.next_number = known + 1
        with disk_errors(path):
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            os.ftruncate(self._descriptor, end)
            os.lseek(self._descriptor, end, os.SEEK_SET)
            sync_folder(path.parent)

    def write(self, stamped: Stamped) -> None:
        """Append one event; at the boundaries of steps it is on the disk when this returns."""
        line = json.dumps(to_json(stamped), ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        with disk_errors(self._path):
            rest = memoryview(line)
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
            if isinstance(stamped.event, _BOUNDARIES):
                os.fdatasync(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)


def _scan(path: Path) -> tuple[int, int]:
    """The number of the last event, and the offset behind its line; both 0 when there is none."""
    number = end = 0
    for stamped, behind in _events(path, 0):
        number, end = stamped.number, behind
    return number, end


def read(path: Path) -> Iterator[Stamped]:
    """The events of a journal, in order. Raises `StateError` with the line for what is not one; none if no file."""
    return (stamped for stamped, _ in _events(path, 0))


def follow(path: Path, *, alive: Callable[[], bool], clock: Clock, interval: float = POLL_SECONDS) -> Iterator[Stamped]:
    """The events of a journal, and those to come, until its run finishes or `alive` says that nobody writes any more.

    Looks every `interval` seconds.
    """
    offset = 0
    while True:
        living = alive()  # asked before reading: what a dying worker still wrote is read
        for stamped, behind in _events(path, offset):
            offset = behind
            yield stamped
            if isinstance(stamped.event, RunFinished):
                return
        if not living:
            return
        clock.sleep(interval)


def _events(path: Path, offset: int) -> Iterator[tuple[Stamped, int]]:
    """Events from `offset` on, each with the offset behind it; a last line without an end is left alone."""
    try:
        lines = path.open("rb")
    except FileNotFoundError:
        return
    with lines:
        lines.seek(offset)
        for line in lines:
            if not line.endswith(b"\n"):
                return
            offset += len(line)
            yield _event(line, path, offset), offset


def _event(line: bytes, path: Path, offset: int) -> Stamped:
    try:
        return from_json(json.loads(line))
    except ValueError as error:
        raise StateError(
            f"the journal cannot be read: {error}",
            where=f"{path} before byte {offset}",
            hint="it was changed or damaged",
        ) from error
