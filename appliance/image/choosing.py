"""Which manifest of an image is for a platform, as containerd chooses: the plainest variant of its architecture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance import canonical
from appliance.errors import BundleError, RecipeError
from appliance.image import oci
from appliance.image.oci import DOCUMENT_BYTES, INDEXES, MANIFESTS, Descriptor

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from appliance.image.oci import Platform

_PLAIN = ("", "v1", "v8", "8")
"""Variants that every machine of an architecture runs."""


class Choice:
    """The manifests of an index, or a manifest alone, by platform; `read` gives the documents that this takes."""

    def __init__(self, root: Descriptor, data: bytes, read: Callable[[Descriptor], bytes]) -> None:
        """`RecipeError` for what is neither index nor manifest."""
        if root.media_type not in (*INDEXES, *MANIFESTS):
            raise RecipeError(
                f"its type is {root.media_type or 'not said'}, which cannot be carried",
                hint="push it anew with a current tool, as an OCI image",
            )
        self._root = root
        self._data = data
        self._read = read

    def manifest(self, platform: Platform) -> Descriptor | None:
        """The manifest for a platform, if there is one; one that is for no platform in particular is for any."""
        if self._root.media_type not in INDEXES:
            there = self._of(self._data)
            return self._root if there in (str(platform), "") else None
        for child in self._children():
            there = str(child.platform) if child.platform else self._of(self._read(child))
            if there in (str(platform), ""):
                return Descriptor(child.media_type, child.digest, child.size)
        return None

    def platforms(self) -> tuple[str, ...]:
        """The platforms that there are manifests for."""
        if self._root.media_type not in INDEXES:
            return tuple(filter(None, [self._of(self._data)]))
        named = {str(child.platform) for child in self._children() if child.platform}
        return tuple(sorted(name for name in named if "unknown" not in name))

    def _children(self) -> list[Descriptor]:
        """The image manifests of the index, the plainest variants first."""
        children = oci.index_from_json(self._data).manifests
        documents = _load(self._data)["manifests"]
        variants = [str((document.get("platform") or {}).get("variant", "")) for document in documents]
        ranked = sorted(zip(children, variants, strict=True), key=lambda pair: (pair[1] not in _PLAIN, pair[1]))
        return [child for child, _ in ranked if child.media_type in MANIFESTS]

    def _of(self, data: bytes) -> str:
        """The platform that a manifest's config names; empty when it names none, as artifacts do."""
        config = oci.manifest_from_json(data).config
        if not config.media_type.endswith(("config.v1+json", "container.image.v1+json")):
            return ""
        document = _load(self._read(config))
        system, architecture = document.get("os"), document.get("architecture")
        return f"{system or 'linux'}/{architecture}" if architecture else ""


def _load(data: bytes) -> Any:
    try:
        document = canonical.loads(data, limit=DOCUMENT_BYTES)
        document.get("")
    except (ValueError, AttributeError) as error:
        raise BundleError(f"it has a document that cannot be read: {error}", hint="push or save it anew") from error
    return document
