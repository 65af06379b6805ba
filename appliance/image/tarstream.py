"""Reading a tar stream front to back, strictly: headers of bounded size, plain relative paths, no sparse files.

Runs on target hosts, too. Source: POSIX.1-2001, pax.
"""

from __future__ import annotations

import hashlib
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
PATH_BYTES = 4096
NAME_BYTES = 255
MAX_DEPTH = 200


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

    `source` gives fewer bytes than asked for only at its end.
    """

    def __init__(self, source: Reader) -> None:
        self._source = source
        self._left = 0
        self._padding = 0

    def __iter__(self) -> Iterator[tarfile.TarInfo]:
        extended: dict[str, str] = {}
        while (info := self._header()) is not None:
            self._left, self._padding = info.size, -info.size % BLOCK
            if info.type in (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK):
                extended |= self._extension(info)
                continue
            info.name = extended.get("path", info.name)
            info.linkname = extended.get("linkpath", info.linkname)
            if "size" in extended:
                info.size = int(extended["size"])
                self._left, self._padding = info.size, -info.size % BLOCK
            if any(key.startswith("GNU.sparse") for key in extended) or info.type == tarfile.GNUTYPE_SPARSE:
                raise BundleError(f"the archive holds a sparse file: {info.name!r}")
            if not info.isreg():
                self._left = self._padding = 0
            extended = {}
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

    def _extension(self, info: tarfile.TarInfo) -> dict[str, str]:
        if info.size > EXTENSION_BYTES:
            raise BundleError(f"the archive holds a header of {info.size} bytes")
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
        end = at + int(data[at:space])
        key, equals, value = data[space + 1 : end - 1].partition(b"=")
        if not equals or end <= space or data[end - 1 : end] != b"\n":
            raise ValueError("a broken extended header")
        yield key.decode(), value.decode()
        at = end


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
    """Whether a symbolic link at `path` to `target` points out of the tree, or nowhere sensible."""
    if target.startswith("/") or not target or not is_printable(target):
        return True
    depth = path.count("/")
    for part in target.split("/"):
        depth += -1 if part == ".." else part not in ("", ".")
        if depth < 0:
            return True
    return False
