"""What is said on standard error before a command runs as root: the seam between `converse` and sudo or su."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from appliance.errors import AuthRefused

if TYPE_CHECKING:
    from collections.abc import Callable

    from appliance.transport.base import CommandResult


@dataclass(frozen=True, slots=True)
class Turn:
    """What follows from a piece of standard error: bytes to `answer`; once `begun`, the `rest` is the command's own."""

    answer: bytes = b""
    begun: bool = False
    rest: bytes = b""


class Talk(Protocol):
    """The talk before one command begins."""

    def argv(self, argv: tuple[str, ...]) -> tuple[str, ...]:
        """`argv`, run by root."""
        ...

    def hear(self, data: bytes) -> Turn:
        """Take the next piece of standard error. Raises `AuthRefused` when a password is asked for in vain or again."""
        ...

    def ended(self) -> AuthRefused:
        """The error for a talk that ended before the command began: what was said last."""
        ...


class Becoming(Protocol):
    """How one user becomes root on one host."""

    def run(self, attempt: Callable[[Talk], CommandResult]) -> CommandResult:
        """`attempt` a command with a fresh talk."""
        ...


def password_line(password: str, *, where: str) -> bytes:
    """What is written when a password is asked for. Raises `AuthRefused` for one that no line can say."""
    if "\n" in password:
        raise AuthRefused("the become password holds a line break", where=where)
    return password.encode() + b"\n"


def last_words(said: bytes) -> str:
    """The last line of a talk that has any words."""
    lines = said.decode(errors="replace").splitlines()
    last = next((line.strip() for line in reversed(lines) if line.strip()), "it ended without a word")
    return last[:300]
