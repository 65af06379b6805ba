"""A run as people watch it: a table that lives on a terminal, a line per stage, step and failure in a log."""

from __future__ import annotations

import contextlib
import signal
import time
from typing import TYPE_CHECKING, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from appliance.cli.output import Format
from appliance.cli.progress import mark
from appliance.cli.text import plural, printable
from appliance.clock import SystemClock
from appliance.errors import Cancelled
from appliance.events import Outcome, RunFinished, RunPaused, RunResumed, RunStarted, StageStarted, StepFinished
from appliance.execute import launch
from appliance.operations import carry_out
from appliance.report.text import duration, to_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from appliance.cli.output import Output
    from appliance.events import Stamped
    from appliance.report.result import Report
    from appliance.report.view import HostView, RunView
    from appliance.state import RunDir

_FRAME_SECONDS = 0.2
_TITLE_CHARACTERS = 34
_MIB = 1 << 20


def watch(run: RunDir, output: Output) -> Report:
    """Follow `run` to its end. Ctrl-C once asks it to stop after the steps underway, twice to stop now.

    Raises `Cancelled` when this process is told to end; the run goes on.
    """
    with _leaving(run), _interrupts(run, output):
        if output.quiet or output.format is Format.JSONL:
            sink = output.stamped()
            return carry_out.follow(run, clock=SystemClock(), hear=lambda stamped, _: sink(stamped))
        with _Watch(Console(stderr=True, no_color=not output.color, highlight=False, markup=False)) as screen:
            return carry_out.follow(run, clock=SystemClock(), hear=screen.hear)


@contextlib.contextmanager
def _interrupts(run: RunDir, output: Output) -> Iterator[None]:
    asked = 0

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        asked += 1
        if asked == 1:
            output.say("finishing the steps underway, then stopping; Ctrl-C again stops now; the run can be resumed")
        with contextlib.suppress(Exception):  # the run may have ended meanwhile
            launch.command(run, "cancel" if asked == 1 else "stop")

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _leaving(run: RunDir) -> Iterator[None]:
    try:
        yield
    except Cancelled as error:
        raise Cancelled(f"{error.message}; run {run.name} goes on", hint="appliance attach follows it") from error


class _Watch:
    """Shows the view: drawn anew at most five times a second, or told by lines where there is no terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        live = console.is_terminal and not console.is_dumb_terminal
        self._live = Live(console=console, transient=True, auto_refresh=False) if live else None
        self._drawn = 0.0

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def hear(self, stamped: Stamped, view: RunView) -> None:
        """Take one event and the view with it folded in."""
        self._tell(stamped, view)
        now = time.monotonic()
        if self._live and now - self._drawn >= _FRAME_SECONDS:
            self._drawn = now
            self._live.update(_table(view), refresh=True)

    def _tell(self, stamped: Stamped, view: RunView) -> None:
        match stamped.event:
            case RunStarted() as event:
                hosts = plural(len(event.hosts), "host")
                self._line(f"{event.operation} of {event.cluster} on {hosts}: run {event.run}")
            case StageStarted() as event:
                number = f"{event.stage + 1}/{len(view.stages)}"
                hosts = plural(len(event.hosts), "host")
                self._line(f"[{number}] {event.title} ({hosts})")
            case StepFinished(outcome=Outcome.FAILED) as event:
                self._line(f"  {mark(event.outcome)} {event.host}: {event.detail}", style="red")
                if event.hint:
                    self._line(f"    next: {event.hint}")
            case RunPaused():
                self._line("paused: steps underway end, no other begins")
            case RunResumed():
                self._line("not paused any more")
            case RunFinished() as event:
                self._line(f"{mark(event.outcome)} {event.outcome.value} in {duration(event.seconds)}")
            case _:
                pass

    def _line(self, text: str, style: str = "") -> None:
        self._console.print(Text(printable(text), style=style), soft_wrap=True)


def _table(view: RunView) -> RenderableType:
    grid = Table.grid(padding=(0, 1))
    for host in view.hosts:
        total = sum(count for stage in view.stages for name, count in stage.hosts if name == host.name)
        done = host.through
        grid.add_row(
            Text(f"  {host.name[:24]}"),
            ProgressBar(total=max(total, 1), completed=done, width=16),
            Text(f"{done}/{total}", justify="right"),
            Text(_doing(host), style="red" if host.failure else ""),
        )
    paused = ", paused" * view.paused
    head = Text(f"  {view.done} of {view.total} steps, {duration(view.seconds)}{paused}", style="dim")
    return Group(grid, head)


def _doing(host: HostView) -> str:
    if host.failure:
        return f"failed: {printable(host.failure.title)[:_TITLE_CHARACTERS]}"
    step = host.current
    if step is None:
        return ""
    text = printable(step.title)[:_TITLE_CHARACTERS]
    if not step.total:
        return text
    left = f", {duration(step.seconds_left)} left" if step.seconds_left is not None else ""
    return f"{text} {step.done / _MIB:.0f}/{step.total / _MIB:.0f} MiB, {step.rate / _MIB:.0f} MiB/s{left}"


def report_text(report: Report) -> str:
    """The report without the newline at its end."""
    return to_text(report).rstrip("\n")
