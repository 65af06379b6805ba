"""Images as an OCI layout that travels: a folder, or a tar of it (``oci-archive``), written and read.

The tar is the same for the same image: entries in order, owned by root, without times. Source: image-spec,
image-layout.md; the names ``oci-archive`` and ``oci-dir`` are skopeo's and buildah's.
"""

from __future__ import annotations

import re
import tarfile
from typing import TYPE_CHECKING, BinaryIO

from appliance import canonical, events
from appliance.digest import Digest
from appliance.errors import BundleError, RecipeError
from appliance.files import HashingWriter, copy, disk_errors, new_file, read_bounded
from appliance.image import oci, transfer
from appliance.image.archives import open_archive
from appliance.image.oci import ANNOTATION_REFERENCE, DOCUMENT_BYTES, MEDIA_INDEX, Descriptor, Index
from appliance.image.sources import Layout, layout_name
from appliance.image.store import LAYOUT, Store
from appliance.image.tarstream import BLOCK, HashingReader, Members, safe_path
from appliance.image.trees import new_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from appliance.events import Sink
    from appliance.image.reference import Reference

_BLOB = re.compile(r"blobs/sha256/([0-9a-f]{64})")


def save_archive(store: Store, reference: Reference, target: Path, *, sink: Sink = events.silent) -> int:
    """Write an image as a tar under `target`; the bytes of it. `BundleError` when the store is damaged."""
    root = store.resolve(reference)
    tree = transfer.walk(root, store.get(root), read=store.get)
    documents = {descriptor.digest: descriptor for descriptor, _ in tree.documents}
    blobs = sorted((documents | {blob.digest: blob for blob in tree.blobs}).items())
    named = Descriptor(MEDIA_INDEX, root.digest, root.size, {ANNOTATION_REFERENCE: reference.familiar})
    title = f"save {reference.familiar}"
    with events.task(sink, title, title, total=tree.size) as count, new_file(target) as out, disk_errors(target):
        _add(out, "oci-layout", canonical.dumps(LAYOUT))
        _add(out, "index.json", oci.index_to_json(Index((named,))))
        for digest, blob in blobs:
            out.write(_header(f"blobs/sha256/{digest.hex}", blob.size))
            writer = HashingWriter(out)
            with store.open(digest) as source:
                copy(source, writer, progress=count)
            if (writer.digest, writer.size) != (digest, blob.size):
                raise BundleError(f"blob {digest.short} in {store.root} is damaged", hint="build or pull it again")
            out.write(bytes(-blob.size % BLOCK))
        out.write(bytes(2 * BLOCK))
        return out.tell()


def save_folder(store: Store, reference: Reference, target: Path, *, sink: Sink = events.silent) -> int:
    """Write an image as a layout in the new folder `target`; the bytes of its blobs."""
    if target.exists():
        raise RecipeError(f"{target} exists and is not overwritten", hint="name a folder that is not there yet")
    root = store.resolve(reference)
    with new_tree(target.absolute()) as work:
        copied = Store(work)
        done = transfer.fetch(
            Layout(store), root, store.get(root), store=copied, title=f"save {reference.familiar}", sink=sink
        )
        copied.tag(reference, root)
    return done.size


def load(
    path: Path, store: Store, *, check: Callable[[Descriptor, bytes], None], sink: Sink = events.silent
) -> tuple[tuple[Reference | None, Descriptor], ...]:
    """Take all images of a layout, a folder or a tar of it, into the store; each with the name that it has there.

    They have no name in the store yet. `check` raises for one that is not wanted. Raises `BundleError` for what is no
    layout, is damaged or lacks a part.
    """
    index = _load_folder(path, store, check, sink) if path.is_dir() else _load_archive(path, store, check, sink)
    return tuple((layout_name(descriptor), descriptor) for descriptor in index.manifests)


def _load_folder(path: Path, store: Store, check: Callable[[Descriptor, bytes], None], sink: Sink) -> Index:
    try:
        index = oci.index_from_json(read_bounded(path / "index.json", DOCUMENT_BYTES))
    except OSError as error:
        raise _no_layout(path) from error
    source = Layout(Store(path))
    for root in index.manifests:
        data = source.document(root)
        check(root, data)
        transfer.fetch(source, root, data, store=store, title=f"load {path.name}", sink=sink)
    return index


def _load_archive(path: Path, store: Store, check: Callable[[Descriptor, bytes], None], sink: Sink) -> Index:
    listed = b""
    try:
        size = path.stat().st_size
        with events.task(sink, str(path), f"load {path.name}", total=size) as count, open_archive(path) as plain:
            members = Members(HashingReader(plain))
            for info in members:
                name = safe_path(info.name)
                if name == "index.json":
                    listed = _Body(members).read(DOCUMENT_BYTES)
                elif info.isreg() and (match := _BLOB.fullmatch(name)):
                    store.put(_Body(members), Digest(match[1]), size=info.size, progress=count)
    except OSError as error:
        raise RecipeError(f"cannot read {path}: {error.strerror}", hint="name a file that save wrote") from error
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise BundleError(f"{path} is damaged: {error}", hint="take it from a sound source again") from error
    if not listed:
        raise _no_layout(path)
    index = oci.index_from_json(listed)
    for root in index.manifests:
        data = store.get(root)
        check(root, data)
        tree = transfer.walk(root, data, read=store.get)
        for blob in tree.blobs:
            if not store.keep(blob):
                raise BundleError(f"{path} lacks blob {blob.digest.short}", hint="save the image anew")
    return index


class _Body:
    """The current member of a tar, to be read in pieces."""

    def __init__(self, members: Members) -> None:
        self._pieces: Iterator[bytes] = members.body()
        self._rest = b""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""
        data = self._rest or next(self._pieces, b"")
        self._rest = data[size:]
        return data[:size]


def _add(out: BinaryIO, name: str, data: bytes) -> None:
    out.write(_header(name, len(data)))
    out.write(data + bytes(-len(data) % BLOCK))


def _header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")


def _no_layout(path: Path) -> BundleError:
    return BundleError(f"{path} is not an OCI image layout", hint="name a file or folder that save or skopeo wrote")
