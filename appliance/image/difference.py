"""What differs between two images, platform by platform: files, values of the config, container images."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance import canonical
from appliance.image import layers, oci
from appliance.image.oci import MEDIA_CONFIG, Platform
from appliance.image.trees import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from appliance.digest import Digest
    from appliance.image.oci import Descriptor, ImageConfig, Manifest
    from appliance.image.store import Store


class Change(enum.StrEnum):
    """What became of something on the way from the first image to the second."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class FileChange:
    """A path of the tree; `size` is how many bytes more (or fewer) it has."""

    change: Change
    path: str
    size: int


@dataclass(frozen=True, slots=True)
class ValueChange:
    """A value of the config, by its path; empty where there is none."""

    change: Change
    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class PlatformDifference:
    """What differs for one platform; `change` when only one of the images is there for it."""

    platform: Platform
    change: Change | None
    files: tuple[FileChange, ...] = ()
    values: tuple[ValueChange, ...] = ()


def differences(store: Store, before: Descriptor, after: Descriptor) -> tuple[PlatformDifference, ...]:
    """Compare two images of the store; platforms without a difference are left out."""
    old, new = _rootfs(store, before), _rootfs(store, after)
    reader = _Reader(store)
    found = []
    for platform in sorted({*old, *new}, key=str):
        if platform not in new:
            found.append(PlatformDifference(platform, Change.REMOVED))
        elif platform not in old:
            found.append(PlatformDifference(platform, Change.ADDED))
        elif old[platform] != new[platform]:
            found.append(_compare(platform, old[platform], new[platform], reader=reader, store=store))
    return tuple(found)


def _rootfs(store: Store, index: Descriptor) -> dict[Platform, Manifest]:
    """The manifest of each platform's root file system."""
    found = {}
    for platform, child in oci.index_from_json(store.get(index)).rootfs:
        manifest = oci.manifest_from_json(store.get(child))
        if manifest.config.media_type == MEDIA_CONFIG:
            found[platform] = manifest
    return found


def _compare(platform: Platform, old: Manifest, new: Manifest, *, reader: _Reader, store: Store) -> PlatformDifference:
    configs = [oci.config_from_json(store.get(manifest.config)) for manifest in (old, new)]
    before, after = (_values(config) for config in configs)
    values = (
        ValueChange(_change(name in before, name in after), name, before.get(name, ""), after.get(name, ""))
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    )
    return PlatformDifference(platform, None, tuple(_files(reader.tree(old), reader.tree(new))), tuple(values))


def _files(before: Mapping[str, Entry], after: Mapping[str, Entry]) -> Iterator[FileChange]:
    for path in sorted({*before, *after}):
        old, new = before.get(path), after.get(path)
        if old != new:
            grown = (new.size if new else 0) - (old.size if old else 0)
            yield FileChange(_change(old is not None, new is not None), path, grown)


def _change(there: bool, here: bool) -> Change:  # noqa: FBT001  (two of a kind, in the order of time)
    if there and here:
        return Change.CHANGED
    return Change.REMOVED if there else Change.ADDED


def _values(config: ImageConfig) -> dict[str, str]:
    """The values of a config that people set, flat: ``env.NAME``, ``spec.version``, ``commands``."""
    document = canonical.loads(oci.config_to_json(config), limit=oci.DOCUMENT_BYTES)
    found = {f"env.{name}": value for name, value in config.env.items()}
    found |= {f"label.{name}": value for name, value in config.labels.items()}
    found |= {f"spec.{name}": _text(value) for name, value in document["spec"].items()}
    found |= {f"image.{image.reference}": str(image.digest) for image in config.images}
    return found | {"commands": _text(list(config.commands)), "images": "left out" if config.images_left_out else ""}


def _text(value: object) -> str:
    return value if isinstance(value, str) else canonical.dumps(value).decode()


class _Reader:
    """Reads the entries of layers, of each layer once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[Digest, tuple[Entry, ...]] = {}

    def tree(self, manifest: Manifest) -> dict[str, Entry]:
        """The files and links of all layers over each other, and folders, by path."""
        found: dict[str, Entry] = {}
        for layer in manifest.layers:
            entries = self._entries(layer.digest)
            for entry in entries:
                if entry.kind in (Kind.REMOVED, Kind.OPAQUE):
                    found = {path: there for path, there in found.items() if not _hides(entry, path)}
            for entry in entries:
                if entry.kind not in (Kind.REMOVED, Kind.OPAQUE):
                    found[entry.path] = entry
        return found

    def _entries(self, digest: Digest) -> tuple[Entry, ...]:
        if digest not in self._known:
            with self._store.open(digest) as source:
                self._known[digest] = tuple(layers.read_entries(source, hashed=True))
        return self._known[digest]


def _hides(mark: Entry, path: str) -> bool:
    below = not mark.path or path.startswith(f"{mark.path}/")
    return below or (mark.kind is Kind.REMOVED and path == mark.path)
