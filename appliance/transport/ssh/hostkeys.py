"""Which key a host must show: known_hosts files as OpenSSH writes them, and what to do with a key that is in none.

Format: sshd(8), SSH_KNOWN_HOSTS FILE FORMAT. Hashed names, several names, patterns and ``@revoked`` are read; what we
write is one plain line per key. Lines for certificate authorities are passed over.
"""

from __future__ import annotations

import base64
import binascii
import fnmatch
import hashlib
import hmac
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.errors import HostKeyChanged, TransportError
from appliance.files import lock, read_bounded, write_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MOST_BYTES = 8 << 20
_PLAIN_PORT = 22


@dataclass(frozen=True, slots=True)
class HostKey:
    """A host's public key: its type as SSH names it (``ssh-ed25519``), and its blob (RFC 4253, 6.6)."""

    kind: str
    raw: bytes

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
    revoked: bool

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
    if len(words) < 3 or marker not in ("", "@revoked"):  # noqa: PLR2004  (names, type, key)
        return None
    try:
        return _Line(words[0], HostKey(words[1], base64.b64decode(words[2], validate=True)), bool(marker))
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
        return tuple(line.key for line in self._lines(address, port) if not line.revoked)

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

    def forget(self, address: str, port: int) -> int:
        """Take the keys of a host out of `path`, after it was installed anew; how many there were."""
        name = _name(address, port)
        with lock(self._path.with_name(f".{self._path.name}.lock")):
            lines = _text(self._path).splitlines(keepends=True)
            kept = [text for text in lines if not ((line := _read_line(text)) and line.is_for(name))]
            if len(kept) < len(lines):
                self._write("".join(kept))
        return len(lines) - len(kept)

    def check(self, address: str, port: int, key: HostKey) -> None:
        """Return if `key` is believed, or believed now and pinned.

        Raises `HostKeyChanged` when another key is pinned or this one is revoked, `TransportError` for a new key that
        is not believed.
        """
        with self._deciding:
            lines = self._lines(address, port)
            if any(line.revoked and line.key == key for line in lines):
                raise HostKeyChanged(f"the host shows a revoked key: {key}", where=_name(address, port))
            pinned = [line.key for line in lines if not line.revoked]
            if key in pinned:
                return
            if pinned:
                raise self._changed(address, port, pinned, key)
            if not self._decide(address, port, key):
                raise _unknown(address, port, key)
            self.pin(address, port, key)

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
