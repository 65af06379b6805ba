"""A table that is told what it shall show, and changes no more of itself than is different."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text
from textual.coordinate import Coordinate
from textual.widgets import DataTable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from textual.events import Resize

MOST = 40
"""Columns that a cell takes at most, unless the table says otherwise: longer texts are cut, and the cut is marked."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A text, and the name of a colour of the theme for it (empty: the usual one)."""

    text: str
    color: str = ""

    def drawn(self, most: int, colors: Mapping[str, str]) -> Text:
        """As the table draws it, at most `most` columns wide; nothing in the text counts as markup."""
        text = Text(" ".join(self.text.split()), colors.get(self.color, "").removeprefix("ansi_"))
        text.truncate(most, overflow="ellipsis")
        return text


@dataclass(frozen=True, slots=True)
class Row:
    """A row by its key."""

    key: str
    cells: tuple[Cell, ...]


class Grid(DataTable[Text]):
    """Rows by key; the cursor stays on its row, wherever that goes."""

    def __init__(self, *, id: str | None = None, most: int = MOST) -> None:  # noqa: A002  (as all widgets call it)
        super().__init__(id=id, cursor_type="row", zebra_stripes=True)
        self._most = most
        self._room = self._left = 0
        self._heads: tuple[str, ...] = ()
        self._shown: tuple[Row, ...] = ()

    @property
    def key(self) -> str:
        """The key of the row with the cursor; empty when there is none."""
        return self._shown[self.cursor_row].key if 0 <= self.cursor_row < len(self._shown) else ""

    def row_of(self, key: str) -> Row | None:
        """The row with this key, uncut."""
        return next((row for row in self._shown if row.key == key), None)

    def show(self, heads: Sequence[str], rows: Sequence[Row]) -> None:
        """Show these rows under these heads."""
        wanted = tuple(rows)
        self._leave(tuple(heads), wanted)
        same = tuple(heads) == self._heads and [row.key for row in wanted] == [row.key for row in self._shown]
        if same:
            self._update(wanted)
        else:
            self._rebuild(tuple(heads), wanted)

    def on_resize(self, event: Resize) -> None:
        """The last column has what room the others leave."""
        if event.size.width != self._room:
            self._room = event.size.width
            if self._shown:
                self._leave(self._heads, self._shown)
                self._rebuild(self._heads, self._shown)

    def _draw(self, cell: Cell, *, last: bool = False) -> Text:
        return cell.drawn(max(self._most, self._left) if last else self._most, self.app.theme_variables)

    def _leave(self, heads: tuple[str, ...], rows: tuple[Row, ...]) -> None:
        """Find out how many columns of the terminal are left for the last one of the table."""
        taken = 0
        for number, head in enumerate(heads[:-1]):
            widest = max((len(row.cells[number].text) for row in rows), default=0)
            taken += max(len(head), min(widest, self._most)) + 2
        self._left = self._room - taken - 3

    def _update(self, rows: tuple[Row, ...]) -> None:
        for number, (old, new) in enumerate(zip(self._shown, rows, strict=True)):
            for column, (before, after) in enumerate(zip(old.cells, new.cells, strict=True)):
                if before != after:
                    self.update_cell_at(
                        Coordinate(number, column),
                        self._draw(after, last=column == len(new.cells) - 1),
                        update_width=True,
                    )
        self._shown = rows

    def _rebuild(self, heads: tuple[str, ...], rows: tuple[Row, ...]) -> None:
        at, offset = self.key, self.scroll_offset
        self.clear(columns=heads != self._heads)
        if heads != self._heads:
            for head in heads:
                self.add_column(head)
        self._heads, self._shown = heads, rows
        for row in rows:
            *first, last = row.cells
            self.add_row(*(self._draw(cell) for cell in first), self._draw(last, last=True), key=row.key)
        place = next((number for number, row in enumerate(rows) if row.key == at), 0)
        self.scroll_to(y=offset.y, x=offset.x, animate=False)
        self.move_cursor(row=place, animate=False, scroll=bool(at))
