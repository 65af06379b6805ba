"""Images between the local store and registries, and who we are there."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from appliance import events
from appliance.clock import Clock, SystemClock
from appliance.digest import Digest
from appliance.errors import AuthRefused, RecipeError, TransportError
from appliance.image import oci, transfer
from appliance.image.oci import Descriptor
from appliance.image.places import Found
from appliance.image.registry.credentials import Credential, DockerConfig
from appliance.image.registry.repository import Repository
from appliance.image.registry.session import Access, Session
from appliance.image.store import Store
from appliance.operations.images import check_cluster_image

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from appliance.events import Sink
    from appliance.image.oci import Platform
    from appliance.image.reference import Reference
    from appliance.image.registry.mirrors import Mirror


@dataclass(frozen=True, slots=True)
class Registries:
    """How registries are reached, and who we are at each: Docker's configuration in the folder `config`.

    `mirrors` are asked before the registries that they stand for.
    """

    config: Path
    access: Access = dataclasses.field(default_factory=Access)
    clock: Clock = dataclasses.field(default_factory=SystemClock)
    mirrors: tuple[Mirror, ...] = ()

    def session(self, registry: str, *, plain_http: bool = False) -> Session:
        """A session with one registry."""
        credential = DockerConfig(self.config).find(registry)
        access = dataclasses.replace(self.access, plain_http=True) if plain_http else self.access
        return Session(registry, access, credential=credential, clock=self.clock)


class Upstream:
    """Registries, each behind its mirrors, as a place where images are looked for; closes its sessions when left."""

    def __init__(self, registries: Registries) -> None:
        self._registries = registries
        self._open = contextlib.ExitStack()
        self._sessions: dict[tuple[str, bool], Session] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._open.close()

    def find(self, reference: Reference) -> Found:
        """What the reference means at a mirror, else at its registry.

        Raises `RecipeError` when that has no such image, `TransportError` when it cannot be asked.
        """
        said = []
        for mirror in self._registries.mirrors:
            if mirror.registry == reference.registry:
                try:
                    name = f"{mirror.prefix}{reference.repository}"
                    return self._find(mirror.host, name, reference, plain_http=mirror.plain_http)
                except (RecipeError, TransportError) as error:
                    said.append(f"{mirror.host}: {error.message}")
        try:
            return self._find(reference.registry, reference.repository, reference)
        except (RecipeError, TransportError) as error:
            more = f"; its mirrors neither: {'; '.join(said)}" if said else ""
            raise type(error)(f"{error.message}{more}", where=error.where, hint=error.hint) from error

    def _find(self, host: str, name: str, reference: Reference, *, plain_http: bool = False) -> Found:
        repository = Repository(self._session(host, plain_http=plain_http), name)
        root, data = repository.find(reference)
        return Found(root, data, repository)

    def _session(self, host: str, *, plain_http: bool) -> Session:
        with self._lock:
            key = (host, plain_http)
            if key not in self._sessions:
                session = self._registries.session(host, plain_http=plain_http)
                self._sessions[key] = self._open.enter_context(session)
            return self._sessions[key]


@dataclass(frozen=True, slots=True)
class Moved:
    """An image that was pushed or pulled: bytes that went over the line, blobs that were there or mounted."""

    reference: Reference
    digest: Digest
    size: int
    there: int
    mounted: int


def login(registry: str, credential: Credential, registries: Registries) -> str:
    """Try a credential, and remember it if the registry takes it; where it is kept. Raises `AuthRefused`."""
    with Session(registry, registries.access, credential=credential, clock=registries.clock) as session:
        answer = session.ask("GET", "/v2/")
        if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise AuthRefused(
                f"the registry refuses user {credential.username!r}", where=registry, hint="look at name and password"
            )
        if answer.status != HTTPStatus.OK:
            raise session.refusal(answer, "answer as one")
    return DockerConfig(registries.config).put(registry, credential)


def logout(registry: str, registries: Registries) -> bool:
    """Forget what is known of us at a registry; whether there was anything."""
    return DockerConfig(registries.config).remove(registry)


def push(store: Path, reference: Reference, registries: Registries, *, sink: Sink = events.silent) -> Moved:
    """Bring an image of the store to the registry that its name says."""
    if reference.digest:
        raise RecipeError(f"{reference} is a digest, which cannot be pushed to", hint="name a tag")
    images = Store(store)
    root = images.resolve(reference)
    with registries.session(reference.registry) as session:
        repository = Repository(session, reference.repository, writing=True)
        done = transfer.send(images, root, repository, tag=reference.tag, mounts=_mounts(images, reference), sink=sink)
    return Moved(reference, root.digest, done.size, done.there, done.mounted)


def pull(
    store: Path,
    reference: Reference,
    registries: Registries,
    *,
    platforms: Collection[Platform] = (),
    sink: Sink = events.silent,
) -> Moved:
    """Bring a cluster image into the store, all of it, or its `platforms` only (then its digest is another one).

    A digest gets the tag ``sha256-…``, so that `prune` leaves it alone.
    """
    images = Store(store)
    with Upstream(registries) as upstream:
        there = upstream.find(reference)
        found, data = there.root, there.data
        check_cluster_image(found, data, name=reference.familiar)
        if platforms:
            data = oci.filter_platforms(oci.index_from_json(data), platforms)
            found = Descriptor(found.media_type, Digest.of(data), len(data))
        done = transfer.fetch(there.source, found, data, store=images, title=f"pull {reference.familiar}", sink=sink)
    name = dataclasses.replace(reference, tag=reference.tag or f"sha256-{found.digest.hex}", digest=None)
    images.tag(name, found)
    return Moved(name, found.digest, done.size, done.there, done.mounted)


def _mounts(store: Store, target: Reference) -> dict[Digest, str]:
    """Which blob lies in which other repository of the same registry, as far as the store's names tell."""
    found: dict[Digest, str] = {}
    for name, root in store.list():
        if name.registry == target.registry and name.repository != target.repository:
            tree = transfer.walk(root, store.get(root), read=store.get)
            found |= {blob.digest: name.repository for blob in tree.blobs}
    return found
