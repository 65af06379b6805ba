"""From an address to an encrypted connection, before anybody logs in: TCP, versions, key exchange, the host's key."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
from typing import TYPE_CHECKING

import paramiko

from appliance.errors import Unreachable
from appliance.transport.ssh.hostkeys import HostKey

if TYPE_CHECKING:
    from collections.abc import Iterator

_KEEPALIVE_SECONDS = 15
_LINK_DEAD_AFTER_MS = 30_000
_CIPHERS = (
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "aes128-ctr",
    "aes256-ctr",
    "aes192-ctr",
)
_MACS = ("hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512")
_ALGORITHMS = {
    "ssh-ed25519": ("ssh-ed25519",),
    "ecdsa-sha2-nistp256": ("ecdsa-sha2-nistp256",),
    "ecdsa-sha2-nistp384": ("ecdsa-sha2-nistp384",),
    "ecdsa-sha2-nistp521": ("ecdsa-sha2-nistp521",),
    "ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256"),
}
"""Types of host keys, best first, and the signatures that a host makes with each."""

# paramiko logs what it raises, too; whoever catches it says it once, in our words.
_LOGGER = logging.getLogger("paramiko")
_LOGGER.addHandler(logging.NullHandler())
_LOGGER.propagate = False
_LOGGER.setLevel(logging.CRITICAL)


def open_socket(address: str, port: int, *, timeout: float) -> socket.socket:
    """A TCP connection made within `timeout` seconds, which ends by itself when the link is dead for half a minute.

    Raises `Unreachable`.
    """
    where = f"{address}:{port}"
    try:
        link = socket.create_connection((address, port), timeout)
    except TimeoutError as error:
        raise Unreachable(f"no answer within {timeout:g} seconds", where=where, hint=_hint(port)) from error
    except ConnectionRefusedError as error:
        hint = f"start sshd there, or give the port that it listens on instead of {port}"
        raise Unreachable("the host answers, but nothing listens on this port", where=where, hint=hint) from error
    except socket.gaierror as error:
        raise Unreachable("this name has no address", where=where, hint="write an IP address") from error
    except OSError as error:
        why = os.strerror(error.errno).lower() if error.errno else str(error)
        raise Unreachable(f"cannot connect: {why}", where=where, hint=_hint(port)) from error
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _LINK_DEAD_AFTER_MS)
    return link


def _hint(port: int) -> str:
    return f"check the address, that the host is up, and that no firewall keeps port {port} shut"


@contextlib.contextmanager
def handshake(
    link: socket.socket, kinds: tuple[str, ...], *, timeout: float, where: str
) -> Iterator[paramiko.Transport]:
    """Speak SSH on `link` until keys are exchanged, within `timeout` seconds, asking for `kinds` of host keys in order.

    Closes `link` in any case. Raises `Unreachable` when the other side does not speak SSH, or none of `kinds`.
    """
    try:
        transport = paramiko.Transport(link, strict_kex=True)
    except (paramiko.SSHException, OSError) as error:
        link.close()
        raise Unreachable(f"cannot begin SSH: {error}", where=where) from error
    try:
        _negotiate(transport, kinds, timeout=timeout, where=where)
        yield transport
    finally:
        transport.packetizer.complete_handshake()  # else its timer would keep the process alive
        transport.close()
        link.close()


def _negotiate(transport: paramiko.Transport, kinds: tuple[str, ...], *, timeout: float, where: str) -> None:
    options = transport.get_security_options()
    options.ciphers = tuple(name for name in _CIPHERS if name in options.ciphers)
    options.digests = tuple(name for name in _MACS if name in options.digests)
    options.key_types = tuple(name for kind in kinds for name in _ALGORITHMS[kind])
    transport.banner_timeout = transport.handshake_timeout = timeout
    ready = threading.Event()
    try:
        transport.start_client(event=ready)
        in_time = ready.wait(timeout)
    except (paramiko.SSHException, OSError) as error:
        raise Unreachable(f"SSH did not begin: {error}", where=where) from error
    if not in_time or not transport.is_active():
        why = transport.get_exception()
        hint = "check that it is sshd that listens there, and that it is not overloaded (MaxStartups)"
        said = f": {why}" if why and str(why) else (f" within {timeout:g} seconds" if not in_time else "")
        raise Unreachable(f"the other side did not finish the SSH handshake{said}", where=where, hint=hint) from why
    transport.set_keepalive(_KEEPALIVE_SECONDS)


def host_key_kinds(pinned: tuple[HostKey, ...]) -> tuple[str, ...]:
    """Types to ask for: those that are pinned first, so that a host is asked for the key that we can compare."""
    known = [kind for kind in _ALGORITHMS if any(key.kind == kind for key in pinned)]
    return (*known, *(kind for kind in _ALGORITHMS if kind not in known))


def shown_key(transport: paramiko.Transport) -> HostKey:
    """The key with which the host proved itself in the key exchange."""
    key = transport.get_remote_server_key()
    return HostKey(key.get_name(), key.asbytes())


def fetch_host_keys(address: str, port: int, *, timeout: float) -> tuple[str, tuple[HostKey, ...]]:
    """The version line of the SSH server at an address, and each host key that it can prove; nobody logs in.

    One connection a key type, each of at most `timeout` seconds. Raises `Unreachable` when it shows none.
    """
    where = f"{address}:{port}"
    banner, keys = "", []
    refused: Unreachable | None = None
    wanted = list(_ALGORITHMS)
    while wanted:
        try:
            link = open_socket(address, port, timeout=timeout)
            with handshake(link, tuple(wanted), timeout=timeout, where=where) as transport:
                banner = transport.remote_version
                key = shown_key(transport)
        except Unreachable as error:
            refused = error
            break
        if key.kind not in wanted:
            break
        keys.append(key)
        wanted.remove(key.kind)
    if not keys and refused:
        raise refused
    return banner, tuple(keys)
