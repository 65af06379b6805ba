"""Places where container images are looked for: a registry (elsewhere), layouts and archives, a base image's own."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from appliance.errors import BundleError, RecipeError
from appliance.files import read_bounded
from appliance.image import carried, oci
from appliance.image.archives import is_archive
from appliance.image.dockerarchive import LISTING, DockerArchive
from appliance.image.oci import DOCUMENT_BYTES, INDEXES, Descriptor
from appliance.image.sources import Layout, LayoutArchive, layout_name
from appliance.image.store import Store
from appliance.image.tarparts import TarParts

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from appliance.image.oci import Index, Platform
    from appliance.image.records import ImageRecord
    from appliance.image.reference import Reference
    from appliance.image.sources import Source

_LAYOUT = "oci-layout"
_INDEX = "index.json"
_TARS = (".tar", ".tar.gz", ".tgz", ".tar.zst", ".tar.xz", ".tar.bz2")


@dataclass(frozen=True, slots=True)
class Found:
    """An image at a place: its index or manifest, and the source of the rest.

    `origin` names the docker archive that the manifest was made of; see `ImageRecord.origin`.
    """

    root: Descriptor
    data: bytes
    source: Source
    origin: str = ""


class Place(Protocol):
    """Where images are looked for."""

    def find(self, reference: Reference) -> Found | None:
        """What the reference means there; None for nothing. Raises `ApplianceError` when that is not known."""
        ...


@dataclass(frozen=True, slots=True)
class Shelf:
    """Images that lie somewhere, each under its name, if it has one; `name` is the place's own, for people."""

    name: str
    source: Source
    roots: tuple[tuple[Reference | None, Descriptor], ...]
    origin: str = ""

    def find(self, reference: Reference) -> Found | None:
        """See `Place.find`. A digest is looked for among indexes and what they point to, whatever the name."""
        for name, root in self.roots:
            if reference.digest is None and name == reference:
                return Found(root, self.source.document(root), self.source, self.origin)
            if reference.digest and (inner := self._within(root, reference)):
                return Found(_bare(inner), self.source.document(inner), self.source, self.origin)
        return None

    def _within(self, root: Descriptor, reference: Reference) -> Descriptor | None:
        children = oci.index_from_json(self.source.document(root)).manifests if root.media_type in INDEXES else ()
        return next((one for one in (root, *children) if one.digest == reference.digest), None)


@dataclass(frozen=True, slots=True)
class Inherited:
    """What a base image carries for one platform: references mean here what they meant when it was built."""

    roots: Mapping[Reference, Descriptor]
    source: Layout
    origins: Mapping[str, str]

    @classmethod
    def of(cls, base: Index, platform: Platform, *, store: Store, records: Sequence[ImageRecord]) -> Inherited:
        """From a base image's index, whose parts are all in the store, and the records in its config."""
        indexes = {one.digest: one for one in carried.originals(base, get=store.get)}
        roots = {
            one.reference: indexes.get(one.index, one.manifest) if one.index else one.manifest
            for one in carried.read(base)
            if one.platform == platform
        }
        return cls(roots, Layout(store), {record.reference: record.origin for record in records})

    def find(self, reference: Reference) -> Found | None:
        """See `Place.find`."""
        if reference not in self.roots:
            return None
        root = _bare(self.roots[reference])
        return Found(root, self.source.document(root), self.source, self.origins.get(str(reference), ""))


@dataclass(frozen=True, slots=True)
class Shelves:
    """The layouts and archives of a folder; warnings tell what lies there and is neither."""

    shelves: tuple[Shelf, ...]
    warnings: tuple[str, ...]

    def unused(self, wanted: Collection[Reference]) -> Iterator[str]:
        """A sentence for each place with images that are called otherwise than those `wanted`."""
        digests = {reference.digest for reference in wanted if reference.digest}
        for shelf in self.shelves:
            names = [name for name, root in shelf.roots if name and name not in wanted and root.digest not in digests]
            if names:
                listed = ", ".join(name.familiar for name in names[:5]) + (", …" if names[5:] else "")
                add = f"IMAGE {names[0].familiar}"
                yield f"{shelf.name} holds what nothing in the image names: {listed}; to carry it all the same: {add}"


@contextlib.contextmanager
def shelves(folder: Path, *, scratch: Path) -> Iterator[Shelves]:
    """What lies in `folder`, which need not be there: OCI layouts (folders or tars), archives of ``docker save``."""
    found: list[Shelf] = []
    warnings: list[str] = []
    with contextlib.ExitStack() as stack:
        for path in sorted(_candidates(folder)):
            name = f"{folder.name}/{path.relative_to(folder)}".removesuffix("/.")
            try:
                shelf = _layout(path, name) if path.is_dir() else _archive(path, name, stack, scratch)
            except (BundleError, RecipeError, OSError) as error:
                why = error.message if isinstance(error, BundleError | RecipeError) else error.strerror
                raise RecipeError(f"images cannot be taken from it: {why}", where=name, hint="save it anew") from error
            if shelf is None:
                warnings.append(f"{name} is no OCI layout and no docker archive: nothing is taken from it")
            else:
                found.append(shelf)
        yield Shelves(tuple(found), tuple(warnings))


def _candidates(folder: Path) -> Iterator[Path]:
    """The layouts and tars of a tree."""
    for name, folders, files in os.walk(folder):
        here = Path(name)
        if _LAYOUT in files:
            folders.clear()
            yield here
            continue
        yield from (here / file for file in files if file.endswith(_TARS) and is_archive(here / file))


def _layout(path: Path, name: str) -> Shelf:
    index = oci.index_from_json(read_bounded(path / _INDEX, DOCUMENT_BYTES))
    return Shelf(name, Layout(Store(path)), _named(index))


def _archive(path: Path, name: str, stack: contextlib.ExitStack, scratch: Path) -> Shelf | None:
    parts = stack.enter_context(TarParts(path, scratch=scratch))
    if _INDEX in parts and _LAYOUT in parts:
        index = oci.index_from_json(parts.read(_INDEX, DOCUMENT_BYTES))
        return Shelf(name, LayoutArchive(parts), _named(index))
    if LISTING in parts:
        archive = DockerArchive(parts)
        return Shelf(name, archive, archive.roots, origin=f"docker archive {name}")
    return None


def _named(index: Index) -> tuple[tuple[Reference | None, Descriptor], ...]:
    return tuple((layout_name(root), _bare(root)) for root in index.manifests)


def _bare(root: Descriptor) -> Descriptor:
    """A descriptor without what is said of it somewhere."""
    return Descriptor(root.media_type, root.digest, root.size)
