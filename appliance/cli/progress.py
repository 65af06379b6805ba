"""Progress of tasks for people: bars with rate and time left on a terminal, a line now and then in a log."""

from __future__ import annotations

import os
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, assert_never

from appliance.cli.text import one_line
from appliance.events import Event, Outcome, TaskFinished, TaskProgress, TaskStarted
from appliance.recipe.quantities import size_text
from appliance.report.text import duration

if TYPE_CHECKING:
    from typing import TextIO

_LINE_SECONDS = 5.0
_LOG_COLUMNS = 100
_BYTES = "bytes"
_POOR_TERMINALS = ("dumb", "unknown")


class Progress:
    """A `Sink` for tasks; it draws only while a task is under way, and leaves one line for each that ended."""

    def __init__(self, *, color: bool, verbose: bool) -> None:
        self._verbose = verbose
        self._display = _display(color=color)
        self._titles: dict[str, str] = {}
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        """Be a `Sink`; events of runs are not for this reader."""
        with self._lock:
            match event:
                case TaskStarted():
                    self._titles[event.task] = event.title
                    self._display.start(event)
                case TaskProgress() if event.task in self._titles:
                    if self._verbose and event.detail:
                        self._display.say("", f"  {one_line(event.detail)}")
                    self._display.progress(event)
                case TaskFinished() if event.task in self._titles:
                    self._display.finish(event)
                    self._ended(self._titles.pop(event.task), event)
                case _:
                    pass

    def close(self) -> None:
        """Draw nothing any more."""
        self._display.close()

    def _ended(self, title: str, event: TaskFinished) -> None:
        most = self._display.columns
        line = one_line(title, most - 2)
        if event.detail:
            line = f"{one_line(title, most // 2)}: {one_line(event.detail)}"
        self._display.say(mark(event.outcome), f" {line}", good=event.outcome in (Outcome.OK, Outcome.SKIPPED))


def _display(*, color: bool) -> Display:
    if sys.stderr.isatty() and os.environ.get("TERM", "").lower() not in _POOR_TERMINALS:
        from appliance.cli.bars import Bars  # noqa: PLC0415  (rich is slow to import, and a log needs none of it)

        return Bars(color=color)
    return _Lines(sys.stderr)


def mark(outcome: Outcome) -> str:
    """One character for an outcome."""
    match outcome:
        case Outcome.OK:
            return "✓"
        case Outcome.SKIPPED:
            return "·"
        case Outcome.FAILED | Outcome.CANCELLED | Outcome.REFUSED:
            return "✗"
        case _:
            assert_never(outcome)


class Display(Protocol):
    """How tasks under way are shown, and what is said of them."""

    @property
    def columns(self) -> int:
        """Of a line."""

    def say(self, mark: str, text: str, *, good: bool = True) -> None:
        """A line that stays, with a mark in front that may have a colour."""

    def start(self, event: TaskStarted) -> None:
        """A task begins."""

    def progress(self, event: TaskProgress) -> None:
        """A task that began went on."""

    def finish(self, event: TaskFinished) -> None:
        """A task that began ended; nothing of it stays."""

    def close(self) -> None:
        """Nothing is shown any more."""


@dataclass(slots=True)
class _Logged:
    """A task in a log: what it is, since when, and when its next line is due (monotonic seconds)."""

    started: TaskStarted
    since: float
    due: float


class _Lines:
    """A line now and then, in a log."""

    columns = _LOG_COLUMNS

    def __init__(self, log: TextIO) -> None:
        self._log = log
        self._tasks: dict[str, _Logged] = {}

    def say(self, mark: str, text: str, *, good: bool = True) -> None:
        del good  # a log has no colours
        print(f"{mark}{text}", file=self._log, flush=True)

    def start(self, event: TaskStarted) -> None:
        now = time.monotonic()
        self._tasks[event.task] = _Logged(event, now, now + _LINE_SECONDS)

    def progress(self, event: TaskProgress) -> None:
        task, now = self._tasks[event.task], time.monotonic()
        if now < task.due:
            return
        task.due = now + _LINE_SECONDS
        rate = event.done / (now - task.since)
        left = (task.started.total - event.done) / rate if rate and task.started.total else None
        said = figures(event.done, task.started.total, unit=task.started.unit, rate=rate, seconds_left=left)
        said = ", ".join(filter(None, [said, one_line(event.detail)]))
        self.say("", f"  {one_line(task.started.title, _LOG_COLUMNS // 2)}: {said}")

    def finish(self, event: TaskFinished) -> None:
        del self._tasks[event.task]

    def close(self) -> None:
        self._tasks.clear()


def figures(done: float, total: float, *, unit: str, rate: float, seconds_left: float | None) -> str:
    """``45 % of 114.0 MiB, 99.0 MiB/s, 0.6 s left``, ``3 of 4 hosts``; empty when nothing is known."""
    if unit != _BYTES:
        return f"{done:.0f} of {total:.0f} {unit}" if total else ""
    if not total:
        return size_text(int(done)) if done else ""
    known = [f"{100 * done / total:.0f} % of {size_text(int(total))}"]
    known += [f"{size_text(int(rate))}/s"] if rate else []
    return ", ".join([*known, *([f"{duration(seconds_left)} left"] if seconds_left is not None else [])])
