"""How a command becomes root's: the talk with sudo on standard error, as a pure state machine.

The command runs as ``sudo -k -S -p PROMPT -- sh -c '…; printf BEGIN >&2; exec "$@"' sh ARGV…`` with PROMPT and BEGIN
fresh random words. The password is written only when PROMPT was seen, and the command's own input only after BEGIN:
where no password is asked for (NOPASSWD), it would otherwise be the first line that the command reads.

Where sudo insists on a terminal (``Defaults requiretty``), script(1) makes one that carries nothing: the command keeps
its own three streams, and its input stays what it is, byte for byte.
"""

from __future__ import annotations

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
_IN_TERMINAL = """
command -v script >/dev/null || { echo "sudo wants a tty, and there is no program 'script' to make one" >&2; exit 1; }
exec script -qec "exec $1 <&3 >&4 2>&5 3<&- 4>&- 5>&-" /dev/null 3<&0 4>&1 5>&2 </dev/null >/dev/null 2>&1
"""


class TerminalWanted(AuthRefused):
    """Sudo runs nothing for whoever has no terminal; with one, it may."""


@dataclass(slots=True)
class SudoTalk:
    """The talk before one command begins. `password` None means that sudo must not ask."""

    password: str | None = field(repr=False)
    where: str
    terminal: bool = False
    prompt: str = field(default_factory=lambda: f"sudo-{secrets.token_hex(16)}:")
    begin: str = field(default_factory=lambda: f"begin-{secrets.token_hex(16)}")
    _said: bytes = b""
    _answered: bool = False

    def argv(self, argv: tuple[str, ...]) -> tuple[str, ...]:
        """`argv`, run by root through sudo."""
        announce = f'{PLAIN}; printf {self.begin} >&2; exec "$@"'
        whole = ("sudo", "-k", "-S", "-p", self.prompt, "--", "sh", "-c", announce, "sh", *argv)
        return ("env", "SHELL=/bin/sh", "sh", "-c", _IN_TERMINAL, "sh", quote(whole)) if self.terminal else whole

    def hear(self, data: bytes) -> Turn:
        """Take the next piece of standard error. Raises `AuthRefused` when sudo asks in vain or again."""
        self._said += data
        before, begin, rest = self._said.partition(self.begin.encode())
        asked = before.count(self.prompt.encode())
        if begin:
            return Turn(begun=True, rest=rest)
        if asked > 1 or len(before) > _MOST_BYTES:
            raise AuthRefused("sudo refused the password", hint="check the become password", where=self.where)
        if asked and not self._answered:
            self._answered = True
            return Turn(answer=self._secret())
        return Turn()

    def _secret(self) -> bytes:
        if self.password is None:
            raise AuthRefused(
                "sudo asks for a password and none was given",
                hint="give one with --become-password-file, or allow the user NOPASSWD",
                where=self.where,
            )
        return password_line(self.password, where=self.where)

    def ended(self) -> AuthRefused:
        """The error for a talk that ended before the command began: the last line that sudo said.

        It is `TerminalWanted` when that is about a terminal and there was none.
        """
        last = last_words(self._said.replace(self.prompt.encode(), b"\n"))
        about_terminal = "tty" in last.lower()
        kind = TerminalWanted if about_terminal and not self.terminal else AuthRefused
        hint = (
            "take requiretty for this user out of sudoers" if about_terminal else "allow the user sudo for all commands"
        )
        return kind(f"sudo did not run the command: {last}", hint=f"{hint}, or enter as root", where=self.where)


@dataclass(slots=True)
class Sudo:
    """How one user becomes root on one host; remembers whether sudo wants a terminal there."""

    password: str | None = field(repr=False)
    where: str
    _terminal: bool = False

    def run(self, attempt: Callable[[SudoTalk], CommandResult]) -> CommandResult:
        """`attempt` a command with a fresh talk, and once more if sudo wants a terminal: nothing was begun then."""
        try:
            return attempt(self._talk())
        except TerminalWanted:
            self._terminal = True
            return attempt(self._talk())

    def _talk(self) -> SudoTalk:
        return SudoTalk(self.password, where=self.where, terminal=self._terminal)
