"""Open: choose the delivery, verify it, see what was verified and what was not, accept its licence."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Checkbox, Input, Label, OptionList, Static
from textual.widgets.option_list import Option

from tui import calls, helps, texts, typed, wording
from tui.changes import with_delivery
from tui.screens.page import Page
from tui.session import Delivery, Session, Step
from tui.widgets.dialogs import Choose, Pick
from tui.widgets.tick import Tick

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from appliance.errors import ApplianceError
    from appliance.state import RunDir
    from tui.calls.delivery import Found
    from tui.calls.known import Offer


_DRAFT, _ANEW, _CLUSTER = "draft", "anew", "cluster-"


class OpenPage(Page):
    """The first step."""

    TITLE_TEXT = wording.step_title(Step.OPEN)
    LEAD = texts.OPEN_LEAD
    HELP_TEXT = helps.OPEN
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+r", "verify", texts.KEY_VERIFY, priority=True),
        Binding("c", "clusters", texts.KEY_CLUSTERS),
    ]

    def __init__(self, *, wanted: str = "") -> None:
        super().__init__()
        self._wanted = wanted

    def body(self) -> ComposeResult:
        """The bundles found, two fields, the verdict, the licence."""
        yield OptionList(id="bundles")
        with Horizontal(classes="field"):
            yield Label(texts.OPEN_BUNDLE)
            yield Input(id="path", placeholder=texts.OPEN_BUNDLE_HINT, compact=True)
        with Horizontal(classes="field"):
            yield Label(texts.OPEN_TRUST)
            yield Input(id="trust", placeholder=texts.OPEN_TRUST_HINT, compact=True)
        with VerticalScroll(id="verdict", can_focus=True):
            yield Static(id="verdict-text")
        yield Tick(texts.OPEN_LICENCE, id="licence", compact=True)

    def begin(self) -> None:
        """Look for bundles, and for a run that goes on."""
        self.query_one("#licence").display = False
        known = self.session.delivery
        if known:
            self.query_one("#path", Input).value = str(known.path)
            self.query_one("#trust", Input).value = " ".join(known.anchors)
            self._show(known)
        self.work("find", lambda _: calls.delivery.find_bundles(self.engine), done=self._found)
        if known is None and not self._wanted:
            self.work("living", lambda _: calls.runs.living_run(self.engine), done=self._living)

    def action_verify(self) -> None:
        """Verify what the fields name."""
        path = self.query_one("#path", Input).value.strip()
        if not path:
            self.query_one("#path").focus()
            return
        anchors = tuple(self.query_one("#trust", Input).value.replace(",", " ").split())
        bundle = typed.path(path)
        believed = tuple(anchor if ":" in anchor else str(typed.path(anchor)) for anchor in anchors)
        self.query_one("#verdict-text", Static).update(wording.verifying(bundle.name))
        self.query_one("#licence").display = False
        self.work(
            "verify",
            lambda job: calls.delivery.verify(self.engine, bundle, believed, sink=job.sink),
            done=self._verified,
            failed=self._refused,
        )

    def action_forward(self) -> None:
        """Go on, if it is verified and its licence accepted."""
        delivery = self.session.delivery
        if self.busy("verify") or delivery is None or delivery.spec is None:
            self.notice.say(texts.OPEN_NOT_YET)
        elif not delivery.usable:
            self.notice.say(texts.OPEN_ACCEPT)
            self.query_one("#licence").focus()
        else:
            self.guide.go(Step.HOSTS)

    def action_back(self) -> None:
        """There is nothing before this; leave the program, if that is meant."""
        self.guide.ask_to_quit()

    def action_clusters(self) -> None:
        """Look at what this machine has installed."""
        self.guide.show_clusters()

    @on(OptionList.OptionSelected, "#bundles")
    def _picked(self, event: OptionList.OptionSelected) -> None:
        if event.option.id:
            self.query_one("#path", Input).value = event.option.id
            self.action_verify()

    @on(Input.Submitted)
    def _entered(self) -> None:
        self.action_verify()

    @on(Checkbox.Changed, "#licence")
    def _accepted(self, event: Checkbox.Changed) -> None:
        delivery = self.session.delivery
        if delivery and delivery.spec and delivery.accepted != event.value:
            self.session = replace(self.session, delivery=replace(delivery, accepted=event.value))

    def _found(self, found: tuple[Found, ...]) -> None:
        bundles = self.query_one("#bundles", OptionList)
        bundles.clear_options()
        bundles.add_options([Option(wording.found_bundle(one.path, one.size), id=str(one.path)) for one in found])
        if self._wanted:
            self.notice.say(texts.OPEN_WANTED.format(product=wording.clean(self._wanted)))
        if not found:
            bundles.add_option(Option(texts.OPEN_NONE, disabled=True))
            self.query_one("#path").focus()
            return
        bundles.highlighted = 0
        bundles.focus()
        path = self.query_one("#path", Input)
        if self._wanted:
            return
        if self.session.machines and self.session.delivery and not self.session.delivery.usable:
            self.action_forward()  # it says what is to be done before one can go on
        elif self.session.delivery is None and not path.value and (len(found) == 1 or self._is_meant(found[0])):
            path.value = str(found[0].path)
            self.action_verify()

    def _is_meant(self, found: Found) -> bool:
        return found.path in (self.engine.given, self.engine.own)

    def _verified(self, delivery: Delivery) -> None:
        known = self.session.delivery
        if known and known.image == delivery.image and known.path == delivery.path:
            delivery = replace(delivery, accepted=known.accepted)
        self.session = with_delivery(self.session, delivery)
        self._show(delivery)
        if delivery.spec is None:
            self.query_one("#trust").focus()
            return
        self.query_one("#verdict").focus()
        session = self.session
        if not session.machines and not session.added:
            self.work("known", lambda _: calls.known.to_go_on_with(self.engine, session), done=self._offer)

    def _refused(self, error: ApplianceError) -> None:
        self.session = replace(self.session, delivery=None)
        self.query_one("#verdict-text", Static).update("")
        self.fail(error)

    def _show(self, delivery: Delivery) -> None:
        if delivery.report:
            self.query_one("#verdict-text", Static).update(wording.verdict(delivery))
        licence = self.query_one("#licence", Checkbox)
        licence.display = bool(delivery.spec and delivery.spec.license)
        if delivery.spec:
            licence.label = texts.OPEN_LICENCE.format(licence=wording.clean(delivery.spec.license))
            licence.value = delivery.accepted

    def _offer(self, offer: Offer) -> None:
        """Go on with what was described here, or with a cluster that was applied from here, if that is meant."""
        if offer.draft is None and not offer.clusters:
            return

        def answered(choice: str | None) -> None:
            if choice == _DRAFT and offer.draft:
                self._go_on(offer.draft)
            elif choice and choice != _ANEW:
                session, name = self.session, choice.removeprefix(_CLUSTER)
                self.work("onto", lambda _: calls.known.onto(self.engine, session, name), done=self._go_on)

        described = [(_DRAFT, wording.draft_offered(offer.draft))] if offer.draft else []
        there = [(f"{_CLUSTER}{each.name}", wording.cluster_offered(each)) for each in offer.clusters]
        choices = (*described, *there, (_ANEW, texts.OFFER_ANEW))
        self.app.push_screen(Pick(texts.OFFER_TITLE, texts.OFFER_TEXT, choices), answered)

    def _go_on(self, session: Session) -> None:
        self.session = replace(session, delivery=self.session.delivery)
        self.action_forward()

    def _living(self, run: RunDir | None) -> None:
        if run is None:
            return

        def answered(choice: str | None) -> None:
            if choice == "watch":
                self.guide.show_run(run)

        choices = (("watch", texts.LIVING_YES), ("later", texts.LIVING_NO))
        text = texts.LIVING_TEXT.format(run=run.name, cluster=run.path.parent.parent.name)
        self.app.push_screen(Choose(texts.LIVING_TITLE, text, choices), answered)
