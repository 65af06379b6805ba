"""Questions in front of a screen: yes or no, a text, a name that must be typed."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Footer, Input, OptionList, Static
from textual.widgets.option_list import Option

from tui import texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

T = TypeVar("T")


class Dialog(ModalScreen[T | None], Generic[T]):
    """A box with a title; Escape leaves it without an answer."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", texts.KEY_LEAVE)]

    def __init__(self, title: str) -> None:
        super().__init__()
        self._title = title

    def inside(self) -> ComposeResult:
        """What the box holds below its title."""
        yield from ()

    def compose(self) -> ComposeResult:
        """The box."""
        with Vertical(classes="box"):
            yield Static(self._title, classes="box-title", markup=False)
            yield from self.inside()
        yield Footer(compact=True, show_command_palette=False)

    def action_leave(self) -> None:
        """Leave without an answer."""
        self.dismiss(None)


class Choose(Dialog[str]):
    """A text and a few buttons; the answer is the chosen one's key."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right", "turn(1)", texts.KEY_CHOOSE, key_display=texts.KEYS_ARROWS),
        Binding("left", "turn(-1)", show=False),
        Binding("up", "scroll('scroll_up')", show=False),
        Binding("down", "scroll('scroll_down')", show=False),
        Binding("pageup", "scroll('scroll_page_up')", show=False),
        Binding("pagedown", "scroll('scroll_page_down')", show=False),
    ]

    def __init__(self, title: str, text: str, choices: Sequence[tuple[str, str]]) -> None:
        super().__init__(title)
        self._text = text
        self._choices = choices

    def inside(self) -> ComposeResult:
        """The text, then the buttons; the first has the focus."""
        with VerticalScroll(classes="box-text", can_focus=False):
            yield Static(self._text, markup=False)
        with Horizontal(classes="buttons"):
            for key, label in self._choices:
                yield Button(label, id=key, compact=True)

    def on_mount(self) -> None:
        """Focus the first choice, which is the harmless one."""
        self.query(Button).first().focus()

    @on(Button.Pressed)
    def _chosen(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id)

    def action_turn(self, direction: int) -> None:
        """Go to the next choice (1), or to the one before (-1)."""
        if direction > 0:
            self.focus_next(Button)
        else:
            self.focus_previous(Button)

    def action_scroll(self, way: str) -> None:
        """Scroll the text, by the widget's method of that name."""
        getattr(self.query_one(".box-text"), way)(animate=False)


class Pick(Dialog[str]):
    """A text and a list, for more choices than fit beside each other; the answer is the chosen one's key."""

    def __init__(self, title: str, text: str, choices: Sequence[tuple[str, str]]) -> None:
        super().__init__(title)
        self._text = text
        self._choices = choices

    def inside(self) -> ComposeResult:
        """The text, then the list."""
        yield Static(self._text, markup=False)
        yield OptionList(*(Option(Content(label), id=key) for key, label in self._choices), classes="choices")

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option.id)


class AskText(Dialog[str]):
    """One line of text; the answer is what was typed."""

    def __init__(self, title: str, text: str, value: str = "") -> None:
        super().__init__(title)
        self._text = text
        self._value = value

    def inside(self) -> ComposeResult:
        """The text and the field."""
        yield Static(self._text, markup=False)
        yield Input(self._value, compact=True)

    @on(Input.Submitted)
    def _typed(self, event: Input.Submitted) -> None:
        self.dismiss(event.value)


class TypeName(Dialog[str]):
    """For what cannot be undone: nothing but the very name is an answer."""

    def __init__(self, title: str, text: str, name: str) -> None:
        super().__init__(title)
        self._text = text
        self._wanted = name

    def inside(self) -> ComposeResult:
        """The text and the field."""
        yield Static(self._text, markup=False)
        yield Input(compact=True)

    @on(Input.Submitted)
    def _typed(self, event: Input.Submitted) -> None:
        if event.value.strip() == self._wanted:
            self.dismiss(self._wanted)
        else:
            event.input.value = ""
            event.input.placeholder = texts.TYPE_EXACTLY.format(name=self._wanted)


class Reading(Dialog[str]):
    """A long text to read."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "leave", texts.KEY_LEAVE, show=False)]

    def __init__(self, title: str, text: str) -> None:
        super().__init__(title)
        self._text = text

    def inside(self) -> ComposeResult:
        """The text, to be scrolled."""
        with VerticalScroll(classes="reading"):
            yield Static(self._text, markup=False)
