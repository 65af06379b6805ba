"""Writing a ``.run``: a hole, the payload as a stored 7z archive, its digests by reading it again, then what is signed.

Nothing has the file's name before everything in it was written and synced; the stub, without which nothing in it can be
started, is written last. The same members give the same bytes everywhere but in the signature area.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

from appliance import events, files
from appliance.bundle import manifestjson
from appliance.bundle.layout import (
    ARCHIVE_HEADER_BYTES,
    LIMITS,
    STUB_BYTES,
    base_for,
    pack_head,
)
from appliance.bundle.manifest import FileEntry, chunks_count
from appliance.bundle.reread import Rereading, comparing, rereading
from appliance.digest import Digest
from appliance.errors import ApplianceError, BundleError, StateError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path
    from types import ModuleType

    from _typeshed import ReadableBuffer

    from appliance.bundle.manifest import BundleManifest

_ARCHIVE_SLACK = 64 << 10
_FILETIME_EPOCH = 11_644_473_600
_UNIX_MODE = 0x8000
_REGULAR = 0o100000
_ARCHIVE_BIT = 0x20


@dataclass(frozen=True, slots=True)
class Member:
    """A file to be stored: its name, size in bytes, digest, mode, and how to open it for reading."""

    name: str
    size: int
    sha256: Digest
    open: Callable[[], AbstractContextManager[BinaryIO]]
    mode: int = 0o444


@dataclass(frozen=True, slots=True)
class Payload:
    """The archive as it lies in the file: where it begins, how long the file is, what is where, and its chunks."""

    base: int
    size: int
    files: tuple[FileEntry, ...]
    chunks: tuple[Digest, ...]


@dataclass(frozen=True, slots=True)
class Written:
    """A finished file: size in bytes, digest of all its bytes, and what was signed with what."""

    size: int
    sha256: Digest
    manifest: bytes
    signatures: bytes


class Author(Protocol):
    """Who writes the front of a bundle, once its payload is known."""

    def stub(self, payload: Payload) -> bytes:
        """The 64 KiB that start it."""
        ...

    def manifest(self, payload: Payload, stub: Digest) -> BundleManifest:
        """What will be signed. Also asked with placeholder digests, to learn how much room it takes."""
        ...

    def sign(self, manifest: bytes) -> bytes:
        """The packed signatures over the manifest's bytes."""
        ...


def write(path: Path, members: Sequence[Member], author: Author, *, created: int, sink: events.Sink) -> Written:
    """Write the bundle to `path`, 0755, whole or not at all; `created` is the members' time in seconds since 1970.

    Raises `StateError` when a member is not what it should be, `BundleError` when the bundle would be larger than
    `LIMITS` allow, `ApplianceError` when the disk is full or not writable.
    """
    base = _base(members, author)
    with files.new_file(path, mode=0o755) as out, files.disk_errors(path):
        descriptor = out.fileno()
        payload = _write_payload(descriptor, members, base=base, created=created, sink=sink)
        stub = author.stub(payload)
        if len(stub) != STUB_BYTES:
            raise BundleError(f"the stub takes {len(stub)} bytes, not {STUB_BYTES}")
        manifest = manifestjson.to_bytes(author.manifest(payload, Digest.of(stub)))
        signatures = author.sign(manifest)
        _write_at(descriptor, pack_head(manifest, signatures, base=base), STUB_BYTES)
        _write_at(descriptor, stub, 0)
        digest = _digest_of_all(descriptor, payload, sink)
    return Written(size=payload.size, sha256=digest, manifest=manifest, signatures=signatures)


def places(members: Iterable[Member], *, base: int) -> tuple[FileEntry, ...]:
    """Where members come to lie, back to back, when the archive begins at `base`."""
    entries, offset = [], base + ARCHIVE_HEADER_BYTES
    for member in members:
        entries.append(FileEntry(member.name, offset, member.size, member.sha256, member.mode))
        offset += member.size
    return tuple(entries)


def _base(members: Sequence[Member], author: Author) -> int:
    entries = places(members, base=LIMITS.base)
    size = entries[-1].end + _ARCHIVE_SLACK + len(members) * LIMITS.name
    nothing = Digest.of(b"")
    count = chunks_count(size, LIMITS.base)
    if count > LIMITS.chunks_count:
        raise BundleError(f"{size} bytes are more than one bundle holds", hint="leave something out")
    draft = Payload(LIMITS.base, size, entries, (nothing,) * count)
    try:
        return base_for(len(manifestjson.to_bytes(author.manifest(draft, nothing))))
    except ValueError as error:
        raise BundleError(f"the bundle is too large: {error}", hint="leave something out") from error


