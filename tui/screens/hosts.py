"""Hosts: find them, believe their keys, enter them, give them roles."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Input, Label, Static

from appliance.errors import RecipeError
from appliance.operations.propose import check_roles
from tui import helps, texts, wording
from tui import session as sessions
from tui.calls import description, hosts
from tui.screens.access import AskAccess
from tui.screens.page import Page
from tui.session import Entry, Step
from tui.widgets.dialogs import AskText, Choose, Reading
from tui.widgets.grid import Grid
from tui.widgets.machines import Machines

if TYPE_CHECKING:
    from collections.abc import Collection

    from textual.app import ComposeResult

    from appliance.errors import ApplianceError
    from appliance.inventory.hosts import Access
    from tui.bridge import Job
    from tui.session import Seen, Session


class HostsPage(Page):
    """The second step."""

    TITLE_TEXT = wording.step_title(Step.HOSTS)
    LEAD = texts.HOSTS_LEAD
    HELP_TEXT = helps.HOSTS
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("k", "keys", texts.KEY_KEYS),
        Binding("a", "access", texts.KEY_ACCESS),
        Binding("t", "enter", texts.KEY_ENTER),
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
        self._show()
        self.query_one("#hosts" if self.session.machines else "#find").focus()

    # Finding

    @on(Input.Submitted, "#find")
    def _find(self, event: Input.Submitted) -> None:
        text = event.value.strip()
        if not text:
            return
        if text.endswith((".yaml", ".yml", ".ini", ".csv")) or Path(text).expanduser().is_file():
            path = Path(text)
            session = self.session
            self.work("import", lambda _: description.imported(self.engine, session, path), done=self._imported)
            return
        self._scan(text)

    def _scan(self, text: str) -> None:
        session = self.session
        found: list[Seen] = []

        def scan(job: Job[tuple[Seen, ...]]) -> tuple[Seen, ...]:
            def hear(seen: Seen) -> None:
                found.append(seen)
                job.tell(tuple(found))

            hosts.scan(self.engine, session, text, hear=hear, sink=job.sink)
            return tuple(found)

        self.work("scan", scan, hear=self._hear_scanned, done=self._scanned)

    def _hear_scanned(self, found: tuple[Seen, ...]) -> None:
        self.session = sessions.with_scanned(self.session, found)
        self._show()

    def _scanned(self, found: tuple[Seen, ...]) -> None:
        self._hear_scanned(found)
        if not found:
            self.notice.say(texts.HOSTS_NOBODY)
            return
        self.query_one("#find", Input).value = ""
        self.query_one("#hosts").focus()
        if not self.session.chosen:
            self.session = sessions.with_proposed_roles(self.session)
            self._show()
        if self.session.unpinned:
            self.action_keys()
        else:
            self._enter_or_ask([seen.host.address for seen in found])

    def _imported(self, read: tuple[Session, tuple[str, ...]]) -> None:
        self.session, warnings = read
        self.query_one("#find", Input).value = ""
        self.query_one("#hosts").focus()
        self._show()
        if warnings:
            said = Reading(texts.IMPORTED_TITLE, "\n".join(map(wording.clean, warnings)))
            self.app.push_screen(said, lambda _: self._scan_unknown())
        else:
            self._scan_unknown()

    def _scan_unknown(self) -> None:
        if missing := [machine.address for machine in self.session.machines if not machine.pinned]:
            self._scan(",".join(missing))

    # Keys and entering

    def action_keys(self) -> None:
        """Show new keys; believe them, if so told."""
        new = self.session.unpinned
        if not new:
            self.notice.say(texts.KEYS_NONE)
            return

        def answered(choice: str | None) -> None:
            if choice == "believe":
                addresses = [machine.address for machine in new]
                self.work(
                    "pin",
                    lambda _: hosts.pin(self.engine, self.session, addresses),
                    done=lambda _: self._pinned(addresses),
                )

        choices = (("compare", texts.KEYS_NO), ("believe", texts.KEYS_YES))
        self.app.push_screen(Choose(texts.KEYS_TITLE, wording.keys_text(new), choices), answered)

    def _pinned(self, addresses: list[str]) -> None:
        self.session = sessions.with_pinned(self.session, addresses)
        self._show()
        self._enter_or_ask(addresses)

    def _enter_or_ask(self, addresses: list[str]) -> None:
        """Enter these hosts; ask how, if nobody has said."""
        everyones = self.session.access.user or self.session.written.ssh.user
        if everyones or all(m.ssh.user for m in self.session.machines if m.address in addresses):
            self._enter(addresses)
        else:
            self.action_access()

    def action_access(self) -> None:
        """Say how hosts are entered; then enter them."""
        chosen = self._table.selected

        def answered(access: Access | None) -> None:
            if access is not None:
                self.session = sessions.with_access(self.session, access, chosen)
                self._enter(chosen or [machine.address for machine in self.session.machines])

        about = texts.ACCESS_OTHERS if self.session.access.own else texts.ACCESS_ALL
        if chosen:
            about = texts.ACCESS_SOME.format(hosts=wording.counted(len(chosen), texts.HOSTS))
        self.app.push_screen(AskAccess(about, *sessions.way_in(self.session, chosen)), answered)

    def action_enter(self) -> None:
        """Enter the selected hosts, or all."""
        self._enter(self._table.selected or [machine.address for machine in self.session.machines])

    def _enter(self, addresses: Collection[str]) -> None:
        wanted = [m.address for m in self.session.machines if m.address in addresses and m.pinned]
        if not wanted:
            self.notice.say(texts.ENTER_UNPINNED)
            return
        self.session = sessions.trying(self.session, wanted)
        self._show()
        session = self.session
        answers: dict[str, Any] = {}

        def enter(job: Job[Any]) -> Any:
            def hear(address: str, answer: Any) -> None:
                answers[address] = answer
                job.tell(dict(answers))

            hosts.enter(self.engine, session, wanted, hear=hear, sink=job.sink)
            return dict(answers)

        self.work("enter", enter, hear=self._hear_answers, done=self._entered, failed=self._not_entered)

    def _hear_answers(self, answers: dict[str, Any]) -> None:
        session = self.session
        for machine in session.machines:
            if machine.entry is Entry.TRYING and machine.address in answers:
                session = sessions.with_answer(session, machine.address, answers[machine.address])
        self.session = session
        self._show()

    def _entered(self, answers: dict[str, Any]) -> None:
        self._hear_answers(answers)
        refused = [m for m in self.session.machines if m.entry is Entry.REFUSED]
        self.notice.say(wording.entered(len(answers) - len(refused), refused))

    def _not_entered(self, error: ApplianceError) -> None:
        self.session = sessions.untried(self.session)
        self._show()
        self.fail(error)

    # Roles and the list

    def action_role(self) -> None:
        """The next role for the selected hosts, or the one with the cursor."""
        self.session = sessions.with_next_role(self.session, self._table.meant)
        self._show()

    def action_propose(self) -> None:
        """Roles for all, by count and hardware."""
        self.session = sessions.with_proposed_roles(self.session)
        self._show()

    def action_select(self) -> None:
        """Select the host with the cursor, or no longer; go to the next."""
        self._table.toggle()
        self._show()

    def action_select_all(self) -> None:
        """Select all that are shown, or none."""
        self._table.toggle_all(self.session)
        self._show()

    def action_labels(self) -> None:
        """Labels for the selected hosts, or the one with the cursor."""
        meant = self._table.meant
        machine = next((m for m in self.session.machines if m.address in meant), None)
        if machine is None:
            return

        def answered(text: str | None) -> None:
            if text is not None:
                pairs = (word.partition("=") for word in text.replace(",", " ").split())
                self.session = sessions.with_labels(self.session, meant, {name: value for name, _, value in pairs})
                self._show()

        value = " ".join(f"{name}={text}" for name, text in machine.labels.items())
        self.app.push_screen(AskText(texts.LABELS_TITLE, texts.LABELS_TEXT, value), answered)

    def action_remove(self) -> None:
        """Take the selected hosts, or the one with the cursor, off the list."""
        self.session = sessions.without(self.session, self._table.meant)
        self._show()

    def action_sort(self) -> None:
        """Sort by the next column."""
        self.notice.say(texts.SORTED[self._table.sort_next()])
        self._show()

    def action_filter(self) -> None:
        """Show only hosts in which a text occurs."""

        def answered(text: str | None) -> None:
            if text is not None:
                self._table.filter = text.strip().lower()
                self._show()

        self.app.push_screen(AskText(texts.FILTER_TITLE, texts.FILTER_TEXT, self._table.filter), answered)

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
        """Go on, if the roles have the hosts that they need."""
        if not self.session.chosen:
            self.fail(RecipeError(texts.HOSTS_NO_ROLE, hint=texts.HOSTS_NO_ROLE_HINT))
            return
        try:
            everyone = self.session.hosts_to_enter([m.address for m in self.session.chosen], secret=lambda _: "")
            check_roles(self.session.spec.roles, everyone)
        except RecipeError as error:
            self.fail(RecipeError(error.message, hint=texts.HOSTS_NO_ROLE_HINT))
            return
        self.guide.go(Step.SETTINGS)

    @property
    def _table(self) -> Machines:
        return self.query_one(Machines)

    def _show(self) -> None:
        self._table.show_session(self.session)
        self._detail()

    @on(Grid.Highlighted)
    def _detail(self) -> None:
        key = self._table.key
        machine = next((m for m in self.session.machines if m.address == key), None)
        text = wording.machine_detail(machine, own=key in self.session.access.own) if machine else texts.HOSTS_EMPTY
        self.query_one("#detail-text", Static).update(text)
