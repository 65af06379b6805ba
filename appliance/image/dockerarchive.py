"""`DockerArchive`: what ``docker save`` wrote, as a source of images: manifests are made for what has none.

The config and the layers are the archive's bytes, so the image ID holds. The same archive gives the same manifest.
Source: moby, image/spec v1.2, § Combined Image JSON + Filesystem Changeset Format.
"""

from __future__ import annotations

import contextlib
import hashlib
from typing import TYPE_CHECKING, Any

from appliance import canonical
from appliance.digest import Digest
from appliance.errors import BundleError
from appliance.files import COPY_BYTES
from appliance.image import oci
from appliance.image.oci import DOCUMENT_BYTES, MEDIA_MANIFEST, Descriptor, Manifest
from appliance.image.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from appliance.files import Source as Bytes
    from appliance.image.tarparts import TarParts

LISTING = "manifest.json"
_MEDIA_CONFIG = "application/vnd.oci.image.config.v1+json"
_MEDIA_LAYER = "application/vnd.oci.image.layer.v1.tar"
_PACKED = {b"\x1f\x8b": "+gzip", b"\x28\xb5": "+zstd"}


class DockerArchive:
    """The images of an archive. `roots` are the manifests made for them, each with the names that it has."""

    def __init__(self, parts: TarParts) -> None:
        self._parts = parts
        self._documents: dict[Digest, bytes] = {}
        self._members: dict[Digest, str] = {}
        try:
            listed = canonical.loads(parts.read(LISTING, DOCUMENT_BYTES), limit=DOCUMENT_BYTES)
            self.roots = tuple(root for entry in listed for root in self._image(entry))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BundleError(
                f"it is not what docker save writes: {error}", hint="save the image again, or take it out"
            ) from error

    def document(self, descriptor: Descriptor) -> bytes:
        """See `Source.document`."""
        return self._documents[descriptor.digest]

    def blob(self, descriptor: Descriptor) -> AbstractContextManager[Bytes]:
        """See `Source.blob`."""
        return contextlib.nullcontext(self._parts.open(self._members[descriptor.digest]))

    def _image(self, entry: Any) -> Iterator[tuple[Reference | None, Descriptor]]:
        """The manifest of one image under each of its names; once without one, if it has none."""
        config = self._parts.read(entry["Config"], DOCUMENT_BYTES)
        diff_ids = canonical.loads(config, limit=DOCUMENT_BYTES)["rootfs"]["diff_ids"]
        layers = tuple(
            self._layer(name, Digest.parse(diff_id)) for name, diff_id in zip(entry["Layers"], diff_ids, strict=True)
        )
        described = Descriptor(_MEDIA_CONFIG, Digest.of(config), len(config))
        self._members[described.digest] = entry["Config"]
        self._documents[described.digest] = config
        data = oci.manifest_to_json(Manifest(described, layers))
        root = Descriptor(MEDIA_MANIFEST, Digest.of(data), len(data))
        self._documents[root.digest] = data
        for name in entry.get("RepoTags") or (None,):
            yield (Reference.parse(name) if name else None), root

    def _layer(self, name: str, diff_id: Digest) -> Descriptor:
        """A layer as it lies there: a plain tar has the digest that the config says, another is hashed."""
        part = self._parts.open(name)
        size, packed = part.left, _PACKED.get(part.read(2), "")
        digest = self._hash(name) if packed else diff_id
        self._members[digest] = name
        return Descriptor(_MEDIA_LAYER + packed, digest, size)

    def _hash(self, name: str) -> Digest:
        part, hashed = self._parts.open(name), hashlib.sha256()
        while piece := part.read(COPY_BYTES):
            hashed.update(piece)
        return Digest(hashed.hexdigest())
