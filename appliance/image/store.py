"""`Store`: an OCI image layout on disk (image-spec, image-layout.md), shared by all images and by concurrent builds.

Blobs lie under their digests and never change; names stand in ``index.json``, which is replaced whole under a lock.
What a killed build leaves is either a whole blob or a file in ``ingest/``, and `prune` removes both.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from appliance import canonical
from appliance.digest import Digest
from appliance.errors import BundleError, RecipeError, StateError
from appliance.files import disk_errors, has_blob, hash_file, lock, new_file, put_blob, read_bounded, write_bytes
from appliance.image import oci
from appliance.image.oci import ANNOTATION_REFERENCE, Descriptor, Index
from appliance.image.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    from appliance.files import Source

LAYOUT = {"imageLayoutVersion": "1.0.0"}


@dataclass(frozen=True, slots=True)
class Pruned:
    """What `Store.prune` removed: blobs and their bytes."""

    blobs: int
    size: int


class Store:
    """The images of this machine. Methods that write may run in several processes at once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._blobs = root / "blobs" / "sha256"

    def has(self, digest: Digest, size: int) -> bool:
        """Whether a blob is there in full size."""
        return has_blob(self._blobs, digest, size)

    def keep(self, descriptor: Descriptor) -> bool:
        """As `has`, and a blob that is there counts as new again for `prune`."""
        if not self.has(descriptor.digest, descriptor.size):
            return False
        with contextlib.suppress(PermissionError):  # a store that another user keeps
            os.utime(self._blobs / descriptor.digest.hex)
        return True

    def put(self, source: Source, digest: Digest, *, size: int, progress: Callable[[int], None] | None = None) -> None:
        """Store `size` bytes of `source` if they have `digest`; `TransferFailed` otherwise. `progress` gets bytes."""
        if not self.has(digest, size):
            put_blob(self._blobs, source, digest, size=size, progress=progress)

    def put_document(self, data: bytes, media_type: str) -> Descriptor:
        """Store a document's bytes."""
        descriptor = Descriptor(media_type, Digest.of(data), len(data))
        if not self.keep(descriptor):
            write_bytes(self._blobs / descriptor.digest.hex, data, mode=0o444)
        return descriptor

    @contextlib.contextmanager
    def ingest(self) -> Iterator[Path]:
        """A path for a blob whose digest is not known yet: write it with `new_file`, then `adopt` it."""
        path = self.root / "ingest" / secrets.token_hex(8)
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def adopt(self, path: Path, digest: Digest) -> None:
        """Take the whole file at `path`, whose bytes have `digest`, as a blob."""
        with disk_errors(self._blobs):
            self._blobs.mkdir(parents=True, exist_ok=True)
            path.chmod(0o444)
            path.replace(self._blobs / digest.hex)

    @contextlib.contextmanager
    def open(self, digest: Digest) -> Iterator[BinaryIO]:
        """A blob's bytes, unbuffered; `BundleError` when it is not there."""
        try:
            source = (self._blobs / digest.hex).open("rb", buffering=0)
        except FileNotFoundError as error:
            raise BundleError(f"blob {digest.short} is not in {self.root}", hint="build or pull it again") from error
        with source:
            yield source

    def get(self, descriptor: Descriptor) -> bytes:
        """A document's bytes, checked against its descriptor; `BundleError` when missing or damaged."""
        if descriptor.size > oci.DOCUMENT_BYTES:
            raise BundleError(f"document {descriptor.digest.short} is larger than {oci.DOCUMENT_BYTES} bytes")
        with self.open(descriptor.digest) as source:
            data = source.read(descriptor.size + 1)
        if Digest.of(data) != descriptor.digest:
            raise BundleError(
                f"blob {descriptor.digest.short} in {self.root} is damaged", hint="build or pull it again"
            )
        return data

    def list(self) -> tuple[tuple[Reference, Descriptor], ...]:
        """All named images."""
        return tuple((Reference.parse(d.annotations[ANNOTATION_REFERENCE]), d) for d in self._index().manifests)

    def find(self, reference: Reference) -> Descriptor | None:
        """The index of a named image, if it is there."""
        named = (descriptor for name, descriptor in self.list() if _names(reference, name, descriptor))
        return next(named, None)

    def resolve(self, reference: Reference) -> Descriptor:
        """The index of a named image; `RecipeError` with the names there are, if it is not there."""
        if found := self.find(reference):
            return found
        known = ", ".join(name.familiar for name, _ in self.list()[:10])
        raise RecipeError(
            f"there is no image {reference.familiar} in the store",
            hint=f"there are: {known}" if known else "build or pull it first; the store is empty",
        )

    def tag(self, reference: Reference, descriptor: Descriptor) -> None:
        """Let `reference` name an image; what it named before stays without that name."""
        if reference.digest is not None or not reference.tag:
            raise RecipeError(f"{reference} is a digest, which needs no tag", hint="name a tag")
        named = dataclasses.replace(descriptor, annotations={ANNOTATION_REFERENCE: reference.familiar})
        self._change(lambda found: (*(d for d in found if _name(d) != reference.familiar), named))

    def untag(self, reference: Reference) -> None:
        """Take a name away; the blobs go with `prune`."""
        self.resolve(reference)
        self._change(lambda found: tuple(d for d in found if _name(d) != reference.familiar))

    def verify(self) -> tuple[str, ...]:
        """Hash all that the named images consist of; a sentence for each blob that is missing or damaged."""
        findings: list[str] = []
        for descriptor in self._reachable(findings.append).values():
            path = self._blobs / descriptor.digest.hex
            if not path.exists():
                findings.append(f"blob {descriptor.digest.short} is missing")
            elif path.stat().st_size != descriptor.size or hash_file(path) != descriptor.digest:
                findings.append(f"blob {descriptor.digest.short} is damaged")
        return tuple(dict.fromkeys(findings))

    @contextlib.contextmanager
    def use(self) -> Iterator[None]:
        """While blobs come that no named image has yet; any number of processes may."""
        with disk_errors(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
        with lock(self.root, shared=True):
            yield

    def prune(self, *, before: datetime, alone: bool = False) -> Pruned:
        """Remove blobs that no named image has, and leftovers, written before a time.

        Younger ones may belong to a build that is running; with `alone`, `StateError` while somebody does `use` this.
        """
        removed = size = 0
        with self._unused() if alone else contextlib.nullcontext(), lock(self._lock_path):
            keep = {descriptor.digest.hex for descriptor in self._reachable(_raise).values()}
            for path in (*self._files(self._blobs), *self._files(self.root / "ingest")):
                status = path.stat()
                if path.name not in keep and status.st_mtime < before.timestamp():
                    path.unlink()
                    removed, size = removed + 1, size + status.st_size
        return Pruned(removed, size)

    @contextlib.contextmanager
    def _unused(self) -> Iterator[None]:
        with contextlib.ExitStack() as held:
            if self.root.is_dir():
                try:
                    held.enter_context(lock(self.root, wait=False))
                except StateError as error:
                    hint = "wait for it to end, or leave alone what is younger than a day: without --now"
                    raise StateError(f"a build is using {self.root}", hint=hint) from error
            yield

    @staticmethod
    def _files(folder: Path) -> tuple[Path, ...]:
        return tuple(folder.iterdir()) if folder.is_dir() else ()

    def _reachable(self, report: Callable[[str], None]) -> dict[Digest, Descriptor]:
        """Every blob of the named images. What cannot be read is reported and not gone into."""
        found: dict[Digest, Descriptor] = {}
        pending = [*self._index().manifests]
        while pending:
            descriptor = pending.pop()
            if descriptor.digest not in found:
                found[descriptor.digest] = descriptor
                try:
                    pending += self._children(descriptor)
                except BundleError as error:
                    report(str(error))
        return found

    def _children(self, descriptor: Descriptor) -> tuple[Descriptor, ...]:
        if descriptor.media_type in (*oci.INDEXES, *oci.MANIFESTS):
            return oci.children(descriptor.media_type, self.get(descriptor))
        return ()

    @property
    def _lock_path(self) -> Path:
        return self.root / ".lock"

    def _index(self) -> Index:
        try:
            return oci.index_from_json(read_bounded(self.root / "index.json", oci.DOCUMENT_BYTES))
        except FileNotFoundError:
            return Index(())

    def _change(self, change: Callable[[tuple[Descriptor, ...]], tuple[Descriptor, ...]]) -> None:
        with lock(self._lock_path):
            layout = self.root / "oci-layout"
            if not layout.exists():
                write_bytes(layout, canonical.dumps(LAYOUT))
            manifests = sorted(change(self._index().manifests), key=_name)
            write_bytes(self.root / "index.json", oci.index_to_json(Index(tuple(manifests))))


def _raise(sentence: str) -> None:
    raise StateError(f"nothing is removed from a damaged store: {sentence}", hint="build, pull or untag that image")


def _name(descriptor: Descriptor) -> str:
    return descriptor.annotations.get(ANNOTATION_REFERENCE, "")


def _names(wanted: Reference, name: Reference, descriptor: Descriptor) -> bool:
    if wanted.digest is not None:
        return wanted.digest == descriptor.digest
    return (wanted.registry, wanted.repository, wanted.tag) == (name.registry, name.repository, name.tag)


def write_blob(store: Store, write: Callable[[BinaryIO], tuple[Digest, int]]) -> tuple[Digest, int]:
    """Store what `write` writes; it returns the digest and size of that."""
    with store.ingest() as path:
        with new_file(path) as out:
            digest, size = write(out)
        if not store.has(digest, size):
            store.adopt(path, digest)
    return digest, size
