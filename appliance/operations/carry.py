"""What a build carries besides root file systems: container images that it finds, is told of, or inherits."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from appliance import events
from appliance.image import carried, oci, places
from appliance.image.carried import Wanted
from appliance.image.collect import Chosen, collect
from appliance.image.discovery.tree import IGNORE
from appliance.image.oci import MEDIA_CONFIG, MEDIA_MANIFEST, Platform
from appliance.image.places import Inherited, Place, Shelves
from appliance.image.reference import Reference
from appliance.image.remembered import Remembered
from appliance.image.rootfs import open_rootfs
from appliance.operations import wanted
from appliance.operations.wanted import Needs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from appliance.events import Sink
    from appliance.image.builder import BuiltRootfs
    from appliance.image.oci import Descriptor, Index
    from appliance.image.records import ImageRecord
    from appliance.image.store import Store

FOLDER = "images"
"""The folder of the context where layouts and archives with container images may lie."""
_BASE = "base "
Upstream = Callable[[], AbstractContextManager[Place]]
"""Opens the registries, if one of them is to be asked."""


@dataclass(frozen=True, slots=True)
class Carriage:
    """How a build comes to its container images; `leave_out` carries none but the base image's.

    `named` are images that IMAGE instructions name, for each platform; `kubefile` is the whole text.
    """

    context: Path
    kubefile: str
    cache: Path
    image_list: Path | None = None
    named: Mapping[Platform, Sequence[Wanted]] = field(default_factory=dict)
    leave_out: bool = False
    ask_anew: bool = False
    upstream: Upstream | None = None


@dataclass(frozen=True, slots=True)
class Base:
    """A platform's base image: what it is called, and its index."""

    name: str
    index: Descriptor


@dataclass(frozen=True, slots=True)
class Load:
    """What is carried, and what the packager should hear: images that only may be needed, and warnings."""

    chosen: tuple[Chosen, ...]
    guesses: tuple[Wanted, ...] = ()
    warnings: tuple[str, ...] = ()
    left_out: bool = False

    def write(self, built: Sequence[BuiltRootfs], store: Store) -> Index:
        """Write what is carried into the configs of the root file systems, and all into one index."""
        rootfs = [self._described(one, store) for one in built]
        indexes = (one.index for one in self.chosen if one.index)
        return carried.flat_index(rootfs, (one.carried for one in self.chosen), indexes, put=store.put_document)

    def _described(self, rootfs: BuiltRootfs, store: Store) -> Descriptor:
        """A root file system's manifest anew, over a config that names what is carried for it."""
        mine = (one for one in self.chosen if one.carried.platform == rootfs.platform)
        records = tuple(sorted((one.record for one in mine), key=lambda record: record.reference))
        manifest = oci.manifest_from_json(store.get(rootfs.manifest))
        config = oci.config_from_json(store.get(manifest.config))
        config = dataclasses.replace(config, images=records, images_left_out=self.left_out)
        described = store.put_document(oci.config_to_json(config), MEDIA_CONFIG)
        data = oci.manifest_to_json(dataclasses.replace(manifest, config=described))
        return dataclasses.replace(store.put_document(data, MEDIA_MANIFEST), platform=rootfs.platform)


def carry(
    built: Sequence[BuiltRootfs],
    bases: Mapping[Platform, Base],
    how: Carriage,
    *,
    store: Store,
    sink: Sink = events.silent,
) -> Load:
    """Bring what the built root file systems need into the store, with all that their base images carry.

    Raises `RecipeError` or `TransportError` for an image that cannot be had, with why it is wanted.
    """
    chosen: list[Chosen] = []
    guesses: dict[Reference, Wanted] = {}
    with contextlib.ExitStack() as stack:
        lying = _lying(how, stack)
        warnings = list(lying.warnings)
        further = _further(how, stack, store)
        for rootfs in built:
            base = bases.get(rootfs.platform)
            records = open_rootfs(store, base.index, rootfs.platform)[1].images if base else ()
            needs = _needs(rootfs, how, store)
            guesses |= {one.reference: one for one in needs.guesses}
            warnings += needs.warnings
            where = (*lying.shelves, *_inherited(rootfs, base, records, store), *further)
            chosen += collect(_wanted(base, records, needs), rootfs.platform, where, store=store, sink=sink)
    named = {one.carried.reference for one in chosen}
    warnings += lying.unused(named)
    only = tuple(guess for guess in guesses.values() if guess.reference not in named)
    return Load(tuple(chosen), only, tuple(dict.fromkeys(warnings)), left_out=how.leave_out)


def _lying(how: Carriage, stack: contextlib.ExitStack) -> Shelves:
    """What lies in the context, if it is wanted."""
    if how.leave_out:
        return Shelves((), ())
    return stack.enter_context(places.shelves(how.context / FOLDER, scratch=how.cache / "work"))


def _needs(rootfs: BuiltRootfs, how: Carriage, store: Store) -> Needs:
    """What is found, listed and named for a root file system, apart from what it inherits."""
    if how.leave_out:
        return Needs(())
    ignore = how.context / IGNORE
    ignored = ignore.read_text(errors="replace") if ignore.is_file() else ""
    found = wanted.needs(rootfs, how.kubefile, ignored, store=store, cache=how.cache)
    named = (*how.named.get(rootfs.platform, ()), *(wanted.listed(how.image_list) if how.image_list else ()))
    return dataclasses.replace(found, carried=(*named, *found.carried))


def _wanted(base: Base | None, records: Sequence[ImageRecord], needs: Needs) -> tuple[Wanted, ...]:
    """Everything that is wanted for a root file system, by name; with the base image's reasons where no others are."""
    reasons: dict[Reference, dict[str, None]] = {}
    for one in needs.carried:
        reasons.setdefault(one.reference, {}).update(dict.fromkeys(one.why))
    for record in records:
        own = [why if why.startswith(_BASE) else f"{_BASE}{base.name if base else ''}: {why}" for why in record.why]
        reasons.setdefault(Reference.parse(record.reference), dict.fromkeys(own))
    named = sorted(reasons.items(), key=lambda item: str(item[0]))
    return tuple(Wanted(reference, tuple(why)) for reference, why in named)


def _inherited(rootfs: BuiltRootfs, base: Base | None, records: Sequence[ImageRecord], store: Store) -> Iterator[Place]:
    if base:
        index = oci.index_from_json(store.get(base.index))
        yield Inherited.of(index, rootfs.platform, store=store, records=records)


def _further(how: Carriage, stack: contextlib.ExitStack, store: Store) -> tuple[Place, ...]:
    if how.leave_out or how.upstream is None:
        return ()
    upstream = stack.enter_context(how.upstream())
    return (Remembered(upstream, how.cache / "references", store, trusted=not how.ask_anew),)
