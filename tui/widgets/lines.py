"""Lines around a screen's body: where one is, what is underway, what went wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content
from textual.widgets import Static

from appliance.report.text import duration, plain
from tui import texts
from tui.advice import here

if TYPE_CHECKING:
    from appliance.errors import ApplianceError
    from tui.bridge import TaskView

_BAR = 12
_SOON = 1.0
_MIB = 1 << 20


def bar(done: int, total: int, width: int = _BAR) -> str:
    """Progress as characters, so that it needs no colour: ``[####······]``."""
    filled = width * min(done, total) // total if total else 0
    return f"[{'#' * filled}{'·' * (width - filled)}]"


def amount(done: int, total: int, unit: str) -> str:
    """``12 of 40 MiB``, ``3 of 5 hosts``; without a total only what is done."""
    if unit == "bytes":
        whole = f"{done / _MIB:,.0f}"
        return f"{whole} {texts.OF} {total / _MIB:,.0f} MiB" if total else f"{whole} MiB"
    return f"{done:,} {texts.OF} {total:,} {unit}" if total else f"{done:,} {unit}"


def progress(task: TaskView) -> str:
    """A task in one line, with rate and time left."""
    parts = [task.title, bar(task.done, task.total) if task.total else "", amount(task.done, task.total, task.unit)]
    if task.unit == "bytes" and task.rate:
        parts.append(f"{task.rate / _MIB:,.0f} MiB/s")
    if task.seconds_left is not None and task.seconds_left >= _SOON:
        parts.append(texts.LEFT.format(time=duration(task.seconds_left)))
    return "  ".join(filter(None, parts))


class Heading(Static):
    """The first line: which step this is, and of what."""

    def show(self, title: str, about: str) -> None:
        """Show the screen's title, and what all of it is about."""
        self.update(Content.assemble((f" {title} ", "bold reverse"), "  ", Content(plain(about))))


class Notice(Static):
    """What is underway, or was found; gone when there is nothing to say."""

    def on_mount(self) -> None:
        """Begin with nothing."""
        self.quiet()

    def quiet(self) -> None:
        """Say nothing."""
        self.display = False
        self.update("")

    def working(self, task: TaskView) -> None:
        """Show a task underway."""
        self._show(Content(f"{texts.WORKING} {plain(progress(task))}"), "")

    def say(self, text: str) -> None:
        """Say something that is well."""
        self._show(Content(plain(text)), "")

    def fail(self, error: ApplianceError) -> None:
        """Say what failed, where, and what to do next."""
        hint = f"\n{texts.NEXT} {plain(here(error.hint))}" if error.hint else ""
        said = f"{plain(str(error))}{hint}"
        self._show(Content.assemble((f"{texts.ERROR} ", "bold $text-error"), Content(said)), "error")

    def _show(self, content: Content, kind: str) -> None:
        self.set_class(kind == "error", "error")
        self.display = True
        self.update(content)
