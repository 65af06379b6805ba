"""Small real cluster images in a real store, and a Python that travels only in name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.bundle.pyruntime.lock import ARCHITECTURES
from appliance.bundle.pyruntime.runtime import Runtime, RuntimeInput
from appliance.bundle.pyruntime.selection import PYTHONS, RuntimeKind
from appliance.digest import Digest
from appliance.image import oci, packing
from appliance.image.oci import Descriptor, ImageConfig, Index, LayerRecord, Manifest, Platform
from appliance.image.packing import Source
from appliance.image.reference import Reference
from appliance.image.store import write_blob
from appliance.image.trees import Entry, Kind
from appliance.recipe.bundlefile import BundleSpec

if TYPE_CHECKING:
    import io
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from appliance.image.store import Store
    from appliance.operations.publish import Pythons

SPEC = BundleSpec("demo", "1.2.0", epoch=3, vendor="Vendor", description="one\ntwo", minimum_installer="0.1")


def put_image(
    store: Store,
    scratch: Path,
    contents: Sequence[Mapping[str, bytes | None]],
    *,
    architectures: Sequence[str] = ("amd64",),
    spec: BundleSpec = SPEC,
) -> Reference:
    """An image called demo:1.2.0; each mapping is a layer of paths and bytes, None for a whiteout."""
    reference = Reference.parse(f"{spec.name}:{spec.version}")
    children = tuple(_child(store, scratch, contents, Platform("linux", arch), spec) for arch in architectures)
    index = oci.index_to_json(Index(children, artifact_type=oci.ARTIFACT_CLUSTER_IMAGE))
    store.tag(reference, store.put_document(index, oci.MEDIA_INDEX))
    return reference


def _child(
    store: Store,
    scratch: Path,
    contents: Sequence[Mapping[str, bytes | None]],
    platform: Platform,
    spec: BundleSpec,
) -> Descriptor:
    made = [_layer(store, scratch / f"layer{number}", files) for number, files in enumerate(contents)]
    records = tuple(LayerRecord(layer.diff_id, f"COPY {number} /", layer.tar_size) for number, layer in enumerate(made))
    config = store.put_document(oci.config_to_json(ImageConfig(platform, spec, records)), oci.MEDIA_CONFIG)
    blobs = tuple(Descriptor(oci.MEDIA_LAYER, layer.digest, layer.size) for layer in made)
    manifest = store.put_document(oci.manifest_to_json(Manifest(config, blobs)), oci.MEDIA_MANIFEST)
    return Descriptor(manifest.media_type, manifest.digest, manifest.size, platform=platform)


def _layer(store: Store, folder: Path, contents: Mapping[str, bytes | None]) -> packing.Layer:
    sources = []
    for path, data in contents.items():
        file = folder / path
        if data is None:
            sources.append(Source(Entry(path, Kind.REMOVED)))
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        mode = 0o755 if data.startswith(b"#!") else 0o644
        sources.append(Source(Entry(path, Kind.FILE, mode, len(data)), file))
    written: list[packing.Layer] = []

    def write(out: io.BufferedIOBase) -> tuple[Digest, int]:
        written.append(packing.write_layer(sources, out))  # type: ignore[arg-type]
        return written[0].digest, written[0].size

    write_blob(store, write)  # type: ignore[arg-type]
    return written[0]


def fake_pythons(folder: Path, *, swarm: bool = False) -> Pythons:
    """Two runtimes for each architecture, 8 KiB each, that run nothing; and what hosts swarm with, if that is asked."""
    kinds = (*PYTHONS, RuntimeKind.SWARM) if swarm else PYTHONS

    def pythons(architecture: str) -> tuple[Runtime, ...]:
        machine = {debian: machine for machine, debian in ARCHITECTURES.items()}[architecture]
        return tuple(_runtime(folder, kind, machine) for kind in kinds)

    return pythons


def _runtime(folder: Path, kind: RuntimeKind, machine: str) -> Runtime:
    data = f"{kind} {machine}".encode().ljust(8192, b"\0")
    path = folder / f"{kind}-{machine}.tar"
    path.write_bytes(data)
    glibc = RuntimeInput("libc6", "2.41-12", Digest.of(b"libc6"), "glibc=2.41-12")
    click = RuntimeInput("click", "8.1.8", Digest.of(b"click"), "click-8.1.8-py3-none-any.whl")
    return Runtime(machine, kind, path, Digest.of(data), len(data), Digest.of(b"list"), 20_000, (glibc, click), ())
