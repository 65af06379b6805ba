"""OCI documents as data: descriptors, manifests, indexes, our config; to and from their bytes. Pure.

Written as canonical JSON. Read strictly: `BundleError` for what is no such document; unknown fields are passed over.
Source: OCI image-spec 1.1 (descriptor.md, manifest.md, image-index.md).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from appliance import canonical
from appliance.digest import Digest
from appliance.errors import BundleError, RecipeError
from appliance.image import materials, records
from appliance.image.materials import BuildRecord
from appliance.recipe import apps, bundlefile

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from appliance.image.records import ImageRecord
    from appliance.recipe.apps import App
    from appliance.recipe.bundlefile import BundleSpec

MEDIA_INDEX = "application/vnd.oci.image.index.v1+json"
MEDIA_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
MEDIA_DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
MEDIA_DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
INDEXES = (MEDIA_INDEX, MEDIA_DOCKER_INDEX)
MANIFESTS = (MEDIA_MANIFEST, MEDIA_DOCKER_MANIFEST)
MEDIA_LAYER = "application/vnd.oci.image.layer.v1.tar+zstd"
MEDIA_CONFIG = "application/vnd.appliance.config.v1+json"
ARTIFACT_CLUSTER_IMAGE = "application/vnd.appliance.cluster-image.v1"
ARTIFACT_INDEXES = "application/vnd.appliance.indexes.v1"
ANNOTATION_REFERENCE = "org.opencontainers.image.ref.name"
CARRIED_REFERENCE = "vnd.appliance.image.reference"
"""Marks a carried container image in a cluster image's index: its full original reference."""
TEXT_FOLDERS = ("services/", "etc/", "manifests/")
DOCUMENT_BYTES = 4 << 20
_T = TypeVar("_T")
_ARCHITECTURES = {"amd64": "amd64", "x86_64": "amd64", "arm64": "arm64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True)
class Platform:
    """An operating system and architecture as Go names them: ``linux/amd64``."""

    os: str
    architecture: str

    def __str__(self) -> str:
        return f"{self.os}/{self.architecture}"

    @classmethod
    def parse(cls, text: str) -> Platform:
        """Read ``linux/amd64``, also ``linux/x86_64`` and the like; anything else is a `RecipeError`."""
        system, _, architecture = text.partition("/")
        platform = cls(system, _ARCHITECTURES.get(architecture, architecture))
        if system != "linux" or platform.architecture not in _ARCHITECTURES.values():
            raise RecipeError(f"{text!r} is not a platform that can be built for", hint="linux/amd64 or linux/arm64")
        return platform


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A typed pointer to content (image-spec, descriptor.md); `size` in bytes."""

    media_type: str
    digest: Digest
    size: int
    annotations: Mapping[str, str] = field(default_factory=dict)
    platform: Platform | None = None
    artifact_type: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """An image manifest: its config and layers (image-spec, manifest.md)."""

    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: Mapping[str, str] = field(default_factory=dict)
    artifact_type: str = ""


@dataclass(frozen=True, slots=True)
class Index:
    """An image index: manifests, one per platform or carried image (image-spec, image-index.md)."""

    manifests: tuple[Descriptor, ...]
    annotations: Mapping[str, str] = field(default_factory=dict)
    artifact_type: str = ""

    @property
    def rootfs(self) -> tuple[tuple[Platform, Descriptor], ...]:
        """A cluster image's own root file systems, without what it carries."""
        own = (child for child in self.manifests if CARRIED_REFERENCE not in child.annotations)
        return tuple((child.platform, child) for child in own if child.platform)


@dataclass(frozen=True, slots=True)
class LayerRecord:
    """Where a layer came from: the digest and bytes of its tar, and the instruction that made it."""

    diff_id: Digest
    instruction: str
    size: int


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """``application/vnd.appliance.config.v1+json``: what a rootfs is and how it is run.

    `images_left_out` says that container images were not looked for when it was built: it may need more than `images`.
    `commands` are CMD or CMDS, `launch` names those of `apps` that LAUNCH does.
    """

    platform: Platform
    spec: BundleSpec
    layers: tuple[LayerRecord, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    commands: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    images: tuple[ImageRecord, ...] = ()
    images_left_out: bool = False
    apps: tuple[App, ...] = ()
    launch: tuple[str, ...] = ()
    kube_version: str = ""
    build: BuildRecord = field(default_factory=BuildRecord)

    @property
    def launch_lines(self) -> tuple[str, ...]:
        """The shell lines that run once the cluster is up, with the image root as working directory."""
        return apps.launch_lines(self.apps, self.launch, self.commands)


def must_be_small(path: str) -> bool:
    """Whether a plan reads a file of a rootfs whole: what services are made of, and templates."""
    return path.startswith(TEXT_FOLDERS) and (path.startswith("services/") or path.endswith(".j2"))


def manifest_to_json(manifest: Manifest) -> bytes:
    """The bytes of a manifest."""
    document = {
        "schemaVersion": 2,
        "mediaType": MEDIA_MANIFEST,
        "artifactType": manifest.artifact_type,
        "config": _descriptor_document(manifest.config),
        "layers": [_descriptor_document(layer) for layer in manifest.layers],
        "annotations": dict(manifest.annotations),
    }
    return canonical.dumps(_without_empty(document, keep="layers"))


def manifest_from_json(data: bytes) -> Manifest:
    """Read a manifest's bytes."""
    return _read(data, "an image manifest", _manifest)


def index_to_json(index: Index) -> bytes:
    """The bytes of an index."""
    document = {
        "schemaVersion": 2,
        "mediaType": MEDIA_INDEX,
        "artifactType": index.artifact_type,
        "manifests": [_descriptor_document(child) for child in index.manifests],
        "annotations": dict(index.annotations),
    }
    return canonical.dumps(_without_empty(document, keep="manifests"))


def index_from_json(data: bytes) -> Index:
    """Read an index's bytes."""
    return _read(data, "an image index", _index)


def children(media_type: str, data: bytes) -> tuple[Descriptor, ...]:
    """What a document points to: an index to manifests, a manifest to its config and layers, all else to nothing."""
    if media_type in INDEXES:
        return index_from_json(data).manifests
    if media_type in MANIFESTS:
        manifest = manifest_from_json(data)
        return (manifest.config, *manifest.layers)
    return ()


def filter_platforms(index: Index, platforms: Collection[Platform]) -> bytes:
    """The bytes of `index` with only the children for `platforms`; their digest is the *image digest*.

    Children without a platform stay. Raises `BundleError` when there is none for one of `platforms`.
    """
    there = {platform for platform, _ in index.rootfs}
    for platform in platforms:
        if platform not in there:
            have = ", ".join(sorted(map(str, there)))
            raise BundleError(f"the image was not built for {platform}", hint=f"it is there for {have or 'none'}")
    children = tuple(child for child in index.manifests if child.platform is None or child.platform in platforms)
    return index_to_json(Index(children, index.annotations, index.artifact_type))


def config_to_json(config: ImageConfig) -> bytes:
    """The bytes of a cluster image's config."""
    return canonical.dumps(
        {
            "os": config.platform.os,
            "architecture": config.platform.architecture,
            "spec": canonical.loads(bundlefile.to_json(config.spec), limit=DOCUMENT_BYTES),
            "layers": [
                {"diffId": str(layer.diff_id), "instruction": layer.instruction, "size": layer.size}
                for layer in config.layers
            ],
            "env": dict(config.env),
            "labels": dict(config.labels),
            "commands": list(config.commands),
            "ignored": list(config.ignored),
            "images": [records.to_document(image) for image in config.images],
            "imagesLeftOut": config.images_left_out,
            "apps": [apps.to_document(app) for app in config.apps],
            "launch": list(config.launch),
            "kubeVersion": config.kube_version,
            "build": materials.to_document(config.build),
        }
    )


def config_from_json(data: bytes) -> ImageConfig:
    """Read the bytes of a cluster image's config."""
    return _read(data, "a cluster image's config", _config)


def _read(data: bytes, what: str, build: Callable[[Any], _T]) -> _T:
    try:
        return build(canonical.loads(data, limit=DOCUMENT_BYTES))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BundleError(f"this is not {what}: {error}", hint="take the image from a sound source again") from error


def _descriptor_document(descriptor: Descriptor) -> dict[str, object]:
    platform = descriptor.platform
    return _without_empty(
        {
            "mediaType": descriptor.media_type,
            "digest": str(descriptor.digest),
            "size": descriptor.size,
            "annotations": dict(descriptor.annotations),
            "platform": {"os": platform.os, "architecture": platform.architecture} if platform else None,
            "artifactType": descriptor.artifact_type,
        },
        keep="size",
    )


def _without_empty(document: Mapping[str, object], *, keep: str) -> dict[str, object]:
    return {key: value for key, value in document.items() if value or key == keep}


def _descriptor(document: Any) -> Descriptor:
    platform = document.get("platform")
    return Descriptor(
        media_type=_text(document["mediaType"]),
        digest=Digest.parse(_text(document["digest"])),
        size=_size(document["size"]),
        annotations=_texts(document.get("annotations")),
        platform=Platform(_text(platform["os"]), _text(platform["architecture"])) if platform else None,
        artifact_type=_text(document.get("artifactType", "")),
    )


def _manifest(document: Any) -> Manifest:
    _expect_type(document, MANIFESTS)
    return Manifest(
        config=_descriptor(document["config"]),
        layers=tuple(_descriptor(layer) for layer in document["layers"]),
        annotations=_texts(document.get("annotations")),
        artifact_type=_text(document.get("artifactType", "")),
    )


def _index(document: Any) -> Index:
    _expect_type(document, INDEXES)
    return Index(
        manifests=tuple(_descriptor(child) for child in document["manifests"]),
        annotations=_texts(document.get("annotations")),
        artifact_type=_text(document.get("artifactType", "")),
    )


def _config(document: Any) -> ImageConfig:
    return ImageConfig(
        platform=Platform(_text(document["os"]), _text(document["architecture"])),
        spec=bundlefile.from_json(canonical.dumps(document["spec"])),
        layers=tuple(
            LayerRecord(Digest.parse(x["diffId"]), _text(x["instruction"]), int(x["size"])) for x in document["layers"]
        ),
        env=_texts(document["env"]),
        labels=_texts(document["labels"]),
        commands=_tuple(document["commands"]),
        ignored=_tuple(document["ignored"]),
        images=tuple(records.from_document(image) for image in document["images"]),
        images_left_out=document["imagesLeftOut"] is True,
        apps=tuple(apps.from_document(app) for app in document["apps"]),
        launch=_tuple(document["launch"]),
        kube_version=_text(document["kubeVersion"]),
        build=materials.from_document(document["build"]),
    )


def _expect_type(document: Any, media_types: tuple[str, ...]) -> None:
    if document["schemaVersion"] != 2 or document.get("mediaType", media_types[0]) not in media_types:  # noqa: PLR2004  (OCI's)
        raise ValueError(f"its type is {document.get('mediaType')!r}")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a text")
    return value


def _size(value: object) -> int:
    if type(value) is not int or value < 0:
        raise TypeError(f"{value!r} is not a size")
    return value


def _texts(value: Any) -> dict[str, str]:
    return {key: _text(item) for key, item in (value or {}).items()}


def _tuple(values: Iterable[object]) -> tuple[str, ...]:
    return tuple(_text(value) for value in values)
