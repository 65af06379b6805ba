"""What a packager does with images that are there: name them, take names away, prune, compare, save and load."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from appliance import events
from appliance.clock import Clock, SystemClock
from appliance.errors import RecipeError
from appliance.image import difference, oci, portable
from appliance.image.oci import ARTIFACT_CLUSTER_IMAGE, MEDIA_INDEX
from appliance.image.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from appliance.events import Sink
    from appliance.image.difference import PlatformDifference
    from appliance.image.oci import Descriptor
    from appliance.image.reference import Reference
    from appliance.image.store import Pruned

YOUNG = timedelta(hours=24)
"""What may still belong to a build that is running, and `prune` leaves alone."""


class Form(enum.StrEnum):
    """How a saved image lies on disk."""

    ARCHIVE = "oci-archive"
    FOLDER = "oci-dir"


@dataclass(frozen=True, slots=True)
class Loaded:
    """An image that was taken in, and its name."""

    reference: Reference
    digest: str


def check_cluster_image(root: Descriptor, data: bytes, *, name: str) -> None:
    """`RecipeError` for anything but a cluster image: a container image is carried in one, it is none."""
    if root.media_type == MEDIA_INDEX and oci.index_from_json(data).artifact_type == ARTIFACT_CLUSTER_IMAGE:
        return
    raise RecipeError(
        f"{name} is not a cluster image: its type is {root.media_type or 'not said'}",
        hint="container images are carried by a cluster image: name them in a Kubefile with IMAGE",
    )


def tag(store: Path, source: Reference, target: Reference) -> str:
    """Give an image another name; its digest."""
    images = Store(store)
    descriptor = images.resolve(source)
    images.tag(target, descriptor)
    return str(descriptor.digest)


def untag(store: Path, reference: Reference) -> str:
    """Take a name away; the digest of what it named. The bytes stay until `prune`."""
    images = Store(store)
    descriptor = images.resolve(reference)
    images.untag(reference)
    return str(descriptor.digest)


def prune(store: Path, *, now: bool = False, clock: Clock | None = None) -> Pruned:
    """Remove what no named image has: all of it with `now`, else what is older than `YOUNG`."""
    at = (clock or SystemClock()).now()
    return Store(store).prune(before=at if now else at - YOUNG, alone=now)


def diff(store: Path, before: Reference, after: Reference) -> tuple[PlatformDifference, ...]:
    """What differs between two images of the store."""
    images = Store(store)
    return difference.differences(images, images.resolve(before), images.resolve(after))


def save(store: Path, reference: Reference, target: Path, *, form: Form, sink: Sink = events.silent) -> int:
    """Write an image under `target`; its bytes. The same image gives the same bytes."""
    match form:
        case Form.ARCHIVE:
            return portable.save_archive(Store(store), reference, target, sink=sink)
        case Form.FOLDER:
            return portable.save_folder(Store(store), reference, target, sink=sink)


def load(
    store: Path, path: Path, *, reference: Reference | None = None, sink: Sink = events.silent
) -> tuple[Loaded, ...]:
    """Take the images of a saved layout in, under their names there, or its only one as `reference`."""
    images = Store(store)

    def check(root: Descriptor, data: bytes) -> None:
        check_cluster_image(root, data, name=str(path))

    found = portable.load(path, images, check=check, sink=sink)
    if reference and len(found) != 1:
        raise RecipeError(f"{path} holds {len(found)} images, which cannot all be {reference.familiar}")
    loaded = []
    for name, descriptor in found:
        if (called := reference or name) is None:
            raise RecipeError(f"the image in {path} has no name", hint="give it one with --tag NAME:TAG")
        images.tag(called, descriptor)
        loaded.append(Loaded(called, str(descriptor.digest)))
    return tuple(loaded)
