"""A table that is told what it shall show, draws only the lines in view, and of these only what is different."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from appliance.report.text import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.events import Click, Resize

MOST = 40
"""Columns that a cell takes at most, unless the table says otherwise: longer texts are cut, and the cut is marked."""

_LEAST = 16
_SIDEWAYS = 8
_CURSOR = ">"


@dataclass(frozen=True, slots=True)
class Cell:
    """A text, and the name of a colour of the theme for it (empty: the usual one)."""

    text: str
    color: str = ""

    @property
    def line(self) -> str:
        """The text in one line that a terminal does not obey."""
        return plain(" ".join(self.text.split()))


@dataclass(frozen=True, slots=True)
class Row:
    """A row by its key."""

    key: str
    cells: tuple[Cell, ...]


def fitted(text: str, width: int) -> str:
    """`text` in exactly `width` columns of a terminal; where it is cut ends it with an ellipsis."""
    return set_cell_size(text, width) if cell_len(text) <= width else f"{set_cell_size(text, width - 1)}…"


class Grid(ScrollView, can_focus=True):
    """Rows by key; the cursor stays on its row, wherever that goes."""

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {"grid--head", "grid--cursor", "grid--striped"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", show=False),
        Binding("up", "cursor_up", show=False),
        Binding("down", "cursor_down", show=False),
        Binding("pageup", "page_up", show=False),
        Binding("pagedown", "page_down", show=False),
        Binding("home,ctrl+home", "first", show=False),
        Binding("end,ctrl+end", "last", show=False),
        Binding("left", "sideways(-1)", show=False),
        Binding("right", "sideways(1)", show=False),
    ]

    class Highlighted(Message):
        """The cursor is on another row."""

    class Chosen(Message):
        """Enter, or a click, on the row with the cursor."""

    def __init__(self, *, id: str | None = None, most: int = MOST) -> None:  # noqa: A002  (as all widgets call it)
        super().__init__(id=id)
        self._most = most
        self._room = 0
        self._heads: tuple[str, ...] = ()
        self._shown: tuple[Row, ...] = ()
        self._widths: tuple[int, ...] = ()
        self._cursor = 0

    @property
    def key(self) -> str:
        """The key of the row with the cursor; empty when there is none."""
        return self._shown[self._cursor].key if self._shown else ""

    @property
    def rows(self) -> tuple[Row, ...]:
        """What it shows, uncut."""
        return self._shown

    def row_of(self, key: str) -> Row | None:
        """The row with this key, uncut."""
        return next((row for row in self._shown if row.key == key), None)

    def show(self, heads: Sequence[str], rows: Sequence[Row]) -> None:
        """Show these rows under these heads."""
        known, key, cursor = self._shown, self.key, self._cursor
        self._heads, self._shown = tuple(heads), tuple(rows)
        same = [row.key for row in known] == [row.key for row in self._shown]
        if not same:
            at = next((number for number, row in enumerate(self._shown) if row.key == key), cursor)
            self._cursor = max(0, min(at, len(self._shown) - 1))
        if not self._fit() and same:
            for number, (before, after) in enumerate(zip(known, self._shown, strict=True)):
                if before != after:
                    self._draw_anew(number)
            return
        self.refresh()
        self._reveal()
        if self.key != key:
            self.post_message(self.Highlighted())

    def move_cursor(self, row: int) -> None:
        """Put the cursor on a row, counted from 0; there is none before the first or after the last."""
        before, self._cursor = self._cursor, max(0, min(row, len(self._shown) - 1))
        if before != self._cursor:
            self._draw_anew(before)
            self._draw_anew(self._cursor)
            self.post_message(self.Highlighted())
        self._reveal()

    def action_cursor_up(self) -> None:
        """To the row before."""
        self.move_cursor(self._cursor - 1)

    def action_cursor_down(self) -> None:
        """To the next row."""
        self.move_cursor(self._cursor + 1)

    def action_page_up(self) -> None:
        """As many rows up as are in view."""
        self.move_cursor(self._cursor - self._in_view)

    def action_page_down(self) -> None:
        """As many rows down as are in view."""
        self.move_cursor(self._cursor + self._in_view)

    def action_first(self) -> None:
        """To the first row."""
        self.move_cursor(0)

    def action_last(self) -> None:
        """To the last row."""
        self.move_cursor(len(self._shown) - 1)

    def action_sideways(self, direction: int) -> None:
        """See what is left (-1) or right (1) of the view."""
        self.scroll_relative(x=direction * _SIDEWAYS, animate=False)

    def action_choose(self) -> None:
        """Say that the row with the cursor is meant."""
        if self._shown:
            self.post_message(self.Chosen())

    def on_click(self, event: Click) -> None:
        """Put the cursor there; where it is already, that row is meant."""
        row = event.y - 1 + self.scroll_offset.y
        if event.y > 0 and row < len(self._shown):
            self.action_choose() if row == self._cursor else self.move_cursor(row)

    def on_resize(self, event: Resize) -> None:
        """The last column has what room the others leave; the cursor stays in view."""
        self._room = event.size.width
        if self._fit():
            self.refresh()
        self._reveal()

    def render_line(self, y: int) -> Strip:
        """One line of the view: the heads, or a row."""
        x, row = self.scroll_offset.x, y - 1 + self.scroll_offset.y
        if y == 0:
            style = self.get_component_rich_style("grid--head")
            heads = zip(self._heads, self._widths, strict=True)
            line = [Segment(" ", style), *(Segment(f"{fitted(head, width)}  ", style) for head, width in heads)]
        elif row < len(self._shown):
            style, line = self._style_of(row), self._segments(row)
        else:
            style, line = self.rich_style, []
        return Strip(line).crop_extend(x, x + self.size.width, style)

    def _style_of(self, row: int) -> Style:
        if row == self._cursor:
            return self.get_component_rich_style("grid--cursor")
        return self.get_component_rich_style("grid--striped") if row % 2 else self.rich_style

    def _segments(self, row: int) -> list[Segment]:
        """A row's cells; the cursor is a sign of its own, for who sees no colours."""
        style, at = self._style_of(row), row == self._cursor
        line = [Segment(_CURSOR if at else " ", style)]
        for cell, width in zip(self._shown[row].cells, self._widths, strict=True):
            colored = style if at or not cell.color else style + self._color(cell.color)
            line.append(Segment(f"{fitted(cell.line, width)}  ", colored))
        return line

    def _color(self, name: str) -> Style:
        return Style.parse(self.app.theme_variables.get(f"text-{name}", "default").removeprefix("ansi_"))

    @property
    def _in_view(self) -> int:
        return max(1, self.size.height - 1)

    def _fit(self) -> bool:
        """Find how wide columns are now; whether anything but rows in their places is different."""
        before = self._widths, self.virtual_size
        widths: list[int] = []
        for number, head in enumerate(self._heads):
            last = number == len(self._heads) - 1
            left = self._room - sum(widths) - 2 * len(widths) - 3  # its own two spaces, and a scroll bar
            most = max(_LEAST, left) if last else self._most
            widest = max((cell_len(row.cells[number].line) for row in self._shown), default=0)
            widths.append(max(cell_len(head), min(widest, most)))
        self._widths = tuple(widths)
        whole = sum(widths) + 2 * len(widths)
        size = Size(whole if whole > self._room else 0, len(self._shown) + 1)
        if size != self.virtual_size:
            self.virtual_size = size
        return before != (self._widths, self.virtual_size)

    def _draw_anew(self, row: int) -> None:
        if 0 <= row - self.scroll_offset.y < self._in_view:
            self.refresh_line(row + 1)

    def _reveal(self) -> None:
        """Bring the cursor into view."""
        top = self.scroll_offset.y
        if self.size.height > 1 and not top <= self._cursor < top + self._in_view:
            to = self._cursor if self._cursor < top else self._cursor - self._in_view + 1
            self.scroll_to(y=to, animate=False)
