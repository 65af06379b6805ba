"""A link through a jump host, and whether the host at its end is still there.

On a link of our own the kernel tells when nothing arrives any more. Through a jump host that host's kernel would, after
a quarter of an hour; so the host is asked.
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Self

import paramiko

from appliance.errors import Unreachable
from appliance.transport.ssh.channels import PACKET_BYTES, WINDOW_BYTES, ask

if TYPE_CHECKING:
    from collections.abc import Iterator

    from appliance.transport.base import Endpoint
    from appliance.transport.ssh.handshake import Patience

_PROHIBITED = 1


class Through:
    """A connection that a jump host made for us: a `Link` that remembers when something came."""

    def __init__(self, channel: paramiko.Channel) -> None:
        self._channel = channel
        self.heard = time.monotonic()

    @classmethod
    def dial(cls, jump: paramiko.Transport, endpoint: Endpoint, *, patience: Patience) -> Self:
        """Have `jump` connect to the host. Raises `Unreachable`, in the jump host's words."""
        to = (endpoint.reach or endpoint.address, endpoint.port)
        try:
            channel = jump.open_channel(
                "direct-tcpip", to, ("127.0.0.1", 0), WINDOW_BYTES, PACKET_BYTES, timeout=patience.connect
            )
        except paramiko.ChannelException as error:
            if error.code == _PROHIBITED:
                hint = "have AllowTcpForwarding and PermitOpen on the jump host let this user through"
            else:
                hint = "check the address, and that the jump host can reach this port"
            why = error.text or "it does not say why"
            raise Unreachable(
                f"the jump host does not connect to it: {why}", where=endpoint.place, hint=hint
            ) from error
        except (paramiko.SSHException, EOFError, OSError) as error:
            hint = "check the link to the jump host, and that it can reach this address"
            why = str(error) or "the connection broke"
            if jump.is_active():
                why = f"it did not reach the host within {patience.connect:g} seconds"
            raise Unreachable(f"no way through the jump host: {why}", where=endpoint.place, hint=hint) from error
        return cls(channel)

    def send(self, data: bytes, /) -> int:
        """See `Link.send`."""
        return self._channel.send(data)

    def recv(self, size: int, /) -> bytes:
        """See `Link.recv`."""
        data = self._channel.recv(size)
        self.heard = time.monotonic()
        return data

    def settimeout(self, seconds: float | None, /) -> None:
        """See `Link.settimeout`."""
        self._channel.settimeout(seconds)

    @property
    def _closed(self) -> bool:
        """What paramiko asks of any link while it waits for its own thread to end."""
        return self._channel.closed

    def close(self) -> None:
        """See `Link.close`."""
        self._channel.close()


@contextlib.contextmanager
def watched(connection: paramiko.Transport, link: Through, *, patience: Patience) -> Iterator[None]:
    """Close `connection` when the host says nothing for as long as `patience` allows, although it is asked."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(patience.quiet / 2) and connection.is_active():
            if not _answers(connection, link, seconds=patience.quiet):
                connection.close()
                return

    watcher = threading.Thread(target=watch, name="watch", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()


def _answers(connection: paramiko.Transport, link: Through, *, seconds: float) -> bool:
    try:
        ask(connection, seconds=seconds)
    except paramiko.ChannelException:
        return True
    except (paramiko.SSHException, EOFError, OSError):
        return time.monotonic() - link.heard < seconds  # the answer may stand behind much else
    return True
