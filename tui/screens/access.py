"""How hosts are entered: user, key, jump hosts, how root is become, passwords, which stay in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual import on
from textual.containers import Horizontal
from textual.widgets import Button, Input, Label, Select, Static

from appliance.inventory.hosts import Access
from appliance.recipe import jumphosts
from appliance.transport.base import Become
from tui import texts, typed, wording
from tui.widgets.dialogs import Dialog

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from appliance.recipe.clusterfile import SshSettings


_PORTS = 65535


@dataclass(frozen=True, slots=True)
class _Line:
    id: str
    label: str
    value: str
    hint: str = ""
    secret: bool = False


class AskAccess(Dialog[Access]):
    """A form; the answer is an `Access`."""

    def __init__(self, about: str, access: Access, ssh: SshSettings) -> None:
        super().__init__(texts.ACCESS_TITLE)
        self._about = about
        self._access = access
        self._ssh = ssh

    def inside(self) -> ComposeResult:
        """The fields."""
        yield Static(self._about, markup=False)
        for line in self._entering():
            yield _row(line)
        with Horizontal(classes="field"):
            yield Label(texts.ACCESS_ROOT)
            how = self._access.become.value if self._access.become else self._ssh.become
            options = [(text, value) for value, text in texts.ACCESS_ROOT_BY.items()]
            yield Select(options, value=how, allow_blank=False, id="how", compact=True)
        for line in self._beyond():
            yield _row(line)
        yield Static("", id="access-fault", markup=False)
        with Horizontal(classes="buttons"):
            yield Button(texts.ACCESS_GO, id="go", compact=True)

    def _entering(self) -> tuple[_Line, ...]:
        access, ssh = self._access, self._ssh
        port = access.port or ssh.port
        return (
            _Line("user", texts.ACCESS_USER, access.user or ssh.user, "root"),
            _Line("port", texts.ACCESS_PORT, str(port) if port else "", "22"),
            _Line("key", texts.ACCESS_KEY, str(access.key or ssh.key or ""), texts.ACCESS_KEY_HINT),
            _Line("passphrase", texts.ACCESS_PASSPHRASE, access.key_passphrase or "", secret=True),
            _Line("password", texts.ACCESS_PASSWORD, access.password or "", secret=True),
        )

    def _beyond(self) -> tuple[_Line, ...]:
        access, become, jump = self._access, self._access.become_password or "", self._access.jump_password or ""
        return (
            _Line("become", texts.ACCESS_BECOME, become, texts.ACCESS_BECOME_HINT, secret=True),
            _Line("jump", texts.ACCESS_JUMP, access.jump or self._ssh.jump, texts.ACCESS_JUMP_HINT),
            _Line("jump-password", texts.ACCESS_JUMP_PASSWORD, jump, texts.ACCESS_JUMP_PASSWORD_HINT, secret=True),
        )

    @on(Input.Submitted)
    @on(Button.Pressed, "#go")
    def _go(self) -> None:
        key = self._text("key")
        path = typed.path(key) if key else None
        if path and not typed.is_file(path):
            self._refuse("key", texts.ACCESS_NO_KEY.format(path=path))
            return
        port = int(self._text("port") or 0)
        if port > _PORTS:
            self._refuse("port", texts.ACCESS_NO_PORT.format(port=port))
            return
        try:
            jumphosts.parse(self._text("jump"))
        except ValueError as error:
            self._refuse("jump", wording.clean(f"{error}; {jumphosts.HINT}"))
            return
        how = str(self.query_one("#how", Select).value)
        self.dismiss(
            Access(
                user=self._text("user"),
                port=port,
                key=path,
                become=Become(how) if how else None,
                key_passphrase=self._text("passphrase", strip=False) or None,
                password=self._text("password", strip=False) or None,
                become_password=self._text("become", strip=False) or None,
                jump=self._text("jump"),
                jump_password=self._text("jump-password", strip=False) or None,
            )
        )

    def _refuse(self, id: str, why: str) -> None:  # noqa: A002  (a widget's id)
        self.query_one("#access-fault", Static).update(why)
        self.query_one(f"#{id}").focus()

    def _text(self, id: str, *, strip: bool = True) -> str:  # noqa: A002  (as above)
        value = self.query_one(f"#{id}", Input).value
        return value.strip() if strip else value


def _row(line: _Line) -> Horizontal:
    restrict = r"\d{0,5}" if line.id == "port" else None
    field = Input(line.value, id=line.id, placeholder=line.hint, password=line.secret, compact=True, restrict=restrict)
    return Horizontal(Label(line.label), field, classes="field")
