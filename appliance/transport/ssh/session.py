"""An open SSH connection as a `Transport`: commands over channels, become root by sudo where asked."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

import paramiko

from appliance.errors import Unreachable
from appliance.transport.base import Become, CommandResult, Endpoint, quote
from appliance.transport.hostfiles import get_file, put_file
from appliance.transport.program import converse
from appliance.transport.ssh.auth import log_in
from appliance.transport.ssh.handshake import handshake, host_key_kinds, open_socket, shown_key
from appliance.transport.sudo import Sudo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from appliance.transport.base import Command
    from appliance.transport.ssh.hostkeys import HostKeys
    from appliance.transport.sudo import SudoTalk

_WINDOW_BYTES = 2 << 20
_PACKET_BYTES = 1 << 15
_OPEN_SECONDS = 10.0
_READ_BYTES = 1 << 20
_STATUS_UNKNOWN = 255


@contextlib.contextmanager
def connect(endpoint: Endpoint, *, known_hosts: HostKeys, timeout: float = 10.0) -> Iterator[SshTransport]:
    """Connect, check the host's key before anything is said about us, and log in.

    `timeout` is in seconds, for the connection and the handshake each. Raises `Unreachable`, `HostKeyChanged`,
    `TransportError` for a key that nobody vouches for, and `AuthRefused`.
    """
    address, port = endpoint.address, endpoint.port
    kinds = host_key_kinds(known_hosts.pinned(address, port))
    link = open_socket(address, port, timeout=timeout)
    with handshake(link, kinds, timeout=timeout, where=endpoint.place) as transport:
        known_hosts.check(address, port, shown_key(transport))
        log_in(transport, endpoint)
        yield SshTransport(endpoint, transport, _sudo(endpoint))


def _sudo(endpoint: Endpoint) -> Sudo | None:
    credential = endpoint.credential
    if credential.become is Become.NONE or endpoint.user == "root":
        return None
    return Sudo(credential.become_password, endpoint.place)


@dataclass(frozen=True, slots=True)
class SshTransport:
    """A logged-in connection; it belongs to one lane."""

    endpoint: Endpoint
    connection: paramiko.Transport
    sudo: Sudo | None = None

    def run(
        self, command: Command, *, stdin: bytes | BinaryIO = b"", output: Callable[[bytes], None] | None = None
    ) -> CommandResult:
        """See `Transport.run`."""
        if self.sudo is None:
            return self._run(command, stdin, output, None)
        return self.sudo.run(lambda talk: self._run(command, stdin, output, talk))

    def _run(
        self,
        command: Command,
        stdin: bytes | BinaryIO,
        output: Callable[[bytes], None] | None,
        talk: SudoTalk | None,
    ) -> CommandResult:
        where = self.endpoint.place
        argv = talk.argv(command.argv) if talk else command.argv
        with _translated(where):
            channel = self.connection.open_session(_WINDOW_BYTES, _PACKET_BYTES, timeout=_OPEN_SECONDS)
            program = _SshProgram(channel, where=where)
            channel.exec_command(quote(argv))
        return converse(program, stdin=stdin, output=output, timeout=command.timeout, where=where, sudo=talk)

    def put(self, source: bytes | BinaryIO, path: str, *, mode: int = 0o600, owner: str = "root:root") -> None:
        """See `Transport.put`."""
        put_file(self, source, path, mode=mode, owner=owner, where=self.endpoint.place)

    def get(self, path: str, *, limit: int) -> bytes:
        """See `Transport.get`."""
        return get_file(self, path, limit=limit, where=self.endpoint.place)


@contextlib.contextmanager
def _translated(where: str) -> Iterator[None]:
    try:
        yield
    except (paramiko.SSHException, EOFError, OSError) as error:
        hint = "check the host and the network, then run the same command again"
        why = str(error) or "it was closed"
        raise Unreachable(f"the connection broke: {why}", where=where, hint=hint) from error


class _SshProgram:
    """A channel in which a command runs."""

    def __init__(self, channel: paramiko.Channel, *, where: str) -> None:
        self._channel = channel
        self._where = where
        self._news = threading.Event()  # set by whichever stream has something; cleared only by our own reading
        channel.in_buffer.set_event(self._news)
        channel.in_stderr_buffer.set_event(self._news)

    def write(self, data: bytes | memoryview) -> None:
        """See `Program.write`."""
        view = memoryview(data)
        while view:
            try:
                sent = self._channel.send(view[:_PACKET_BYTES])  # type: ignore[arg-type]  # any buffer will do
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
            with _translated(self._where):
                out = self._channel.recv(_READ_BYTES) if self._channel.recv_ready() else b""
                err = self._channel.recv_stderr(_READ_BYTES) if self._channel.recv_stderr_ready() else b""
            if out or err:
                return out, err
            if ended:
                return None
            if not self._news.wait(seconds):
                return b"", b""

    def status(self, seconds: float) -> int:
        """See `Program.status`."""
        if not self._channel.status_event.wait(seconds):
            raise Unreachable("a command closed its output and did not end", where=self._where)
        status = self._channel.exit_status
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
