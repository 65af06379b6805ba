"""How a command becomes root's: the talk with sudo on standard error, as a pure state machine.

The command runs as ``sudo -k -S -p PROMPT -- sh -c 'printf BEGIN >&2; exec "$@"' sh ARGV…`` with PROMPT and BEGIN fresh
random words. The password is written only when PROMPT was seen, and the command's own input only after BEGIN: where no
password is asked for (NOPASSWD), it would otherwise be the first line that the command reads.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from appliance.errors import AuthRefused

_MOST_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Turn:
    """What follows from a piece of standard error: bytes to `answer`; once `begun`, the `rest` is the command's own."""

    answer: bytes = b""
    begun: bool = False
    rest: bytes = b""


@dataclass(slots=True)
class SudoTalk:
    """The talk before one command begins. `password` None means that sudo must not ask."""

    password: str | None = field(repr=False)
    where: str
    prompt: str = field(default_factory=lambda: f"sudo-{secrets.token_hex(16)}:")
    begin: str = field(default_factory=lambda: f"begin-{secrets.token_hex(16)}")
    _said: bytes = b""
    _answered: bool = False

    def argv(self, argv: tuple[str, ...]) -> tuple[str, ...]:
        """`argv`, run by root through sudo."""
        announce = f'printf {self.begin} >&2; exec "$@"'
        return ("sudo", "-k", "-S", "-p", self.prompt, "--", "sh", "-c", announce, "sh", *argv)

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
        if "\n" in self.password:
            raise AuthRefused("the become password holds a line break", where=self.where)
        return self.password.encode() + b"\n"

    def ended(self) -> AuthRefused:
        """The error for a talk that ended before the command began: the last line that sudo said."""
        lines = self._said.decode(errors="replace").replace(self.prompt, "\n").splitlines()
        last = next((line.strip() for line in reversed(lines) if line.strip()), "it ended without a word")
        return AuthRefused(
            f"sudo did not run the command: {last[:300]}",
            hint="allow the user sudo for all commands, or enter as root",
            where=self.where,
        )
