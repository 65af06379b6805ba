"""Images between the local store and registries, and who we are there."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from appliance import events
from appliance.clock import Clock, SystemClock
from appliance.digest import Digest
from appliance.errors import AuthRefused, RecipeError
from appliance.image import oci, transfer
from appliance.image.oci import Descriptor
from appliance.image.registry.credentials import Credential, DockerConfig
from appliance.image.registry.repository import Repository
from appliance.image.registry.session import Access, Session
from appliance.image.store import Store
from appliance.operations.images import check_cluster_image

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from appliance.events import Sink
    from appliance.image.oci import Platform
    from appliance.image.reference import Reference


@dataclass(frozen=True, slots=True)
class Registries:
    """How registries are reached, and who we are at each: Docker's configuration in the folder `config`."""

    config: Path
    access: Access = dataclasses.field(default_factory=Access)
    clock: Clock = dataclasses.field(default_factory=SystemClock)

    def session(self, registry: str) -> Session:
        """A session with one registry."""
        credential = DockerConfig(self.config).find(registry)
        return Session(registry, self.access, credential=credential, clock=self.clock)


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
    with registries.session(reference.registry) as session:
        repository = Repository(session, reference.repository)
        found, data = repository.find(reference)
        check_cluster_image(found, data, name=reference.familiar)
        if platforms:
            data = oci.filter_platforms(oci.index_from_json(data), platforms)
            found = Descriptor(found.media_type, Digest.of(data), len(data))
        done = transfer.fetch(repository, found, data, store=images, title=f"pull {reference.familiar}", sink=sink)
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
