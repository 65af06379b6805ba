"""`Partial`: a blob that grows on a host, unit by checked unit, and can be read meanwhile as far as it is checked."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from typing import TYPE_CHECKING

from appliance.distribute.words import UNIT_BYTES
from appliance.errors import TransferFailed
from appliance.files import disk_errors, has_blob, read_at, sync_folder

if TYPE_CHECKING:
    from pathlib import Path

    from appliance.digest import Digest

_HASH_BYTES = 32
_SUFFIX = ".partial"
SWARM = ".swarm"
"""The folder where a swarm's files grow."""


class Partial:
    """One blob below `folder`; it gets its final name when all of it is there and has the digest.

    Any thread may read and learn; one at a time accepts.
    """

    def __init__(self, folder: Path, digest: Digest, size: int) -> None:
        self.digest = digest
        self.size = size
        self.verified = 0
        self._folder = folder
        self._path = folder / f".{digest.hex}{_SUFFIX}"
        self._hashes = bytearray()
        self._changed = threading.Condition()
        self._whole = hashlib.sha256()
        self.complete = has_blob(folder, digest, size)
        with disk_errors(self._path):
            if self.complete:
                self.verified = size
                self._file = os.open(folder / digest.hex, os.O_RDONLY | os.O_CLOEXEC)
            else:
                self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def learn(self, first: int, hashes: bytes) -> None:
        """Take the SHA-256 of units from number `first` on. `ValueError` when some before them are not known."""
        with self._changed:
            if first * _HASH_BYTES > len(self._hashes):
                raise ValueError("hashes of units are missing")
            self._hashes[first * _HASH_BYTES :] = hashes
            self._changed.notify_all()

    def recheck(self) -> None:
        """Check what an earlier helper left, and let go of what is not right; waits for the hashes of those units."""
        left = os.fstat(self._file).st_size
        while self.verified < min(left, self.size) and not self.complete:
            unit = read_at(self._file, self.verified, self._unit())
            if len(unit) < self._unit() or not self._right(unit):
                break
            self._advance(unit)
        if not self.complete:
            with disk_errors(self._path):
                os.ftruncate(self._file, self.verified)

    def accept(self, unit: bytes | bytearray | memoryview) -> bool:
        """Append the next unit, if it is the right one; waits until its hash is known."""
        if len(unit) != self._unit() or not self._right(unit):
            return False
        with disk_errors(self._path):
            rest, offset = memoryview(unit), self.verified
            while rest:
                written = os.pwrite(self._file, rest, offset)
                rest, offset = rest[written:], offset + written
        self._advance(unit)
        return True

    def next_bytes(self) -> int:
        """The size of the unit that comes next; 0 when all are there."""
        return self._unit()

    def _unit(self) -> int:
        return min(UNIT_BYTES, self.size - self.verified)

    def _right(self, unit: bytes | bytearray | memoryview) -> bool:
        start = self.verified // UNIT_BYTES * _HASH_BYTES
        with self._changed:
            self._changed.wait_for(lambda: len(self._hashes) >= start + _HASH_BYTES)
            wanted = bytes(self._hashes[start : start + _HASH_BYTES])
        return hashlib.sha256(unit).digest() == wanted

    def _advance(self, unit: bytes | bytearray | memoryview) -> None:
        self._whole.update(unit)
        with self._changed:
            self.verified += len(unit)
            self._changed.notify_all()

    def read(self, offset: int, *, seconds: float) -> bytes:
        """At most a unit of checked bytes from `offset` on; none when there are none within `seconds`."""
        with self._changed:
            self._changed.wait_for(lambda: self.verified > offset, timeout=seconds)
            end = min(self.verified, offset + UNIT_BYTES)
        return read_at(self._file, offset, end - offset)

    def settle(self) -> None:
        """Bring to the disk what has come by now, while more comes: `finish` has little left to wait for then."""
        if not self.complete:
            with disk_errors(self._path):
                os.fdatasync(self._file)

    def finish(self) -> None:
        """Give the blob its name, synced and 0444. Raises `TransferFailed` when it has not the digest; then it goes."""
        if self.complete:
            return
        if self._whole.hexdigest() != self.digest.hex:
            self._path.unlink(missing_ok=True)
            raise TransferFailed(f"blob {self.digest.short} arrived with other content")
        with disk_errors(self._path):
            os.fchmod(self._file, 0o444)
            os.fsync(self._file)
            self._path.replace(self._folder / self.digest.hex)
            sync_folder(self._folder)
        self.complete = True


def sweep(folder: Path, keep: set[str], *, swarming: bool = False) -> None:
    """Remove from `folder` what killed helpers began; what there is of blobs to `keep`, by name, stays.

    What came by a swarm stays only for one that is `swarming`.
    """
    if not swarming:
        shutil.rmtree(folder / SWARM, ignore_errors=True)
    for path in (*folder.glob(".*.part"), *folder.glob(f".*{_SUFFIX}")):
        if path.suffix != _SUFFIX or path.stem.removeprefix(".") not in keep:
            path.unlink(missing_ok=True)
