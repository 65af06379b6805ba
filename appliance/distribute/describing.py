"""The torrent of a run, made while its blobs are read and checked: once, by some threads, before any piece goes out."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from appliance.distribute.torrent import FileHasher, Hashed, Piece, Torrent, piece_bytes
from appliance.errors import ApplianceError, TransferFailed
from appliance.files import COPY_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from appliance.distribute.base import BlobSource
    from appliance.image.blobs import Blob


class Describing:
    """Begins at once; `changed` is called, by another thread, when it is done or has failed."""

    def __init__(
        self,
        files: Sequence[Blob],
        pieces: Sequence[Piece],
        authority: str,
        *,
        source: BlobSource,
        changed: Callable[[], None],
    ) -> None:
        self._files = files
        self._pieces = {(piece.blob, piece.offset): piece for piece in pieces}
        self._authority = authority
        self._source = source
        self._changed = changed
        self._torrent: Torrent | None = None
        self._error: BaseException | None = None
        self._stopped = threading.Event()
        self.encoded = b""
        self.names = frozenset(blob.digest.hex for blob in files)
        threading.Thread(target=self._work, name="torrent", daemon=True).start()

    def ready(self) -> bool:
        """Whether the torrent is there. Raises what reading the blobs raised."""
        if self._error:
            raise self._error
        return self._torrent is not None

    def stop(self) -> bool:
        """Make no more of it, if it is not made yet; whether that is so."""
        if self._torrent is None:
            self._stopped.set()
        return self._stopped.is_set()

    def is_right(self, blob: str, offset: int, data: bytes) -> bool:
        """Whether `data` are a piece as the blob's checked bytes have it."""
        return self._torrent is not None and self._torrent.is_right(self._pieces[blob, offset], data)

    def _work(self) -> None:
        try:
            with ThreadPoolExecutor(max_workers=os.cpu_count() or 1, thread_name_prefix="torrent") as pool:
                hashed = dict(zip((f.digest.hex for f in self._files), pool.map(self._hash, self._files), strict=True))
            torrent = Torrent(piece_bytes(blob.size for blob in self._files), hashed, self._authority)
            self.encoded = torrent.encoded()
            self._torrent = torrent
        except OSError as error:
            self._error = ApplianceError(f"a blob cannot be read: {error.strerror or error}")
        except ApplianceError as error:
            self._error = error
        except Exception as error:  # noqa: BLE001  (a thread that ends unheard would be waited for in vain)
            self._error = TransferFailed(f"the blobs cannot be described: {error!r}")
        self._changed()

    def _hash(self, blob: Blob) -> Hashed:
        hasher = FileHasher(piece_bytes(each.size for each in self._files))
        with self._source.open(blob.digest) as opened:
            while data := opened.read(COPY_BYTES):
                if self._stopped.is_set():
                    raise TransferFailed("nobody waits for the blobs any more")
                hasher.update(data)
        return hasher.finish()
