"""Progress of tasks for people: bars with rate and time left on a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
import time
from typing import assert_never

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.progress import (
    Progress as Bars,
)
from rich.text import Text

from appliance.events import Event, Outcome, TaskFinished, TaskProgress, TaskStarted

_LINE_SECONDS = 5.0


class Progress:
    """A `Sink` for tasks; it draws only while a task is under way, and leaves one line for each that ended."""

    def __init__(self, *, color: bool, verbose: bool) -> None:
        self._console = Console(stderr=True, no_color=not color, highlight=False, markup=False)
        self._verbose = verbose
        self._tasks: dict[str, _Task] = {}

    def __call__(self, event: Event) -> None:
        """Be a `Sink`; events of runs are not for this reader."""
        match event:
            case TaskStarted():
                self._tasks[event.task] = (
                    _Bar(event, self._console) if self._console.is_terminal else _Lines(event, self._console)
                )
            case TaskProgress():
                if task := self._tasks.get(event.task):
                    task.progress(event, verbose=self._verbose)
            case TaskFinished():
                if task := self._tasks.pop(event.task, None):
                    task.finish(event)
            case _:
                pass


_MARKS = {Outcome.OK: "✓", Outcome.SKIPPED: "·", Outcome.FAILED: "✗", Outcome.CANCELLED: "✗"}


def mark(outcome: Outcome) -> str:
    """One character for an outcome, in ASCII where the terminal has no more."""
    try:
        _MARKS[outcome].encode(sys.stderr.encoding or "ascii")
    except UnicodeEncodeError:
        return {"✓": "+", "·": ".", "✗": "x"}[_MARKS[outcome]]
    return _MARKS[outcome]


class _Bar:
    """A bar, on a terminal."""

    def __init__(self, started: TaskStarted, console: Console) -> None:
        self._title = started.title
        self._console = console
        self._bars = Bars(*_columns(started), console=console, transient=True)
        self._id: TaskID = self._bars.add_task(started.title, total=started.total or None, detail="")
        self._bars.start()

    def progress(self, event: TaskProgress, *, verbose: bool) -> None:
        self._bars.update(self._id, completed=event.done, detail=event.detail[:60])
        if verbose and event.detail:
            self._console.print(f"  {event.detail}")

    def finish(self, event: TaskFinished) -> None:
        self._bars.stop()
        _ended(self._console, self._title, event)


class _Lines:
    """A line now and then, in a log."""

    def __init__(self, started: TaskStarted, console: Console) -> None:
        self._started = started
        self._console = console
        self._next = time.monotonic() + _LINE_SECONDS

    def progress(self, event: TaskProgress, *, verbose: bool) -> None:
        now = time.monotonic()
        if now < self._next and not (verbose and event.detail):
            return
        self._next = now + _LINE_SECONDS
        share = f"{100 * event.done // self._started.total} %" if self._started.total else f"{event.done}"
        self._console.print(f"  {self._started.title}: {share} {event.detail}".rstrip())

    def finish(self, event: TaskFinished) -> None:
        _ended(self._console, self._started.title, event)


_Task = _Bar | _Lines


def _columns(started: TaskStarted) -> tuple[ProgressColumn, ...]:
    title = TextColumn("{task.description}", markup=False)
    detail = TextColumn("{task.fields[detail]}", markup=False)
    if started.unit == "bytes":
        return (title, BarColumn(24), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn(), detail)
    return (title, BarColumn(24), MofNCompleteColumn(), detail)


def _ended(console: Console, title: str, event: TaskFinished) -> None:
    detail = f": {event.detail}" if event.detail else ""
    match event.outcome:
        case Outcome.OK | Outcome.SKIPPED:
            style = "green"
        case Outcome.FAILED | Outcome.CANCELLED:
            style = "red"
        case _:
            assert_never(event.outcome)
    console.print(Text.assemble((mark(event.outcome), style), f" {title}{detail}"), soft_wrap=True)
