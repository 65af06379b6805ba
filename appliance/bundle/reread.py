"""Reading again what is being written: it proves the write, and gives the digests that are signed."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from appliance import files
from appliance.bundle.layout import CHUNK_BYTES
from appliance.bundle.manifest import chunks_count
from appliance.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Executor, Future

    from appliance.bundle.manifest import FileEntry
    from appliance.digest import Digest


@contextlib.contextmanager
def rereading(descriptor: int, entries: Sequence[FileEntry], *, base: int) -> Iterator[Rereading]:
    """Read again, while the block writes, the members `entries` and the chunks from `base` on."""
    with (
        ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as chunks,
        ThreadPoolExecutor(max_workers=1) as members,
    ):
        try:
            yield Rereading(descriptor, _Comparison(descriptor, entries), base=base, chunks=chunks, members=members)
        finally:
            chunks.shutdown(cancel_futures=True)
            members.shutdown(cancel_futures=True)


class Rereading:
    """Reads, close behind the writer and on the other cores, what was written: for the chunks' and members' digests."""

    def __init__(
        self, descriptor: int, comparison: _Comparison, *, base: int, chunks: Executor, members: Executor
    ) -> None:
        self._descriptor = descriptor
        self._comparison = comparison
        self._base = base
        self._chunks = chunks
        self._members = members
        self._digests: dict[int, Future[Digest]] = {}
        self._compared: list[Future[None]] = []
        self._next = 1  # the archive's header, in chunk 0, is written last

    def written_to(self, offset: int) -> None:
        """All before `offset` is written, and stays so but for the archive's header."""
        while (end := self._base + (self._next + 1) * CHUNK_BYTES) <= offset:
            self._hash(self._next, end)
            self._compared.append(self._members.submit(self._comparison.go_on, end))
            self._next += 1

    def finish(self, size: int) -> tuple[Digest, ...]:
        """The digests of all chunks of the file of `size` bytes; `StateError` for a member that is not as it was."""
        count = chunks_count(size, self._base)
        for number in (0, *range(self._next, count)):
            self._hash(number, min(size, self._base + (number + 1) * CHUNK_BYTES))
        self._compared.append(self._members.submit(self._comparison.go_on, size))
        for compared in self._compared:
            compared.result()
        return tuple(self._digests[number].result() for number in range(count))

    def _hash(self, number: int, end: int) -> None:
        start = self._base + number * CHUNK_BYTES
        self._digests[number] = self._chunks.submit(files.hash_range, self._descriptor, start, end - start)


class _Comparison:
    """Compares members with their digests, front to back, as far as they are written."""

    def __init__(self, descriptor: int, entries: Sequence[FileEntry]) -> None:
        self._descriptor = descriptor
        self._entries = deque(entries)
        self._at = entries[0].offset
        self._buffer = memoryview(bytearray(files.COPY_BYTES))
        self._hash = hashlib.sha256()

    def go_on(self, end: int) -> None:
        """Compare what lies before the offset `end`; `StateError` for the first member that differs."""
        while self._entries:
            entry = self._entries[0]
            while self._at < min(end, entry.end):
                piece = self._buffer[: min(end, entry.end) - self._at]
                count = os.preadv(self._descriptor, [piece], self._at)
                self._hash.update(piece[:count])
                self._at += count
            if self._at < entry.end:
                return
            if self._hash.hexdigest() != entry.sha256.hex:
                raise StateError(f"{entry.name} has other content than its digest says", hint="build the image again")
            self._entries.popleft()
            self._hash = hashlib.sha256()
