"""The seam of distribution: blobs go from where the operator keeps them into the stores of hosts."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Protocol

from appliance.errors import StateError
from appliance.files import read_at

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from _typeshed import WriteableBuffer

    from appliance.digest import Digest
    from appliance.image.blobs import Blob
    from appliance.transport.base import Transport

Progress = Callable[[int, int], None]
"""Called with the bytes that the host has confirmed, and the total."""


def unheard(done: int, total: int) -> None:
    """The default `Progress`."""


def unsaid(sentence: str) -> None:
    """The default for what is said to people."""


class BlobSource(Protocol):
    """Where blobs are read on the operator's side."""

    def open(self, digest: Digest) -> BinaryIO:
        """The blob's bytes, checked while they are read. Raises `StateError` when there are none, or others."""
        ...

    def read(self, digest: Digest, offset: int, size: int) -> bytes:
        """Some of the blob's bytes, unchecked: who takes them compares them with what `open` gave before."""
        ...


@dataclass(frozen=True, slots=True)
class Hearing:
    """Who hears how a transfer goes: bytes that the host has confirmed and the total, and sentences for people.

    What is said is for the host's log; what is noted is for the report, too, though the transfer went well.
    """

    progress: Progress = unheard
    say: Callable[[str], None] = unsaid
    note: Callable[[str], None] = unsaid


NOBODY = Hearing()


class Distributor(Protocol):
    """A way to bring blobs to hosts; each host's lane calls it with its own line, several at a time."""

    def send(
        self,
        transport: Transport,
        blobs: Sequence[Blob],
        *,
        host: str,
        source: BlobSource,
        runtime: Digest | None,
        hearing: Hearing = NOBODY,
    ) -> None:
        """Bring those of `blobs` that `host`, to which `transport` is a line, lacks into its store.

        `runtime` is the host runtime that receives; None is the plain way, for which a shell suffices. Afterwards each
        blob is on the host, hashed there and synced. Raises `TransferFailed`, `Unreachable`, or what `source` raises.
        """
        ...


@dataclass(frozen=True, slots=True)
class BlobFolder:
    """A folder of blobs, each under its digest's hexadecimal form."""

    folder: Path

    def open(self, digest: Digest) -> BinaryIO:
        """See `BlobSource.open`; hashed again, in the one pass that reads it."""
        try:
            raw = _CheckedFile(self.folder / digest.hex, digest)
        except FileNotFoundError as error:
            raise self._missing(digest) from error
        return io.BufferedReader(raw, 1 << 20)

    def read(self, digest: Digest, offset: int, size: int) -> bytes:
        """See `BlobSource.read`."""
        try:
            with (self.folder / digest.hex).open("rb", buffering=0) as blob:
                return read_at(blob.fileno(), offset, size)
        except FileNotFoundError as error:
            raise self._missing(digest) from error

    def _missing(self, digest: Digest) -> StateError:
        return StateError(
            f"the blob {digest.short} is not in {self.folder}", hint="run the command again with the bundle at hand"
        )


class _CheckedFile(io.RawIOBase):
    """A file that gives its last bytes only when everything had the digest; so nobody ever holds all of a wrong one."""

    def __init__(self, path: Path, digest: Digest) -> None:
        super().__init__()
        self._path = path
        self._digest = digest
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._left = os.fstat(self._descriptor).st_size
        self._hash = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer).cast("B")
        count = os.readv(self._descriptor, [view])
        self._hash.update(view[:count])
        self._left -= count
        if self._left <= 0 or count == 0:
            self._compare()
        return count

    def _compare(self) -> None:
        if self._hash.hexdigest() != self._digest.hex:
            raise damaged(str(self._path))

    def close(self) -> None:
        if not self.closed:
            os.close(self._descriptor)
        super().close()


def damaged(name: str) -> StateError:
    """The refusal to send a blob of the operator's that is not what it was."""
    return StateError(f"the blob {name} is damaged", hint="delete it and run the command again with the bundle at hand")
