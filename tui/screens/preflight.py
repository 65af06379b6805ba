"""Preflight: hosts by checks, failures first, each with why and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from appliance.inventory.preflight import Verdict, failures_first
from tui import helps, telling, texts, wording
from tui.calls import proposals
from tui.changes import with_checks
from tui.screens.page import Page
from tui.session import Step
from tui.widgets.grid import Cell, Grid, Row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from textual.app import ComposeResult

    from appliance.errors import ApplianceError
    from appliance.inventory.preflight import CheckResult

_COLORS = {Verdict.PASS: "success", Verdict.WARN: "warning", Verdict.FAIL: "error"}


def _urgency(host: str, found: Mapping[str, Verdict]) -> tuple[int, bool]:
    """What sorts failures before warnings before the rest, and what concerns hosts together last among equals."""
    return min(list(_COLORS)[::-1].index(verdict) for verdict in found.values()), not host


class PreflightPage(Page):
    """The fourth step."""

    TITLE_TEXT = wording.step_title(Step.PREFLIGHT)
    LEAD = texts.PREFLIGHT_LEAD
    HELP_TEXT = helps.PREFLIGHT
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "check_one", texts.KEY_CHECK_ONE),
        Binding("a", "check_all", texts.KEY_CHECK_ALL),
    ]

    def body(self) -> ComposeResult:
        """The table, and what was found on the host with the cursor."""
        yield Grid(id="checks")
        with VerticalScroll(id="detail"):
            yield Static(id="detail-text")

    def begin(self) -> None:
        """Check, unless it was done."""
        self._show()
        self.query_one(Grid).focus()
        if not self.session.checks:
            self.action_check_all()

    def action_check_all(self) -> None:
        """Look at all hosts."""
        session = self.session
        self.work("check", lambda job: proposals.check(self.engine, session, sink=job.sink), done=self._checked)

    def action_check_one(self) -> None:
        """Look at the host with the cursor again."""
        session, host = self.session, self.query_one(Grid).key
        if host in ("", texts.PREFLIGHT_TOGETHER):
            self.action_check_all()
            return
        only = frozenset({host})

        def merged(results: Sequence[CheckResult]) -> None:
            kept = [result for result in self.session.checks if result.host != host]
            self._checked(failures_first([*kept, *results]))

        self.work("check", lambda job: proposals.check(self.engine, session, only=only, sink=job.sink), done=merged)

    def action_forward(self) -> None:
        """Go on, if no check failed."""
        if self.busy("check") or not self.session.checks:
            self.notice.say(texts.PREFLIGHT_WAIT)
        elif any(result.verdict is Verdict.FAIL for result in self.session.checks):
            self.notice.say(texts.PREFLIGHT_FAILED)
        else:
            self.guide.go(Step.PLAN)

    def fail(self, error: ApplianceError) -> None:
        """Show the checks that an error holds, too."""
        if results := proposals.checks_of(error):
            self._checked(results)
        super().fail(error)

    def _checked(self, results: Sequence[CheckResult]) -> None:
        self.session = with_checks(self.session, results)
        self._show()
        self.notice.say(telling.checks_counted(self.session.checks))

    def _show(self) -> None:
        checks = self.session.checks
        names = list(dict.fromkeys(result.check for result in checks))  # in the order of the worst result of each
        by_host: dict[str, dict[str, Verdict]] = {}
        for result in checks:
            worst = by_host.setdefault(result.host, {})
            worst.setdefault(result.check, result.verdict)
        rows = [
            Row(
                host or texts.PREFLIGHT_TOGETHER,
                (Cell(host or texts.PREFLIGHT_TOGETHER), *(self._cell(found.get(name)) for name in names)),
            )
            for host, found in sorted(by_host.items(), key=lambda one: _urgency(*one))
        ]
        heads = [texts.PREFLIGHT_HOST, *(wording.clean(name) for name in names)] if rows else []
        self.query_one(Grid).show(heads, rows)
        self._detail()

    def _cell(self, verdict: Verdict | None) -> Cell:
        return Cell(texts.VERDICTS[verdict.value], _COLORS[verdict]) if verdict else Cell("")

    @on(Grid.Highlighted)
    def _detail(self) -> None:
        host = self.query_one(Grid).key
        results = [result for result in self.session.checks if (result.host or texts.PREFLIGHT_TOGETHER) == host]
        self.query_one("#detail-text", Static).update(telling.checks_detail(results))
