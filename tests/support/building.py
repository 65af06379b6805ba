"""Images built of real folders, with real RUNs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.image import layers, trees
from appliance.image.reference import Reference
from appliance.image.store import Store
from appliance.operations.build import BuildReport, BuildRequest, build_image, inspect

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from appliance.events import Event
    from appliance.image.oci import ImageConfig, Platform

NAME = Reference.parse("app:1.0.0")


class Bench:
    """A context to write into, a store and a cache."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.context = root / "context"
        self.context.mkdir()
        self.store = Store(root / "store")
        self.events: list[Event] = []

    def write(self, path: str, data: str | bytes = "x", mode: int = 0o644) -> None:
        full = self.context / path
        full.parent.mkdir(parents=True, exist_ok=True)
        full.write_bytes(data.encode() if isinstance(data, str) else data)
        full.chmod(mode)

    def build(
        self,
        kubefile: str,
        reference: Reference = NAME,
        *,
        arguments: Mapping[str, str] | None = None,
        platforms: tuple[Platform, ...] = (),
        use_cache: bool = True,
        cache: str = "cache",
        locked: bool = False,
    ) -> BuildReport:
        self.write("Kubefile", kubefile)
        request = BuildRequest(
            self.context, reference, self.store.root, self.root / cache,
            leave_images_out=True, arguments=arguments or {}, platforms=platforms, use_cache=use_cache, locked=locked,
        )  # fmt: skip
        return build_image(request, sink=self.events.append)

    def config(self, reference: Reference = NAME) -> ImageConfig:
        """The config of an image of one platform."""
        (rootfs,) = inspect(self.store.root, reference).rootfs
        return rootfs.config

    def tree(self, reference: Reference = NAME) -> dict[str, str]:
        """The image's files with their contents, its links with their targets, its folders with ``/``."""
        (rootfs,) = inspect(self.store.root, reference).rootfs
        folders = []
        for number, layer in enumerate(rootfs.manifest.layers):
            folders.append(self.root / f"unpacked-{reference.repository.replace('/', '-')}-{number}")
            with self.store.open(layer.digest) as source:
                layers.unpack(source, folders[-1], diff_id=rootfs.config.layers[number].diff_id)
        trees.link_trees(folders, self.root / "tree")
        return {entry.path: self._content(entry) for entry in trees.scan_tree(self.root / "tree")}

    def _content(self, entry: trees.Entry) -> str:
        if entry.kind is trees.Kind.FILE:
            return (self.root / "tree" / entry.path).read_text()
        return f"-> {entry.target}" if entry.kind is trees.Kind.LINK else "/"
