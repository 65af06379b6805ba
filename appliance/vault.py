"""Secrets of a cluster by name: sealed at rest, handed out one by one, masked wherever text goes.

::

    vault/sealed/NAME       canonical JSON {"format":1,"nonce":BASE64,"sealed":BASE64}, AES-256-GCM, bound to its name
    vault/public/NAME       certificates and public keys, as they are
    the key file            32 bytes in hexadecimal, 0600, apart from the vault, so that a copy of one is not the other

Names are DNS-like with ``/`` between parts (``etcd/ca.key``); in file names ``/`` stands as ``%2F``.
"""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import shlex
import stat
import urllib.parse
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from appliance import canonical
from appliance.errors import PlanError, StateError
from appliance.files import disk_errors, read_bounded, write_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

FORMAT = 1
SECRET_BYTES = 1 << 20
MASKED = "‹secret›"

_FILE_BYTES = 2 * SECRET_BYTES
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@:+-]*(/[A-Za-z0-9][A-Za-z0-9._@:+-]*)*")
_NAME_CHARACTERS = 150
_NONCE_BYTES = 12

_SHORT = 4
_LINE = 16
_HELD_CHARACTERS = 64 * 1024


@dataclass(frozen=True, slots=True)
class Vault:
    """An open vault: the folder and the key that seals in it."""

    path: Path
    _key: bytes = field(repr=False)

    @classmethod
    def open(cls, path: Path, key_path: Path) -> Vault:
        """Open the vault in the folder `path` with the key in `key_path`; both are made where neither is.

        `StateError` when the key is missing though secrets are there, is not a key, or may be read by others.
        """
        if not key_path.exists():
            if any(_names(path / "sealed")):
                raise StateError(
                    f"the vault's key {key_path} is missing", where=str(path), hint="put the key back from its backup"
                )
            with disk_errors(key_path):
                key_path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_bytes(key_path, secrets.token_hex(32).encode() + b"\n", mode=0o600, replace=False)
        for folder in (path, path / "sealed", path / "public"):
            with disk_errors(folder):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return cls(path, _read_key(key_path))

    def names(self) -> tuple[str, ...]:
        """The secrets' names, sorted."""
        return tuple(_names(self.path / "sealed"))

    def public_names(self) -> tuple[str, ...]:
        """The public parts' names, sorted."""
        return tuple(_names(self.path / "public"))

    def put(self, name: str, value: bytes) -> None:
        """Seal `value` (at most `SECRET_BYTES`) under `name`, in place of what was there. `PlanError`: not a name."""
        if len(value) > SECRET_BYTES:
            raise PlanError(f"the secret {name} has {len(value)} bytes, more than {SECRET_BYTES}")
        nonce = os.urandom(_NONCE_BYTES)
        sealed = AESGCM(self._key).encrypt(nonce, value, _bound(name))
        document = {"format": FORMAT, "nonce": _base64(nonce), "sealed": _base64(sealed)}
        write_bytes(self._file("sealed", name), canonical.dumps(document), mode=0o600)

    def get(self, name: str) -> bytes:
        """The secret `name`. `PlanError`: there is none; `StateError`: damaged, or sealed with another key."""
        path = self._file("sealed", name)
        stored = _read(path, f"there is no secret named {name} in the vault")
        try:
            document = canonical.loads(stored, limit=_FILE_BYTES)
            number = document["format"]
            nonce, sealed = (base64.b64decode(document[part], validate=True) for part in ("nonce", "sealed"))
        except (ValueError, KeyError, TypeError) as error:
            raise StateError(f"the secret {name} is damaged", where=str(path)) from error
        if number != FORMAT:
            raise StateError(
                f"the secret {name} is of format {number}; this version reads {FORMAT}",
                where=str(path),
                hint="update appliance",
            )
        try:
            return AESGCM(self._key).decrypt(nonce, sealed, _bound(name))
        except (InvalidTag, ValueError) as error:
            raise StateError(
                f"the secret {name} is damaged, or was sealed with another key",
                where=str(path),
                hint="put back the vault and its key from the same backup",
            ) from error

    def put_public(self, name: str, value: bytes) -> None:
        """Keep a public part (a certificate, a public key) readable under `name`."""
        write_bytes(self._file("public", name), value, mode=0o644)

    def get_public(self, name: str) -> bytes:
        """The public part `name`; `PlanError` when there is none."""
        return _read(self._file("public", name), f"there is no public part named {name} in the vault")

    def mask(self) -> Mask:
        """A mask of all secrets that are in it now."""
        return Mask(self.get(name) for name in self.names())

    def _file(self, part: str, name: str) -> Path:
        if len(name) > _NAME_CHARACTERS or not _NAME.fullmatch(name):
            raise PlanError(
                f"{name[:80]!r} cannot name a secret", hint="letters, digits and . _ @ : + - in parts with /"
            )
        return self.path / part / name.replace("/", "%2F")


