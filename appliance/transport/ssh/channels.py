"""Channels on a connection that stands, opened with patience, and a command begun on one exactly once.

A host may let us in and then be long in opening a session: pam_systemd waits up to two minutes for a systemd-logind
that is busy or hangs, and goes on without it. To open a channel runs nothing, so that is waited for, and tried again
where the host has too many sessions; a command is said once, on a channel that is open.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

import paramiko

from appliance.clock import SystemClock
from appliance.errors import Unreachable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from appliance.clock import Clock

OPEN_SECONDS = 150.0
"""How long a host may take for a session: more than pam_systemd waits for systemd-logind."""

WINDOW_BYTES = 2 << 20
PACKET_BYTES = 1 << 15
_QUESTION = "keepalive@appliance"
_PAUSES = (0.5, 1.0, 2.0, 4.0)
"""Seconds before each further attempt where the host opens no more sessions: those of ended commands go soon."""

_BUSY = "see whether it is overloaded or systemd-logind hangs there ('systemctl status systemd-logind'), then try again"
_AGAIN = "check the host and the network, then run the same command again"


def open_session(
    connection: paramiko.Transport, *, where: str, seconds: float = OPEN_SECONDS, clock: Clock | None = None
) -> paramiko.Channel:
    """A new session; nothing runs in it yet.

    Raises `Unreachable` when the host opens none within `seconds` (then the connection is closed: what comes late shall
    not stay open), opens no more of them, or the connection breaks.
    """
    clock = clock or SystemClock()
    for pause in _PAUSES:
        try:
            return _open_session(connection, where=where, seconds=seconds)
        except paramiko.ChannelException:
            clock.sleep(clock.jitter(pause))
    try:
        return _open_session(connection, where=where, seconds=seconds)
    except paramiko.ChannelException as error:
        why = error.text or "it does not say why"
        hint = "end what commands left running there, or raise MaxSessions in its sshd_config"
        raise Unreachable(f"the host opens no further session: {why}", where=where, hint=hint) from error


def _open_session(connection: paramiko.Transport, *, where: str, seconds: float) -> paramiko.Channel:
    with _waited_for(connection, where=where, seconds=seconds):
        return connection.open_session(WINDOW_BYTES, PACKET_BYTES, timeout=seconds)


def settle(connection: paramiko.Transport, *, where: str, seconds: float = OPEN_SECONDS) -> None:
    """Return when the host opens channels for whoever has just logged in. Raises `Unreachable`, as `open_session`."""
    with contextlib.suppress(paramiko.ChannelException), _waited_for(connection, where=where, seconds=seconds):
        ask(connection, seconds=seconds)


def ask(connection: paramiko.Transport, *, seconds: float) -> None:
    """Ask for a channel of a kind that there is not: a host that is there says no (RFC 4254, 5.1).

    So it raises `paramiko.ChannelException` when all is well, other exceptions of paramiko's when not.
    """
    connection.open_channel(_QUESTION, timeout=seconds).close()


def begin(channel: paramiko.Channel, line: str, *, where: str, seconds: float = OPEN_SECONDS) -> None:
    """Have the login shell run `line`. Raises `Unreachable` when it is not known within `seconds` whether it does."""
    late = threading.Event()

    def give_up() -> None:
        late.set()
        channel.close()

    timer = threading.Timer(seconds, give_up)
    timer.daemon = True
    timer.start()
    try:
        with translated(where):
            channel.exec_command(line)
    except Unreachable as error:
        if late.is_set():
            what = f"the host does not say within {seconds:g} seconds that it begins a command"
            raise Unreachable(what, where=where, hint=_BUSY) from error
        raise
    finally:
        timer.cancel()


@contextlib.contextmanager
def _waited_for(connection: paramiko.Transport, *, where: str, seconds: float) -> Iterator[None]:
    try:
        yield
    except paramiko.ChannelException:
        raise
    except (paramiko.SSHException, EOFError, OSError) as error:
        if not connection.is_active():
            raise _broken(error, where) from error
        connection.close()
        what = f"the host lets us in, but opens no session within {seconds:g} seconds"
        raise Unreachable(what, where=where, hint=_BUSY) from error


@contextlib.contextmanager
def translated(where: str) -> Iterator[None]:
    """What paramiko raises of a connection, as `Unreachable`."""
    try:
        yield
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise _broken(error, where) from error


def _broken(error: Exception, where: str) -> Unreachable:
    return Unreachable(f"the connection broke: {str(error) or 'it was closed'}", where=where, hint=_AGAIN)
