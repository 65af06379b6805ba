"""`TarParts`: the files of a tar by name, each to be read from anywhere in it, by any number of threads."""

from __future__ import annotations

import contextlib
import os
import posixpath
import tarfile
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, cast

from appliance.errors import BundleError
from appliance.files import COPY_BYTES, copy, disk_errors
from appliance.image.archives import open_archive
from appliance.image.tarstream import BLOCK, LIMITS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType
    from typing import Self

_MAGIC = slice(257, 262)
_MOST_LINKS = 8


@dataclass(slots=True)
class Part:
    """A file within a tar, read front to back."""

    descriptor: int
    offset: int
    left: int

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""
        data = os.pread(self.descriptor, min(size, self.left, COPY_BYTES), self.offset)
        self.offset += len(data)
        self.left -= len(data)
        return data


class TarParts:
    """A tar, compressed or not; a compressed one is unpacked into an unnamed file in `scratch` first."""

    def __init__(self, path: Path, *, scratch: Path) -> None:
        self._path = path
        with contextlib.ExitStack() as stack:
            self._file = stack.enter_context(_plain(path, scratch))
            self._places, self._links = self._scan()
            self._open = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._open.close()

    def __contains__(self, name: str) -> bool:
        return self._resolved(name) is not None

    def open(self, name: str) -> Part:
        """A file's bytes; `BundleError` when the tar has none of that name."""
        place = self._resolved(name)
        if place is None:
            raise self._damaged(f"there is no {name[:200]!r} in it")
        return Part(self._file.fileno(), *place)

    def read(self, name: str, limit: int) -> bytes:
        """All bytes of a small file; `BundleError` when it is missing or has more than `limit`."""
        part = self.open(name)
        if part.left > limit:
            raise self._damaged(f"{name[:200]!r} has {part.left} bytes, where {limit} are allowed")
        pieces = bytearray()
        while piece := part.read(COPY_BYTES):
            pieces += piece
        return bytes(pieces)

    def _scan(self) -> tuple[dict[str, tuple[int, int]], dict[str, str]]:
        """Where each file lies, and where links lead."""
        places: dict[str, tuple[int, int]] = {}
        links: dict[str, str] = {}
        try:
            with tarfile.open(fileobj=self._file, mode="r:") as archive:
                for number, member in enumerate(archive):
                    if number >= LIMITS.entries:
                        raise self._damaged(f"it holds more than {LIMITS.entries} entries")
                    name = posixpath.normpath(member.name)
                    if member.isreg() and not member.issparse():
                        places[name] = (member.offset_data, member.size)
                    elif member.issym():
                        links[name] = posixpath.normpath(posixpath.join(posixpath.dirname(name), member.linkname))
                    elif member.islnk():
                        links[name] = posixpath.normpath(member.linkname)
        except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
            raise self._damaged(str(error)) from error
        return places, links

    def _resolved(self, name: str) -> tuple[int, int] | None:
        for _ in range(_MOST_LINKS):
            if name in self._places or name not in self._links:
                break
            name = self._links[name]
        return self._places.get(name)

    def _damaged(self, why: str) -> BundleError:
        return BundleError(f"the archive {self._path.name} is damaged: {why}", hint="take it from a sound source again")


@contextlib.contextmanager
def _plain(path: Path, scratch: Path) -> Iterator[BinaryIO]:
    """The tar without its compression, as a file."""
    with path.open("rb") as source:
        if source.read(BLOCK)[_MAGIC] == b"ustar":
            source.seek(0)
            yield source
            return
    with disk_errors(scratch):
        scratch.mkdir(parents=True, exist_ok=True)
        unpacked = tempfile.TemporaryFile(dir=scratch)  # noqa: SIM115  (closed below)
    with unpacked:
        with open_archive(path) as reader, disk_errors(scratch):
            copy(reader, cast("BinaryIO", unpacked))
        unpacked.seek(0)
        yield cast("BinaryIO", unpacked)
