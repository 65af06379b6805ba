"""A host as its helper sees it: where things lie there, and what it is asked to make of the blobs it has."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from appliance.digest import Digest


@dataclass(frozen=True, slots=True)
class Node:
    """Where things lie on a host; `root` is ``/`` but in tests."""

    root: Path = Path("/")

    @property
    def home(self) -> Path:
        """All that a run keeps on a host, 0700."""
        return self.root / "var/lib/appliance/node"

    @property
    def blobs(self) -> Path:
        """Blobs by the hexadecimal form of their digest, 0444."""
        return self.home / "blobs/sha256"

    @property
    def pending(self) -> Path:
        """A file for each step that must be carried out although its guard holds; see `Step.after`."""
        return self.home / "pending"

    def runtime(self, digest: Digest) -> Path:
        """The unpacked host runtime."""
        return self.home / "runtime" / digest.hex

    def layer(self, diff_id: Digest) -> Path:
        """An unpacked layer: ``tree/`` and ``mtree``."""
        return self.home / "layers" / diff_id.hex

    def image(self, digest: Digest) -> Path:
        """The image's tree, of links to layers; never written."""
        return self.home / "images" / digest.hex

    def programs(self, cluster: str, image: Digest) -> Path:
        """What services run."""
        return self.root / "opt/appliance" / cluster / image.hex

    def program_list(self, cluster: str, image: Digest) -> Path:
        """The files of `programs`, ``./PATH`` a line, written after all of them: what is newer was changed."""
        return self.home / "clusters" / cluster / "programs" / f"{image.hex}.list"


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer as a request names it; `size` is the blob's, in bytes."""

    digest: Digest
    size: int
    diff_id: Digest


@dataclass(frozen=True, slots=True)
class Request:
    """What ``unpack`` and ``check`` are asked."""

    cluster: str
    image: Digest
    layers: tuple[Layer, ...]
    paths: tuple[str, ...]

    def to_json(self) -> bytes:
        """The request as its line."""
        layers = [
            {"digest": str(layer.digest), "size": layer.size, "diff_id": str(layer.diff_id)} for layer in self.layers
        ]
        document = {"cluster": self.cluster, "image": str(self.image), "layers": layers, "paths": list(self.paths)}
        return json.dumps(document).encode() + b"\n"

    @classmethod
    def from_json(cls, line: bytes) -> Request:
        """Read what `to_json` wrote; `ValueError`, `KeyError` or `TypeError` for anything else."""
        document = json.loads(line)
        layers = tuple(
            Layer(Digest.parse(layer["digest"]), int(layer["size"]), Digest.parse(layer["diff_id"]))
            for layer in document["layers"]
        )
        return cls(_name(document["cluster"]), Digest.parse(document["image"]), layers, tuple(document["paths"]))


def _name(text: str) -> str:
    if not text or "/" in text or text.startswith("."):
        raise ValueError(f"not a cluster's name: {text!r}")
    return text


def make_home(node: Node) -> None:
    """Make the folders that hold what only root may see."""
    node.blobs.mkdir(parents=True, exist_ok=True)
    node.home.chmod(0o700)
