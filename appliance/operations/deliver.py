"""The delivery at its destination: open it, read what hosts take of it, take things out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, cast

from appliance import events, files
from appliance.bundle import verify as bundles
from appliance.bundle.verify import BundleFiles, VerifiedBundle
from appliance.errors import BundleError, StateError
from appliance.image import carried, layers, oci
from appliance.image.blobs import Blob, LayerBlob
from appliance.plan.runtime import CarriedImage, HostRuntime, ImagePart, SwarmPart, TextFile

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from pathlib import Path

    from appliance.bundle.verify import UnverifiedBundle
    from appliance.digest import Digest
    from appliance.image.carried import Carried
    from appliance.trust.policy import Trust

TEXTS = ("services/", "etc/", "manifests/", "plugins/", "plugin/")
PROGRAMS = "bin/"
HOST_RUNTIME = "host"
SWARM_PART = "swarm"


@dataclass(frozen=True, slots=True)
class PlatformImage:
    """What the image is on one platform: its manifest and config; `rootfs` is the digest of the manifest."""

    rootfs: Digest
    manifest: oci.Manifest
    config: oci.ImageConfig


@dataclass(frozen=True, slots=True)
class TakenOut:
    """Blobs brought into a store: how many and how many bytes came, and how many had been there."""

    blobs: int
    bytes: int
    held: int


def open_delivery(path: Path, trust: Trust, *, now: datetime) -> VerifiedBundle:
    """Open the bundle at `path` if it satisfies `trust` now; the caller closes it.

    Raises `BundleError` or `VerificationError`; the payload is compared as it is read.
    """
    opened = BundleFiles.open(path, also=trust.beside)
    try:
        return bundles.open_bundle(opened, trust, now=now)
    except BaseException:
        opened.close()
        raise


def platform_image(bundle: VerifiedBundle | UnverifiedBundle, architecture: str) -> PlatformImage:
    """What the bundle's image is on Linux with `architecture` (``amd64``); `BundleError` when it is not for that."""
    index = oci.index_from_json(bundle.read(bundle.manifest.image))
    platform = oci.Platform("linux", architecture)
    for there, child in index.rootfs:
        if there == platform:
            manifest = oci.manifest_from_json(bundle.read(child.digest))
            return PlatformImage(child.digest, manifest, oci.config_from_json(bundle.read(manifest.config.digest)))
    raise BundleError(
        f"the bundle holds no image for {platform}", hint=f"it was made for {', '.join(bundle.manifest.arch)}"
    )


def image_part(
    bundle: VerifiedBundle, architecture: str, *, also: Iterable[str] = (), swarm: bool = False
) -> ImagePart:
    """What hosts of `architecture` (``amd64``) take: layers, texts and the host runtime. Reads every layer once.

    `also` are paths of further texts, that the site changes. With `swarm`, what they swarm with comes, too:
    `BundleError` when the bundle does not carry it.
    """
    image = platform_image(bundle, architecture)
    found = _read(bundle, image, below=(*TEXTS, *also), named=PROGRAMS)
    return ImagePart(
        architecture=architecture,
        layers=_layer_blobs(image),
        texts=_texts(found),
        runtime=_host_runtime(bundle, architecture),
        carried=carried_images(bundle, architecture),
        programs=frozenset(path for path in found if path.startswith(PROGRAMS)),
        swarm=_swarm_part(bundle, architecture) if swarm else None,
    )


def carried_images(bundle: VerifiedBundle, architecture: str) -> tuple[CarriedImage, ...]:
    """The container images that the bundle carries for Linux with `architecture`, by reference."""
    index = oci.index_from_json(bundle.read(bundle.manifest.image))
    platform = oci.Platform("linux", architecture)
    indexes = {one.digest: one for one in carried.originals(index, get=lambda one: bundle.read(one.digest))}
    return tuple(
        _carried_image(bundle, one, indexes.get(one.index) if one.index else None)
        for one in carried.read(index)
        if one.platform == platform
    )


def _carried_image(bundle: VerifiedBundle, one: Carried, index: oci.Descriptor | None) -> CarriedImage:
    manifest = oci.manifest_from_json(bundle.read(one.manifest.digest))
    return CarriedImage(
        reference=str(one.reference),
        manifest=Blob(one.manifest.digest, one.manifest.size),
        media_type=one.manifest.media_type,
        blobs=tuple(dict.fromkeys(Blob(part.digest, part.size) for part in (manifest.config, *manifest.layers))),
        index=Blob(index.digest, index.size) if index else None,
        index_media_type=index.media_type if index else "",
    )


