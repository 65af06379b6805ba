"""The table of machines: which of them are shown, in which order, and which are selected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui import texts, wording
from tui.session import Entry, in_order
from tui.widgets.grid import Cell, Grid, Row

if TYPE_CHECKING:
    from tui.session import Machine, Session

SORTS = ("", "address", "role", "entry", "size")
_SIGNS = {Entry.UNTRIED: "", Entry.TRYING: "…", Entry.ENTERED: "ok", Entry.REFUSED: "FAIL"}
_COLORS = {Entry.UNTRIED: "", Entry.TRYING: "", Entry.ENTERED: "success", Entry.REFUSED: "error"}


class Machines(Grid):
    """A row a machine."""

    def __init__(self, *, id: str) -> None:  # noqa: A002  (as all widgets call it)
        super().__init__(id=id, most=30)
        self.selected: frozenset[str] = frozenset()
        self.filter = ""
        self._sort = 0

    @property
    def meant(self) -> frozenset[str]:
        """The addresses that a key counts for: those selected, or the one with the cursor."""
        return self.selected or frozenset(filter(None, (self.key,)))

    def show_session(self, session: Session) -> None:
        """Show the machines of a session."""
        self.selected &= {machine.address for machine in session.machines}
        names = session.names
        self.show(texts.HOSTS_HEADS, [self._row(m, names.get(m.address, "")) for m in self._shown_of(session)])

    def toggle(self) -> None:
        """Select the row with the cursor, or no longer; go on to the next."""
        if self.key:
            self.selected ^= {self.key}
            self.action_cursor_down()

    def toggle_all(self, session: Session) -> None:
        """Select all that are shown, or none."""
        shown = frozenset(machine.address for machine in self._shown_of(session))
        self.selected = frozenset() if shown <= self.selected else shown

    def sort_next(self) -> str:
        """Sort by the next column, whose name this returns."""
        self._sort = (self._sort + 1) % len(SORTS)
        return SORTS[self._sort]

    def _shown_of(self, session: Session) -> list[Machine]:
        machines = [m for m in session.machines if self.filter in wording.of_machine(m).lower()]
        match SORTS[self._sort]:
            case "address":
                machines.sort(key=lambda m: in_order(m.address))
            case "role":
                machines.sort(key=lambda m: m.roles)
            case "entry":
                machines.sort(key=lambda m: (m.entry is not Entry.REFUSED, m.entry is not Entry.UNTRIED))
            case "size":
                machines.sort(key=lambda m: (m.facts.cpus, m.facts.memory) if m.facts else (0, 0), reverse=True)
            case _:
                pass
        return machines

    def _row(self, machine: Machine, name: str) -> Row:
        key = texts.KEY_PINNED if machine.pinned else (texts.KEY_NEW if machine.keys else "")
        key = texts.KEY_UNLIKE if machine.unlike else key
        facts = machine.facts
        return Row(
            machine.address,
            (
                Cell("*" if machine.address in self.selected else " "),
                Cell(machine.address),
                Cell(", ".join(machine.roles) or "-"),
                Cell(name),
                Cell(key, "" if machine.pinned else "warning"),
                Cell(_SIGNS[machine.entry], _COLORS[machine.entry]),
                Cell(wording.hardware(facts) if facts else wording.clean(machine.problem)),
            ),
        )
