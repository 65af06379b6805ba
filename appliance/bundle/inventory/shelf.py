"""What was found in layers, kept under their digests: a layer never changes, so it is read once.

Losing what is kept costs only time.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from appliance.bundle.inventory import found, layer
from appliance.errors import BundleError
from appliance.files import read_bounded, write_bytes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from appliance.bundle.inventory.found import LayerFound
    from appliance.image.oci import Descriptor
    from appliance.image.store import Store


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

        def read(source: BinaryIO) -> LayerFound:
            try:
                return layer.read(source, blob.media_type, files=False)
            except BundleError as error:
                return found.LayerFound(unread={str(blob.digest): error.message})

        return self._kept(blob, "packages", read)

    def _kept(self, blob: Descriptor, what: str, read: Callable[[BinaryIO], LayerFound]) -> LayerFound:
        place = self.folder / f"{blob.digest.hex}-{what}.json" if self.folder else None
        if place is not None:
            with contextlib.suppress(FileNotFoundError, ValueError):
                return found.parse(read_bounded(place, found.RECORD_BYTES))
        with self.store.open(blob.digest) as source:
            made = read(source)
        if place is not None:
            write_bytes(place, found.dump(made))
        return made
