"""Collects container images into the store, as their publishers made them: documents and blobs bit by bit, in parallel.

Each reference is looked for place by place, for each platform, until it is found; then the blobs that the store lacks
come from where it was found. What fails is told with the image's name and why it is wanted.
"""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance import events
from appliance.errors import ApplianceError, BundleError, RecipeError, TransportError
from appliance.image import oci, transfer
from appliance.image.carried import Carried
from appliance.image.choosing import Choice
from appliance.image.oci import INDEXES, MANIFESTS
from appliance.image.records import ImageRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from appliance.events import Sink
    from appliance.files import Source as Bytes
    from appliance.image.carried import Wanted
    from appliance.image.oci import Descriptor, Platform
    from appliance.image.places import Found, Place
    from appliance.image.sources import Source
    from appliance.image.store import Store

_ASKED_AT_ONCE = 8
_HINT = "put its OCI layout or docker save archive into images/, or leave it out: .imageignore, --no-images"


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is carried for one reference and platform: the manifest, the index it is from, the config's record of it."""

    carried: Carried
    record: ImageRecord
    index: Descriptor | None


@dataclass(frozen=True, slots=True)
class _Resolved:
    """A choice, and where its blobs come from."""

    chosen: Chosen
    blobs: tuple[Descriptor, ...]
    source: Source


def collect(
    wanted: Sequence[Wanted], platform: Platform, places: Sequence[Place], *, store: Store, sink: Sink = events.silent
) -> tuple[Chosen, ...]:
    """Bring what is wanted for a platform into the store, each from the first of `places` that has it.

    Raises `RecipeError` for an image that no place has, or not for the platform; `TransportError` where a place could
    not be asked, or what it gave has another digest. What is in the store then is whole, and is not fetched again.
    """
    if not wanted:
        return ()
    resolved = _resolve(wanted, platform, places, store, sink)
    blobs = ((blob, one.source) for one in resolved for blob in one.blobs)
    transfer.bring(blobs, store=store, title=f"collect container images for {platform}", sink=sink)
    return tuple(one.chosen for one in resolved)


def _resolve(
    wanted: Sequence[Wanted], platform: Platform, places: Sequence[Place], store: Store, sink: Sink
) -> list[_Resolved]:
    failed: list[tuple[Wanted, ApplianceError]] = []

    def one(image: Wanted) -> _Resolved | None:
        try:
            return _search(image, platform, places, store)
        except (TransportError, BundleError, RecipeError) as error:
            failed.append((image, error))
            return None

    found: list[_Resolved] = []
    title = f"look {len(wanted)} container images up for {platform}"
    with (
        events.task(sink, title, title, total=len(wanted), unit="images") as count,
        ThreadPoolExecutor(_ASKED_AT_ONCE, thread_name_prefix="find") as pool,
    ):
        for resolved in pool.map(one, wanted):
            found += [resolved] if resolved else []
            count(1)
        if failed:
            first, *others = sorted(failed, key=lambda pair: str(pair[0].reference))
            raise _refusal(*first, others=others)
    return found


def _search(wanted: Wanted, platform: Platform, places: Sequence[Place], store: Store) -> _Resolved:
    """Look for an image place by place."""
    offered: dict[str, None] = {}
    try:
        for place in places:
            if found := place.find(wanted.reference):
                choice = Choice(found.root, found.data, _reader(found, store))
                if manifest := choice.manifest(platform):
                    return _resolved(found, manifest, wanted, platform, store)
                offered |= dict.fromkeys(choice.platforms())
    except (TransportError, RecipeError) as error:
        if not offered:
            raise
        raise _elsewhere(platform, offered, f", and elsewhere: {error.message}") from error
    raise _elsewhere(platform, offered, "") if offered else RecipeError("it was found nowhere")


def _elsewhere(platform: Platform, offered: Iterable[str], more: str) -> RecipeError:
    """The error for an image that is there, but not for the platform."""
    return RecipeError(f"it is there for {', '.join(sorted(offered))}, not for {platform}{more}")


def _reader(found: Found, store: Store) -> Callable[[Descriptor], bytes]:
    """Reads an image's documents and configs, out of the store where it has them."""

    def read(wanted: Descriptor) -> bytes:
        if not store.keep(wanted):
            if wanted.media_type in (*INDEXES, *MANIFESTS):
                return found.source.document(wanted)
            with found.source.blob(wanted) as content:
                store.put(content, wanted.digest, size=wanted.size)
        return store.get(wanted)

    return read


def _resolved(found: Found, manifest: Descriptor, wanted: Wanted, platform: Platform, store: Store) -> _Resolved:
    is_chosen = manifest.digest != found.root.digest
    data = _reader(found, store)(manifest) if is_chosen else found.data
    store.put_document(data, manifest.media_type)
    index = store.put_document(found.data, found.root.media_type) if is_chosen else None
    carried = Carried(wanted.reference, platform, manifest, index.digest if index else None)
    record = ImageRecord(str(wanted.reference), manifest.digest, wanted.why, carried.index, found.origin)
    blobs = oci.children(manifest.media_type, data)
    return _Resolved(Chosen(carried, record, index), blobs, _Told(found.source, wanted))


@dataclass(frozen=True, slots=True)
class _Told:
    """A source whose failures name the image that they concern."""

    source: Source
    wanted: Wanted

    def document(self, descriptor: Descriptor) -> bytes:
        """See `Source.document`."""
        return self.source.document(descriptor)

    @contextlib.contextmanager
    def blob(self, descriptor: Descriptor) -> Iterator[Bytes]:
        """See `Source.blob`."""
        try:
            with self.source.blob(descriptor) as content:
                yield content
        except (TransportError, BundleError, RecipeError) as error:
            raise _refusal(self.wanted, error) from error


def _refusal(
    wanted: Wanted, error: ApplianceError, *, others: Sequence[tuple[Wanted, ApplianceError]] = ()
) -> ApplianceError:
    """The error for an image that cannot be had, at the first place that wants it, with how many more there are."""
    at = f" ({error.where})" if error.where else ""
    names = [image.reference.familiar for image, _ in others if image is not wanted]
    more = f"; {len(names)} more cannot be had: {', '.join(sorted(names)[:5])}" if names else ""
    message = f"container image {wanted.reference.familiar} cannot be had: {error.message}{at}{more}"
    kind = type(error) if isinstance(error, TransportError) else RecipeError
    return kind(
        message, where=wanted.why[0] if wanted.why else "", hint=f"{error.hint}; or {_HINT}" if error.hint else _HINT
    )
