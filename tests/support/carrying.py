"""A context whose manifests need container images, and a real registry that has them."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

from support.containers import publish

from appliance.image import oci
from appliance.image.oci import Descriptor, Platform
from appliance.image.reference import Reference
from appliance.image.store import Store
from appliance.operations import build
from appliance.operations.build import BuildReport, BuildRequest
from appliance.operations.registries import Registries, Upstream

if TYPE_CHECKING:
    from pathlib import Path

    from support.registry import Registry

    from appliance.digest import Digest


AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64")
NAME = Reference.parse("site:1.0.0")
POD = """apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
    - name: web
      image: %s
"""


class Bench:
    """A context with a Kubefile and manifests, a store, and a registry with container images in it."""

    def __init__(self, root: Path, to: Registry) -> None:
        self.root = root
        self.registry = to
        self.published = Store(root / "published")
        self.store = Store(root / "store")
        self.reach = to.access(root)
        self.context = root / "context"
        self.write("Kubefile", "FROM scratch\nCOPY manifests manifests\n")

    def write(self, path: str, text: str) -> None:
        full = self.context / path
        full.parent.mkdir(parents=True, exist_ok=True)
        full.write_text(text)

    def publish(self, name: str, root: Descriptor) -> Reference:
        return publish(self.registry, name, self.published, root, config=self.root)

    def need(self, *references: Reference | str) -> None:
        """Let the tree have a pod for each."""
        for number, reference in enumerate(references):
            self.write(f"manifests/{number}.yaml", POD % reference)

    def build(self, *, online: bool = True, reach: Registries | None = None, **request: object) -> BuildReport:
        asked = BuildRequest(self.context, NAME, self.store.root, self.root / "cache", platforms=(AMD64,))
        upstream = (lambda: Upstream(reach or self.reach)) if online else None
        return build.build_image(replace(asked, **request), upstream=upstream)  # type: ignore[arg-type]

    def index(self) -> oci.Index:
        return oci.index_from_json(self.store.get(self.store.resolve(NAME)))

    def holds(self, root: Descriptor, *platforms: Platform) -> bool:
        """Whether the store has all of a published image for the platforms, and its index, as they were published."""
        index = oci.index_from_json(self.published.get(root)).manifests
        wanted = [root]
        for child in index:
            if child.platform and Platform(child.platform.os, child.platform.architecture) in platforms:
                wanted += [child, *oci.children(child.media_type, self.published.get(child))]
        return all(self.published.get(one) == self.store.get(one) for one in wanted)

    def only_for(self, root: Descriptor, platform: Platform) -> list[tuple[Digest, int]]:
        """Digests and sizes of what a published image consists of on one platform."""
        index = oci.index_from_json(self.published.get(root)).manifests
        (child,) = (one for one in index if one.platform == platform)
        return [(one.digest, one.size) for one in (child, *oci.children(child.media_type, self.published.get(child)))]


def files(store: Store) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (store.root / "blobs/sha256").iterdir()}


def skopeo(*argv: str) -> bytes:
    done = subprocess.run(["skopeo", *argv], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout
