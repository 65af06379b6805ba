"""A folder with a Kubefile becomes a cluster image in the store; and what is in the store."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from appliance import events, files
from appliance.clock import Clock, SystemClock
from appliance.errors import ApplianceError, RecipeError
from appliance.image import builder, carried, oci, transfer
from appliance.image.builder import BuildInputs, BuiltRootfs
from appliance.image.carried import Wanted
from appliance.image.emulation import host_platform
from appliance.image.oci import MEDIA_INDEX, Platform
from appliance.image.reference import Reference
from appliance.image.rootfs import open_rootfs
from appliance.image.store import Store
from appliance.operations import carry
from appliance.operations.carry import Base, Carriage, Upstream
from appliance.recipe import bundlefile, kubefile, lexing
from appliance.recipe.bundlefile import BundleSpec

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from appliance.digest import Digest
    from appliance.image.layering import BuiltLayer
    from appliance.image.oci import Descriptor, ImageConfig
    from appliance.image.records import ImageRecord
    from appliance.recipe.kubefile import Kubefile, NamedImage

KUBEFILE = "Kubefile"
BUNDLEFILE = "bundle.yaml"
Pull = Callable[["Reference"], object]
"""Brings an image from its registry into the store."""
_VERSION = re.compile(r"v?((0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)([-+][0-9A-Za-z.+-]+)?)")


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """What to build: `reference` names the image, `store` and `cache` are folders, `mtime` is SOURCE_DATE_EPOCH.

    `kubefile` None means the one in `context`. Container images are those that the tree needs, and those that
    `image_list` names; with `leave_images_out` only the base image's. With `locked` the Kubefile's lock must know each
    URL without a checksum.
    """

    context: Path
    reference: Reference
    store: Path
    cache: Path
    kubefile: Path | None = None
    arguments: Mapping[str, str] = field(default_factory=dict)
    platforms: tuple[Platform, ...] = ()
    use_cache: bool = True
    mtime: int = 0
    image_list: Path | None = None
    leave_images_out: bool = False
    locked: bool = False


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What was built: `digest` is the source digest; layers and container images of all platforms, each once.

    `guesses` are images that may be needed and are not carried.
    """

    reference: Reference
    digest: Digest
    platforms: tuple[Platform, ...]
    layers: tuple[BuiltLayer, ...]
    seconds: float
    warnings: tuple[str, ...] = ()
    images: tuple[ImageRecord, ...] = ()
    guesses: tuple[Wanted, ...] = ()


@dataclass(frozen=True, slots=True)
class ImageSummary:
    """A named image of the store: its source digest and platforms, the bytes of all it consists of.

    `images` counts the container images that it carries, each once.
    """

    reference: Reference
    digest: Digest
    platforms: tuple[Platform, ...]
    size: int
    images: int


@dataclass(frozen=True, slots=True)
class RootfsDetail:
    """One platform of an image: the rootfs digest, its manifest and config."""

    digest: Digest
    manifest: oci.Manifest
    config: ImageConfig


@dataclass(frozen=True, slots=True)
class ImageDetail:
    """An image of the store, platform by platform."""

    reference: Reference
    digest: Digest
    rootfs: tuple[RootfsDetail, ...]


def build_image(
    request: BuildRequest,
    *,
    pull: Pull | None = None,
    upstream: Upstream | None = None,
    sink: events.Sink = events.silent,
    clock: Clock | None = None,
) -> BuildReport:
    """Build `request` into its store and give it its name.

    `pull` brings a base image that is not there, `upstream` opens the registries that container images come from.
    Raises `RecipeError` with file and line for what is wrong with the Kubefile, bundle.yaml or the context, and for a
    container image that cannot be had; `TransportError` where that is its registry's fault.
    """
    clock = clock or SystemClock()
    start = clock.monotonic()
    _check_arguments(request.arguments)
    path = request.kubefile or request.context / KUBEFILE
    text = _read(path, lexing.TEXT_BYTES)
    recipe = kubefile.parse(text, source=str(path))
    store = Store(request.store)
    platforms = request.platforms or (host_platform(),)
    with store.use():
        for platform in platforms:
            _bring_bases(request, recipe, platform, store=store, pull=pull)
        built = tuple(
            _build(request, path, recipe, store=store, platform=platform, sink=sink) for platform in platforms
        )
        bases = _bases(request, recipe, platforms, store)
        load = carry.carry(built, bases, _carriage(request, text, built, upstream), store=store, sink=sink)
        descriptor = store.put_document(oci.index_to_json(load.write(built, store)), MEDIA_INDEX)
        store.tag(request.reference, descriptor)
    return BuildReport(
        request.reference,
        descriptor.digest,
        platforms,
        _layers(built),
        clock.monotonic() - start,
        (
            *recipe.warnings,
            *_foreign(path.parent / BUNDLEFILE),
            *_warnings(built),
            *_unused_arguments(recipe, request.arguments),
            *load.warnings,
        ),
        tuple({one.record.reference: one.record for one in reversed(load.chosen)}.values())[::-1],
        load.guesses,
    )


def _carriage(request: BuildRequest, text: str, built: tuple[BuiltRootfs, ...], upstream: Upstream | None) -> Carriage:
    return Carriage(
        context=request.context,
        kubefile=text,
        cache=request.cache,
        image_list=request.image_list,
        named={rootfs.platform: tuple(map(_named, rootfs.images)) for rootfs in built},
        leave_out=request.leave_images_out,
        ask_anew=not request.use_cache,
        upstream=upstream,
    )


def _named(image: NamedImage) -> Wanted:
    """What an IMAGE names; the same reason wherever the Kubefile lies."""
    return Wanted(Reference.parse(image.reference), (f"{image.where.rpartition('/')[2]} IMAGE",))


def _bases(
    request: BuildRequest, recipe: Kubefile, platforms: tuple[Platform, ...], store: Store
) -> dict[Platform, Base]:
    """The base images that the platforms are built from, where they are not built from scratch."""
    named = {platform: builder.base_image(recipe, request.arguments, platform) for platform in platforms}
    return {
        platform: Base(base.reference.familiar, store.resolve(base.reference))
        for platform, base in named.items()
        if base
    }


def _bring_bases(
    request: BuildRequest, recipe: Kubefile, platform: Platform, *, store: Store, pull: Pull | None
) -> None:
    """Pull the images that the Kubefile builds on, if the store lacks them; what goes wrong is told at their line."""
    for needed in builder.needed_images(recipe, request.arguments, platform):
        if pull is None or store.find(needed.reference):
            continue
        try:
            pull(needed.reference)
        except ApplianceError as error:
            at = f" at {error.where}" if error.where else ""
            message = f"the base image is not in the store and cannot be pulled: {error.message}{at}"
            raise needed.instruction.error(message, hint=f"build it first, or {error.hint}") from error


def _build(
    request: BuildRequest, path: Path, recipe: Kubefile, *, store: Store, platform: Platform, sink: events.Sink
) -> BuiltRootfs:
    inputs = BuildInputs(
        kubefile=recipe,
        context=request.context,
        spec=_spec(request, path, recipe, store=store, platform=platform),
        arguments=request.arguments,
        mtime=request.mtime,
        use_cache=request.use_cache,
        lock=path.with_name(f"{path.name}.lock"),
        locked=request.locked,
    )
    return builder.build(inputs, platform, store=store, cache=request.cache, sink=sink)


def list_images(store: Path) -> tuple[ImageSummary, ...]:
    """The named images of a store."""
    images = Store(store)
    return tuple(_summary(images, reference, descriptor) for reference, descriptor in images.list())


def inspect(store: Path, reference: Reference) -> ImageDetail:
    """What an image is; `RecipeError` when the store has none of that name."""
    images = Store(store)
    descriptor = images.resolve(reference)
    rootfs = tuple(
        RootfsDetail(child.digest, *open_rootfs(images, descriptor, platform))
        for platform, child in oci.index_from_json(images.get(descriptor)).rootfs
    )
    return ImageDetail(reference, descriptor.digest, rootfs)


def _read(path: Path, limit: int) -> str:
    try:
        return files.read_bounded(path, limit).decode("utf-8")
    except OSError as error:
        if not path.parent.is_dir():
            hint = "name the folder that holds the Kubefile"
            raise RecipeError("there is no such folder", where=str(path.parent), hint=hint) from error
        hint = f"write it, or name another with -f; the context is {path.parent}"
        raise RecipeError(f"cannot be read: {error.strerror}", where=str(path), hint=hint) from error
    except UnicodeDecodeError as error:
        raise RecipeError("this is not UTF-8 text", where=str(path), hint="save it as UTF-8") from error


def _spec(request: BuildRequest, path: Path, recipe: Kubefile, *, store: Store, platform: Platform) -> BundleSpec:
    """What bundle.yaml says; without it, the base image's description, with name and version of the tag."""
    beside = path.parent / BUNDLEFILE
    if beside.exists() and bundlefile.is_ours(text := _read(beside, lexing.TEXT_BYTES)):
        return bundlefile.load(text, source=str(beside))
    name = request.reference.repository.rpartition("/")[2]
    version = _VERSION.fullmatch(request.reference.tag)
    base = builder.base_spec(recipe, request.arguments, platform, store=store) or BundleSpec(name, "0.0.0")
    return dataclasses.replace(base, name=name, version=version[1] if version else "0.0.0")


def _foreign(path: Path) -> tuple[str, ...]:
    if not path.exists() or bundlefile.is_ours(_read(path, lexing.TEXT_BYTES)):
        return ()
    return (f"{path}: its apiVersion is not appliance/v1, so it does not describe this bundle",)


def _check_arguments(arguments: Mapping[str, str]) -> None:
    for name, value in arguments.items():
        try:
            f"{name}{value}".encode()
        except UnicodeEncodeError as error:
            raise RecipeError(f"the value of {name!r} is not UTF-8 text", hint="give it in UTF-8") from error


def _warnings(built: tuple[BuiltRootfs, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(warning for rootfs in built for warning in rootfs.warnings))


def _layers(built: tuple[BuiltRootfs, ...]) -> tuple[BuiltLayer, ...]:
    return tuple({layer.blob.digest: layer for rootfs in built for layer in rootfs.layers}.values())


def _unused_arguments(recipe: Kubefile, arguments: Mapping[str, str]) -> tuple[str, ...]:
    declared = {word.partition("=")[0] for i in recipe.instructions if i.keyword == "ARG" for word in i.text.split()}
    unused = (name for name in arguments if name not in declared)
    return tuple(f"the Kubefile has no ARG {name}, so its value is not used" for name in unused)


def _summary(store: Store, reference: Reference, descriptor: Descriptor) -> ImageSummary:
    index = oci.index_from_json(store.get(descriptor))
    tree = transfer.walk(descriptor, store.get(descriptor), read=store.get)
    blobs = {one.digest: one.size for one in (*(document for document, _ in tree.documents), *tree.blobs)}
    return ImageSummary(
        reference,
        descriptor.digest,
        tuple(platform for platform, _ in index.rootfs),
        sum(blobs.values()),
        len({one.reference for one in carried.read(index)}),
    )
