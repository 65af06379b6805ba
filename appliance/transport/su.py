"""How a command becomes root's by su, where there is no sudo: the same talk, with root's own password.

``su -s /bin/sh -c '…; printf BEGIN >&2; exec ARGV…' root`` asks on standard error and reads the answer from standard
input where there is no terminal. Its question cannot be chosen; it is asked in the C locale, and believed only while
it is the last that was said. Input begins after BEGIN, a fresh random word.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from appliance.errors import AuthRefused
from appliance.transport.base import quote
from appliance.transport.shellline import PLAIN
from appliance.transport.talk import Turn, last_words, password_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from appliance.transport.base import CommandResult

_MOST_BYTES = 1 << 16
_QUESTION = re.compile(rb"[Pp]assword[^\n:]{0,64}: ?\Z")
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; export PATH"


@dataclass(slots=True)
class SuTalk:
    """The talk before one command begins. `password` is root's; None means that su must not ask."""

    password: str | None = field(repr=False)
    where: str
    begin: str = field(default_factory=lambda: f"begin-{secrets.token_hex(16)}")
    _said: bytes = b""
    _answered: bool = False

    def argv(self, argv: tuple[str, ...]) -> tuple[str, ...]:
        """`argv`, run by root through su."""
        script = f"{PLAIN}; {_PATH}; printf {self.begin} >&2; exec {quote(argv)}"
        return ("env", "LC_ALL=C", "su", "-s", "/bin/sh", "-c", script, "root")

    def hear(self, data: bytes) -> Turn:
        """Take the next piece of standard error. Raises `AuthRefused` when su asks in vain or again."""
        self._said += data
        before, begin, rest = self._said.partition(self.begin.encode())
        if begin:
            return Turn(begun=True, rest=rest)
        if len(before) > _MOST_BYTES:
            raise self._refused()
        if not _QUESTION.search(before):
            return Turn()
        if self._answered:
            raise self._refused()
        self._answered, self._said = True, b""
        return Turn(answer=self._secret())

    def _refused(self) -> AuthRefused:
        return AuthRefused("su refused the password", hint="it is root's, not the user's", where=self.where)

    def _secret(self) -> bytes:
        if self.password is None:
            raise AuthRefused(
                "su asks for root's password and none was given",
                hint="give it with --become-password-file",
                where=self.where,
            )
        return password_line(self.password, where=self.where)

    def ended(self) -> AuthRefused:
        """The error for a talk that ended before the command began."""
        last = last_words(self._said)
        if self._answered and "failure" in last.lower():
            return self._refused()
        return AuthRefused(
            f"su did not run the command: {last}",
            hint="let the user use su (group wheel, where PAM asks for it), or enter as root",
            where=self.where,
        )


@dataclass(frozen=True, slots=True)
class Su:
    """How one user becomes root on one host by su."""

    password: str | None = field(repr=False)
    where: str

    def run(self, attempt: Callable[[SuTalk], CommandResult]) -> CommandResult:
        """`attempt` a command with a fresh talk."""
        return attempt(SuTalk(self.password, where=self.where))
