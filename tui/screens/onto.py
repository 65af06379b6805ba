"""Cluster, in place of Hosts: onto which cluster an application goes; its hosts are entered to see how they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import on
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Input, Label, OptionList, Static
from textual.widgets.option_list import Option

from appliance.errors import RecipeError
from tui import helps, texts, typed, wording
from tui.calls import known
from tui.screens.entering import EnteringPage
from tui.session import Entry, Step
from tui.widgets.grid import Grid
from tui.widgets.machines import Machines

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from tui.calls.known import Installed


class OntoPage(EnteringPage):
    """The second step of an application."""

    TITLE_TEXT = f"{texts.CLUSTER_TITLE} {Step.HOSTS.value}/{len(Step)}"
    LEAD = texts.ONTO_LEAD
    HELP_TEXT = helps.ONTO

    def __init__(self) -> None:
        super().__init__()
        self._known = False

    def body(self) -> ComposeResult:
        """The clusters that are known, a field for another one's Clusterfile, and the hosts of the chosen one."""
        yield OptionList(id="clusters")
        with Horizontal(classes="field"):
            yield Label(texts.ONTO_FILE)
            yield Input(id="find", placeholder=texts.ONTO_FILE_HINT, compact=True)
        yield Machines(id="hosts")
        with VerticalScroll(id="detail", can_focus=False):
            yield Static(id="detail-text", markup=False)

    def begin(self) -> None:
        """Look which clusters there are."""
        self.show()
        self.work("installed", lambda _: known.installed(self.engine), done=self._installed)

    def seek(self, text: str) -> None:
        """Take the cluster of the Clusterfile at the path `text`."""
        session = self.session
        self.work(
            "import",
            lambda _: known.onto_described(self.engine, session, typed.path(text)),
            done=lambda read: self.imported(*read),
        )

    def action_back(self) -> None:
        """To the clusters from the field, else a step back."""
        if self.query_one("#find").has_focus and (self.session.machines or self._known):
            self.query_one("#hosts" if self.session.machines else "#clusters").focus()
        else:
            super().action_back()

    def action_forward(self) -> None:
        """Go on, if a cluster is chosen and its hosts were entered."""
        machines = self.session.machines
        if not machines:
            self.fail(RecipeError(texts.ONTO_NONE, hint=texts.ONTO_NONE_HINT))
        elif not any(machine.entry is Entry.ENTERED for machine in machines):
            self.fail(RecipeError(texts.ONTO_NOT_ENTERED, hint=texts.ONTO_NOT_ENTERED_HINT))
        else:
            self.guide.go(Step.SETTINGS)

    def show(self) -> None:
        """Show the hosts of the cluster that is chosen, and the one with the cursor."""
        super().show()
        self._detail()

    def _installed(self, clusters: tuple[Installed, ...]) -> None:
        self._known = bool(clusters)
        listed = self.query_one(OptionList)
        listed.add_options([Option(wording.cluster_known(each), id=each.name) for each in clusters])
        if clusters:
            listed.highlighted = 0
        else:
            listed.add_option(Option(texts.ONTO_NOBODY, disabled=True))
        if self.session.machines:
            self.query_one("#hosts").focus()
            self.enter_untried()
            return
        (listed if clusters else self.query_one("#find")).focus()
        if len(clusters) == 1:
            self._choose(clusters[0].name)

    @on(OptionList.OptionSelected, "#clusters")
    def _picked(self, event: OptionList.OptionSelected) -> None:
        if event.option.id:
            self._choose(event.option.id)

    def _choose(self, name: str) -> None:
        session = self.session
        self.work("onto", lambda _: known.onto(self.engine, session, name), done=self.imported)

    @on(Grid.Highlighted)
    def _detail(self) -> None:
        key = self.table.key
        machine = next((m for m in self.session.machines if m.address == key), None)
        text = wording.machine_detail(machine, own=key in self.session.access.own) if machine else texts.ONTO_EMPTY
        self.query_one("#detail-text", Static).update(text)
