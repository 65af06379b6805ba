"""Small container images as publishers make them, not as we would: odd white space, gzip layers, attestations."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from typing import TYPE_CHECKING, Any

from appliance.image import oci, transfer
from appliance.image.reference import Reference
from appliance.image.registry.repository import Repository

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from support.registry import Registry

    from appliance.image.oci import Descriptor
    from appliance.image.store import Store

OCI = (oci.MEDIA_INDEX, oci.MEDIA_MANIFEST, "application/vnd.oci.image.config.v1+json",
       "application/vnd.oci.image.layer.v1.tar+gzip")  # fmt: skip
DOCKER = (oci.MEDIA_DOCKER_INDEX, oci.MEDIA_DOCKER_MANIFEST, "application/vnd.docker.container.image.v1+json",
          "application/vnd.docker.image.rootfs.diff.tar.gzip")  # fmt: skip


def layer(text: str, size: int = 0) -> bytes:
    """The tar of a layer with one file; `size` bytes of noise in another make it large."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        noise = hashlib.shake_256(text.encode()).digest(size)
        for name, data in (("hello", text.encode()), *((("noise", noise),) if noise else ())):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def config(architecture: str, tar: bytes) -> bytes:
    """The config of an image with one layer."""
    document = {
        "architecture": architecture,
        "os": "linux",
        "config": {"Cmd": ["/hello"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(tar).hexdigest()}"]},
    }
    return _dumps(document)


def container(
    store: Store, text: str, architectures: Sequence[str] = ("amd64", "arm64"), *, kinds: Sequence[str] = OCI,
    size: int = 0,
) -> Descriptor:  # fmt: skip
    """An image for some architectures in a store, whose file says `text`; its index, or its only manifest.

    `size` is of each layer, in bytes.
    """
    index, _, _, _ = kinds
    children = [(architecture, _manifest(store, f"{text} {architecture}", architecture, kinds, size))
                for architecture in architectures]  # fmt: skip
    if len(children) == 1:
        return children[0][1]
    document = {
        "mediaType": index,
        "schemaVersion": 2,
        "manifests": [
            *(_child(child, {"architecture": arch, "os": "linux", **_variant(arch)}) for arch, child in children),
            _child(_attestation(store, text), {"architecture": "unknown", "os": "unknown"}),
        ],
    }
    return store.put_document(_dumps(document), index)


def _variant(architecture: str) -> dict[str, str]:
    return {"variant": "v8"} if architecture == "arm64" else {}


def _manifest(store: Store, text: str, architecture: str, kinds: Sequence[str], size: int) -> Descriptor:
    _, manifest, config_kind, layer_kind = kinds
    tar = layer(text, size)
    packed = gzip.compress(tar, mtime=0)
    described = store.put_document(config(architecture, tar), config_kind)
    document = {
        "schemaVersion": 2,
        "mediaType": manifest,
        "config": _child(described),
        "layers": [_child(store.put_document(packed, layer_kind))],
    }
    return store.put_document(_dumps(document), manifest)


def _attestation(store: Store, text: str) -> Descriptor:
    empty = store.put_document(b"{}", OCI[2])
    statement = store.put_document(f"{text} was built".encode(), "application/vnd.in-toto+json")
    document = {"schemaVersion": 2, "mediaType": OCI[1], "config": _child(empty), "layers": [_child(statement)]}
    return store.put_document(_dumps(document), OCI[1])


def _child(descriptor: Descriptor, platform: dict[str, str] | None = None) -> dict[str, Any]:
    document = {"mediaType": descriptor.media_type, "size": descriptor.size, "digest": str(descriptor.digest)}
    return {**document, **({"platform": platform} if platform else {})}


def _dumps(document: object) -> bytes:
    return json.dumps(document, indent=3).encode() + b"\n"


def publish(registry: Registry, name: str, store: Store, root: Descriptor, *, config: Path) -> Reference:
    """Push an image to a registry as ``HOST/name``; its reference."""
    reference = Reference.parse(f"{registry.host}/{name}")
    with registry.access(config).session(registry.host) as session:
        repository = Repository(session, reference.repository, writing=True)
        transfer.send(store, root, repository, tag=reference.tag, mounts={})
    return reference


def docker_archive(path: Path, name: str, text: str, architecture: str = "amd64") -> None:
    """What ``docker save`` writes: a plain layer, a config, and a listing, last."""
    tar = layer(text)
    described = config(architecture, tar)
    image_id = hashlib.sha256(described).hexdigest()
    listing = [{"Config": f"{image_id}.json", "RepoTags": [name], "Layers": ["0123/layer.tar"]}]
    members = {"0123/layer.tar": tar, f"{image_id}.json": described, "manifest.json": json.dumps(listing).encode()}
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
        for member, data in members.items():
            info = tarfile.TarInfo(member)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
