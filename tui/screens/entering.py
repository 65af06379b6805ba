"""Hosts are found, their keys believed, and then they are entered: what the second step does on the network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.widgets import Input

from tui import changes, texts, wording
from tui.calls import description, hosts
from tui.screens.access import AskAccess
from tui.screens.page import Page
from tui.session import Entry
from tui.widgets.dialogs import Choose, Reading
from tui.widgets.machines import Machines

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from appliance.errors import ApplianceError
    from appliance.inventory.hosts import Access
    from appliance.inventory.scan import Scanned
    from tui.bridge import Job
    from tui.session import Machine, Seen, Session


class EnteringPage(Page):
    """A page with a field for addresses (``#find``) and a table of machines."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("k", "keys", texts.KEY_KEYS),
        Binding("a", "access", texts.KEY_ACCESS),
        Binding("t", "enter", texts.KEY_ENTER),
    ]

    @property
    def table(self) -> Machines:
        """The machines."""
        return self.query_one(Machines)

    def show(self) -> None:
        """Show what is known of the machines."""
        self.table.show_session(self.session)

    # Finding

    @on(Input.Submitted, "#find")
    def _find(self, event: Input.Submitted) -> None:
        if text := event.value.strip():
            self.seek(text)

    def seek(self, text: str) -> None:
        """Find the hosts at the addresses, or in the file, that `text` names."""
        session = self.session

        def done(read: tuple[Session, tuple[str, ...]] | None) -> None:
            if read is None:
                self._scan(text)
            else:
                self.imported(*read)

        self.work("import", lambda _: description.imported(self.engine, session, text), done=done)

    def _scan(self, text: str) -> None:
        session = self.session
        found: list[Seen] = []

        def scan(job: Job[tuple[Scanned, ...]]) -> tuple[Scanned, ...]:
            def hear(seen: Seen) -> None:
                found.append(seen)
                job.tell(tuple(found))

            return hosts.scan(self.engine, session, text, hear=hear, sink=job.sink)

        def done(jumps: tuple[Scanned, ...]) -> None:
            self._hear_scanned(tuple(found))
            if jumps:
                self._ask_for_jumps(jumps, text)
            else:
                self._scanned(found)

        self.work("scan", scan, hear=self._hear_scanned, done=done)

    def _ask_for_jumps(self, jumps: tuple[Scanned, ...], text: str) -> None:
        """Have jump hosts believed; then find who is behind them."""

        def answered(choice: str | None) -> None:
            if choice == "believe":
                self.work(
                    "pin", lambda _: hosts.believe(self.engine, self.session, jumps), done=lambda _: self._scan(text)
                )

        self._ask_to_believe(texts.KEYS_JUMPS_TITLE, jumps, answered)

    def _hear_scanned(self, found: tuple[Seen, ...]) -> None:
        self.session = changes.with_scanned(self.session, found)
        self.show()

    def _scanned(self, found: Sequence[Seen]) -> None:
        if not found:
            self.notice.say(texts.HOSTS_NOBODY)
            return
        self.query_one("#find", Input).value = ""
        self.query_one("#hosts").focus()
        if not self.session.chosen:
            self.session = changes.with_proposed_roles(self.session)
            self.show()
        if self.session.unpinned:
            self.action_keys()
        else:
            self._enter_or_ask([seen.host.address for seen in found])

    def imported(self, session: Session, warnings: tuple[str, ...] = ()) -> None:
        """Show what was read, say the `warnings`, and find who is not believed yet; enter them if all are."""
        self.session = session
        self.query_one("#find", Input).value = ""
        self.query_one("#hosts").focus()
        self.show()
        if warnings:
            said = Reading(texts.IMPORTED_TITLE, "\n".join(map(wording.clean, warnings)))
            self.app.push_screen(said, lambda _: self._scan_unknown())
        else:
            self._scan_unknown()

    def _scan_unknown(self) -> None:
        machines = self.session.machines
        if missing := [machine.address for machine in machines if not machine.pinned]:
            self._scan(",".join(missing))
        elif machines:
            self._enter_or_ask([machine.address for machine in machines])

    # Keys and entering

    def action_keys(self) -> None:
        """Believe new keys that are as in the inventory; show the others, and believe them, if so told."""
        new = self.session.unpinned
        if not new:
            unlike = any(machine.unlike for machine in self.session.machines)
            self.notice.say(texts.KEYS_NONE_BUT if unlike else texts.KEYS_NONE)
            return
        if alike := [machine.address for machine in new if machine.alike]:
            self._pin(alike)
            return

        def answered(choice: str | None) -> None:
            if choice == "believe":
                self._pin([machine.address for machine in new])
            else:
                self.notice.say(texts.KEYS_LATER)

        self._ask_to_believe(texts.KEYS_TITLE, new, answered)

    def _ask_to_believe(
        self, title: str, shown: Sequence[Machine | Scanned], answered: Callable[[str | None], None]
    ) -> None:
        choices = (("compare", texts.KEYS_NO), ("believe", texts.KEYS_YES))
        alike = [machine for machine in self.session.machines if machine.pinned and machine.alike]
        self.app.push_screen(Choose(title, wording.keys_text(shown, alike), choices), answered)

    def _pin(self, addresses: list[str]) -> None:
        def done(_: None) -> None:
            self.session = changes.with_pinned(self.session, addresses)
            self.show()
            if self.session.unpinned:
                self.action_keys()
            else:
                self._enter_or_ask([m.address for m in self.session.machines if m.pinned and m.entry is Entry.UNTRIED])

        self.work("pin", lambda _: hosts.pin(self.engine, self.session, addresses), done=done)

    def enter_untried(self) -> None:
        """Enter hosts that were described before: all are believed, and none was tried."""
        machines = self.session.machines
        if machines and all(machine.pinned and machine.entry is Entry.UNTRIED for machine in machines):
            self._enter_or_ask([machine.address for machine in machines])

    def _enter_or_ask(self, addresses: list[str]) -> None:
        """Enter these hosts; ask how, if nobody has said."""
        everyones = self.session.access.user or self.session.written.ssh.user
        if everyones or all(m.ssh.user for m in self.session.machines if m.address in addresses):
            self._enter(addresses)
        else:
            self.action_access()

    def action_access(self) -> None:
        """Say how hosts are entered; then enter them."""
        chosen = self.table.selected

        def answered(access: Access | None) -> None:
            if access is None:
                return
            self.session = changes.with_access(self.session, access, chosen)
            if self.session.machines:
                self._enter(chosen or [machine.address for machine in self.session.machines])
            else:
                self.notice.say(texts.ACCESS_KEPT)
                self.query_one("#find").focus()

        about = texts.ACCESS_OTHERS if self.session.access.own else texts.ACCESS_ALL
        if chosen:
            about = texts.ACCESS_SOME.format(hosts=wording.counted(len(chosen), texts.HOSTS))
        self.app.push_screen(AskAccess(about, *changes.way_in(self.session, chosen)), answered)

    def action_enter(self) -> None:
        """Enter the selected hosts, or all."""
        self._enter(self.table.selected or [machine.address for machine in self.session.machines])

    def _enter(self, addresses: Collection[str]) -> None:
        wanted = [m.address for m in self.session.machines if m.address in addresses and m.pinned]
        if not wanted:
            self.notice.say(texts.ENTER_UNPINNED)
            return
        self.session = changes.trying(self.session, wanted)
        self.show()
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
                session = changes.with_answer(session, machine.address, answers[machine.address])
        self.session = session
        self.show()

    def _entered(self, answers: dict[str, Any]) -> None:
        self._hear_answers(answers)
        refused = [m for m in self.session.machines if m.entry is Entry.REFUSED]
        self.notice.say(wording.entered(len(answers) - len(refused), refused))

    def _not_entered(self, error: ApplianceError) -> None:
        self.session = changes.untried(self.session)
        self.show()
        self.fail(error)