def _layer_blobs(image: PlatformImage) -> tuple[LayerBlob, ...]:
    if len(image.manifest.layers) != len(image.config.layers):
        raise BundleError("the image's config and manifest do not have the same layers", hint="build the image again")
    return tuple(
        LayerBlob(Blob(layer.digest, layer.size), record.diff_id)
        for layer, record in zip(image.manifest.layers, image.config.layers, strict=True)
    )


def _host_runtime(bundle: VerifiedBundle, architecture: str) -> HostRuntime:
    runtime = bundle.manifest.runtime(architecture, HOST_RUNTIME)
    return HostRuntime(architecture, runtime.digest, runtime.size, runtime.unpacked_bytes)


def _swarm_part(bundle: VerifiedBundle, architecture: str) -> SwarmPart:
    entry = bundle.manifest.runtime(architecture, SWARM_PART)
    return SwarmPart(LayerBlob(Blob(entry.digest, entry.size), entry.file_list), entry.unpacked_bytes)


def texts(bundle: VerifiedBundle, image: PlatformImage, *, below: tuple[str, ...] = TEXTS) -> tuple[TextFile, ...]:
    """The image's texts `below` these folders, as its layers leave them; what is not UTF-8 is no text.

    A template or a service's file of more than 1 MiB is a `BundleError`; any other such file is no text.
    """
    return _texts(_read(bundle, image, below=below))


_Found = dict[str, tuple[int, bytes]]


def _read(bundle: VerifiedBundle, image: PlatformImage, *, below: tuple[str, ...], named: str = "") -> _Found:
    """Path to mode and bytes of the files `below` folders; of those in the folder `named`, nothing is read."""
    sources = (bundle.open(layer.digest) for layer in image.manifest.layers)
    return layers.read_merged(
        sources,
        lambda path: path.startswith(below),
        small=oci.must_be_small,
        named=lambda path: named != "" and path.startswith(named),
    )


def _texts(found: _Found) -> tuple[TextFile, ...]:
    return tuple(
        TextFile(path, text, mode)
        for path, (mode, data) in sorted(found.items())
        if not path.startswith(PROGRAMS) and (text := _text(data)) is not None
    )


def _text(data: bytes) -> str | None:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def take_out(
    bundle: VerifiedBundle, folder: Path, digests: Iterable[Digest], *, sink: events.Sink = events.silent
) -> TakenOut:
    """Bring the blobs with these digests into `folder`, an operator's blob store; those that are there whole are kept.

    Raises `VerificationError` at the first damage; what came before it stays, and is whole.
    """
    chosen = [(digest, bundle.size_of(digest)) for digest in dict.fromkeys(digests)]
    missing = [(digest, size) for digest, size in chosen if not files.has_blob(folder, digest, size)]
    total = sum(size for _, size in missing)
    with events.task(sink, "take-out", "Copying from the bundle", total=total) as progress:
        for digest, size in missing:
            with bundle.open(digest) as source:
                files.put_blob(folder, cast("BinaryIO", source), digest, size=size, progress=progress)
    return TakenOut(len(missing), total, len(chosen) - len(missing))


def extract(bundle: VerifiedBundle, folder: Path, *, sink: events.Sink = events.silent) -> tuple[Path, ...]:
    """Write every member and ``manifest.json`` below `folder`, which must be new or empty; the files written.

    `StateError` when there is something in `folder`; `VerificationError` at the first damage.
    """
    if folder.exists() and any(folder.iterdir()):
        raise StateError(f"{folder} is not empty", hint="name a new folder")
    written = []
    with events.task(sink, "extract", "Extracting", total=bundle.manifest.size) as progress:
        for entry in bundle.manifest.files:
            path = folder / entry.name
            with (
                bundle.open(entry.sha256) as source,
                files.new_file(path, mode=entry.mode) as out,
                files.disk_errors(path),
            ):
                files.copy(cast("BinaryIO", source), out, progress=progress)
            written.append(path)
    files.write_bytes(folder / "manifest.json", bundle.manifest_bytes)
    return (*written, folder / "manifest.json")
