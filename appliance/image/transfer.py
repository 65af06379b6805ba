"""Whole images from a source into the store, and out of it into a repository: blobs in parallel, documents last."""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from appliance import events
from appliance.errors import BundleError, Cancelled
from appliance.image import oci
from appliance.image.oci import INDEXES, Descriptor
from appliance.image.sources import Sent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from appliance.digest import Digest
    from appliance.events import Sink
    from appliance.files import Source as Bytes
    from appliance.image.registry.repository import Repository
    from appliance.image.sources import Source
    from appliance.image.store import Store

AT_ONCE = 4
_MOST_NESTED = 8
_T = TypeVar("_T")
_I = TypeVar("_I")


@dataclass(frozen=True, slots=True)
class Tree:
    """All that an image consists of: its documents, those that others point to first, and its blobs, each once."""

    documents: tuple[tuple[Descriptor, bytes], ...]
    blobs: tuple[Descriptor, ...]

    @property
    def root(self) -> Descriptor:
        """The document that all others hang from."""
        return self.documents[-1][0]

    @property
    def size(self) -> int:
        """Bytes of all blobs."""
        return sum(blob.size for blob in self.blobs)


@dataclass(frozen=True, slots=True)
class Transferred:
    """What a transfer did: the image's root, the bytes that went over the line, blobs that were there or mounted."""

    root: Descriptor
    size: int
    there: int = 0
    mounted: int = 0


def walk(root: Descriptor, data: bytes, *, read: Callable[[Descriptor], bytes]) -> Tree:
    """Everything below a document, whose other documents `read` gives; `BundleError` for indexes in too many others."""
    documents: dict[Digest, tuple[Descriptor, bytes]] = {}
    blobs: dict[Digest, Descriptor] = {}

    def visit(descriptor: Descriptor, document: bytes, depth: int) -> None:
        if depth > _MOST_NESTED:
            raise BundleError(f"image {root.digest.short} has indexes inside indexes, {depth} deep")
        for child in oci.children(descriptor.media_type, document):
            if descriptor.media_type not in INDEXES:
                blobs[child.digest] = child
            elif child.digest not in documents:
                visit(child, read(child), depth + 1)
        documents[descriptor.digest] = (descriptor, document)

    visit(root, data, 0)
    return Tree(tuple(documents.values()), tuple(blobs.values()))


def fetch(
    source: Source, root: Descriptor, data: bytes, *, store: Store, title: str, sink: Sink = events.silent
) -> Transferred:
    """Bring all that hangs from a document into the store; it has no name there yet.

    Raises `TransferFailed` for bytes that have another digest than they were named by; what is then in the store is
    whole, and `prune` takes it away.
    """

    def read(descriptor: Descriptor) -> bytes:
        return store.get(descriptor) if store.keep(descriptor) else source.document(descriptor)

    tree = walk(root, data, read=read)
    brought = bring(((blob, source) for blob in tree.blobs), store=store, title=title, sink=sink)
    for descriptor, document in tree.documents:
        store.put_document(document, descriptor.media_type)
    return Transferred(root, brought.size, there=brought.there)


@dataclass(frozen=True, slots=True)
class Brought:
    """What came into the store: its bytes; how many blobs were there before."""

    size: int
    there: int


def bring(
    wanted: Iterable[tuple[Descriptor, Source]], *, store: Store, title: str, sink: Sink = events.silent
) -> Brought:
    """Bring blobs into the store that it lacks, each from its source and once, several at a time.

    Raises `TransferFailed` for bytes that have another digest than they were named by.
    """
    unique = {blob.digest: (blob, source) for blob, source in wanted}
    missing = [(blob, source) for blob, source in unique.values() if not store.keep(blob)]
    size = sum(blob.size for blob, _ in missing)
    with events.task(sink, title, title, total=size) as count:
        counter = _Counter(count)

        def one(item: tuple[Descriptor, Source]) -> None:
            blob, source = item
            with source.blob(blob) as content:
                store.put(content, blob.digest, size=blob.size, progress=counter)

        _each(missing, one, counter)
    return Brought(size, len(unique) - len(missing))


def send(
    store: Store,
    root: Descriptor,
    repository: Repository,
    *,
    tag: str,
    mounts: Mapping[Digest, str],
    sink: Sink = events.silent,
) -> Transferred:
    """Bring an image out of the store into a repository, under `tag` (its digest, if that is empty).

    `mounts` says which other repository of the registry may have a blob.
    """
    tree = walk(root, store.get(root), read=store.get)
    uploaded = there = mounted = 0
    title = f"push {repository.name}"
    with events.task(sink, title, title, total=tree.size) as count:
        counter = _Counter(count)

        def bring(blob: Descriptor) -> tuple[Sent, int]:
            @contextlib.contextmanager
            def content(offset: int) -> Iterator[Bytes]:
                with store.open(blob.digest) as file:
                    file.seek(offset)
                    yield file

            return repository.put_blob(blob, content, mount=mounts.get(blob.digest, ""), progress=counter), blob.size

        for how, size in _each(tree.blobs, bring, counter):
            uploaded += size if how is Sent.UPLOADED else 0
            there += how is Sent.THERE
            mounted += how is Sent.MOUNTED
    for descriptor, document in tree.documents:
        is_root = descriptor.digest == root.digest
        repository.put_document(descriptor, document, tag=tag if is_root else "")
    return Transferred(tree.root, uploaded, there, mounted)


class _Counter:
    """Counts bytes of several threads, and stops them all when one of them failed."""

    def __init__(self, count: Callable[[int], None]) -> None:
        self._count = count
        self._lock = threading.Lock()
        self._stopped = False

    def __call__(self, size: int) -> None:
        with self._lock:
            if self._stopped:
                raise Cancelled("another part of the transfer failed")
            self._count(size)

    def stop(self) -> None:
        """Let every thread end at its next piece."""
        self._stopped = True


def _each(items: Iterable[_I], work: Callable[[_I], _T], counter: _Counter) -> list[_T]:
    """What `work` gives for each item, `AT_ONCE` of them at a time; the first failure ends all."""
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="transfer") as pool:
        futures = [pool.submit(work, item) for item in items]
        try:
            return [future.result() for future in as_completed(futures)]
        except BaseException:
            counter.stop()
            for future in futures:
                future.cancel()
            raise
