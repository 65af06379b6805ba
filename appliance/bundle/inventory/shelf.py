"""What was found in layers, kept under their digests: a layer never changes, so it is read once.

Losing what is kept costs only time.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.bundle.inventory import found, layer
from appliance.errors import BundleError
from appliance.files import COPY_BYTES, read_bounded, write_bytes
from appliance.image.tarstream import HashingReader

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from appliance.bundle.inventory.found import LayerFound
    from appliance.image.oci import Descriptor
    from appliance.image.store import Store
    from appliance.image.tarstream import Reader


@dataclass(frozen=True, slots=True)
class Shelf:
    """Reads layers of a store; `folder`, which may be deleted at any time, keeps what was found, or None nothing."""

    store: Store
    folder: Path | None = None

    def rootfs_layer(self, blob: Descriptor) -> LayerFound:
        """What is in a layer of a cluster image, all its files included; `BundleError` when it is damaged."""
        return self._kept(blob, "files", lambda source: layer.read(source, blob.media_type, files=True))

    def carried_layer(self, blob: Descriptor) -> LayerFound:
        """What is in a layer of a container image; one that cannot be read is noted as that."""

        def read(source: Reader) -> LayerFound:
            try:
                return layer.read(source, blob.media_type, files=False)
            except BundleError as error:
                why = error.message.partition(":")[0]
                return found.LayerFound(unread={str(blob.digest): why})

        return self._kept(blob, "packages", read)

    def _kept(self, blob: Descriptor, what: str, read: Callable[[Reader], LayerFound]) -> LayerFound:
        place = self.folder / f"{blob.digest.hex}-{what}.json" if self.folder else None
        if place is not None:
            with contextlib.suppress(FileNotFoundError, ValueError):
                return found.parse(read_bounded(place, found.RECORD_BYTES))
        with self.store.open(blob.digest) as source:
            hashing = HashingReader(source)
            made = read(hashing)
            while hashing.read(COPY_BYTES):
                pass
        if hashing.digest != blob.digest:
            raise BundleError(f"layer {blob.digest.short} in the store is damaged", hint="build or pull it again")
        if place is not None:
            write_bytes(place, found.dump(made))
        return made
