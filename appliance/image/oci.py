"""OCI documents as data: descriptors, manifests, indexes, our config; canonical JSON. Pure.

Source: OCI image-spec 1.1 (descriptor.md, manifest.md, image-index.md).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from appliance.digest import Digest
    from appliance.recipe.bundlefile import BundleSpec

MEDIA_INDEX = "application/vnd.oci.image.index.v1+json"
MEDIA_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
MEDIA_LAYER = "application/vnd.oci.image.layer.v1.tar+zstd"
MEDIA_CONFIG = "application/vnd.appliance.config.v1+json"
ARTIFACT_CLUSTER_IMAGE = "application/vnd.appliance.cluster-image.v1"


@dataclass(frozen=True, slots=True)
class Platform:
    """An operating system and architecture as Go names them: ``linux/amd64``."""

    os: str
    architecture: str

    def __str__(self) -> str:
        return f"{self.os}/{self.architecture}"


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


@dataclass(frozen=True, slots=True)
class LayerRecord:
    """Where a layer came from: the digest of its tar and the instruction that made it."""

    diff_id: Digest
    instruction: str


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """``application/vnd.appliance.config.v1+json``: what a rootfs is and how it is run."""

    platform: Platform
    spec: BundleSpec
    layers: tuple[LayerRecord, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    commands: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
