"""The table of a run: a row a host, made anew only for hosts of which something was heard; failed ones first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui import telling, texts
from tui.widgets.grid import Cell, Grid, Row
from tui.widgets.lines import bar

if TYPE_CHECKING:
    from appliance.report.view import HostView, RunView

_BAR = 10


class Lanes(Grid):
    """How far each host is."""

    def __init__(self, *, id: str) -> None:  # noqa: A002  (as all widgets call it)
        super().__init__(id=id, most=34)
        self._made: dict[str, tuple[HostView, Row]] = {}
        self._over = False
        self._failed: frozenset[str] = frozenset()

    def show_run(self, view: RunView) -> None:
        """Show the hosts of a run; one that failed since the last time gets the cursor."""
        totals: dict[str, int] = {}
        for stage in view.stages:
            for name, count in stage.hosts:
                totals[name] = totals.get(name, 0) + count
        if self._over != (view.outcome is not None):
            self._over = not self._over
            self._made.clear()
        hosts = sorted(view.hosts, key=lambda host: host.failure is None)
        self.show(texts.RUN_HEADS, [self._row(host, totals.get(host.name, 0)) for host in hosts])
        failed = frozenset(host.name for host in hosts if host.failure)
        if failed - self._failed:
            self.move_cursor(0)
        self._failed = failed

    def _row(self, host: HostView, total: int) -> Row:
        made = self._made.get(host.name)
        if made is None or made[0] is not host:
            made = self._made[host.name] = (host, _row(host, total, over=self._over))
        return made[1]


def _row(host: HostView, total: int, *, over: bool) -> Row:
    done = host.through
    color = "error" if host.failure else ("success" if done == total else "")
    return Row(
        host.name,
        (
            Cell(host.name),
            Cell(bar(done, total, _BAR)),
            Cell(f"{done}/{total}"),
            Cell(telling.doing(host, complete=done == total, over=over) if total else texts.LANE_NOTHING, color),
        ),
    )
