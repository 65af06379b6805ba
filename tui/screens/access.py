"""How hosts are entered: user, key, passwords. What is typed here stays in memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from textual import on
from textual.containers import Horizontal
from textual.widgets import Button, Input, Label, Static

from appliance.inventory.hosts import Access
from tui import texts
from tui.widgets.dialogs import Dialog

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from appliance.recipe.clusterfile import SshSettings


@dataclass(frozen=True, slots=True)
class _Field:
    id: str
    label: str
    value: str
    hint: str
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
        for field in self._fields():
            with Horizontal(classes="field"):
                yield Label(field.label)
                yield Input(
                    field.value,
                    id=field.id,
                    placeholder=field.hint,
                    password=field.secret,
                    compact=True,
                    restrict=r"\d{0,5}" if field.id == "port" else None,
                )
        yield Static("", id="access-fault", markup=False)
        with Horizontal(classes="buttons"):
            yield Button(texts.ACCESS_GO, id="go", compact=True)

    def _fields(self) -> tuple[_Field, ...]:
        access, ssh = self._access, self._ssh
        port = access.port or ssh.port
        return (
            _Field("user", texts.ACCESS_USER, access.user or ssh.user, "root"),
            _Field("port", texts.ACCESS_PORT, str(port) if port else "", "22"),
            _Field("key", texts.ACCESS_KEY, str(access.key or ssh.key or ""), texts.ACCESS_KEY_HINT),
            _Field("passphrase", texts.ACCESS_PASSPHRASE, access.key_passphrase or "", "", secret=True),
            _Field("password", texts.ACCESS_PASSWORD, access.password or "", "", secret=True),
            _Field("become", texts.ACCESS_BECOME, access.become_password or "", texts.ACCESS_BECOME_HINT, secret=True),
        )

    @on(Input.Submitted)
    @on(Button.Pressed, "#go")
    def _go(self) -> None:
        key = self._text("key")
        path = Path(key).expanduser() if key else None
        if path and not path.is_file():
            self.query_one("#access-fault", Static).update(texts.ACCESS_NO_KEY.format(path=path))
            self.query_one("#key").focus()
            return
        self.dismiss(
            Access(
                user=self._text("user"),
                port=int(self._text("port") or 0),
                key=path,
                become=self._access.become,
                key_passphrase=self._text("passphrase", strip=False) or None,
                password=self._text("password", strip=False) or None,
                become_password=self._text("become", strip=False) or None,
            )
        )

    def _text(self, id: str, *, strip: bool = True) -> str:  # noqa: A002  (a widget's id)
        value = self.query_one(f"#{id}", Input).value
        return value.strip() if strip else value
