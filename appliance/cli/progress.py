"""Progress of tasks for people: bars with rate and time left on a terminal, a line now and then in a log."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, assert_never

from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, TextColumn
from rich.progress import Progress as Bars
from rich.text import Text

from appliance.cli.text import one_line
from appliance.events import Event, Outcome, TaskFinished, TaskProgress, TaskStarted
from appliance.recipe.quantities import size_text
from appliance.report.text import duration

if TYPE_CHECKING:
    from rich.progress import Task, TaskID

_LINE_SECONDS = 5.0
_TITLE_COLUMNS = 28
_LOG_COLUMNS = 100
_BYTES = "bytes"


class Progress:
    """A `Sink` for tasks; it draws only while a task is under way, and leaves one line for each that ended."""

    def __init__(self, *, color: bool, verbose: bool) -> None:
        self._console = Console(stderr=True, no_color=not color, highlight=False, markup=False)
        self._verbose = verbose
        live = self._console.is_terminal and not self._console.is_dumb_terminal
        self._display: _Display = _BarDisplay(self._console) if live else _LineDisplay(self._console)
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
                        self._console.print(f"  {one_line(event.detail)}", soft_wrap=True)
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
        most = self._console.width if self._console.is_terminal else _LOG_COLUMNS
        line = one_line(title, most - 2)
        if event.detail:
            line = f"{one_line(title, most // 2)}: {one_line(event.detail)}"
        style = "green" if event.outcome in (Outcome.OK, Outcome.SKIPPED) else "red"
        self._console.print(Text.assemble((mark(event.outcome), style), f" {line}"), soft_wrap=True)


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


class _Display(Protocol):
    """How tasks under way are shown."""

    def start(self, event: TaskStarted) -> None:
        """A task begins."""

    def progress(self, event: TaskProgress) -> None:
        """A task that began went on."""

    def finish(self, event: TaskFinished) -> None:
        """A task that began ended; nothing of it stays."""

    def close(self) -> None:
        """Nothing is shown any more."""


class _BarDisplay:
    """A bar for each task, on a terminal; the display lives only while there is one."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars: Bars | None = None
        self._ids: dict[str, TaskID] = {}

    def start(self, event: TaskStarted) -> None:
        if self._bars is None:
            title = TextColumn("{task.description}", markup=False)
            self._bars = Bars(title, BarColumn(20), _Figures(), console=self._console, transient=True)
            self._bars.start()
        self._ids[event.task] = self._bars.add_task(
            one_line(event.title, _TITLE_COLUMNS), total=event.total or None, unit=event.unit, detail=""
        )

    def progress(self, event: TaskProgress) -> None:
        if self._bars:
            self._bars.update(self._ids[event.task], completed=event.done, detail=event.detail)

    def finish(self, event: TaskFinished) -> None:
        number = self._ids.pop(event.task)
        if self._bars:
            self._bars.remove_task(number)
        if not self._ids:
            self.close()

    def close(self) -> None:
        if self._bars:
            self._bars.stop()
            self._bars = None


class _Figures(ProgressColumn):
    """What is done, of how much, how fast and how long it will take, then the detail, in the columns that are left."""

    def render(self, task: Task) -> Text:
        """The text beside the bar."""
        figures = _figures(
            task.completed,
            task.total or 0,
            unit=task.fields["unit"],
            rate=task.speed or 0.0,
            seconds_left=task.time_remaining,
        )
        return Text(
            "  ".join(filter(None, [figures, one_line(task.fields["detail"])])), no_wrap=True, overflow="ellipsis"
        )


@dataclass(slots=True)
class _Logged:
    """A task in a log: what it is, since when, and when its next line is due (monotonic seconds)."""

    started: TaskStarted
    since: float
    due: float


class _LineDisplay:
    """A line now and then, in a log."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._tasks: dict[str, _Logged] = {}

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
        figures = _figures(event.done, task.started.total, unit=task.started.unit, rate=rate, seconds_left=left)
        said = ", ".join(filter(None, [figures, one_line(event.detail)]))
        self._console.print(f"  {one_line(task.started.title, _LOG_COLUMNS // 2)}: {said}", soft_wrap=True)

    def finish(self, event: TaskFinished) -> None:
        del self._tasks[event.task]

    def close(self) -> None:
        self._tasks.clear()


def _figures(done: float, total: float, *, unit: str, rate: float, seconds_left: float | None) -> str:
    """``45 % of 114.0 MiB, 99.0 MiB/s, 0.6 s left``, ``3 of 4 hosts``; empty when nothing is known."""
    if unit != _BYTES:
        return f"{done:.0f} of {total:.0f} {unit}" if total else ""
    if not total:
        return size_text(int(done)) if done else ""
    figures = [f"{100 * done / total:.0f} % of {size_text(int(total))}"]
    figures += [f"{size_text(int(rate))}/s"] if rate else []
    return ", ".join([*figures, *([f"{duration(seconds_left)} left"] if seconds_left is not None else [])])
