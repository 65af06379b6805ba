"""`Remembered`: what references meant when they were looked up last, so that what the store has needs no network.

A record is lost without harm: then its registry is asked again. A tag that was moved since is asked for with
``--no-cache``.
"""

from __future__ import annotations

import dataclasses
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from appliance import canonical
from appliance.digest import Digest
from appliance.errors import RecipeError
from appliance.files import read_bounded, write_bytes
from appliance.image.oci import Descriptor
from appliance.image.places import Found

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from appliance.files import Source as Bytes
    from appliance.image.places import Place
    from appliance.image.reference import Reference
    from appliance.image.store import Store

_RECORD_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Remembered:
    """A place before another, the `upstream`: what that said is kept in `folder`.

    With `trusted` what was said earlier counts, too; without, only what was said since this was made.
    """

    upstream: Place
    folder: Path
    store: Store
    trusted: bool = True
    _asked: set[Reference] = field(default_factory=set)

    def find(self, reference: Reference) -> Found | None:
        """See `Place.find`."""
        root = self._recall(reference) if self.trusted or reference in self._asked else None
        if root:
            return Found(root, self.store.get(root), _Again(self.upstream, reference, root))
        found = self.upstream.find(reference)
        if found:
            record = {
                "mediaType": found.root.media_type, "digest": str(found.root.digest), "size": found.root.size
            }  # fmt: skip
            write_bytes(self._path(reference), canonical.dumps(record))
            self.store.put_document(found.data, found.root.media_type)
            self._asked.add(reference)
        return found

    def _path(self, reference: Reference) -> Path:
        return self.folder / Digest.of(str(reference).encode()).hex

    def _recall(self, reference: Reference) -> Descriptor | None:
        """What the reference meant, if that document is still in the store."""
        try:
            record = canonical.loads(read_bounded(self._path(reference), _RECORD_BYTES), limit=_RECORD_BYTES)
            root = Descriptor(record["mediaType"], Digest.parse(record["digest"]), record["size"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None
        return root if self.store.keep(root) else None


@dataclass(slots=True)
class _Again:
    """The source of an image whose registry is asked only when the store lacks a part, and then by digest."""

    upstream: Place
    reference: Reference
    root: Descriptor
    lock: threading.Lock = field(default_factory=threading.Lock)
    found: Found | None = None

    def document(self, descriptor: Descriptor) -> bytes:
        """See `Source.document`."""
        return self._source().source.document(descriptor)

    def blob(self, descriptor: Descriptor) -> AbstractContextManager[Bytes]:
        """See `Source.blob`."""
        return self._source().source.blob(descriptor)

    def _source(self) -> Found:
        with self.lock:
            if self.found is None:
                self.found = self.upstream.find(dataclasses.replace(self.reference, digest=self.root.digest))
            if self.found is None:
                raise RecipeError("its registry has it no more", hint="build with --no-cache to take what is there now")
            return self.found
