"""Files → a layer: reproducible tar+zstd, hashed and compressed in one pass, on all cores, in bounded memory.

Source: OCI image-spec, layer.md; POSIX.1-2001, pax.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Protocol

from appliance.digest import Digest
from appliance.errors import RecipeError
from appliance.files import HashingWriter
from appliance.image import compression
from appliance.image.tarstream import BLOCK
from appliance.image.trees import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"
_PIECE_BYTES = 1 << 20
_PENDING = 6
_SYNC_BYTES = 32 << 20


@dataclass(frozen=True, slots=True)
class Source:
    """A path that goes into a layer; `file` holds a file's bytes. For whiteouts `entry.path` is the path they hide."""

    entry: Entry
    file: Path | None = None


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer as written: digest and size in bytes of the blob, the same of its tar."""

    digest: Digest
    size: int
    diff_id: Digest
    tar_size: int


def write_layer(
    sources: Iterable[Source], out: BinaryIO, *, mtime: int = 0, progress: Callable[[int], None] | None = None
) -> Layer:
    """Write `sources` as one layer; the same sources give the same bytes anywhere.

    Entries are sorted, owned by root, stamped `mtime` (seconds since 1970), without setuid bits and without writing for
    others than the owner. `progress` gets the bytes of each piece. Raises `RecipeError` when a file changes meanwhile,
    `ValueError` for a path that comes twice.
    """
    with ThreadPoolExecutor(1) as hashing, ThreadPoolExecutor(1) as writing, ThreadPoolExecutor(1) as syncing:
        line = _Line(out, hashing, writing, syncing)
        tar = _TarWriter(line, mtime)
        tar.add_all(sources, progress)
        tar.finish()
        return line.finish(tar.size)


def hash_layer(sources: Iterable[Source], *, mtime: int = 0) -> Digest:
    """The diff id of the layer that `write_layer` would make of the same; nothing is compressed or written."""
    digest = hashlib.sha256()
    tar = _TarWriter(_Updating(digest), mtime)
    tar.add_all(sources, None)
    tar.finish()
    return Digest(digest.hexdigest())


class _Out(Protocol):
    """Where a tar's bytes go."""

    def write(self, data: bytes) -> None:
        """Take the next bytes."""
        ...


@dataclass(frozen=True, slots=True)
class _Updating:
    """Hashes and forgets."""

    digest: hashlib._Hash

    def write(self, data: bytes) -> None:
        """See `_Out`."""
        self.digest.update(data)


class _Line:
    """Tar bytes → sha256 beside zstd → sha256 and the file, each on a thread of its own."""

    def __init__(
        self, out: BinaryIO, hashing: ThreadPoolExecutor, writing: ThreadPoolExecutor, syncing: ThreadPoolExecutor
    ) -> None:
        self._blob = HashingWriter(out)
        self._descriptor = _descriptor(out)
        self._tar = hashlib.sha256()
        self._zstd = compression.compressor()
        self._hashing = hashing
        self._writing = writing
        self._syncing = syncing
        self._pending: deque[Future[object]] = deque()
        self._synced: Future[None] | None = None
        self._unsynced = 0

    def write(self, data: bytes) -> None:
        """See `_Out`; a fault of writing comes here, too, a few pieces later."""
        self._later(self._hashing.submit(self._tar.update, data))
        self._emit(self._zstd.compress(data))

    def finish(self, tar_size: int) -> Layer:
        """End the stream, once all is through."""
        self._emit(self._zstd.flush())
        while self._pending:
            self._pending.popleft().result()
        if self._synced is not None:
            self._synced.result()
        return Layer(self._blob.digest, self._blob.size, Digest(self._tar.hexdigest()), tar_size)

    def _emit(self, data: bytes) -> None:
        if data:
            self._later(self._writing.submit(self._blob.write, data))
            self._unsynced += len(data)
            self._sync_early()

    def _later(self, work: Future[object] | Future[int] | Future[None]) -> None:
        self._pending.append(work)  # type: ignore[arg-type]  # only waited for
        while len(self._pending) > _PENDING:
            self._pending.popleft().result()

    def _sync_early(self) -> None:
        """Let the disk begin while there is more to come; whoever made the file syncs it at the end."""
        if self._descriptor is None or self._unsynced < _SYNC_BYTES or (self._synced and not self._synced.done()):
            return
        self._unsynced = 0
        self._synced = self._syncing.submit(os.fdatasync, self._descriptor)


def _descriptor(out: BinaryIO) -> int | None:
    try:
        return out.fileno()
    except OSError:
        return None


class _TarWriter:
    """Entries → tar bytes, small ones gathered."""

    def __init__(self, out: _Out, mtime: int) -> None:
        self._out = out
        self._mtime = mtime
        self._gathered = bytearray()
        self.size = 0

    def add_all(self, sources: Iterable[Source], progress: Callable[[int], None] | None) -> None:
        """Add sources, sorted by the names that they get."""
        last = ""
        for source in sorted(sources, key=lambda s: _archive_name(s.entry)):
            name = _archive_name(source.entry)
            if name == last:
                raise ValueError(f"{name} comes twice")
            last = name
            self._add(name, source, progress)

    def _add(self, name: str, source: Source, progress: Callable[[int], None] | None) -> None:
        entry = source.entry
        info = tarfile.TarInfo(name)
        info.mtime = self._mtime
        info.mode = entry.mode & 0o755
        match entry.kind:
            case Kind.FOLDER:
                info.type = tarfile.DIRTYPE
            case Kind.LINK:
                info.type, info.linkname, info.mode = tarfile.SYMTYPE, entry.target, 0o777
            case Kind.FILE:
                info.size = entry.size
            case Kind.REMOVED | Kind.OPAQUE:
                info.mode = 0
        self._write(info.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict"))
        if entry.kind is Kind.FILE and source.file is not None:
            self._copy(source.file, entry.size, progress)

    def _copy(self, path: Path, size: int, progress: Callable[[int], None] | None) -> None:
        left = size
        with path.open("rb", buffering=0) as reader:
            while left and (data := reader.read(min(_PIECE_BYTES, left))):
                self._write(data)
                left -= len(data)
                if progress:
                    progress(len(data))
            if left or reader.read(1):
                raise RecipeError(f"{path} changed while it was packed", hint="build again when nothing writes to it")
        self._write(bytes(-size % BLOCK))

    def _write(self, data: bytes) -> None:
        self.size += len(data)
        self._gathered += data
        if len(self._gathered) >= _PIECE_BYTES:
            self._pass_on()

    def _pass_on(self) -> None:
        self._out.write(bytes(self._gathered))
        self._gathered.clear()

    def finish(self) -> None:
        """Write the end mark, and what is still here."""
        self._write(bytes(2 * BLOCK))
        self._write(bytes(-self.size % tarfile.RECORDSIZE))
        self._pass_on()


def _archive_name(entry: Entry) -> str:
    if entry.kind is Kind.OPAQUE:
        return f"{entry.path}/{OPAQUE}"
    if entry.kind is Kind.REMOVED:
        folder, slash, name = entry.path.rpartition("/")
        return f"{folder}{slash}{WHITEOUT}{name}"
    return entry.path
