"""Hosts: find them, believe their keys, enter them, give them roles."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Input, Label, Static

from appliance.errors import RecipeError
from tui import changes, helps, texts, wording
from tui.calls import proposals
from tui.screens.entering import EnteringPage
from tui.session import Step
from tui.widgets.dialogs import AskText
from tui.widgets.grid import Grid
from tui.widgets.machines import Machines

if TYPE_CHECKING:
    from textual.app import ComposeResult


class HostsPage(EnteringPage):
    """The second step."""

    TITLE_TEXT = wording.step_title(Step.HOSTS)
    LEAD = texts.HOSTS_LEAD
    HELP_TEXT = helps.HOSTS
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "role", texts.KEY_ROLE),
        Binding("p", "propose", texts.KEY_PROPOSE),
        Binding("space", "select", texts.KEY_SELECT, show=False),
        Binding("asterisk", "select_all", texts.KEY_ALL, show=False),
        Binding("l", "labels", texts.KEY_LABELS, show=False),
        Binding("d", "remove", texts.KEY_REMOVE, show=False),
        Binding("s", "sort", texts.KEY_SORT, show=False),
        Binding("slash", "filter", texts.KEY_FILTER, show=False),
        Binding("o", "find", texts.KEY_FIND, show=False),
    ]

    def body(self) -> ComposeResult:
        """A field for addresses, the table, and what there is to say of the host with the cursor."""
        with Horizontal(classes="field"):
            yield Label(texts.HOSTS_FIND)
            yield Input(id="find", placeholder=texts.HOSTS_FIND_HINT, compact=True)
        yield Machines(id="hosts")
        with VerticalScroll(id="detail", can_focus=False):
            yield Static(id="detail-text", markup=False)

    def begin(self) -> None:
        """Show what is known."""
        self.show()
        self.query_one("#hosts" if self.session.machines else "#find").focus()
        self.enter_untried()

    # Roles and the list

    def action_role(self) -> None:
        """The next role for the selected hosts, or the one with the cursor."""
        self.session = changes.with_next_role(self.session, self.table.meant)
        self.show()

    def action_propose(self) -> None:
        """Roles for all, by count and hardware."""
        self.session = changes.with_proposed_roles(self.session)
        self.show()

    def action_select(self) -> None:
        """Select the host with the cursor, or no longer; go to the next."""
        self.table.toggle()
        self.show()

    def action_select_all(self) -> None:
        """Select all that are shown, or none."""
        self.table.toggle_all(self.session)
        self.show()

    def action_labels(self) -> None:
        """Labels for the selected hosts, or the one with the cursor."""
        meant = self.table.meant
        machine = next((m for m in self.session.machines if m.address in meant), None)
        if machine is None:
            return

        def answered(text: str | None) -> None:
            if text is not None:
                pairs = (word.partition("=") for word in text.replace(",", " ").split())
                self.session = changes.with_labels(self.session, meant, {name: value for name, _, value in pairs})
                self.show()

        value = " ".join(f"{name}={text}" for name, text in machine.labels.items())
        self.app.push_screen(AskText(texts.LABELS_TITLE, texts.LABELS_TEXT, value), answered)

    def action_remove(self) -> None:
        """Take the selected hosts, or the one with the cursor, off the list."""
        self.session = changes.without(self.session, self.table.meant)
        self.show()

    def action_sort(self) -> None:
        """Sort by the next column."""
        self.notice.say(texts.SORTED[self.table.sort_next()])
        self.show()

    def action_filter(self) -> None:
        """Show only hosts in which a text occurs."""

        def answered(text: str | None) -> None:
            if text is not None:
                self.table.filter = text.strip().lower()
                self.show()

        self.app.push_screen(AskText(texts.FILTER_TITLE, texts.FILTER_TEXT, self.table.filter), answered)

    def action_find(self) -> None:
        """Go to the field for addresses."""
        self.query_one("#find").focus()

    def action_back(self) -> None:
        """To the table from the field, else a step back."""
        if self.query_one("#find").has_focus and self.session.machines:
            self.query_one("#hosts").focus()
        else:
            super().action_back()

    def action_forward(self) -> None:
        """Go on, if the roles have the hosts that they need, and these can be entered."""
        if not self.session.machines:
            self.fail(RecipeError(texts.HOSTS_NONE, hint=texts.HOSTS_NONE_HINT))
            self.query_one("#find").focus()
            return
        if unbelieved := [machine.address for machine in self.session.chosen if not machine.pinned]:
            said = texts.HOSTS_UNBELIEVED.format(address=unbelieved[0])
            self.fail(RecipeError(said, hint=texts.HOSTS_UNBELIEVED_HINT))
            return
        if not self.session.chosen:
            self.fail(RecipeError(texts.HOSTS_NO_ROLE, hint=texts.HOSTS_NO_ROLE_HINT))
            return
        try:
            proposals.require_roles(self.session)
        except RecipeError as error:
            self.fail(RecipeError(error.message, hint=texts.HOSTS_NO_ROLE_HINT))
            return
        self.guide.go(Step.SETTINGS)

    def show(self) -> None:
        """Show the machines, and the one with the cursor."""
        super().show()
        self._detail()

    @on(Grid.Highlighted)
    def _detail(self) -> None:
        key = self.table.key
        machine = next((m for m in self.session.machines if m.address == key), None)
        text = wording.machine_detail(machine, own=key in self.session.access.own) if machine else texts.HOSTS_EMPTY
        self.query_one("#detail-text", Static).update(text)
