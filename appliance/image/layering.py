"""Items → a layer in the store, or the one that was made of the same before.

A layer of files is known by its tar: files that stand as they did when they were packed (`stamps`) are not read again,
others are hashed before anything is compressed. A layer of RUN is known by the tree that it ran in, text and values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from appliance.clock import Clock, SystemClock
from appliance.digest import Digest
from appliance.errors import RecipeError
from appliance.events import Sink, TaskProgress
from appliance.image import buildcache, layers, oci, packing
from appliance.image.buildcache import BuildCache, LayerMade, Seen
from appliance.image.context import Item, check_unchanged
from appliance.image.oci import MEDIA_LAYER, Descriptor
from appliance.image.packing import Source
from appliance.image.store import write_blob

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from appliance.image.store import Store

_SETTLED_NS = 2_000_000_000


@dataclass(frozen=True, slots=True)
class BuiltLayer:
    """A layer of the image: where it lies, which instruction made it, whether it was there already."""

    blob: Descriptor
    diff_id: Digest
    tar_size: int
    instruction: str
    cached: bool

    @classmethod
    def of(cls, made: LayerMade, instruction: str, *, cached: bool) -> BuiltLayer:
        """Of a layer and the instruction that made it."""
        return cls(made.blob, made.diff_id, made.tar_size, instruction, cached)


class Layering:
    """Makes layers, stamped `mtime` (seconds since 1970); with `use_cache` it looks first whether they are there."""

    def __init__(
        self, store: Store, cache: BuildCache, *, mtime: int, use_cache: bool, sink: Sink, clock: Clock | None = None
    ) -> None:
        self._store = store
        self._cache = cache
        self._mtime = mtime
        self._use_cache = use_cache
        self._sink = sink
        self._clock = clock or SystemClock()

    def known_as(
        self, inputs: Iterable[object], make: Callable[[], tuple[Item, ...]], task: str
    ) -> tuple[LayerMade, bool]:
        """The layer that `inputs` (JSON data) are the name of, else one of what `make` gives; and if it was there."""
        name = buildcache.key(self._mtime, *inputs)
        made = self._cache.get(name) if self._use_cache else None
        if made is not None:
            return made, True
        made = self._write(make(), task)
        self._cache.put(name, made)
        return made, False

    def of_files(self, items: tuple[Item, ...], task: str) -> tuple[LayerMade, bool]:
        """The layer that holds `items`, each path once; and if it was there."""
        shape = buildcache.key("shape", self._mtime, [_shape(item) for item in items])
        stamps = Digest.of("\n".join(f"{item.entry.path} {item.stamp}" for item in items if item.file).encode())
        looked = int(self._clock.now().timestamp() * 1e9)
        settled = all(item.stamp[-1] < looked - _SETTLED_NS for item in items if item.file)
        seen = self._cache.seen(shape) if self._use_cache else None
        made = None
        if seen is not None:
            if seen.stamps != stamps or not seen.settled:
                diff_id = packing.hash_layer(_sources(items), mtime=self._mtime)
                check_unchanged(items)
                seen = Seen(stamps, diff_id, settled=settled)
            made = self._cache.get(buildcache.key("tar", str(seen.diff_id)))
        cached = made is not None
        if made is None:
            made = self._write(items, task)
            self._cache.put(buildcache.key("tar", str(made.diff_id)), made)
        self._cache.remember(shape, Seen(stamps, made.diff_id, settled=settled))
        return made, cached

    def of_blob(self, blob: Descriptor, diff_id: Digest, tar_size: int) -> LayerMade:
        """A layer that is in the store already, such as a base image's."""
        name = buildcache.key("blob", str(blob.digest))
        made = self._cache.get(name)
        if made is None:
            with self._store.open(blob.digest) as source:
                made = LayerMade.of(blob, diff_id, tar_size, layers.read_entries(source))
            self._cache.put(name, made)
        return made

    def _write(self, items: tuple[Item, ...], task: str) -> LayerMade:
        _check_texts(items)
        written: list[packing.Layer] = []
        done = 0

        def progress(count: int) -> None:
            nonlocal done
            done += count
            self._sink(TaskProgress(task, done))

        def write(out: BinaryIO) -> tuple[Digest, int]:
            layer = packing.write_layer(_sources(items), out, mtime=self._mtime, progress=progress)
            check_unchanged(items)
            written.append(layer)
            return layer.digest, layer.size

        write_blob(self._store, write)
        (layer,) = written
        blob = Descriptor(MEDIA_LAYER, layer.digest, layer.size)
        return LayerMade.of(blob, layer.diff_id, layer.tar_size, (item.entry for item in items))


def _sources(items: Iterable[Item]) -> Iterable[Source]:
    return (Source(item.entry, item.file) for item in items)


def _shape(item: Item) -> list[object]:
    """All of an item but its content."""
    entry = item.entry
    return [entry.path, str(entry.kind), entry.mode, entry.size, entry.target]


def _check_texts(items: Iterable[Item]) -> None:
    """What templates may read goes through memory whole, so it is bounded here, before a site refuses it."""
    for item in items:
        if oci.must_be_small(item.entry.path) and item.entry.size > layers.TEXT_BYTES:
            message = f"{item.entry.path} has {item.entry.size} bytes, where such a file may have 1 MiB"
            raise RecipeError(message, hint="only templates and what is below services/ are bounded: move it")
