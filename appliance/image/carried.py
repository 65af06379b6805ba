"""Container images that a cluster image carries, as they stand in its flat index. Pure.

Each is a child of the index under its own digest, annotated with the reference that it answers to; the multi-platform
indexes that they were chosen from lie, as the bytes they are, as the layers of one artifact manifest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.digest import Digest
from appliance.errors import BundleError
from appliance.image import oci
from appliance.image.oci import (
    ARTIFACT_CLUSTER_IMAGE,
    ARTIFACT_INDEXES,
    CARRIED_REFERENCE,
    MEDIA_MANIFEST,
    Descriptor,
    Index,
    Manifest,
    Platform,
)
from appliance.image.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

CARRIED_INDEX = "vnd.appliance.image.index"
"""Annotation of a carried image: the digest of the multi-platform index that it was chosen from."""
MEDIA_ORIGINAL = "application/vnd.appliance.index.v1+json"
"""An original index as a layer: not the media type of an index, or registries would want all of its children."""
ORIGINAL_TYPE = "vnd.appliance.index.media-type"
"""Annotation of such a layer: the media type that the index has at its registry."""
ARTIFACT = "vnd.appliance.artifact"
"""Annotation of the artifact manifest. Its descriptor's `artifactType` would not survive skopeo 1.9, nor the digest."""
MEDIA_EMPTY = "application/vnd.oci.empty.v1+json"
EMPTY = b"{}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A container image that is wanted; each reason is ``file:line what``, the best first."""

    reference: Reference
    why: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Carried:
    """A carried container image on one platform: its manifest, and the index that it was chosen from."""

    reference: Reference
    platform: Platform
    manifest: Descriptor
    index: Digest | None = None


def read(index: Index) -> tuple[Carried, ...]:
    """The container images that a cluster image carries. `BundleError` for one that is not described as they are."""
    return tuple(_carried(child) for child in index.manifests if CARRIED_REFERENCE in child.annotations)


def _carried(child: Descriptor) -> Carried:
    try:
        reference = Reference.parse(child.annotations[CARRIED_REFERENCE])
        chosen_from = child.annotations.get(CARRIED_INDEX, "")
        index = Digest.parse(chosen_from) if chosen_from else None
    except ValueError as error:
        raise _undescribed(child) from error
    if child.platform is None:
        raise _undescribed(child)
    return Carried(reference, child.platform, child, index)


def _undescribed(child: Descriptor) -> BundleError:
    return BundleError(
        f"the carried image {child.digest.short} has no platform or no proper index", hint="build the image again"
    )


def originals(index: Index, *, get: Callable[[Descriptor], bytes]) -> tuple[Descriptor, ...]:
    """The indexes that carried images were chosen from, with their media types; `get` reads a document."""
    found = (child for child in index.manifests if child.annotations.get(ARTIFACT) == ARTIFACT_INDEXES)
    layers = (layer for child in found for layer in oci.manifest_from_json(get(child)).layers)
    return tuple(
        Descriptor(layer.annotations.get(ORIGINAL_TYPE, oci.MEDIA_INDEX), layer.digest, layer.size) for layer in layers
    )


def flat_index(
    rootfs: Sequence[Descriptor],
    carried: Iterable[Carried],
    indexes: Iterable[Descriptor],
    *,
    put: Callable[[bytes, str], Descriptor],
) -> Index:
    """The index of a cluster image: its root file systems, what it carries, and the original `indexes` of that.

    `put` stores a document with its media type. The same content gives the same index.
    """
    named = sorted(carried, key=lambda one: (str(one.reference), str(one.platform)))
    children = (*rootfs, *(_child(one) for one in named), *_artifact(indexes, put))
    return Index(children, artifact_type=ARTIFACT_CLUSTER_IMAGE)


def _child(one: Carried) -> Descriptor:
    annotations = {CARRIED_REFERENCE: str(one.reference)}
    if one.index:
        annotations[CARRIED_INDEX] = str(one.index)
    return Descriptor(
        one.manifest.media_type, one.manifest.digest, one.manifest.size, annotations, platform=one.platform
    )


def _artifact(indexes: Iterable[Descriptor], put: Callable[[bytes, str], Descriptor]) -> tuple[Descriptor, ...]:
    """The artifact manifest that holds the original indexes; none where there are none."""
    unique = {index.digest: index for index in indexes}
    layers = tuple(
        Descriptor(MEDIA_ORIGINAL, index.digest, index.size, {ORIGINAL_TYPE: index.media_type})
        for _, index in sorted(unique.items())
    )
    if not layers:
        return ()
    manifest = Manifest(put(EMPTY, MEDIA_EMPTY), layers, artifact_type=ARTIFACT_INDEXES)
    made = put(oci.manifest_to_json(manifest), MEDIA_MANIFEST)
    return (Descriptor(made.media_type, made.digest, made.size, {ARTIFACT: ARTIFACT_INDEXES}),)
