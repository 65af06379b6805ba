"""An open SSH connection as a `Transport`: commands over channels, become root where asked."""

from __future__ import annotations

import contextlib
import secrets
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

import paramiko

from appliance.errors import AuthRefused, Unreachable
from appliance.transport.become import becoming
from appliance.transport.hostfiles import get_file, put_file
from appliance.transport.program import converse
from appliance.transport.shellline import Begun, line
from appliance.transport.ssh.channels import PACKET_BYTES, begin, open_session, translated
from appliance.transport.ssh.handshake import Patience
from appliance.transport.ssh.way import Way
from appliance.transport.talk import last_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from appliance.transport.base import Command, CommandResult, Endpoint
    from appliance.transport.ssh.hostkeys import HostKeys
    from appliance.transport.talk import Becoming, Talk

_READ_BYTES = 1 << 20
_STATUS_UNKNOWN = 255


@contextlib.contextmanager
def connect(endpoint: Endpoint, *, known_hosts: HostKeys, way: Way | None = None) -> Iterator[SshTransport]:
    """Connect, check the host's key before anything is said about us, and log in.

    Connections to jump hosts are shared with whoever uses the same `way`. Raises `Unreachable`, `HostKeyChanged`,
    `TransportError` for a key that nobody vouches for, and `AuthRefused`.
    """
    way = way or Way(known_hosts, patience=Patience())
    become = None if endpoint.user == "root" else becoming(endpoint.credential, where=endpoint.place)
    with way.entered(endpoint) as connection:
        yield SshTransport(endpoint, connection, become)


@dataclass(frozen=True, slots=True)
class SshTransport:
    """A logged-in connection; it belongs to one lane."""

    endpoint: Endpoint
    connection: paramiko.Transport
    become: Becoming | None = None

    def run(
        self, command: Command, *, stdin: bytes | BinaryIO = b"", output: Callable[[bytes], None] | None = None
    ) -> CommandResult:
        """See `Transport.run`."""
        if self.become is None:
            return self._run(command, stdin, output, None)
        return self.become.run(lambda talk: self._run(command, stdin, output, talk))

    def _run(
        self,
        command: Command,
        stdin: bytes | BinaryIO,
        output: Callable[[bytes], None] | None,
        talk: Talk | None,
    ) -> CommandResult:
        where = self.endpoint.place
        argv = talk.argv(command.argv) if talk else command.argv
        channel = open_session(self.connection, where=where)
        program = _SshProgram(channel, mark=(mark := f"mark-{secrets.token_hex(16)}:"), where=where)
        begin(channel, line(argv, mark=mark), where=where)
        return converse(program, command, stdin=stdin, output=output, where=where, talk=talk)

    def put(self, source: bytes | BinaryIO, path: str, *, mode: int = 0o600, owner: str = "root:root") -> None:
        """See `Transport.put`."""
        put_file(self, source, path, mode=mode, owner=owner, where=self.endpoint.place)

    def get(self, path: str, *, limit: int) -> bytes:
        """See `Transport.get`."""
        return get_file(self, path, limit=limit, where=self.endpoint.place)


class _SshProgram:
    """A channel in which a login shell runs a command; what it writes before the `mark` is not the command's."""

    def __init__(self, channel: paramiko.Channel, *, mark: str, where: str) -> None:
        self._channel = channel
        self._where = where
        self._out, self._err = Begun(mark.encode()), Begun(mark.encode())
        self._news = threading.Event()  # set by whichever stream has something; cleared only by our own reading
        channel.in_buffer.set_event(self._news)
        channel.in_stderr_buffer.set_event(self._news)

    def write(self, data: bytes | memoryview) -> None:
        """See `Program.write`."""
        view = memoryview(data)
        while view:
            try:
                sent = self._channel.send(view[:PACKET_BYTES])  # type: ignore[arg-type]  # any buffer will do
            except (paramiko.SSHException, EOFError) as error:
                raise BrokenPipeError(str(error)) from error
            if not sent:
                raise BrokenPipeError("the program takes no more")
            view = view[sent:]

    def end_input(self) -> None:
        """See `Program.end_input`."""
        try:
            self._channel.shutdown_write()
        except (paramiko.SSHException, EOFError) as error:
            raise BrokenPipeError(str(error)) from error

    def read(self, seconds: float) -> tuple[bytes, bytes] | None:
        """See `Program.read`."""
        while True:
            ended = bool(self._channel.eof_received) or self._channel.closed  # before looking, or the last is lost
            with translated(self._where):
                out = self._channel.recv(_READ_BYTES) if self._channel.recv_ready() else b""
                err = self._channel.recv_stderr(_READ_BYTES) if self._channel.recv_stderr_ready() else b""
            if out or err:
                return self._out.hear(out), self._err.hear(err)
            if ended:
                return None
            if not self._news.wait(seconds):
                return b"", b""

    def status(self, seconds: float) -> int:
        """See `Program.status`."""
        if not self._channel.status_event.wait(seconds):
            raise Unreachable("a command closed its output and did not end", where=self._where)
        status = self._channel.exit_status
        if status >= 0 and not self._out.begun:
            said = last_words(self._err.noise or self._out.noise)
            hint = "give the user a login shell that runs commands, or enter as another"
            raise AuthRefused(f"the login shell did not run the command: {said}", where=self._where, hint=hint)
        if status >= 0:
            return status
        connection = self._channel.get_transport()
        if connection.is_active():
            return _STATUS_UNKNOWN
        raise Unreachable(
            "the connection broke while a command ran",
            where=self._where,
            hint="check the host and the network, then run the same command again",
        )

    def kill(self) -> None:
        """See `Program.kill`: the host closes the program's streams."""
        with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
            self._channel.close()

    def close(self) -> None:
        """See `Program.close`."""
        self.kill()
