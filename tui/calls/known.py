"""Clusters that are there: applied from here, or described in a Clusterfile that came from elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance import state
from appliance.operations import sites
from tui.calls import description
from tui.calls.hosts import with_keys
from tui.changes import with_cluster

if TYPE_CHECKING:
    from pathlib import Path

    from appliance.recipe.clusterfile import Cluster
    from appliance.state import ClusterDir
    from tui.engine import Engine
    from tui.session import Session


@dataclass(frozen=True, slots=True)
class Installed:
    """A cluster: of which product, in which version (empty: not wholly installed), on how many hosts.

    `image` is what its Clusterfile names, `applications` those of others that were added, as ``NAME:VERSION``.
    """

    name: str
    product: str
    version: str
    hosts: int
    image: str
    applications: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Offer:
    """With what one can go on: a description that was begun, and `clusters` that were applied from here."""

    draft: Session | None
    clusters: tuple[Installed, ...]


def installed(engine: Engine) -> tuple[Installed, ...]:
    """Clusters to which something was applied from here, as they were then."""
    found = (engine.folder(name) for name in engine.home.clusters())
    return tuple(_installed(engine, folder) for folder in found if folder.clusterfile.exists())


def installed_as(engine: Engine, name: str) -> Installed:
    """The cluster called `name`, as it was applied last."""
    return _installed(engine, engine.folder(name))


def to_go_on_with(engine: Engine, session: Session) -> Offer:
    """What was described for the delivery, and the clusters of its product."""
    draft = description.draft(engine, session)
    found = [each for each in installed(engine) if session.spec.name == each.product or each.image == _image(session)]
    return Offer(draft, tuple(each for each in found if draft is None or each.name != draft.written.name))


def _image(session: Session) -> str:
    return session.delivery.image if session.delivery else ""


def onto(engine: Engine, session: Session, name: str) -> Session:
    """`session` about the cluster called `name`, as it was applied last."""
    return with_keys(engine, with_cluster(session, _applied(engine, engine.folder(name))))


def onto_described(engine: Engine, session: Session, path: Path) -> tuple[Session, tuple[str, ...]]:
    """`session` about the cluster that the Clusterfile at `path` describes, and warnings.

    Raises `RecipeError` when it is none.
    """
    read = sites.read_clusterfile(engine.home, path)
    return with_keys(engine, with_cluster(session, read.cluster)), read.warnings


def _applied(engine: Engine, folder: ClusterDir) -> Cluster:
    return sites.read_clusterfile(engine.home, folder.clusterfile).cluster


def _installed(engine: Engine, folder: ClusterDir) -> Installed:
    cluster, kept = _applied(engine, folder), state.read_state(folder.state)
    named, _, version = cluster.image.partition(":")
    product, version = (kept.bundle, kept.version) if kept else ("" if named == "sha256" else named, version)
    hosts = sum(len(group.addresses) for group in cluster.hosts)
    return Installed(
        folder.name, product, version if kept else "", hosts, cluster.image, tuple(a.image for a in cluster.apps)
    )
