"""The seam between the engine and a host: what it is asked, and what it answers.

A `Transport` is one open connection; it belongs to one lane and is not shared between threads. A `Connect` opens one
for an `Endpoint` and is what tests replace. `quote` is the only place that makes a shell line out of arguments.
"""

from __future__ import annotations

import enum
import math
import shlex
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, BinaryIO, Protocol

if TYPE_CHECKING:
    from pathlib import Path


class Become(enum.StrEnum):
    """How the connected user becomes root."""

    NONE = "none"
    SUDO = "sudo"
    SU = "su"


@dataclass(frozen=True, slots=True)
class Credential:
    """How to log in and become root. Passwords live in memory only and never show in a repr.

    `key` is the one that was named. Where none was, `identities` are tried; where there are none, the usual ones are.
    With `identities_only`, the agent is asked for no other keys than these.
    """

    key: Path | None = None
    key_passphrase: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    agent: bool = True
    become: Become = Become.NONE
    become_password: str | None = field(default=None, repr=False)
    identities: tuple[Path, ...] = ()
    identities_only: bool = False


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a host listens for SSH, and as whom to enter. An empty `address` with port 0 is this machine.

    `jumps` are the hosts through which it is reached, the nearest first; each is entered as itself, and its own jumps
    do not count. `reach` is the address to connect to where that is another than the one that the host is known by.
    `fingerprints` (``SHA256:…``) are those of its keys as far as the inventory carries them; one of them must be shown.
    """

    address: str
    port: int
    user: str
    credential: Credential = field(default_factory=Credential)
    jumps: tuple[Endpoint, ...] = ()
    reach: str = ""
    unsafe_legacy_algorithms: bool = False
    fingerprints: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.user}@{self.place}"

    @property
    def place(self) -> str:
        """``ADDRESS:PORT`` (an IPv6 address in brackets), or ``this machine``."""
        if self.local:
            return "this machine"
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"

    @property
    def local(self) -> bool:
        """Whether it is this machine, without SSH."""
        return not self.address and self.port == 0

    @property
    def stations(self) -> tuple[Endpoint, ...]:
        """The jump hosts on the way, each with those before it, and the host itself."""
        return (*(replace(jump, jumps=self.jumps[:number]) for number, jump in enumerate(self.jumps)), self)


@dataclass(frozen=True, slots=True)
class Command:
    """A program and its arguments; never a shell line, never a secret.

    `secrets` names secrets whose values are written to the program's standard input, one a line, in order.
    `timeout` is in seconds, and so is `silence`: how long it may write nothing on its standard output once it runs.
    """

    argv: tuple[str, ...]
    secrets: tuple[str, ...] = ()
    timeout: float = 600.0
    silence: float = math.inf

    @classmethod
    def shell(cls, script: str, *arguments: str, timeout: float = 600.0) -> Command:
        """``sh -c SCRIPT sh ARGUMENTS``: `script` is a constant, values go in as `arguments`."""
        return cls(("sh", "-c", script, "sh", *arguments), timeout=timeout)


@dataclass(frozen=True, slots=True)
class CommandResult:
    """How a program ended; output is decoded as UTF-8 with replacement and bounded to the last 1 MiB a stream.

    `status` is 128 + N after signal N, and 255 where the host does not tell which (SSH); 127 when there is no such
    program.
    """

    status: int
    stdout: str
    stderr: str

    @property
    def ok(self) -> bool:
        """Whether it ended with status 0."""
        return self.status == 0


class Transport(Protocol):
    """An open connection. Everything runs as root when the endpoint's credential says how to become it."""

    def run(
        self, command: Command, *, stdin: bytes | BinaryIO = b"", output: Callable[[bytes], None] | None = None
    ) -> CommandResult:
        """Run `command` with `stdin` byte for byte; `output` gets standard output as it comes.

        `stdin` is read to its end while output is taken; what reading it raises ends the program and is raised here.
        A status other than 0 is a result, not an error. Raises `Unreachable` when the connection breaks, `timeout`
        passes or `silence` lasts, `AuthRefused` when becoming root is refused.
        """
        ...

    def put(self, source: bytes | BinaryIO, path: str, *, mode: int = 0o600, owner: str = "root:root") -> None:
        """Write a file atomically: beside its place, synced, then renamed. Raises `TransferFailed`.

        Missing folders above it are made, 0755. What was at `path` stays until all bytes of `source` are there.
        """
        ...

    def get(self, path: str, *, limit: int) -> bytes:
        """Read a file of at most `limit` bytes. Raises `TransferFailed`."""
        ...


def quote(argv: tuple[str, ...]) -> str:
    """The line by which a POSIX shell runs exactly `argv`. An empty `argv`, or a NUL in it, is a `ValueError`."""
    if not argv or any("\0" in word for word in argv):
        raise ValueError(f"no command line can say {argv!r}")
    return shlex.join(argv)


Connect = Callable[[Endpoint], AbstractContextManager[Transport]]
"""Open a connection; raises `Unreachable`, `AuthRefused` or `HostKeyChanged`."""
