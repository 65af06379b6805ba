"""Where images come from: whoever gives a document's bytes and opens a blob; an OCI layout is one."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from appliance.files import Source as Bytes
    from appliance.image.oci import Descriptor
    from appliance.image.store import Store


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
