"""The build cache: which layer an instruction made of given inputs. Layers themselves lie in the store."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from appliance import canonical
from appliance.digest import Digest
from appliance.files import read_bounded, write_bytes
from appliance.image.oci import MEDIA_LAYER, Descriptor
from appliance.image.trees import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from appliance.image.store import Store
    from appliance.image.trees import Entry

_RECORD_BYTES = 16 << 20
_VERSION = 2


@dataclass(frozen=True, slots=True)
class LayerMade:
    """A layer as built: where it lies, its tar's digest and bytes, its folders with modes, the paths it removes."""

    blob: Descriptor
    diff_id: Digest
    tar_size: int
    folders: Mapping[str, int] = field(default_factory=dict)
    removed: tuple[str, ...] = ()

    @classmethod
    def of(cls, blob: Descriptor, diff_id: Digest, tar_size: int, entries: Iterable[Entry]) -> LayerMade:
        """Of a layer and what stands in it."""
        entries = tuple(entries)
        folders = {entry.path: entry.mode for entry in entries if entry.kind is Kind.FOLDER}
        return cls(
            blob, diff_id, tar_size, folders, tuple(entry.path for entry in entries if entry.kind is Kind.REMOVED)
        )


@dataclass(frozen=True, slots=True)
class Seen:
    """Files as they stood when a layer was made of them: what `stamps` they had, and which tar they gave.

    Not `settled` are files so young that a write might not show in their stamps.
    """

    stamps: Digest
    diff_id: Digest
    settled: bool


def key(*inputs: object) -> Digest:
    """The name of what an instruction makes of `inputs`, which are JSON data without secrets in clear text."""
    return Digest.of(canonical.dumps([_VERSION, *inputs]))


class BuildCache:
    """Records in a folder, one file each; losing any costs only time."""

    def __init__(self, folder: Path, store: Store) -> None:
        self._folder = folder
        self._store = store

    def get(self, name: Digest) -> LayerMade | None:
        """The layer made before, if its blob is still in the store."""
        try:
            record = canonical.loads(read_bounded(self._folder / name.hex, _RECORD_BYTES), limit=_RECORD_BYTES)
            blob = Descriptor(MEDIA_LAYER, Digest.parse(record["digest"]), record["size"])
            diff_id = Digest.parse(record["diffId"])
            made = LayerMade(blob, diff_id, record["tarSize"], record["folders"], tuple(record["removed"]))
        except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
            return None
        return made if self._store.keep(blob) else None

    def put(self, name: Digest, made: LayerMade) -> None:
        """Remember a layer."""
        record = {
            "digest": str(made.blob.digest),
            "size": made.blob.size,
            "diffId": str(made.diff_id),
            "tarSize": made.tar_size,
            "folders": dict(made.folders),
            "removed": list(made.removed),
        }
        write_bytes(self._folder / name.hex, canonical.dumps(record))

    def seen(self, shape: Digest) -> Seen | None:
        """How the files of that shape stood when a layer was last made of such."""
        try:
            record = canonical.loads(read_bounded(self._folder / shape.hex, _RECORD_BYTES), limit=_RECORD_BYTES)
            stamps, diff_id = Digest.parse(record["stamps"]), Digest.parse(record["diffId"])
            return Seen(stamps, diff_id, settled=record["settled"] is True)
        except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def remember(self, shape: Digest, seen: Seen) -> None:
        """Remember how files stand."""
        if self.seen(shape) != seen:
            record = {"stamps": str(seen.stamps), "diffId": str(seen.diff_id), "settled": seen.settled}
            write_bytes(self._folder / shape.hex, canonical.dumps(record))
