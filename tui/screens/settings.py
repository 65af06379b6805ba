"""Settings: the cluster's name, and a form out of the bundle's parameters, checked as it is typed."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from textual import on
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Checkbox, Input, Label, Select, Static

from appliance.errors import RecipeError
from appliance.recipe.networking import Network, network_texts
from appliance.state import require_label
from tui import changes, helps, texts, wording
from tui.calls import description, hosts
from tui.fields import Field, Kind, fields_of, given, network_of
from tui.screens.page import Page
from tui.session import Step
from tui.widgets.tick import Tick

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.widget import Widget

    from appliance.errors import ApplianceError
    from tui.session import Session

_NAME = "cluster-name"


class SettingsPage(Page):
    """The third step."""

    TITLE_TEXT = wording.step_title(Step.SETTINGS)
    LEAD = texts.SETTINGS_LEAD
    HELP_TEXT = helps.SETTINGS

    def __init__(self) -> None:
        super().__init__()
        self._fields: tuple[Field, ...] = ()
        self._network: tuple[Field, ...] = ()
        self._own = Network()
        self._fault: ApplianceError | None = None
        self._going = False
        self._back = False

    def body(self) -> ComposeResult:
        """The name, then a field for each parameter, with its fault or its description below it."""
        self._fields = fields_of(self.session.spec)
        self._network = network_of(description.networks(self.session), texts.SETTINGS_NETWORK)
        self._own = self.session.written.network
        values = {**self.session.parameters, **network_texts(self._own)}
        with VerticalScroll(id="form", can_focus=False):
            with Horizontal(classes="field"):
                yield Label(texts.SETTINGS_NAME)
                yield Input(self.session.written.name, id=_NAME, compact=True, disabled=self.session.added)
            hint = texts.SETTINGS_NAME_THERE if self.session.added else texts.SETTINGS_NAME_HINT
            yield Static(hint, classes="hint", id=f"{_NAME}-hint", markup=False)
            for field in (*self._fields, *self._network):
                with Vertical(classes="parameter"):
                    with Horizontal(classes="field"):
                        yield Label(wording.clean(field.title), markup=False)
                        yield _widget(field, values.get(field.name))
                    yield Static(wording.field_hint(field), classes="hint", id=f"{field.id}-hint", markup=False)
            if not self._fields and not self._network:
                yield Static(texts.SETTINGS_NONE, markup=False)

    def begin(self) -> None:
        """Focus the first field; say which secrets are kept already."""
        first = next((field.id for field in self._fields), _NAME) if self.session.added else _NAME
        self.query_one(f"#{first}").focus()
        if any(field.secret for field in self._fields):
            session = self.session
            self.work("kept", lambda _: description.kept_parameters(self.engine, session), done=self._kept)
        self._check()

    def action_forward(self) -> None:
        """Go on when all values hold; who is leaving already is not stopped."""
        if not self.busy("keys"):
            self._going = True
            self._check()

    def action_back(self) -> None:
        """Keep the values typed, right or wrong, and go back, also from the way on; a name counts once it holds."""
        self._back, self._going = True, False
        if not self.busy("keys"):
            self._leave()

    @on(Input.Submitted)
    def _entered(self) -> None:
        self.focus_next()

    @on(Input.Changed)
    @on(Select.Changed)
    @on(Checkbox.Changed)
    def _changed_value(self) -> None:
        self._check()

    def _kept(self, names: frozenset[str]) -> None:
        for field in self._fields:
            if field.name in names:
                self.query_one(f"#{field.id}", Input).placeholder = texts.SETTINGS_KEPT

    def _check(self) -> None:
        session = changes.with_parameters(self.session, self._given())
        name = self.query_one(f"#{_NAME}", Input).value.strip()
        typed = {field.name: str(self._value(field)) for field in self._network}

        def check(_: object) -> tuple[Network, tuple[str, ...]]:
            require_label(name)
            network = description.network_of(typed) if typed else session.written.network
            wanted = changes.with_network(changes.with_name(session, name), network)
            return network, description.check_settings(self.engine, wanted, networked=bool(typed))

        self.work("check", check, done=self._holds, failed=self._fails, quiet=True)

    def _holds(self, found: tuple[Network, tuple[str, ...]]) -> None:
        self._own, clashes = found
        self._mark(None)
        if clashes:
            self.notice.say("\n".join(clashes))
        else:
            self.notice.quiet()
        if self._going:
            self._going = False
            self._leave()

    def _leave(self) -> None:
        """Keep what was typed, let what was believed hold for the name, and go."""
        before = self.session.written.name
        self._store()
        session = self.session
        self.work("keys", lambda _: hosts.renamed(self.engine, session, before), done=self._left, failed=self._stays)

    def _left(self, session: Session) -> None:
        self.session = session
        if self._back:
            super().action_back()
        else:
            self.guide.go(Step.PREFLIGHT)

    def _stays(self, error: ApplianceError) -> None:
        self._back = False
        self.fail(error)

    def _fails(self, error: ApplianceError) -> None:
        self._mark(error)
        if self._going:
            self._going = False
            self.fail(error)
            if found := self._field(error):
                self.query_one(f"#{found}").focus()

    def _field(self, error: ApplianceError) -> str:
        """The id of the field that an error is about."""
        where = error.where.split(".")
        if where[:1] == ["metadata"]:
            return _NAME
        fields = self._network if where[:1] == ["network"] else self._fields
        return next((field.id for field in fields if [field.name] == where[1:2]), "")

    def _mark(self, error: ApplianceError | None) -> None:
        """Say below its field what is wrong; all others say what they are."""
        wrong = self._field(error) if error else ""
        fields = (*self._fields, *self._network)
        named = {} if self.session.added else {_NAME: texts.SETTINGS_NAME_HINT}
        for name, hint in {**named, **{field.id: wording.field_hint(field) for field in fields}}.items():
            line = self.query_one(f"#{name}-hint", Static)
            line.set_class(name == wrong, "fault")
            line.update(wording.fault(error) if error and name == wrong else hint)

    def _given(self) -> dict[str, object]:
        return given(self._fields, {field.name: self._value(field) for field in self._fields})

    def _value(self, field: Field) -> Any:
        widget = self.query_one(f"#{field.id}")
        if isinstance(widget, Select):
            return None if widget.is_blank() else widget.value
        return widget.value if isinstance(widget, Input | Checkbox) else None

    def _store(self) -> None:
        self.session = changes.with_network(changes.with_parameters(self.session, self._given()), self._own)
        name = self.query_one(f"#{_NAME}", Input).value.strip()
        with contextlib.suppress(RecipeError):  # what cannot be a name leaves the one before
            require_label(name)
            self.session = changes.with_name(self.session, name)


def _widget(field: Field, value: object) -> Widget:
    current = field.default if value is None else value
    match field.kind:
        case Kind.YES_NO:
            return Tick(texts.YES, value=current in (True, "true", "yes", "on"), id=field.id, compact=True)
        case Kind.CHOICE:
            options = [(wording.clean(choice), choice) for choice in field.choices]
            chosen = str(current) if str(current) in field.choices else Select.NULL
            return Select(options, value=chosen, allow_blank=chosen is Select.NULL, id=field.id, compact=True)
        case _:
            shown = field.text_of(current) if current is not None else ""
            return Input(shown, id=field.id, password=field.secret, compact=True)
