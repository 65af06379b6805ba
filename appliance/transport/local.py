"""This machine as a transport: the same contract without a connection; sudo where the operator is not root."""

from __future__ import annotations

import contextlib
import os
import pwd
import selectors
import signal
import subprocess
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, BinaryIO, cast

from appliance.errors import Unreachable
from appliance.transport.base import CommandResult, Endpoint, quote
from appliance.transport.become import becoming
from appliance.transport.hostfiles import get_file, put_file
from appliance.transport.program import PIECE_BYTES, converse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from appliance.transport.base import Command
    from appliance.transport.talk import Talk

_LOOK_UP_SECONDS = 1.0
_GRACE_SECONDS = 2.0
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@contextlib.contextmanager
def connect(endpoint: Endpoint) -> Iterator[LocalTransport]:
    """This machine as a `Transport`; `endpoint` says only how to become root."""
    yield LocalTransport(endpoint)


@dataclass(frozen=True, slots=True)
class LocalTransport:
    """Runs programs here, with a login's plain environment: nothing of the operator's own reaches them."""

    endpoint: Endpoint

    def run(
        self, command: Command, *, stdin: bytes | BinaryIO = b"", output: Callable[[bytes], None] | None = None
    ) -> CommandResult:
        """See `Transport.run`."""
        become = becoming(self.endpoint.credential, where=self.endpoint.place)
        if become is None or os.geteuid() == 0:
            return self._run(command, stdin, output, None)
        return become.run(lambda talk: self._run(command, stdin, output, talk))

    def _run(
        self,
        command: Command,
        stdin: bytes | BinaryIO,
        output: Callable[[bytes], None] | None,
        talk: Talk | None,
    ) -> CommandResult:
        argv = talk.argv(command.argv) if talk else command.argv
        return converse(
            _LocalProgram(("sh", "-c", f"exec {quote(argv)}")),
            command,
            stdin=stdin,
            output=output,
            where=self.endpoint.place,
            talk=talk,
        )

    def put(self, source: bytes | BinaryIO, path: str, *, mode: int = 0o600, owner: str = "root:root") -> None:
        """See `Transport.put`."""
        put_file(self, source, path, mode=mode, owner=owner, where=self.endpoint.place)

    def get(self, path: str, *, limit: int) -> bytes:
        """See `Transport.get`."""
        return get_file(self, path, limit=limit, where=self.endpoint.place)


class _LocalProgram:
    """A child process in a session of its own, with a pipe for each stream."""

    def __init__(self, argv: tuple[str, ...]) -> None:
        me = pwd.getpwuid(os.geteuid())
        self._child = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            cwd=me.pw_dir if os.access(me.pw_dir, os.X_OK) else "/",
            env={"PATH": _PATH, "HOME": me.pw_dir, "USER": me.pw_name, "LOGNAME": me.pw_name, "LANG": "C.UTF-8"},
            start_new_session=True,
        )
        streams = (self._child.stdin, self._child.stdout, self._child.stderr)
        self._stdin, self._stdout, self._stderr = cast("tuple[IO[bytes], IO[bytes], IO[bytes]]", streams)
        self._ears = selectors.DefaultSelector()
        self._ears.register(self._stdout, selectors.EVENT_READ)
        self._ears.register(self._stderr, selectors.EVENT_READ)
        self._ended = False

    def write(self, data: bytes | memoryview) -> None:
        """See `Program.write`."""
        view = memoryview(data)
        try:
            while view:
                view = view[self._stdin.write(view) :]
        except ValueError as error:
            raise BrokenPipeError("the program was closed") from error

    def end_input(self) -> None:
        """See `Program.end_input`."""
        self._stdin.close()

    def read(self, seconds: float) -> tuple[bytes, bytes] | None:
        """See `Program.read`."""
        if self._ended or not self._ears.get_map():
            return None
        came = {self._stdout: b"", self._stderr: b""}
        for key, _ in self._ears.select(min(seconds, _LOOK_UP_SECONDS)):
            stream = cast("IO[bytes]", key.fileobj)
            came[stream] = os.read(key.fd, PIECE_BYTES)
            if not came[stream]:
                self._ears.unregister(stream)
        return came[self._stdout], came[self._stderr]

    def status(self, seconds: float) -> int:
        """See `Program.status`."""
        try:
            status = self._child.wait(seconds)
        except subprocess.TimeoutExpired as error:
            raise Unreachable("a command closed its output and did not end", where="this machine") from error
        return 128 - status if status < 0 else status

    def kill(self) -> None:
        """See `Program.kill`: it is asked to go, so that it can tidy up."""
        self._ended = True
        self._signal(signal.SIGTERM)

    def close(self) -> None:
        """See `Program.close`."""
        self._ended = True
        self._ears.close()
        for stream in (self._stdin, self._stdout, self._stderr):
            stream.close()
        for number in (signal.SIGTERM, signal.SIGKILL):
            self._signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(_GRACE_SECONDS)

    def _signal(self, number: signal.Signals) -> None:
        if self._child.poll() is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):  # what sudo runs ends with its pipes
                os.killpg(self._child.pid, number)