def _bound(name: str) -> bytes:
    """What a sealed value is bound to, so that one secret's file cannot stand in for another's."""
    return f"appliance vault {FORMAT}\0{name}".encode()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _names(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return sorted(p.name.replace("%2F", "/") for p in folder.iterdir() if not p.name.startswith("."))


def _read(path: Path, missing: str) -> bytes:
    try:
        return read_bounded(path, _FILE_BYTES)
    except FileNotFoundError as error:
        raise PlanError(missing) from error
    except OSError as error:
        raise StateError(f"cannot read it: {error.strerror}", where=str(path)) from error


def _read_key(path: Path) -> bytes:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        text = read_bounded(path, 128)
        key = bytes.fromhex(text.decode("ascii"))
    except OSError as error:
        raise StateError(f"cannot read the vault's key: {error.strerror}", where=str(path)) from error
    except ValueError as error:
        raise StateError("this is not a vault's key", where=str(path)) from error
    if mode & 0o077:
        raise StateError(
            f"others may read the vault's key (mode {mode:04o})", where=str(path), hint=f"chmod 600 {path}"
        )
    if len(key) != 32:  # noqa: PLR2004  (AES-256)
        raise StateError("this is not a vault's key", where=str(path))
    return key


class Mask:
    """Replaces secrets in text by `MASKED`: as they are, and in base64, URL-encoded, JSON-escaped and shell-quoted.

    Base64 is found at any offset inside a larger encoding (``user:password`` of basic authentication). Of a secret with
    several lines, such as a key in PEM, each line of 16 characters or more is replaced by itself as well (if none is
    that long, each of 4 or more).

    A value of fewer than 4 characters is replaced only as it is and only where no letter or
    digit touches it: everywhere, it would tear ordinary text apart. Empty values are ignored.
    """

    __slots__ = ("_needles", "_short")

    def __init__(self, values: Iterable[str | bytes]) -> None:
        needles: set[str] = set()
        short: set[str] = set()
        for value in values:
            for text in _pieces(value):
                if len(text) < _SHORT:
                    short.add(text)
                else:
                    needles.update(form for form in _forms(text) if len(form) >= _SHORT)
        self._needles = tuple(sorted(needles))
        self._short = tuple(sorted(short))

    def __call__(self, text: str) -> str:
        """`text` with every secret replaced; overlapping ones by one replacement."""
        done, end = [], 0
        for start, stop in self.spans(text):
            done += [text[end:start], MASKED]
            end = stop
        return "".join([*done, text[end:]])

    def in_bytes(self, data: bytes) -> bytes:
        """The same for UTF-8 bytes; other bytes pass as they are."""
        return self(data.decode(errors="surrogateescape")).encode(errors="surrogateescape")

    @property
    def longest(self) -> int:
        """Characters of the longest form that is looked for."""
        return max((len(n) for n in self._needles), default=_SHORT)

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Where secrets stand in `text`: (start, end), ascending, not touching."""
        found = [span for needle in self._needles for span in _occurrences(text, needle)]
        found += [s for n in self._short for s in _occurrences(text, n) if _stands_alone(text, *s)]
        merged: list[tuple[int, int]] = []
        for start, stop in sorted(found):
            if merged and start <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
            else:
                merged.append((start, stop))
        return merged


@dataclass(slots=True)
class LineMask:
    """A mask for a stream: text goes in as it arrives, whole masked lines come out.

    What has no newline yet is held back, up to 64 KiB; of more, what cannot be the start of a secret is let go.
    """

    mask: Mask
    _held: str = field(default="", repr=False)

    def feed(self, text: str) -> str:
        """Take a piece of the stream; the masked text that is complete by now, maybe none."""
        self._held += text
        cut = self._held.rfind("\n") + 1
        if len(self._held) - cut > _HELD_CHARACTERS:
            cut = self._safe_cut(len(self._held) - self.mask.longest)
        ready, self._held = self._held[:cut], self._held[cut:]
        return self.mask(ready)

    def flush(self) -> str:
        """The rest, masked, when the stream has ended."""
        ready, self._held = self._held, ""
        return self.mask(ready)

    def _safe_cut(self, cut: int) -> int:
        for start, stop in self.mask.spans(self._held):
            if start < cut < stop:
                return start
        return max(cut, 0)


def _pieces(value: str | bytes) -> Iterator[str]:
    """The value, without the newline that files end in, and its lines if it has several."""
    text = value.decode(errors="surrogateescape") if isinstance(value, bytes) else value
    whole = text.rstrip("\r\n")
    if whole:
        yield whole
    lines = [line for line in (raw.strip() for raw in whole.splitlines()) if not line.startswith("-----")]
    if len(whole.splitlines()) > 1:
        least = _LINE if any(len(line) >= _LINE for line in lines) else _SHORT
        yield from (line for line in lines if len(line) >= least)


def _forms(text: str) -> Iterator[str]:
    data = text.encode(errors="surrogateescape")
    yield text
    for inner in _base64_forms(data):
        yield inner
        yield inner.replace("+", "-").replace("/", "_")
    for safe in ("", "/"):
        quoted = urllib.parse.quote(data, safe=safe)
        yield quoted
        yield quoted.replace("%20", "+")
        yield _lower_escapes(quoted)
    yield json.dumps(text)[1:-1]
    yield json.dumps(text, ensure_ascii=False)[1:-1]
    yield shlex.quote(text).removeprefix("'").removesuffix("'")


def _base64_forms(data: bytes) -> Iterator[str]:
    """The characters that these bytes alone decide, for each of the three offsets at which they can start."""
    yield base64.b64encode(data).decode().rstrip("=")
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + data).decode()
        first = -(-before * 8 // 6)
        last = (before + len(data)) * 8 // 6
        yield encoded[first:last]


def _lower_escapes(quoted: str) -> str:
    pieces = quoted.split("%")
    return "%".join([pieces[0], *(piece[:2].lower() + piece[2:] for piece in pieces[1:])])


def _occurrences(text: str, needle: str) -> Iterator[tuple[int, int]]:
    start = text.find(needle)
    while start >= 0:
        yield start, start + len(needle)
        start = text.find(needle, start + 1)


def _stands_alone(text: str, start: int, stop: int) -> bool:
    return not (text[start - 1 : start].isalnum() or text[stop : stop + 1].isalnum())
