"""Cluster: what is installed where, how it is, what was done; and changing it, or taking it off again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from appliance.report.text import headline
from tui import helps, standing, telling, texts, wording
from tui.calls import known, proposals, runs
from tui.screens.access import AskAccess
from tui.screens.page import Page
from tui.session import Step
from tui.widgets.dialogs import Reading
from tui.widgets.grid import Grid

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from appliance.errors import ApplianceError
    from appliance.inventory.hosts import Access
    from appliance.operations.inspect import SiteStatus
    from appliance.operations.propose import Proposed
    from appliance.recipe.clusterfile import Cluster
    from tui.calls.known import Installed
    from tui.calls.runs import KnownCluster
    from tui.session import Session


class ClusterPage(Page):
    """What this machine has installed; one cluster at a time."""

    TITLE_TEXT = texts.CLUSTER_TITLE
    LEAD = texts.CLUSTER_LEAD
    HELP_TEXT = helps.CLUSTER
    LEADS_ON = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "next_cluster", texts.KEY_NEXT_CLUSTER),
        Binding("u", "look", texts.KEY_LOOK),
        Binding("a", "access", texts.KEY_ACCESS),
        Binding("e", "change", texts.KEY_CHANGE),
        Binding("d", "take_away", texts.KEY_REMOVE),
        Binding("z", "reset", texts.KEY_RESET),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._clusters: tuple[KnownCluster, ...] = ()
        self._at = 0
        self._applications: frozenset[str] = frozenset()

    def body(self) -> ComposeResult:
        """Which cluster, its hosts, its runs."""
        yield Static(id="which", markup=False)
        yield Grid(id="status", most=36)
        with Vertical(id="runs-box"):
            yield Static(texts.CLUSTER_RUNS, classes="caption")
            yield OptionList(id="runs")

    def about(self) -> str:
        """Nothing: the cluster that is shown may be another one than that of the steps."""
        return ""

    def begin(self) -> None:
        """See what there is."""
        self.work("clusters", lambda _: runs.clusters(self.engine), done=self._known)

    @property
    def _chosen(self) -> str:
        """The application with the cursor; empty if it is on something else."""
        return standing.application(self.query_one(Grid).key)

    @property
    def _cluster(self) -> KnownCluster | None:
        return self._clusters[self._at] if self._clusters else None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A key is shown where there is something for it."""
        if action == "next_cluster":
            return len(self._clusters) > 1
        if action == "take_away":
            return bool(self._applications)
        return super().check_action(action, parameters)

    def action_next_cluster(self) -> None:
        """Show the next cluster."""
        if self._clusters:
            self._at = (self._at + 1) % len(self._clusters)
            self._show()

    def action_look(self) -> None:
        """Ask the hosts how they are."""
        cluster, access = self._cluster, self.session.access
        if cluster is None or not cluster.applied:
            self.notice.say(texts.CLUSTER_NOTHING)
            return
        self.work(
            "status",
            lambda job: runs.status(self.engine, cluster.name, access, sink=job.sink),
            done=self._status,
        )

    def action_access(self) -> None:
        """Say how hosts are entered."""
        cluster = self._cluster
        if cluster is None or not cluster.applied:
            return
        name = cluster.name

        def answered(access: Access | None) -> None:
            if access is not None:
                kept = self.session.access
                self.session = replace(self.session, access=replace(access, own=kept.own, config=kept.config))
                self.action_look()

        def ask(applied: Cluster) -> None:
            self.app.push_screen(AskAccess(texts.ACCESS_ALL, self.session.access, applied.ssh), answered)

        self.work(
            "applied",
            lambda _: proposals.applied(self.engine, name),
            done=ask,
        )

    def action_change(self) -> None:
        """Go the steps again for this cluster, or the application with the cursor: repair, settings, hosts, version.

        That takes the bundle; if another one is open, it is asked for.
        """
        cluster, session, app = self._cluster, self.session, self._chosen
        if cluster is None or not cluster.applied:
            self.notice.say(texts.CLUSTER_NOTHING)
            return

        def done(there: Installed) -> None:
            wanted = app or there.product
            opened = session.delivery if session.delivery and session.delivery.spec else None
            fits = opened is not None and (session.spec.name == wanted or (not app and opened.image == there.image))
            if not fits:
                self.guide.ask_for_bundle(wanted or wording.image(there.image))
                return
            self.work("onto", lambda _: known.onto(self.engine, session, there.name), done=self._go_on)

        self.work("installed", lambda _: known.installed_as(self.engine, cluster.name), done=done)

    def action_take_away(self) -> None:
        """Propose to take away the application with the cursor; the plan is shown, and asks."""
        cluster, access, app = self._cluster, self.session.access, self._chosen
        if cluster is None or not app:
            self.notice.say(texts.CLUSTER_NO_APP)
            return
        self.work(
            "reset",
            lambda job: proposals.take_away(self.engine, cluster.name, app, access, sink=job.sink),
            done=self._proposed,
        )

    def action_reset(self) -> None:
        """Propose to take everything off; the plan is shown, and asks."""
        cluster, access = self._cluster, self.session.access
        if cluster is None or not cluster.applied:
            self.notice.say(texts.CLUSTER_NOTHING)
            return
        self.work(
            "reset",
            lambda job: proposals.reset(self.engine, cluster.name, access, sink=job.sink),
            done=self._proposed,
        )

    def fail(self, error: ApplianceError) -> None:
        """Say what went wrong, and on which hosts."""
        super().fail(error)
        if results := proposals.checks_of(error):
            self.app.push_screen(Reading(str(error), telling.checks_detail(results).plain))

    @on(OptionList.OptionSelected, "#runs")
    def _watch(self, event: OptionList.OptionSelected) -> None:
        cluster = self._cluster
        chosen = (
            next((known.run for known in cluster.runs if known.run.name == event.option.id), None) if cluster else None
        )
        if chosen:
            self.guide.show_run(chosen)

    def _known(self, clusters: tuple[KnownCluster, ...]) -> None:
        self._clusters = clusters
        wanted = self.session.written.name
        self._at = next((at for at, cluster in enumerate(clusters) if cluster.name == wanted), 0)
        self._show()

    def _show(self) -> None:
        cluster = self._cluster
        self.query_one("#which", Static).update(telling.which_cluster(cluster, self._at, len(self._clusters)))
        self._applications = frozenset()
        self.refresh_bindings()
        self.query_one(Grid).show(texts.STATUS_HEADS, [])
        listed = self.query_one("#runs", OptionList)
        listed.clear_options()
        if cluster is None:
            return
        for each in cluster.runs:
            text = telling.run_line(each.run.started, headline(each.report), alive=each.alive)
            listed.add_option(Option(text, id=each.run.name))
        listed.highlighted = 0 if cluster.runs else None
        (self.query_one(Grid) if cluster.applied else listed).focus()
        if cluster.applied:
            self.action_look()

    def _status(self, found: SiteStatus) -> None:
        self._applications = frozenset(app.stamp.name for app in found.applications)
        self.query_one(Grid).show(texts.STATUS_HEADS, list(standing.rows(found)))
        self.notice.say(standing.counted(found))
        self.refresh_bindings()

    def _go_on(self, session: Session) -> None:
        self.session = session
        self.guide.go(Step.HOSTS)

    def _proposed(self, proposed: Proposed) -> None:
        self.session = replace(self.session, proposed=proposed)
        self.guide.go(Step.PLAN)

    @on(Grid.Chosen)
    def _problem(self) -> None:
        """Nothing more is known of a host than its row says; a long problem is said whole."""
        grid = self.query_one(Grid)
        row = grid.row_of(grid.key)
        self.notice.say("  ".join(cell.text for cell in row.cells) if row else "")
