"""Container images as publishers make them: gzipped tars with owners, times, whiteouts; put beside a cluster image."""

from __future__ import annotations

import gzip
import io
import lzma
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.digest import Digest
from appliance.image import oci
from appliance.image.oci import Descriptor, Index, Manifest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from appliance.image.reference import Reference
    from appliance.image.store import Store

MEDIA_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
REFERENCE = "vnd.appliance.image.reference"
PACKAGES = Path(__file__).parents[1] / "data" / "packages"


def rpm_database() -> bytes:
    """An ``rpmdb.sqlite`` that rpm 4.18 wrote, with the packages demo-lib and other."""
    return lzma.decompress((PACKAGES / "rpmdb.sqlite.xz").read_bytes())


def tar(contents: Mapping[str, bytes | None], *, links: Mapping[str, str] | None = None) -> bytes:
    """A tar with these files, links, and a whiteout for None, as docker writes it."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, data in contents.items():
            folder, _, name = path.rpartition("/")
            info = tarfile.TarInfo(path if data is not None else f"{folder}/.wh.{name}".lstrip("/"))
            info.size, info.mtime, info.uid = len(data or b""), 1_700_000_000, 7
            archive.addfile(info, io.BytesIO(data or b""))
        for path, target in (links or {}).items():
            info = tarfile.TarInfo(path)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    return out.getvalue()


def put_layer(store: Store, data: bytes, media_type: str = MEDIA_GZIP) -> Descriptor:
    """Store a tar as a layer."""
    blob = gzip.compress(data, mtime=0) if media_type.endswith("gzip") else data
    store.put(io.BytesIO(blob), Digest.of(blob), size=len(blob))
    return Descriptor(media_type, Digest.of(blob), len(blob))


def put_container(store: Store, layers: Sequence[Descriptor]) -> Descriptor:
    """Store a container image for linux/amd64 that has these layers."""
    config = store.put_document(b'{"architecture":"amd64","os":"linux"}', "application/vnd.oci.image.config.v1+json")
    made = store.put_document(oci.manifest_to_json(Manifest(config, tuple(layers))), oci.MEDIA_MANIFEST)
    return Descriptor(made.media_type, made.digest, made.size, platform=oci.Platform("linux", "amd64"))


def carry(store: Store, image: Reference, containers: Mapping[str, Descriptor]) -> None:
    """Let the cluster image called `image` carry container images, by the references they are called by."""
    index = oci.index_from_json(store.get(store.resolve(image)))
    children = tuple(
        Descriptor(child.media_type, child.digest, child.size, {REFERENCE: name}, platform=child.platform)
        for name, child in containers.items()
    )
    made = Index((*index.manifests, *children), index.annotations, index.artifact_type)
    store.tag(image, store.put_document(oci.index_to_json(made), oci.MEDIA_INDEX))
