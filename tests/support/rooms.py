"""Hosts for tests that need only a shell: this machine, with /run, /var/lib and /opt of its own for each.

    room = Room(tmp_path / "one")                # its /run is tmp_path/one/run, and so on
    room.transport().run(Command(("true",)))
    connect = rooms(tmp_path)                    # a Connect: an endpoint's address names the room

Programs, processes, users and all other folders are this machine's. `Break` makes a line that breaks when told.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, BinaryIO

from appliance.errors import Unreachable
from appliance.transport.base import Command, CommandResult, Endpoint, Transport
from appliance.transport.hostfiles import get_file, put_file
from appliance.transport.local import LocalTransport

if TYPE_CHECKING:
    from pathlib import Path

    from appliance.transport.base import Connect

_ENTER = """
root=$1 path=$2; shift 2
for folder in /run /var/lib /opt; do mount --bind "$root$folder" "$folder" || exit 99; done
[ -z "$path" ] || PATH=$path
exec "$@"
"""

Happening = Callable[[Command], None]


@dataclass(frozen=True, slots=True)
class Room:
    """A host; `path` is the PATH of its programs, empty for this machine's."""

    root: Path
    path: str = ""

    def __post_init__(self) -> None:
        for folder in ("run", "var/lib", "opt"):
            (self.root / folder).mkdir(parents=True, exist_ok=True)

    def at(self, path: str) -> Path:
        """Where a path of the room lies for the test."""
        return self.root / path.lstrip("/")

    def transport(self, *, before: Happening | None = None, after: Happening | None = None) -> Transport:
        """A line to it; `before` and `after` are called around each command, and may raise."""
        return _RoomTransport(self, before=before, after=after)


@dataclass(frozen=True, slots=True)
class _RoomTransport:
    room: Room
    before: Happening | None = None
    after: Happening | None = None
    machine: LocalTransport = field(default_factory=lambda: LocalTransport(endpoint("this machine")))

    def run(
        self, command: Command, *, stdin: bytes | BinaryIO = b"", output: Callable[[bytes], None] | None = None
    ) -> CommandResult:
        if self.before:
            self.before(command)
        user = () if os.geteuid() == 0 else ("--user", "--map-root-user")
        argv = ("unshare", *user, "--mount", "sh", "-c", _ENTER, "sh", str(self.room.root), self.room.path)
        result = self.machine.run(replace(command, argv=(*argv, *command.argv)), stdin=stdin, output=output)
        if self.after:
            self.after(command)
        return result

    def put(self, source: bytes | BinaryIO, path: str, *, mode: int = 0o600, owner: str = "root:root") -> None:
        put_file(self, source, path, mode=mode, owner=owner, where="")

    def get(self, path: str, *, limit: int) -> bytes:
        return get_file(self, path, limit=limit, where="")


def endpoint(room: str) -> Endpoint:
    """The endpoint of a room."""
    return Endpoint(room, 22, "root")


def rooms(folder: Path, *, before: Happening | None = None, after: Happening | None = None) -> Connect:
    """Opens rooms below `folder`."""

    @contextlib.contextmanager
    def connect(where: Endpoint) -> Iterator[Transport]:
        yield Room(folder / where.address).transport(before=before, after=after)

    return connect


class Break:
    """A happening that raises `Unreachable` at the commands whose numbers are given (from 1), and counts them all."""

    def __init__(self, *at: int) -> None:
        self.at = at
        self.commands: list[Command] = []

    def __call__(self, command: Command) -> None:
        self.commands.append(command)
        if len(self.commands) in self.at:
            raise Unreachable("the line broke")


@cache
def busybox_path(folder: Path) -> str:
    """A PATH with nothing but busybox under the names of its programs."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["busybox", "--install", "-s", str(folder)], check=True)
    return str(folder)
