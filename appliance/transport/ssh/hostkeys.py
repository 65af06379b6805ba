"""Which key a host must show: known_hosts files as OpenSSH writes them, and what to do with a key that is in none.

Format: sshd(8), SSH_KNOWN_HOSTS FILE FORMAT. Hashed names, several names, patterns, ``@revoked`` and
``@cert-authority`` are read; what we write is one plain line per key.
"""

from __future__ import annotations

import base64
import binascii
import fnmatch
import hashlib
import hmac
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from appliance.clock import SystemClock
from appliance.errors import HostKeyChanged, TransportError
from appliance.files import lock, read_bounded, write_bytes
from appliance.transport.ssh.certificates import Certificate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MOST_BYTES = 8 << 20
_PLAIN_PORT = 22
_REVOKED, _AUTHORITY = "@revoked", "@cert-authority"


@dataclass(frozen=True, slots=True)
class HostKey:
    """A host's public key: its type as SSH names it (``ssh-ed25519``), and its blob (RFC 4253, 6.6).

    `certificate` is the blob of the certificate with which it was shown; the key is the same without.
    """

    kind: str
    raw: bytes
    certificate: bytes = field(default=b"", compare=False, repr=False)

    @property
    def fingerprint(self) -> str:
        """``SHA256:…`` as OpenSSH prints it."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.raw).digest()).decode().rstrip("=")

    def __str__(self) -> str:
        return f"{self.kind} {self.fingerprint}"


Decide = Callable[[str, int, HostKey], bool]
"""Whether to believe and pin the key that the host at an address and port shows for the first time."""


def pinned_only(address: str, port: int, key: HostKey) -> bool:  # noqa: ARG001  (a `Decide`)
    """Believe no new key."""
    return False


def accept_new(address: str, port: int, key: HostKey) -> bool:  # noqa: ARG001  (a `Decide`)
    """Believe every new key; a changed one is refused all the same."""
    return True


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of a known_hosts file that names a key."""

    names: str
    key: HostKey
    marker: str = ""

    @property
    def revoked(self) -> bool:
        return self.marker == _REVOKED

    @property
    def pin(self) -> bool:
        return not self.marker

    def is_for(self, name: str) -> bool:
        if self.names.startswith("|1|"):
            return _hashed_name_matches(self.names, name)
        patterns = self.names.split(",")
        if any(pattern[:1] == "!" and fnmatch.fnmatchcase(name, _literal(pattern[1:])) for pattern in patterns):
            return False
        return any(fnmatch.fnmatchcase(name, _literal(pattern)) for pattern in patterns)


def _literal(pattern: str) -> str:
    """Brackets mean a port there, not a set of characters."""
    return pattern.lower().replace("[", "[[]")


def _hashed_name_matches(hashed: str, name: str) -> bool:
    try:
        _, _, salt, digest = hashed.split("|")
        expected = hmac.digest(base64.b64decode(salt), name.encode(), "sha1")
        return hmac.compare_digest(expected, base64.b64decode(digest))
    except ValueError:
        return False


def _read_line(text: str) -> _Line | None:
    words = text.split()
    if not words or words[0].startswith("#"):
        return None
    marker = words.pop(0) if words[0].startswith("@") else ""
    if len(words) < 3 or marker not in ("", _REVOKED, _AUTHORITY):  # noqa: PLR2004  (names, type, key)
        return None
    try:
        return _Line(words[0], HostKey(words[1], base64.b64decode(words[2], validate=True)), marker)
    except binascii.Error:
        return None


