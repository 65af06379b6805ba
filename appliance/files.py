"""The one writer: what stands under its final name is whole, and was synced before it got that name.

Blobs, state and documents all go through `new_file`. Reads that trust a size are bounded by `read_bounded`.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from appliance.digest import Digest
from appliance.errors import ApplianceError, StateError, TransferFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

COPY_BYTES = 1 << 20


class Source(Protocol):
    """What can be read in pieces."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""
        ...


@dataclass(slots=True)
class HashingWriter:
    """Writes through to `out` and hashes what passes."""

    out: BinaryIO
    size: int = 0
    _hash: hashlib._Hash = field(default_factory=hashlib.sha256)

    def write(self, data: bytes | memoryview) -> int:
        """Write all of `data`; bytes written are counted in `size`."""
        self.out.write(data)
        self._hash.update(data)
        self.size += len(data)
        return len(data)

    @property
    def digest(self) -> Digest:
        """The digest of everything written so far."""
        return Digest(self._hash.hexdigest())


@contextlib.contextmanager
def new_file(path: Path, *, mode: int = 0o644, replace: bool = True) -> Iterator[BinaryIO]:
    """Write a file that appears under `path` only when the block ends well, synced, with `mode`.

    With ``replace=False`` an existing `path` stays and `StateError` is raised. A full or read-only disk becomes an
    `ApplianceError` that names the folder. Nothing is left behind on failure.
    """
    with _disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:80]}.", suffix=".part", dir=path.parent)
    temporary = Path(name)
    try:
        # Closing writes what is still buffered, and fails once more where writing failed: hence around all of it.
        with _no_room(path), os.fdopen(descriptor, "w+b") as out:
            yield out
            with _disk_errors(path):
                out.flush()
                os.fchmod(out.fileno(), mode)
                os.fsync(out.fileno())
        with _disk_errors(path):
            if replace:
                temporary.replace(path)
            else:
                _link_new(temporary, path)
            sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _link_new(temporary: Path, path: Path) -> None:
    try:
        os.link(temporary, path)
    except FileExistsError as error:
        raise StateError(f"{path} exists and is not overwritten", hint="name another place, or move it away") from error


@contextlib.contextmanager
def _no_room(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ApplianceError(f"no room left to write {path}", hint=f"free space in {path.parent}") from error
        raise


@contextlib.contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    try:
        with _no_room(path):
            yield
    except OSError as error:
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EEXIST):
            hint = f"see that {path.parent} is a folder in which you may write, or name another place"
            raise ApplianceError(f"cannot write {path}: {os.strerror(error.errno)}", hint=hint) from error
        raise


def disk_errors(path: Path) -> contextlib.AbstractContextManager[None]:
    """Turn a full or unwritable disk into an `ApplianceError` naming `path`, for writes inside `new_file`'s block."""
    return _disk_errors(path)


def write_bytes(path: Path, data: bytes, *, mode: int = 0o644, replace: bool = True) -> None:
    """Write `data` to `path` atomically; see `new_file`."""
    with new_file(path, mode=mode, replace=replace) as out, _disk_errors(path):
        out.write(data)


def write_text(path: Path, text: str, *, mode: int = 0o644, replace: bool = True) -> None:
    """Write `text` as UTF-8 to `path` atomically; see `new_file`."""
    write_bytes(path, text.encode(), mode=mode, replace=replace)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def copy(source: Source, out: BinaryIO | HashingWriter, *, progress: Callable[[int], None] | None = None) -> int:
    """Copy until the end of `source`; bytes copied. `progress` gets the bytes of each piece."""
    total = 0
    while data := source.read(COPY_BYTES):
        out.write(data)
        total += len(data)
        if progress:
            progress(len(data))
    return total


def hash_file(path: Path) -> Digest:
    """The digest of a file's bytes."""
    with path.open("rb", buffering=0) as source:
        return Digest(hashlib.file_digest(source, "sha256").hexdigest())


def read_bounded(path: Path, limit: int) -> bytes:
    """All bytes of `path`, or `StateError` if there are more than `limit`."""
    with path.open("rb") as source:
        data = source.read(limit + 1)
    if len(data) > limit:
        raise StateError(f"{path} is larger than the {limit} bytes allowed for it")
    return data


def read_at(descriptor: int, offset: int, length: int) -> bytes:
    """Exactly `length` bytes at `offset`, fewer only at the end of the file."""
    pieces = bytearray()
    while len(pieces) < length:
        piece = os.pread(descriptor, length - len(pieces), offset + len(pieces))
        if not piece:
            break
        pieces += piece
    return bytes(pieces)


def hash_range(descriptor: int, offset: int, length: int) -> Digest:
    """The digest of `length` bytes at `offset`, in bounded memory; a shorter file hashes short."""
    digest = hashlib.sha256()
    buffer = memoryview(bytearray(min(COPY_BYTES, max(length, 1))))
    end = offset + length
    while offset < end:
        count = os.preadv(descriptor, [buffer[: end - offset]], offset)
        if count == 0:
            break
        digest.update(buffer[:count])
        offset += count
    return Digest(digest.hexdigest())


def hash_chunks(
    descriptor: int, *, base: int, size: int, chunk: int, progress: Callable[[int], None] | None = None
) -> Iterator[Digest]:
    """Digests of the chunks of ``[base, size)``, in order, hashed on all cores. `progress` gets bytes per chunk."""

    def one(offset: int) -> Digest:
        return hash_range(descriptor, offset, min(chunk, size - offset))

    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415  (slow to import; a host has no use for it)

    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        for offset, digest in zip(offsets := range(base, size, chunk), pool.map(one, offsets), strict=True):
            if progress:
                progress(min(chunk, size - offset))
            yield digest


def put_blob(
    folder: Path, source: Source, digest: Digest, *, size: int, progress: Callable[[int], None] | None = None
) -> Path:
    """Store `size` bytes of `source` as ``FOLDER/HEX``, 0444, only if they have `digest`; the one way that blobs come.

    Reads exactly `size` bytes, or fewer when `source` ends. Raises `TransferFailed` when they are not what was named.
    """
    path = folder / digest.hex
    with new_file(path, mode=0o444) as raw, disk_errors(path):
        out = HashingWriter(raw)
        while out.size < size and (data := source.read(min(COPY_BYTES, size - out.size))):
            out.write(data)
            if progress:
                progress(len(data))
        if out.size != size:
            raise TransferFailed(f"blob {digest.short} ended after {out.size} of {size} bytes")
        if out.digest != digest:
            raise TransferFailed(f"blob {digest.short} arrived with other content ({out.digest.short})")
    return path


def has_blob(folder: Path, digest: Digest, size: int) -> bool:
    """Whether ``FOLDER/HEX`` is there in full size."""
    try:
        return (folder / digest.hex).stat().st_size == size
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def lock(path: Path, *, wait: bool = True, shared: bool = False) -> Iterator[None]:
    """Hold a lock on `path`, alone unless `shared`; with ``wait=False`` one held elsewhere raises `StateError`.

    A folder is locked itself; a file is made.
    """
    with _disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        how = os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT
        descriptor = os.open(path, how | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError as error:
            raise StateError(f"{path} is in use by another process", hint="wait for it to end") from error
        yield
    finally:
        os.close(descriptor)
