"""What a delivery holds: every layer read once, then only joined."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance import events
from appliance.bundle.inventory import tree
from appliance.bundle.inventory.holdings import Carried, Holdings, Input, Layer, Python, Rootfs
from appliance.bundle.inventory.parts import Package, PackageKind
from appliance.bundle.inventory.shelf import Shelf
from appliance.bundle.pyruntime import lock, project
from appliance.digest import Digest
from appliance.image import oci
from appliance.image.oci import CARRIED_REFERENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from appliance.bundle.inventory.found import LayerFound
    from appliance.bundle.pyruntime.runtime import Runtime, RuntimeInput
    from appliance.image.oci import Descriptor, ImageConfig, Index, Manifest, Platform
    from appliance.image.store import Store

_FOLDER = "inventory"
_WHEEL = ".whl"


@dataclass(frozen=True, slots=True)
class _Own:
    """The image itself on one platform."""

    platform: Platform
    digest: Digest
    manifest: Manifest
    config: ImageConfig


@dataclass(frozen=True, slots=True)
class _Foreign:
    """A container image: the references that it is carried by, its platform, and its manifest."""

    references: tuple[str, ...]
    platform: str
    digest: Digest
    manifest: Manifest


def take(
    store: Store,
    index: bytes,
    runtimes: Sequence[Runtime],
    *,
    created: int,
    cache: Path | None,
    sink: events.Sink = events.silent,
) -> Holdings:
    """All that travels with the image whose filtered index has these bytes, and with the Pythons `runtimes`.

    `cache` is the user's cache folder: a layer that was read before is not read again. `created` is SOURCE_DATE_EPOCH.
    `BundleError` when a layer is missing or damaged.
    """
    own, foreign = _own(store, oci.index_from_json(index)), _foreign(store, oci.index_from_json(index))
    found = _read(store, own, foreign, cache=cache, sink=sink)
    config = own[0].config
    return Holdings(
        name=config.spec.name,
        version=config.spec.version,
        vendor=config.spec.vendor,
        image=Digest.of(index),
        created=created,
        builder=project.this_project().version,
        rootfs=tuple(_rootfs(one, found) for one in own),
        carried=tuple(_carried(one, found) for one in foreign),
        pythons=tuple(_python(runtime) for runtime in runtimes),
        inputs=_inputs(own),
        arguments=config.build.arguments,
    )


def read_ahead(store: Store, index: Descriptor, *, cache: Path, sink: events.Sink = events.silent) -> None:
    """Read the layers of an image now, while they are warm, so that `take` only joins what was found."""
    document = oci.index_from_json(store.get(index))
    _read(store, _own(store, document), _foreign(store, document), cache=cache, sink=sink)


def _own(store: Store, index: Index) -> tuple[_Own, ...]:
    found = []
    for child in index.manifests:
        if child.platform and CARRIED_REFERENCE not in child.annotations:
            manifest = oci.manifest_from_json(store.get(child))
            config = oci.config_from_json(store.get(manifest.config))
            found.append(_Own(child.platform, child.digest, manifest, config))
    return tuple(sorted(found, key=lambda one: str(one.platform)))


def _foreign(store: Store, index: Index) -> tuple[_Foreign, ...]:
    """The container images that are carried, each once, by its first reference."""
    named: dict[Digest, list[str]] = {}
    children = {child.digest: child for child in index.manifests if CARRIED_REFERENCE in child.annotations}
    for child in index.manifests:
        if CARRIED_REFERENCE in child.annotations:
            named.setdefault(child.digest, []).append(child.annotations[CARRIED_REFERENCE])
    found = (
        _Foreign(
            tuple(sorted(set(references))),
            str(children[digest].platform or ""),
            digest,
            oci.manifest_from_json(store.get(children[digest])),
        )
        for digest, references in named.items()
    )
    return tuple(sorted(found, key=lambda one: (one.references, one.platform)))


def _read(
    store: Store, own: Sequence[_Own], foreign: Sequence[_Foreign], *, cache: Path | None, sink: events.Sink
) -> dict[Digest, LayerFound]:
    shelf = Shelf(store, cache / _FOLDER if cache else None)
    wanted: dict[Digest, tuple[Descriptor, Callable[[Descriptor], LayerFound]]] = {}
    for image in foreign:
        wanted |= {layer.digest: (layer, shelf.carried_layer) for layer in image.manifest.layers}
    for rootfs in own:
        wanted |= {layer.digest: (layer, shelf.rootfs_layer) for layer in rootfs.manifest.layers}
    total = sum(layer.size for layer, _ in wanted.values())
    with (
        events.task(sink, "inventory", "Looking at what is inside", total=total) as progress,
        ThreadPoolExecutor(max_workers=os.cpu_count()) as threads,
    ):
        found = {}
        for (layer, _), one in zip(wanted.values(), threads.map(_look, wanted.values()), strict=True):
            found[layer.digest] = one
            progress(layer.size)
        return found


def _look(wanted: tuple[Descriptor, Callable[[Descriptor], LayerFound]]) -> LayerFound:
    layer, read = wanted
    return read(layer)


def _rootfs(one: _Own, found: dict[Digest, LayerFound]) -> Rootfs:
    return Rootfs(
        platform=str(one.platform),
        digest=one.digest,
        layers=tuple(
            Layer(record.instruction, str(one.platform), layer.digest, layer.size)
            for layer, record in zip(one.manifest.layers, one.config.layers, strict=True)
        ),
        found=tree.over_each_other(found[layer.digest] for layer in one.manifest.layers),
    )


def _carried(one: _Foreign, found: dict[Digest, LayerFound]) -> Carried:
    together = tree.over_each_other(found[layer.digest] for layer in one.manifest.layers)
    return Carried(one.references, one.platform, one.digest, together)


def _python(runtime: Runtime) -> Python:
    arch = lock.ARCHITECTURES[runtime.arch]
    return Python(runtime.kind.value, arch, runtime.digest, tuple(_package(made, arch) for made in runtime.inputs))


def _package(made: RuntimeInput, arch: str) -> Package:
    kind = PackageKind.PYTHON if made.source.endswith(_WHEEL) else PackageKind.DEB
    return Package(kind, made.name, made.version, arch, made.source, licences=made.licences, digest=made.digest)


def _inputs(own: Sequence[_Own]) -> tuple[Input, ...]:
    taken = {Input(m.uri, m.digest, m.pinned) for one in own for m in one.config.build.materials}
    return tuple(sorted(taken, key=lambda one: (one.uri, one.digest)))