def _write_payload(
    descriptor: int, members: Sequence[Member], *, base: int, created: int, sink: events.Sink
) -> Payload:
    entries = places(members, base=base)
    _refuse_full_disk(descriptor, entries[-1].end)
    total = sum(member.size for member in members)
    with (
        events.task(sink, "write", "Writing the bundle", total=total) as progress,
        rereading(descriptor, base=base) as reread,
    ):
        size = _write_archive(descriptor, members, base=base, created=created, reread=reread, progress=progress)
        chunks = reread.finish(size)
    return Payload(base, size, entries, chunks)


def _refuse_full_disk(descriptor: int, size: int) -> None:
    room = os.fstatvfs(descriptor)
    if room.f_bavail * room.f_frsize < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _write_archive(
    descriptor: int,
    members: Sequence[Member],
    *,
    base: int,
    created: int,
    reread: Rereading,
    progress: Callable[[int], None],
) -> int:
    """Write the members through py7zr, stored, in one folder; the offset of the file's end in bytes."""
    py7zr = _py7zr()
    window = _Window(descriptor, base, reread.written_to)
    archive = py7zr.SevenZipFile(cast("BinaryIO", window), "w", filters=[{"id": py7zr.FILTER_COPY}])
    archive.set_encoded_header_mode(mode=False)
    for member in members:
        with member.open() as source:
            archive.writef(cast("BinaryIO", _Source(source, member.size, progress)), member.name)
    described = archive.header.files_info.files if members else []
    for member, info in zip(members, described, strict=True):
        info["lastwritetime"] = (created + _FILETIME_EPOCH) * 10_000_000
        info["attributes"] = (_REGULAR | member.mode) << 16 | _UNIX_MODE | _ARCHIVE_BIT
    archive.close()
    return window.size


def _py7zr() -> ModuleType:
    try:
        import py7zr  # noqa: PLC0415  (only the packager has it)
    except ImportError as error:
        raise ApplianceError(
            "bundles are written with py7zr, which is not installed here", hint="pip install 'appliance[packager]'"
        ) from error
    return py7zr


class _Source(io.BufferedIOBase):
    """A member's bytes for py7zr, which asks for their number by seeking to the end; never more than were announced."""

    def __init__(self, source: BinaryIO, size: int, progress: Callable[[int], None]) -> None:
        super().__init__()
        self._source = source
        self._size = size
        self._left = size
        self._at = 0
        self._progress = progress

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + (self._size if whence == os.SEEK_END else 0)
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        del size  # py7zr asks for 32 KiB; larger pieces are faster and as good to it
        data = self._source.read(min(files.COPY_BYTES, self._left))
        self._left -= len(data)
        if not data and self._left:
            raise StateError(f"a file that goes into the bundle is {self._left} bytes shorter than its digest's size")
        self._progress(len(data))
        return data


class _Window(io.RawIOBase):
    """The file from `base` on, as py7zr's whole file: it overwrites what stands before its first byte otherwise."""

    def __init__(self, descriptor: int, base: int, written_to: Callable[[int], None]) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._base = base
        self._written_to = written_to
        self._at = 0
        self.size = base

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size - self._base}[whence]
        self._at = start + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def write(self, data: ReadableBuffer) -> int:
        view = memoryview(data)
        _write_at(self._descriptor, view, self._base + self._at)
        self._at += view.nbytes
        self.size = max(self.size, self._base + self._at)
        self._written_to(self.size)
        return view.nbytes


def _write_at(descriptor: int, data: bytes | memoryview, offset: int) -> None:
    view = memoryview(data)
    while view:
        count = os.pwrite(descriptor, view, offset)
        view, offset = view[count:], offset + count


def _digest_of_all(descriptor: int, payload: Payload, sink: events.Sink) -> Digest:
    """The digest of the whole file, while other cores compare its members and bring it to the disk."""
    whole, buffer, done = hashlib.sha256(), memoryview(bytearray(files.COPY_BYTES)), 0
    with (
        events.task(sink, "sum", "Adding up the file", total=payload.size) as progress,
        comparing(descriptor, payload.files),
        ThreadPoolExecutor(1) as pool,
    ):
        synced = pool.submit(os.fdatasync, descriptor)
        while count := os.preadv(descriptor, [buffer[: payload.size - done]], done):
            whole.update(buffer[:count])
            done += count
            progress(count)
        synced.result()
    return Digest(whole.hexdigest())
