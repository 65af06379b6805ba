"""Where images come from: whoever gives a document's bytes and opens a blob, such as an OCI layout."""

from __future__ import annotations

import contextlib
import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from appliance.digest import Digest
from appliance.errors import BundleError
from appliance.image.oci import ANNOTATION_REFERENCE, DOCUMENT_BYTES
from appliance.image.reference import Reference

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from appliance.files import Source as Bytes
    from appliance.image.oci import Descriptor
    from appliance.image.store import Store
    from appliance.image.tarparts import TarParts

_CONTAINERD_NAME = "io.containerd.image.name"


class Sent(enum.Enum):
    """How a blob came into a repository."""

    THERE = "there"
    MOUNTED = "mounted"
    UPLOADED = "uploaded"


class Source(Protocol):
    """A place with images. What it gives need not be true: the store checks blobs, `document` is checked here."""

    def document(self, descriptor: Descriptor) -> bytes:
        """The bytes of a manifest or index; `BundleError` or `TransferFailed` unless they have its digest."""
        ...

    def blob(self, descriptor: Descriptor) -> AbstractContextManager[Bytes]:
        """A blob's bytes, unchecked."""
        ...


@dataclass(frozen=True, slots=True)
class Layout:
    """An OCI image layout, such as a store, as a source."""

    store: Store

    def document(self, descriptor: Descriptor) -> bytes:
        """See `Source.document`."""
        return self.store.get(descriptor)

    def blob(self, descriptor: Descriptor) -> AbstractContextManager[Bytes]:
        """See `Source.blob`."""
        return self.store.open(descriptor.digest)


@dataclass(frozen=True, slots=True)
class LayoutArchive:
    """An OCI image layout in a tar (``oci-archive``) as a source."""

    parts: TarParts

    def document(self, descriptor: Descriptor) -> bytes:
        """See `Source.document`."""
        data = self.parts.read(_blob_name(descriptor), DOCUMENT_BYTES)
        if Digest.of(data) != descriptor.digest:
            raise BundleError(
                f"document {descriptor.digest.short} in the archive is damaged", hint="take it from a sound source"
            )
        return data

    def blob(self, descriptor: Descriptor) -> AbstractContextManager[Bytes]:
        """See `Source.blob`."""
        return contextlib.nullcontext(self.parts.open(_blob_name(descriptor)))


def _blob_name(descriptor: Descriptor) -> str:
    return f"blobs/sha256/{descriptor.digest.hex}"


def layout_name(descriptor: Descriptor) -> Reference | None:
    """An image's name in a layout's ``index.json``; None where there is none, or a tag only."""
    for annotation in (_CONTAINERD_NAME, ANNOTATION_REFERENCE):
        text = descriptor.annotations.get(annotation, "")
        if ":" in text or "/" in text:
            return Reference.parse(text)
    return None
