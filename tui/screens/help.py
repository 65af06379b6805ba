"""Help: what this screen is for and what its keys do; then the manuals that came in the delivery."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from tui import texts, wording
from tui.calls import delivery as deliveries
from tui.screens.page import Page
from tui.widgets.dialogs import Reading

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from appliance.plan.runtime import TextFile


class HelpPage(Page):
    """In front of another screen."""

    TITLE_TEXT = texts.HELP_TITLE
    LEAD = texts.HELP_LEAD
    LEADS_ON = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", texts.KEY_LEAVE),
        Binding("question_mark", "leave", texts.KEY_LEAVE, show=False),
    ]

    def __init__(self, title: str, text: str) -> None:
        super().__init__()
        self._about = title
        self._text = text
        self._manuals: tuple[TextFile, ...] = ()

    def body(self) -> ComposeResult:
        """The text, and the manuals' names."""
        with VerticalScroll(id="help-scroll"):
            yield Static(wording.help_page(self._about, self._text), markup=False)
        yield Static(texts.HELP_MANUALS, classes="caption", id="manuals-caption")
        yield OptionList(id="manuals")

    def begin(self) -> None:
        """Look for manuals in a delivery that is verified."""
        self.query_one("#manuals").display = self.query_one("#manuals-caption").display = False
        self.query_one("#help-scroll").focus()
        delivery = self.session.delivery
        if delivery and delivery.spec:
            self.work("manuals", lambda _: deliveries.manuals(self.engine, delivery), done=self._found, quiet=True)

    def action_leave(self) -> None:
        """Back to the screen behind."""
        self.dismiss(None)

    @on(OptionList.OptionSelected, "#manuals")
    def _read(self, event: OptionList.OptionSelected) -> None:
        manual = self._manuals[event.option_index]
        self.app.push_screen(Reading(manual.path, wording.printable(manual.text)))

    def _found(self, manuals: tuple[TextFile, ...]) -> None:
        self._manuals = manuals
        shown = self.query_one("#manuals", OptionList)
        shown.add_options([Option(wording.clean(manual.path)) for manual in manuals])
        shown.highlighted = 0 if manuals else None
        shown.display = self.query_one("#manuals-caption").display = bool(manuals)
