"""Reading again what was written: it proves the write, and gives the digests that are signed."""

from __future__ import annotations

import contextlib
import os
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
def rereading(descriptor: int, *, base: int) -> Iterator[Rereading]:
    """Read again, while the block writes, the chunks from `base` on."""
    with _cancelled_at_exit(ThreadPoolExecutor(max_workers=os.cpu_count() or 1)) as pool:
        yield Rereading(descriptor, base=base, pool=pool)


@contextlib.contextmanager
def comparing(descriptor: int, entries: Sequence[FileEntry]) -> Iterator[None]:
    """Compare, while the block runs, the members `entries` with their digests; `StateError` for one that differs."""
    with _cancelled_at_exit(ThreadPoolExecutor(max_workers=max(1, (os.cpu_count() or 1) - 1))) as pool:
        compared = [pool.submit(_compare, descriptor, entry) for entry in entries]
        yield
        for future in compared:
            future.result()


def _compare(descriptor: int, entry: FileEntry) -> None:
    if files.hash_range(descriptor, entry.offset, entry.length) != entry.sha256:
        raise StateError(f"{entry.name} has other content than its digest says", hint="build the image again")


@contextlib.contextmanager
def _cancelled_at_exit(pool: ThreadPoolExecutor) -> Iterator[Executor]:
    """`pool`, of which nothing that has not begun is done once the block has ended."""
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


class Rereading:
    """Reads, close behind the writer and on the other cores, what was written: for the chunks' digests."""

    def __init__(self, descriptor: int, *, base: int, pool: Executor) -> None:
        self._descriptor = descriptor
        self._base = base
        self._pool = pool
        self._digests: dict[int, Future[Digest]] = {}
        self._next = 1  # the archive's header, in chunk 0, is written last

    def written_to(self, offset: int) -> None:
        """All before `offset` is written, and stays so but for the archive's header."""
        while (end := self._base + (self._next + 1) * CHUNK_BYTES) <= offset:
            self._hash(self._next, end)
            self._next += 1

    def finish(self, size: int) -> tuple[Digest, ...]:
        """The digests of all chunks of the file of `size` bytes."""
        count = chunks_count(size, self._base)
        for number in (0, *range(self._next, count)):
            self._hash(number, min(size, self._base + (number + 1) * CHUNK_BYTES))
        return tuple(self._digests[number].result() for number in range(count))

    def _hash(self, number: int, end: int) -> None:
        start = self._base + number * CHUNK_BYTES
        self._digests[number] = self._pool.submit(files.hash_range, self._descriptor, start, end - start)
