"""Run: how far each host is; a failing one in view at once; pause, stop, retry; at its end the report."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from appliance.events import Outcome
from appliance.report.text import headline, to_text
from tui import helps, telling, texts, wording
from tui.calls import proposals, runs
from tui.screens.page import Page
from tui.session import Step
from tui.widgets.dialogs import Choose, Reading
from tui.widgets.grid import Grid
from tui.widgets.lanes import Lanes
from tui.widgets.lines import bar

if TYPE_CHECKING:
    from datetime import datetime

    from textual.app import ComposeResult

    from appliance.report.result import Report
    from appliance.report.view import RunView
    from appliance.state import RunDir


class RunPage(Page):
    """The sixth step; also for any run that goes on or is over. Leaving it does not touch the run."""

    TITLE_TEXT = wording.step_title(Step.RUN)
    LEAD = texts.RUN_LEAD
    HELP_TEXT = helps.RUN
    LEADS_ON = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "pause", texts.KEY_PAUSE),
        Binding("x", "cancel", texts.KEY_CANCEL),
        Binding("r", "retry", texts.KEY_RETRY),
        Binding("l", "log", texts.KEY_LOG),
        Binding("e", "report", texts.KEY_REPORT),
        Binding("h", "save", texts.KEY_HTML),
        Binding("g", "again", texts.KEY_AGAIN),
        Binding("c", "clusters", texts.KEY_CLUSTERS),
    ]

    def __init__(self, run: RunDir) -> None:
        super().__init__()
        self._run = run
        self._view: RunView | None = None
        self._report: Report | None = None
        self._told = Content("")
        self._heard: datetime | None = None

    def body(self) -> ComposeResult:
        """The whole in two lines, hosts, and what there is to say of the host with the cursor."""
        yield Static(id="whole", markup=False)
        yield Lanes(id="lanes")
        with VerticalScroll(id="detail"):
            yield Static(id="detail-text", markup=False)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A run that goes on takes orders; one that is over has a report."""
        if action in ("pause", "cancel", "retry"):
            return self._report is None
        if action in ("report", "save"):
            return self._report is not None
        if action == "again":
            return self._can_be_proposed_again()
        return super().check_action(action, parameters)

    def begin(self) -> None:
        """Replay the journal and follow it."""
        self._lanes.focus()
        self.set_interval(1.0, self._tell)
        run = self._run
        self.work(
            "follow",
            lambda job: runs.follow(run, clock=job.clock, hear=job.tell),
            hear=self._hear,
            done=self._ended,
        )

    def action_pause(self) -> None:
        """Begin no further step; or go on."""
        order, said = ("resume", texts.RESUMED) if self._view and self._view.paused else ("pause", texts.PAUSED)
        self.work("command", lambda _: runs.command(self._run, order), done=lambda _: self.notice.say(said))

    def action_cancel(self) -> None:
        """Ask how to stop, saying what each way means."""

        def answered(choice: str | None) -> None:
            if choice in ("cancel", "stop"):
                self.work(
                    "command",
                    lambda _: runs.command(self._run, choice),
                    done=lambda _: self.notice.say(texts.STOPPING[choice]),
                )

        choices = (("go-on", texts.CANCEL_NO), ("cancel", texts.CANCEL_AFTER), ("stop", texts.CANCEL_NOW))
        self.app.push_screen(Choose(texts.CANCEL_TITLE, texts.CANCEL_TEXT, choices), answered)

    def action_retry(self) -> None:
        """Let the failed host with the cursor try again."""
        host = self._lanes.key
        if host and self._view and self._view.host(host).failure is None:
            self.notice.say(texts.RETRY_NOTHING.format(host=host))
        elif host:
            self.work(
                "command",
                lambda _: runs.command(self._run, "retry", host=host),
                done=lambda _: self.notice.say(texts.RETRYING.format(host=host)),
            )

    def action_log(self) -> None:
        """Read what remote commands wrote on the host with the cursor."""
        host = self._lanes.key
        if host:
            title = texts.LOG_TITLE.format(host=wording.clean(host))
            self.work(
                "log",
                lambda _: runs.log(self._run, host),
                done=lambda text: self._read(title, wording.printable(text) or texts.LOG_EMPTY),
            )

    def action_report(self) -> None:
        """Read the report, once there is one."""
        if self._report:
            self._read(texts.REPORT_TITLE, to_text(self._report))

    def action_save(self) -> None:
        """Save the report as a page."""
        if report := self._report:
            name = f"{self._run.path.parent.parent.name}-{self._run.name}.html"
            self.save(texts.REPORT_TITLE, texts.REPORT_SAVE, name, lambda to: runs.save_report(report, to))

    def action_again(self) -> None:
        """Propose what is left of it: what was done is not done again."""
        self.session = replace(self.session, proposed=None)
        self.guide.go(Step.PLAN)

    def _can_be_proposed_again(self) -> bool:
        """Whether it ended before its end, and all that it takes to go on with it is known here."""
        report, session = self._report, self.session
        unfinished = report is not None and report.outcome is not Outcome.OK
        return unfinished and session.run == self._run and self._run.operation in proposals.OF_DELIVERY

    def action_clusters(self) -> None:
        """Look at the cluster."""
        self.guide.show_clusters()

    def action_back(self) -> None:
        """Leave the screen, to the cluster; the run goes on by itself."""
        self.guide.show_clusters()

    def _read(self, title: str, text: str) -> None:
        self.app.push_screen(Reading(title, text))

    def _hear(self, view: RunView) -> None:
        self._view = view
        self._heard = self.engine.clock.now()
        self._tell()
        self._lanes.show_run(view)
        self._detail()

    def _tell(self) -> None:
        """The whole in two lines; its time goes on while nothing is heard."""
        if (view := self._view) and self._heard:
            since = 0.0 if self._report else (self.engine.clock.now() - self._heard).total_seconds()
            said = telling.whole(view, bar(view.done, view.total, 30), since=since)
            self.query_one("#whole", Static).update(said, layout=False)

    def _ended(self, report: Report) -> None:
        self._report = report
        self._tell()
        lead = self.query_one("#lead", Static)
        lead.update(headline(report))
        lead.add_class("result")
        self.refresh_bindings()
        self.guide.bell()
        if self.session.run == self._run:
            self.session = replace(self.session, proposed=None)
        self._detail()

    @on(Grid.Highlighted)
    def _detail(self) -> None:
        host = self._lanes.key
        if self._view and host:
            text = telling.lane_detail(self._view.host(host), dict(self._view.failed).get(host, ""))
            if text != self._told:
                self._told = text
                self.query_one("#detail-text", Static).update(text)

    @property
    def _lanes(self) -> Lanes:
        return self.query_one(Lanes)