class HostKeys:
    """The keys that hosts have shown before, by address and port, and the decision about new ones.

    New keys are pinned in `path` (0600, written atomically under a lock); `also` are further files that are only read.
    Any number of threads may use one; questions are asked one at a time.
    """

    def __init__(self, path: Path, *, also: tuple[Path, ...] = (), decide: Decide = pinned_only) -> None:
        self._path = path
        self._also = also
        self._decide = decide
        self._deciding = threading.Lock()

    def pinned(self, address: str, port: int) -> tuple[HostKey, ...]:
        """The keys that are believed for an address and port."""
        return tuple(line.key for line in self._lines(address, port) if line.pin)

    def authorities(self, address: str, port: int) -> tuple[HostKey, ...]:
        """The keys of those whose certificates for an address are believed, whatever the port."""
        lines = {*self._lines(address, port), *self._lines(address, _PLAIN_PORT)}
        return tuple(line.key for line in lines if line.marker == _AUTHORITY)

    def vouched(self, address: str, port: int) -> bool:
        """Whether anything is believed about an address and port: a key, or an authority."""
        return bool(self.pinned(address, port) or self.authorities(address, port))

    def pin(self, address: str, port: int, *keys: HostKey) -> None:
        """Believe `keys` from now on, besides those believed already."""
        with lock(self._path.with_name(f".{self._path.name}.lock")):
            text = _text(self._path)
            old = {line.key for line in _lines(text, _name(address, port))}
            new = [key for key in keys if key not in old]
            if new:
                head = text if not text or text.endswith("\n") else f"{text}\n"
                lines = (f"{_name(address, port)} {k.kind} {base64.b64encode(k.raw).decode()}\n" for k in new)
                self._write(head + "".join(lines))

    def adopt(self, path: Path) -> None:
        """Take over what the file at `path` says of authorities and of revoked keys; a line that is here stays once."""
        given = [text.strip() for text in _text(path).splitlines() if (line := _read_line(text)) and not line.pin]
        with lock(self._path.with_name(f".{self._path.name}.lock")):
            text = _text(self._path)
            new = [each for each in dict.fromkeys(given) if each not in text.splitlines()]
            if new:
                head = text if not text or text.endswith("\n") else f"{text}\n"
                self._write(head + "".join(f"{each}\n" for each in new))

    def forget(self, address: str, port: int) -> int:
        """Take the keys of a host out of `path`, after it was installed anew; how many there were."""
        name = _name(address, port)
        with lock(self._path.with_name(f".{self._path.name}.lock")):
            lines = _text(self._path).splitlines(keepends=True)
            kept = [text for text in lines if not ((line := _read_line(text)) and line.pin and line.is_for(name))]
            if len(kept) < len(lines):
                self._write("".join(kept))
        return len(lines) - len(kept)

    def pin_carried(self, address: str, port: int, *keys: HostKey, carried: tuple[str, ...]) -> None:
        """Believe those of a host's `keys` from now on whose fingerprints are in `carried`, as its inventory has them.

        Raises `HostKeyChanged` when none is.
        """
        alike = [key for key in keys if key.fingerprint in carried]
        if not alike:
            shown, expected = " and ".join(map(str, keys)), " or ".join(carried)
            raise HostKeyChanged(
                f"the host shows {shown}, but its inventory has {expected}: another machine answers, or it was"
                " installed anew",
                where=_name(address, port),
                hint="find out why; if it was installed anew, compare with its console and correct the inventory",
            )
        self.pin(address, port, *alike)

    def check(self, address: str, port: int, key: HostKey, *, carried: tuple[str, ...] = ()) -> None:
        """Return if `key` is believed: by its pin, by an authority, or from now on.

        Of a host with fingerprints that are `carried`, these decide about a new key, and nobody is asked. Raises
        `HostKeyChanged` when another key is pinned or carried, or this one is revoked, `TransportError` for a new key
        that is not believed, and for a certificate that does not hold.
        """
        with self._deciding:
            lines = self._lines(address, port)
            revoked = [line.key for line in lines if line.revoked]
            if key in revoked:
                raise HostKeyChanged(f"the host shows a revoked key: {key}", where=_name(address, port))
            pinned = [line.key for line in lines if line.pin]
            if key in pinned or self._certified(address, port, key, revoked):
                return
            if pinned:
                raise self._changed(address, port, pinned, key)
            if carried:
                self.pin_carried(address, port, key, carried=carried)
                return
            if not self._decide(address, port, key):
                raise _unknown(address, port, key)
            self.pin(address, port, key)

    def _certified(self, address: str, port: int, key: HostKey, revoked: list[HostKey]) -> bool:
        """Whether an authority that is believed vouches for `key`."""
        believed = self.authorities(address, port)
        if not key.certificate or not believed:
            return False
        try:
            certificate = Certificate.read(key.certificate)
        except ValueError:
            return False
        authority = next((each for each in believed if each.raw == certificate.authority), None)
        if authority is None:
            return False
        name, hint = _name(address, port), "have the authority sign the host's key anew (ssh-keygen -h), or pin it"
        if authority in revoked:
            raise HostKeyChanged(f"the host's certificate is of a revoked authority: {authority}", where=name)
        if fault := certificate.fault(address, SystemClock().now()):
            raise TransportError(
                f"the host's certificate of {authority} is not believed: {fault}", where=name, hint=hint
            )
        return True

    def _changed(self, address: str, port: int, pinned: list[HostKey], shown: HostKey) -> HostKeyChanged:
        name = _name(address, port)
        return HostKeyChanged(
            f"the host shows {shown}, but {' and '.join(map(str, pinned))} is pinned: another machine answers, or it"
            " was installed anew",
            where=name,
            hint=f"find out why; if it was installed anew, forget its old key: ssh-keygen -R '{name}' -f {self._path}",
        )

    def _write(self, text: str) -> None:
        write_bytes(self._path, text.encode(errors="surrogateescape"), mode=0o600)

    def _lines(self, address: str, port: int) -> list[_Line]:
        name = _name(address, port)
        return [line for path in (self._path, *self._also) for line in _lines(_text(path), name)]


def _name(address: str, port: int) -> str:
    return address.lower() if port == _PLAIN_PORT else f"[{address.lower()}]:{port}"


def _text(path: Path) -> str:
    try:
        return read_bounded(path, _MOST_BYTES).decode(errors="surrogateescape")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise TransportError(f"cannot read host keys from {path}: {error.strerror}") from error


def _lines(text: str, name: str) -> Iterator[_Line]:
    for one in text.splitlines():
        line = _read_line(one)
        if line and line.is_for(name):
            yield line


def _unknown(address: str, port: int, key: HostKey) -> TransportError:
    return TransportError(
        f"the host's key is not known: {key}",
        where=_name(address, port),
        hint="compare it with the host's console (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub); then accept it on"
        " a terminal, name a file with --host-keys, or give --accept-new-host-keys",
    )
