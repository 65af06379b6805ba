"""A bar for each task under way, on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, TextColumn
from rich.progress import Progress as Drawn
from rich.text import Text

from appliance.cli.progress import figures
from appliance.cli.text import one_line

if TYPE_CHECKING:
    from rich.progress import Task, TaskID

    from appliance.events import TaskFinished, TaskProgress, TaskStarted

_TITLE_COLUMNS = 28


class Bars:
    """A `Display`; what is drawn lives only while there is a task."""

    def __init__(self, *, color: bool) -> None:
        self._console = Console(stderr=True, no_color=not color, highlight=False, markup=False)
        self._bars: Drawn | None = None
        self._ids: dict[str, TaskID] = {}

    @property
    def columns(self) -> int:
        """Those of the terminal, as it is now."""
        return self._console.width

    def say(self, mark: str, text: str, *, good: bool = True) -> None:
        """A line above the bars."""
        self._console.print(Text.assemble((mark, "green" if good else "red"), text), soft_wrap=True)

    def start(self, event: TaskStarted) -> None:
        """Draw one more."""
        if self._bars is None:
            title = TextColumn("{task.description}", markup=False)
            self._bars = Drawn(title, BarColumn(20), _Figures(), console=self._console, transient=True)
            self._bars.start()
        self._ids[event.task] = self._bars.add_task(
            one_line(event.title, _TITLE_COLUMNS), total=event.total or None, unit=event.unit, detail=""
        )

    def progress(self, event: TaskProgress) -> None:
        """Draw it longer."""
        if self._bars:
            self._bars.update(self._ids[event.task], completed=event.done, detail=event.detail)

    def finish(self, event: TaskFinished) -> None:
        """Draw it no more."""
        number = self._ids.pop(event.task)
        if self._bars:
            self._bars.remove_task(number)
        if not self._ids:
            self.close()

    def close(self) -> None:
        """Draw nothing any more."""
        if self._bars:
            self._bars.stop()
            self._bars = None


class _Figures(ProgressColumn):
    """What is done, of how much, how fast and how long it will take, then the detail, in the columns that are left."""

    def render(self, task: Task) -> Text:
        """The text beside the bar."""
        known = figures(
            task.completed,
            task.total or 0,
            unit=task.fields["unit"],
            rate=task.speed or 0.0,
            seconds_left=task.time_remaining,
        )
        return Text(
            "  ".join(filter(None, [known, one_line(task.fields["detail"])])), no_wrap=True, overflow="ellipsis"
        )
