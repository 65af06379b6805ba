"""Reading what a manifest describes: every byte comes out of our own memory, hashed there just before.

A stick may answer the second read differently from the first; so a chunk is read whole, hashed, compared and only then
handed out, from the same memory.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from appliance import events, files
from appliance.bundle import sidecars
from appliance.bundle.layout import LIMITS
from appliance.errors import BundleError, VerificationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from _typeshed import WriteableBuffer

    from appliance.bundle.manifest import BundleManifest, FileEntry
    from appliance.digest import Digest


@dataclass(frozen=True, slots=True)
class BundleFiles:
    """An open bundle: its name, size in bytes, and the small files beside it as they were when it was opened."""

    name: str
    size: int
    beside: sidecars.Beside
    _descriptor: int

    @classmethod
    def open(cls, path: Path, *, also: Sequence[Path] = ()) -> Self:
        """Open the bundle at `path`; `BundleError` when there is none or it cannot be read.

        `also`: folders in which countersignatures and the like lie, besides the bundle's own.
        """
        path = Path(path)
        try:
            beside = sidecars.read(path, also=also)
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            why, hint = os.strerror(error.errno or 0), "name the .run file; if it is on a stick, see that it is mounted"
            raise BundleError(f"cannot open the bundle: {why}", where=str(path), hint=hint) from error
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            os.close(descriptor)
            raise BundleError("this is not a file, and so no bundle", where=str(path))
        return cls(path.name, status.st_size, beside, descriptor)

    def read(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes at `offset`, fewer at the end of the file; a failing medium is a `BundleError`."""
        try:
            return files.read_at(self._descriptor, offset, length)
        except OSError as error:
            last = offset + length - 1
            raise BundleError(
                f"bytes {offset} to {last} of {self.name} cannot be read: {os.strerror(error.errno or 0)}",
                hint="the medium may be failing: copy the bundle from another one",
            ) from error

    def holds(self, offset: int, length: int, digest: Digest) -> bool:
        """Whether `length` bytes at `offset` can be read and have `digest`; in bounded memory."""
        try:
            return files.hash_range(self._descriptor, offset, length) == digest
        except OSError:
            return False

    def close(self) -> None:
        """Close it; what reads from it fails from then on."""
        with contextlib.suppress(OSError):
            os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class Checked:
    """What was read and compared: bytes, chunks, members; `bad` are the numbers of the chunks not as signed."""

    bytes: int
    chunks: int
    files: int
    bad: tuple[int, ...]


def damaged(manifest: BundleManifest, number: int) -> str:
    """The sentence for a chunk that is not as signed: its number, byte range and what lies in it."""
    start, end = manifest.chunk_range(number)
    within = ", ".join(manifest.files_within(start, end))
    return f"chunk {number} (bytes {start} to {end - 1}) is not what was signed; in it: {within}"


class Chunks:
    """The payload of a bundle, read by the digests of its members."""

    def __init__(self, bundle: BundleFiles, manifest: BundleManifest) -> None:
        self._files = bundle
        self._manifest = manifest
        self._entries = {entry.sha256: entry for entry in manifest.files}
        self._last = (-1, b"")  # small members share chunks, and are read one after the other

    def entry(self, digest: Digest) -> FileEntry:
        """The member with that digest; `BundleError` when there is none."""
        try:
            return self._entries[digest]
        except KeyError:
            raise BundleError(f"the bundle holds nothing with the digest {digest}") from None

    def chunk(self, number: int) -> bytes:
        """The bytes of a chunk, compared with what was signed; `VerificationError` when they differ."""
        last, data = self._last
        if last == number:
            return data
        start, end = self._manifest.chunk_range(number)
        data = self._files.read(start, end - start)
        if len(data) != end - start or hashlib.sha256(data).hexdigest() != self._manifest.chunks[number].hex:
            raise VerificationError(damaged(self._manifest, number), hint="copy the bundle again")
        self._last = (number, data)
        return data

    def open(self, digest: Digest) -> MemberReader:
        """Read a member from its beginning."""
        return MemberReader(self, self.entry(digest), base=self._manifest.base, chunk=self._manifest.chunk)

    def read(self, digest: Digest) -> bytes:
        """A member of at most `LIMITS.document` bytes; `BundleError` for a larger one."""
        entry = self.entry(digest)
        if entry.length > LIMITS.document:
            raise BundleError(f"{entry.name} has {entry.length} bytes, where a document has {LIMITS.document} at most")
        with self.open(digest) as source:
            return source.readall()

    def check_all(self, sink: events.Sink) -> Checked:
        """Read everything once on all cores and compare every chunk; damage is in the result, not raised."""
        bad = []
        numbers = range(len(self._manifest.chunks))
        total = self._manifest.size - self._manifest.base
        with (
            events.task(sink, "verify", "Reading every byte", total=total) as progress,
            ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool,
        ):
            for number, good in zip(numbers, pool.map(self._is_good, numbers), strict=True):
                if not good:
                    bad.append(number)
                start, end = self._manifest.chunk_range(number)
                progress(end - start)
        there = min(self._files.size, self._manifest.size)
        return Checked(there, len(numbers), len(self._manifest.files), tuple(bad))

    def _is_good(self, number: int) -> bool:
        start, end = self._manifest.chunk_range(number)
        return self._files.holds(start, end - start, self._manifest.chunks[number])


class MemberReader(io.RawIOBase):
    """A member's bytes, front to back, out of compared chunks; its own digest is compared before the last are given."""

    def __init__(self, chunks: Chunks, entry: FileEntry, *, base: int, chunk: int) -> None:
        super().__init__()
        self._chunks = chunks
        self._entry = entry
        self._base = base
        self._chunk = chunk
        self._at = entry.offset
        self._held = (-1, memoryview(b""))
        self._hash = hashlib.sha256()

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Give what is left of the current chunk, at most; 0 at the end."""
        view = memoryview(buffer).cast("B")
        number, skip = divmod(self._at - self._base, self._chunk)
        count = min(len(view), self._chunk - skip, self._entry.end - self._at)
        if count <= 0:
            return 0
        if self._held[0] != number:
            self._held = (number, memoryview(self._chunks.chunk(number)))
        piece = self._held[1][skip : skip + count]
        self._hash.update(piece)
        self._at += count
        if self._at == self._entry.end and self._hash.hexdigest() != self._entry.sha256.hex:
            raise VerificationError(f"{self._entry.name} has other content than its digest says, although signed")
        view[:count] = piece
        return count

    def readall(self) -> bytes:
        """All that is left."""
        return b"".join(iter(lambda: self.read(self._chunk) or b"", b""))
