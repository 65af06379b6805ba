"""Reading a tar stream front to back, strictly: headers of bounded size, plain relative paths, no sparse files.

Runs on target hosts, too. Source: POSIX.1-2001, pax.
"""

from __future__ import annotations

import hashlib
import itertools
import tarfile
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from appliance.digest import Digest
from appliance.errors import BundleError
from appliance.files import COPY_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK = 512
EXTENSION_BYTES = 1 << 20
MAX_EXTENSIONS = 8
PATH_BYTES = 4096
NAME_BYTES = 255
MAX_DEPTH = 200
_NUMBER_DIGITS = 18


@dataclass(frozen=True, slots=True)
class Limits:
    """How far an archive may expand: bytes of the whole tar, number of entries, bytes of all their names together."""

    size: int = 64 << 30
    entries: int = 1_000_000
    names: int = 128 << 20


LIMITS = Limits()


class Reader(Protocol):
    """Where bytes come from, front to back."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""
        ...


@dataclass(slots=True)
class HashingReader:
    """Reads on, hashes what passes, and never gives fewer bytes than asked for, except at the end."""

    source: Reader
    _hash: hashlib._Hash = field(default_factory=hashlib.sha256)

    def read(self, size: int, /) -> bytes:
        """Exactly `size` bytes, or up to the end."""
        data = self.source.read(size)
        while 0 < len(data) < size and (more := self.source.read(size - len(data))):
            data += more
        self._hash.update(data)
        return data

    def finish(self) -> None:
        """Read on to the end, which may only be the archive's padding."""
        if any(self.read(COPY_BYTES)) or self.read(1):
            raise ValueError("there is more behind its end mark")

    @property
    def digest(self) -> Digest:
        """The digest of everything read so far."""
        return Digest(self._hash.hexdigest())


class Members:
    """The members of a tar, in order; `body` reads the current one, and what is not read is passed over.

    `source` gives fewer bytes than asked for only at its end. What goes beyond `limits` is a `BundleError`, before it
    is read.
    """

    def __init__(self, source: Reader, limits: Limits = LIMITS) -> None:
        self._source = source
        self._limits = limits
        self._read = 0
        self._entries = 0
        self._names = 0
        self._left = 0
        self._padding = 0

    def __iter__(self) -> Iterator[tarfile.TarInfo]:
        extended: dict[str, str] = {}
        extensions = 0
        while (info := self._header()) is not None:
            if info.type in (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK):
                extended |= self._extension(info)
                extensions += 1
                if extensions > MAX_EXTENSIONS:
                    raise BundleError(f"the archive holds more than {MAX_EXTENSIONS} headers for one entry")
                continue
            self._apply(extended, info)
            self._count(info)
            self._announce(info.size if info.isreg() else 0)
            extended, extensions = {}, 0
            yield info
            for _ in self.body():
                pass

    def body(self) -> Iterator[bytes]:
        """The rest of the current member's bytes, in pieces."""
        while self._left:
            data = self._source.read(min(COPY_BYTES, self._left))
            if not data:
                raise EOFError("the archive ends inside a file")
            self._left -= len(data)
            yield data
        self._source.read(self._padding)
        self._padding = 0

    def _header(self) -> tarfile.TarInfo | None:
        block = self._source.read(BLOCK)
        if len(block) < BLOCK:
            raise EOFError("the archive ends without its end mark")
        if not any(block):
            return None
        return tarfile.TarInfo.frombuf(block, "utf-8", "strict")

    def _apply(self, extended: dict[str, str], info: tarfile.TarInfo) -> None:
        info.name = extended.get("path", info.name)
        info.linkname = extended.get("linkpath", info.linkname)
        if "size" in extended:
            info.size = _number(extended["size"])
        if any(key.startswith("GNU.sparse") for key in extended) or info.type == tarfile.GNUTYPE_SPARSE:
            raise BundleError(f"the archive holds a sparse file: {info.name[:200]!r}")

    def _count(self, info: tarfile.TarInfo) -> None:
        self._entries += 1
        self._names += len(info.name) + len(info.linkname)
        if self._entries > self._limits.entries:
            raise BundleError(f"the archive holds more than {self._limits.entries} entries")
        if self._names > self._limits.names:
            raise BundleError(f"the names in the archive have more than {self._limits.names} characters together")

    def _announce(self, size: int) -> None:
        """A header and `size` bytes come."""
        if size < 0:
            raise ValueError("an entry of less than no bytes")
        self._left, self._padding = size, -size % BLOCK
        self._read += BLOCK + self._left + self._padding
        if self._read > self._limits.size:
            raise BundleError(f"the archive expands to more than {self._limits.size} bytes")

    def _extension(self, info: tarfile.TarInfo) -> dict[str, str]:
        if info.size > EXTENSION_BYTES:
            raise BundleError(f"the archive holds a header of {info.size} bytes")
        self._announce(info.size)
        data = b"".join(self.body())
        if info.type == tarfile.GNUTYPE_LONGNAME:
            return {"path": data.rstrip(b"\0").decode()}
        if info.type == tarfile.GNUTYPE_LONGLINK:
            return {"linkpath": data.rstrip(b"\0").decode()}
        return dict(_pax_records(data)) if info.type == tarfile.XHDTYPE else {}


def _pax_records(data: bytes) -> Iterator[tuple[str, str]]:
    """The ``LENGTH KEY=VALUE`` lines of an extended header (POSIX.1-2001, pax § Extended Header)."""
    at = 0
    while at < len(data):
        space = data.index(b" ", at, at + 10)
        end = at + _number(data[at:space].decode("ascii"))
        key, equals, value = data[space + 1 : end - 1].partition(b"=")
        if not equals or end <= space or data[end - 1 : end] != b"\n":
            raise ValueError("a broken extended header")
        known = key in (b"path", b"linkpath", b"size")  # others, like file capabilities, may hold any bytes
        yield key.decode(errors="replace"), value.decode(errors="strict" if known else "replace")
        at = end


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= _NUMBER_DIGITS):
        raise ValueError(f"not a number: {text[:40]!r}")
    return int(text)


def safe_path(name: str) -> str:
    """`name` without ``.`` and a last slash; `BundleError` unless it is a plain relative path."""
    parts = [part for part in name.removesuffix("/").split("/") if part != "."]
    if name.startswith("/") or any(part in ("", "..") or len(part.encode()) > NAME_BYTES for part in parts):
        raise BundleError(f"the archive holds a path that leaves it: {name[:200]!r}")
    if len(name.encode()) > PATH_BYTES or len(parts) > MAX_DEPTH or not is_printable(name):
        raise BundleError(f"the archive holds a path that no file should have: {name[:200]!r}")
    return "/".join(parts)


def is_printable(text: str) -> bool:
    """Whether `text` is free of control characters."""
    return not any(unicodedata.category(character) == "Cc" for character in text)


def leaves_tree(path: str, target: str) -> bool:
    """Whether a symbolic link at `path` to `target` points out of the tree, or nowhere sensible.

    ``..`` behind a name is refused: the name may be a link itself, and then ``name/..`` is anywhere.
    """
    if target.startswith("/") or not target or not is_printable(target) or len(target.encode()) >= PATH_BYTES:
        return True
    parts = [part for part in target.split("/") if part not in ("", ".")]
    down = list(itertools.dropwhile(lambda part: part == "..", parts))
    return ".." in down or len(parts) - len(down) > path.count("/")
