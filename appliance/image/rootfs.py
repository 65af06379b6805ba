"""A root file system in the store: its manifest and config, read and written."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from appliance.errors import RecipeError
from appliance.image import oci
from appliance.image.oci import MEDIA_CONFIG, MEDIA_MANIFEST, Descriptor, ImageConfig, Platform

if TYPE_CHECKING:
    from collections.abc import Iterable

    from appliance.image.store import Store


def open_rootfs(store: Store, index: Descriptor, platform: Platform) -> tuple[oci.Manifest, ImageConfig]:
    """The manifest and config of one platform of an image in the store; `RecipeError` when it is not built for it."""
    children = dict(oci.index_from_json(store.get(index)).rootfs)
    child = children.get(platform)
    if child is None:
        built = ", ".join(map(str, children))
        raise RecipeError(f"the image is not there for {platform}", hint=f"it is there for {built}")
    manifest = oci.manifest_from_json(store.get(child))
    return manifest, oci.config_from_json(store.get(manifest.config))


def write_rootfs(store: Store, config: ImageConfig, layers: Iterable[Descriptor]) -> Descriptor:
    """Write config and manifest over layers that are in the store; the manifest, as an index names it."""
    described = store.put_document(oci.config_to_json(config), MEDIA_CONFIG)
    manifest = oci.Manifest(described, tuple(layers))
    written = store.put_document(oci.manifest_to_json(manifest), MEDIA_MANIFEST)
    return dataclasses.replace(written, platform=config.platform)
