"""From an address to an encrypted connection, before anybody logs in: TCP, versions, key exchange, the host's key."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import paramiko

from appliance.errors import Unreachable
from appliance.transport.ssh.greeting import Greeting
from appliance.transport.ssh.hostkeys import HostKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_KEX = (
    "mlkem768x25519-sha256",
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
    "diffie-hellman-group16-sha512",
    "diffie-hellman-group-exchange-sha256",
    "diffie-hellman-group14-sha256",
)
_CIPHERS = (
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "aes128-ctr",
    "aes256-ctr",
    "aes192-ctr",
)
_MACS = ("hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512")
_LEGACY_CIPHERS = ("aes256-cbc", "aes192-cbc", "aes128-cbc", "3des-cbc")
_LEGACY_MACS = ("hmac-sha1", "hmac-sha1-96", "hmac-md5")
_CERTIFIED = "-cert-v01@openssh.com"
_ALGORITHMS = {
    "ssh-ed25519": ("ssh-ed25519",),
    "ecdsa-sha2-nistp256": ("ecdsa-sha2-nistp256",),
    "ecdsa-sha2-nistp384": ("ecdsa-sha2-nistp384",),
    "ecdsa-sha2-nistp521": ("ecdsa-sha2-nistp521",),
    "ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256"),
}
"""Types of host keys, best first, and the signatures that a host makes with each."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long is waited, in seconds: for a connection and its handshake each, and for a sign of life on a link."""

    connect: float = 10.0
    quiet: float = 30.0


_UNSENT_BYTES = 256 << 10
"""What may wait in the kernel to be sent: it keeps a link busy, and is soon over when something else is to be said."""


class Link(Protocol):
    """What SSH is spoken on: a socket, or a channel through a jump host."""

    def send(self, data: bytes, /) -> int:
        """See `socket.socket.send`."""
        ...

    def recv(self, size: int, /) -> bytes:
        """See `socket.socket.recv`."""
        ...

    def settimeout(self, seconds: float | None, /) -> None:
        """See `socket.socket.settimeout`."""
        ...

    def close(self) -> None:
        """See `socket.socket.close`."""
        ...


class HungUp(Unreachable):
    """The other side closed the connection before it said a word, as an sshd does that has too much to do."""


# paramiko logs what it raises, too; whoever catches it says it once, in our words.
_LOGGER = logging.getLogger("paramiko")
_LOGGER.addHandler(logging.NullHandler())
_LOGGER.propagate = False
_LOGGER.setLevel(logging.CRITICAL)


def open_socket(address: str, port: int, *, patience: Patience) -> socket.socket:
    """A TCP connection, which ends by itself when nothing arrives on the other side for as long as `patience` says.

    Raises `Unreachable`.
    """
    where = f"{address}:{port}"
    timeout = patience.connect
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
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(patience.quiet * 1000))
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT_BYTES)
    return link


def _hint(port: int) -> str:
    return f"check the address, that the host is up, and that no firewall keeps port {port} shut"


@contextlib.contextmanager
def handshake(
    link: Link, kinds: tuple[str, ...], *, patience: Patience, where: str, unsafe_legacy: bool = False
) -> Iterator[paramiko.Transport]:
    """Speak SSH on `link` until keys are exchanged, asking for `kinds` of host keys in order.

    Closes `link` in any case. Raises `Unreachable` when the other side does not speak SSH, or none of `kinds`;
    `HungUp` when it says nothing at all.
    """
    try:
        transport = paramiko.Transport(Greeting(link), strict_kex=True)  # type: ignore[arg-type]  # all that it uses of a socket
    except (paramiko.SSHException, OSError) as error:
        link.close()
        raise Unreachable(f"cannot begin SSH: {error}", where=where) from error
    try:
        _choose(transport.get_security_options(), kinds, unsafe_legacy=unsafe_legacy)
        _negotiate(transport, timeout=patience.connect, where=where)
        transport.set_keepalive(max(1, int(patience.quiet / 2)))
        yield transport
    finally:
        transport.packetizer.complete_handshake()  # else its timer would keep the process alive
        transport.close()
        link.close()


def _choose(options: paramiko.transport.SecurityOptions, kinds: tuple[str, ...], *, unsafe_legacy: bool) -> None:
    """Only strong algorithms; with `unsafe_legacy` the broken ones besides, after them."""
    ciphers = (*_CIPHERS, *(_LEGACY_CIPHERS if unsafe_legacy else ()))
    macs = (*_MACS, *(_LEGACY_MACS if unsafe_legacy else ()))
    options.kex = tuple(name for name in _KEX if name in options.kex)
    options.ciphers = tuple(name for name in ciphers if name in options.ciphers)
    options.digests = tuple(name for name in macs if name in options.digests)
    options.key_types = tuple(name for kind in kinds for name in _signatures(kind))


def _signatures(kind: str) -> tuple[str, ...]:
    plain = kind.removesuffix(_CERTIFIED)
    return tuple(name + kind.removeprefix(plain) for name in _ALGORITHMS[plain])


def _negotiate(transport: paramiko.Transport, *, timeout: float, where: str) -> None:
    transport.banner_timeout = transport.handshake_timeout = timeout
    ready = threading.Event()
    try:
        transport.start_client(event=ready)
        in_time = ready.wait(timeout)
    except (paramiko.SSHException, OSError) as error:
        raise Unreachable(f"SSH did not begin: {error}", where=where) from error
    if in_time and transport.is_active():
        return
    why = transport.get_exception()
    if isinstance(why, paramiko.ssh_exception.IncompatiblePeer):
        hint = "bring the host's sshd up to date; to rescue it, --unsafe-legacy-ssh-algorithms"
        raise Unreachable(f"the host has no algorithm in common with us that is safe: {why}", where=where, hint=hint)
    hint = "check that it is sshd that listens there, and that it is not overloaded (MaxStartups)"
    said = f": {why}" if why and str(why) else (f" within {timeout:g} seconds" if not in_time else "")
    kind = HungUp if in_time and not transport.remote_version else Unreachable
    raise kind(f"the other side did not finish the SSH handshake{said}", where=where, hint=hint) from why


def host_key_kinds(pinned: tuple[HostKey, ...], *, certified: bool = False) -> tuple[str, ...]:
    """Types to ask for: those that are pinned first, so that a host is asked for the key that we can compare.

    With `certified`, certificates are asked for before them: an authority vouches for the host.
    """
    known = [kind for kind in _ALGORITHMS if any(key.kind == kind for key in pinned)]
    certificates = [kind + _CERTIFIED for kind in _ALGORITHMS] if certified else []
    return (*certificates, *known, *(kind for kind in _ALGORITHMS if kind not in known))


def shown_key(transport: paramiko.Transport) -> HostKey:
    """The key with which the host proved itself in the key exchange, with its certificate if it showed one."""
    key = transport.get_remote_server_key()
    certificate = key.public_blob.key_blob if key.public_blob else b""
    return HostKey(key.get_name(), key.asbytes(), certificate)


def fetch_host_keys(
    dial: Callable[[], Link], *, patience: Patience, where: str, unsafe_legacy: bool = False
) -> tuple[str, tuple[HostKey, ...]]:
    """The version line of the SSH server that `dial` reaches, and each host key that it can prove; nobody logs in.

    One connection a key type. Raises `Unreachable` when it shows none.
    """
    banner, keys = "", []
    refused: Unreachable | None = None
    wanted = list(_ALGORITHMS)
    while wanted:
        try:
            shaking = handshake(dial(), tuple(wanted), patience=patience, where=where, unsafe_legacy=unsafe_legacy)
            with shaking as transport:
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
