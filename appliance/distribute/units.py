"""The operator's list of what is right: the SHA-256 of each unit of each blob, made in one reading that checks all."""

from __future__ import annotations

import hashlib
import itertools
import threading
from typing import TYPE_CHECKING

from appliance.distribute.words import UNIT_BYTES
from appliance.errors import ApplianceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from appliance.digest import Digest
    from appliance.distribute.base import BlobSource
    from appliance.image.blobs import Blob

HASH_BYTES = 32
_UNITS_BETWEEN_WORDS = 16


class Units:
    """Hashes of units, by blob, as far as they are known; a thread reads the blobs in the order in which they come."""

    def __init__(self, source: BlobSource, *, changed: Callable[[], None]) -> None:
        """`changed` is called whenever more is known, by another thread and without a lock of this object's."""
        self._source = source
        self._changed = changed
        self._lock = threading.Lock()
        self._hashes: dict[Digest, bytearray] = {}
        self._waiting: list[Digest] = []
        self._errors: dict[Digest, ApplianceError] = {}
        self._working = False

    def add(self, blobs: Iterable[Blob]) -> None:
        """Blobs whose units will be needed."""
        with self._lock:
            for blob in blobs:
                if blob.digest not in self._hashes:
                    self._hashes[blob.digest] = bytearray()
                    self._waiting.append(blob.digest)
            if self._waiting and not self._working:
                self._working = True
                threading.Thread(target=self._work, name="units", daemon=True).start()

    def known(self, digest: Digest, first: int, *, most: int) -> bytes:
        """The hashes of units of a blob from number `first` on, `most` at most, as far as they are known.

        Raises the `StateError` that reading the blob raised, once no more will come.
        """
        with self._lock:
            found = bytes(self._hashes[digest][first * HASH_BYTES : (first + most) * HASH_BYTES])
            if not found and (error := self._errors.get(digest)):
                raise error
            return found

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._working = False
                    return
                digest = self._waiting.pop(0)
            self._read(digest)

    def _read(self, digest: Digest) -> None:
        try:
            with self._source.open(digest) as blob:
                for number in itertools.count(1):
                    unit = blob.read(UNIT_BYTES)
                    if not unit:
                        break
                    with self._lock:
                        self._hashes[digest] += hashlib.sha256(unit).digest()
                    if number % _UNITS_BETWEEN_WORDS == 0:
                        self._changed()
            self._changed()
        except OSError as error:
            self._fail(digest, ApplianceError(f"the blob {digest.short} cannot be read: {error.strerror or error}"))
        except ApplianceError as error:
            self._fail(digest, error)

    def _fail(self, digest: Digest, error: ApplianceError) -> None:
        with self._lock:
            self._errors[digest] = error
        self._changed()
