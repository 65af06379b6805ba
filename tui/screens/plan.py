"""Plan: what would be done, stage by stage, and the Clusterfile that says the same; one confirmation admits it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static, TabbedContent, TabPane, Tree

from tui import helps, telling, texts, wording
from tui.calls import description, proposals, runs
from tui.changes import with_checks
from tui.screens.page import Page
from tui.session import Step
from tui.widgets.dialogs import Choose, TypeName

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from appliance.errors import ApplianceError
    from appliance.execute.lease import Owner
    from appliance.operations.propose import Proposed
    from appliance.plan.steps import Plan
    from appliance.state import RunDir


class PlanPage(Page):
    """The fifth step; also for what is proposed from the cluster's screen, then with a proposal in the session."""

    TITLE_TEXT = wording.step_title(Step.PLAN)
    LEAD = texts.PLAN_LEAD
    HELP_TEXT = helps.PLAN
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("g", "carry_out", texts.KEY_GO),
        Binding("s", "save", texts.KEY_SAVE),
        Binding("v", "next_view", texts.KEY_VIEW),
        Binding("r", "propose", texts.KEY_AGAIN, show=False),
    ]

    def body(self) -> ComposeResult:
        """Stages, changes and Clusterfile, one behind the other."""
        with TabbedContent(id="views"):
            with TabPane(texts.PLAN_STAGES, id="stages"):
                yield Tree("", id="tree")
            with TabPane(texts.PLAN_CHANGES, id="changes"), VerticalScroll(id="changes-scroll"):
                yield Static(id="changes-text", markup=False)
            with TabPane(texts.PLAN_CLUSTERFILE, id="clusterfile"), VerticalScroll(id="clusterfile-scroll"):
                yield Static(id="clusterfile-text", markup=False)

    def begin(self) -> None:
        """Show the proposal; make one if there is none."""
        tree = self.query_one("#tree", Tree)
        tree.show_root = False
        tree.focus()
        if self.session.proposed:
            self._show(self.session.proposed)
        else:
            self.action_propose()

    def action_propose(self) -> None:
        """Ask the hosts what is needed."""
        session = self.session
        if session.proposed and session.proposed.proposal.operation not in proposals.OF_DELIVERY:
            return
        self.work("propose", lambda job: proposals.install(self.engine, session, sink=job.sink), done=self._proposed)

    def action_next_view(self) -> None:
        """Show the next of stages, changes and Clusterfile."""
        views = self.query_one(TabbedContent)
        order = ("stages", "changes", "clusterfile")
        views.active = order[(order.index(views.active) + 1) % len(order)]
        focus = {"stages": "#tree", "changes": "#changes-scroll", "clusterfile": "#clusterfile-scroll"}
        self.query_one(focus[views.active]).focus()

    def action_save(self) -> None:
        """Save the Clusterfile where the operator wants it."""
        if proposed := self.session.proposed:
            name = f"{proposed.cluster.name}.yaml"
            self.save(texts.SAVE_TITLE, texts.SAVE_TEXT, name, lambda to: description.save_clusterfile(proposed, to))

    def action_forward(self) -> None:
        """Carry it out, if that is meant."""
        self.action_carry_out()

    def action_carry_out(self) -> None:
        """Ask for the one confirmation; where something is lost the cluster's name must be typed."""
        proposed = self.session.proposed
        if proposed is None or self.busy("start") or self.busy("propose"):
            self.notice.say(texts.PLAN_WAIT)
            return
        if proposed.empty:
            self.notice.say(texts.PLAN_EMPTY)
            return
        text, name = telling.confirm_plan(proposed), proposed.cluster.name
        if proposed.proposal.plan.destructive:
            self.app.push_screen(TypeName(texts.CONFIRM_LOSS, text, name), self._confirmed)
        else:
            choices = (("no", texts.CONFIRM_NO), ("yes", texts.CONFIRM_YES))
            self.app.push_screen(Choose(texts.CONFIRM_TITLE, text, choices), self._confirmed)

    def action_back(self) -> None:
        """Back; a start that is underway is not broken off."""
        if self.busy("start"):
            self.notice.say(texts.PLAN_STARTING)
        else:
            super().action_back()

    def fail(self, error: ApplianceError) -> None:
        """Show failed checks where they belong."""
        if results := proposals.checks_of(error):
            self.session = with_checks(self.session, results)
            self.guide.go(Step.PREFLIGHT)
        else:
            super().fail(error)

    def _confirmed(self, answer: str | None) -> None:
        session, proposed = self.session, self.session.proposed
        if proposed is None:
            return
        wanted = proposed.cluster.name if proposed.proposal.plan.destructive else "yes"
        if answer == wanted:
            self.work("start", lambda _: runs.holders(self.engine, session, proposed), done=self._free)

    def _free(self, holders: tuple[tuple[str, Owner], ...]) -> None:
        """Start, unless another run has leased hosts: to end what it does there takes the cluster's name."""
        proposed = self.session.proposed
        if proposed is None:
            return
        if not holders:
            self._start(take_over=False)
            return
        name = proposed.cluster.name

        def answered(typed: str | None) -> None:
            if typed == name:
                self._start(take_over=True)

        self.app.push_screen(TypeName(texts.LEASED_TITLE, telling.leased(holders, name), name), answered)

    def _start(self, *, take_over: bool) -> None:
        session, proposed = self.session, self.session.proposed
        if proposed:
            self.work(
                "start",
                lambda job: runs.start(self.engine, session, proposed, take_over=take_over, sink=job.sink),
                done=self._started,
            )

    def _started(self, run: RunDir) -> None:
        self.session = replace(self.session, run=run)
        self.guide.go(Step.RUN)

    def _proposed(self, proposed: Proposed) -> None:
        self.session = replace(self.session, proposed=proposed)
        self._show(proposed)

    def _show(self, proposed: Proposed) -> None:
        _fill(self.query_one("#tree", Tree), proposed.proposal.plan)
        self.query_one("#changes-text", Static).update(telling.changes(proposed.proposal))
        self.query_one("#clusterfile-text", Static).update(description.clusterfile_text(proposed))
        if proposed.empty:
            self.notice.say(texts.PLAN_EMPTY)
        else:
            self.query_one("#lead", Static).update(telling.plan_lead(proposed))


def _fill(tree: Tree[None], plan: Plan) -> None:
    """Stages, in them steps by title, in these the hosts."""
    tree.clear()
    for number, stage in enumerate(plan.stages, 1):
        branch = tree.root.add(telling.stage_label(number, stage), expand=stage.destructive or len(plan.stages) == 1)
        titles: dict[str, list[str]] = {}
        for step in stage.steps:
            titles.setdefault(step.title, []).append(step.host)
        for title, hosts in titles.items():
            twig = branch.add(telling.step_label(title, hosts))
            for host in hosts:
                twig.add_leaf(Text(wording.clean(host)))
    tree.root.expand()
