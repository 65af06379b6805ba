"""The seam of runtimes: a `Site` goes in, stages come out. Data in, data out.

A runtime knows how to make hosts run what an image holds (as systemd services, as Kubernetes …). It is found by the
entry point group ``appliance.runtimes`` under the name that ``bundle.yaml`` gives in ``runtime.type``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from appliance.recipe.networking import Network, Registry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from appliance.digest import Digest
    from appliance.image.blobs import Blob, LayerBlob
    from appliance.image.oci import ImageConfig
    from appliance.inventory.appstamp import AppStamp
    from appliance.inventory.facts import Facts, NodeStamp, Receipt
    from appliance.inventory.hosts import Host
    from appliance.plan.steps import Stage
    from appliance.recipe.documents import PassedDocument
    from appliance.recipe.requirements import Requirement
    from appliance.transport.base import Command
    from appliance.trust.issue import Usage


@dataclass(frozen=True, slots=True)
class Token:
    """A random text of `length` hexadecimal digits, kept as secret `name`."""

    name: str
    length: int = 32


@dataclass(frozen=True, slots=True)
class Password:
    """A random password of `length` letters and digits, kept as secret `name`."""

    name: str
    length: int = 24


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority: secret ``NAME.key``, public part ``NAME.crt``."""

    name: str


@dataclass(frozen=True, slots=True)
class Leaf:
    """A certificate from `authority`: secret ``NAME.key``, public part ``NAME.crt``; `sans` are addresses and names."""

    name: str
    authority: str
    common_name: str
    sans: tuple[str, ...]
    usages: frozenset[Usage]


@dataclass(frozen=True, slots=True)
class SshKey:
    """An SSH key pair: secret ``NAME``, public part ``NAME.pub``."""

    name: str


@dataclass(frozen=True, slots=True)
class RsaKey:
    """An RSA key pair: secret ``NAME.key``, public part ``NAME.pub``, both PEM."""

    name: str


@dataclass(frozen=True, slots=True)
class BootstrapToken:
    """What lets a machine into a Kubernetes cluster once, kept as secret `name`: 6 characters, a dot, 16 characters."""

    name: str


SecretRequest = Token | Password | Authority | Leaf | SshKey | RsaKey | BootstrapToken


@dataclass(frozen=True, slots=True)
class TextFile:
    """A text of the image, at most 1 MiB, with the mode that its layer gives it."""

    path: str
    text: str
    mode: int = 0o644


@dataclass(frozen=True, slots=True)
class HostRuntime:
    """The Python for one architecture that works on a host: `digest` of its tar, sizes in bytes."""

    architecture: str
    digest: Digest
    size: int
    unpacked_bytes: int


@dataclass(frozen=True, slots=True)
class SwarmPart:
    """What hosts of one architecture swarm with, besides their Python: a layer, and its bytes when unpacked."""

    layer: LayerBlob
    unpacked_bytes: int


@dataclass(frozen=True, slots=True)
class CarriedImage:
    """A container image that travels: the reference that it answers to (whole, as ``docker.io/library/redis:7``).

    `manifest` is its manifest for this architecture, with its `media_type`; `blobs` are its config and layers. `index`
    is the multi-platform index that it was chosen from, with its media type, if there is one: the reference's tag means
    that.
    """

    reference: str
    manifest: Blob
    media_type: str
    blobs: tuple[Blob, ...]
    index: Blob | None = None
    index_media_type: str = ""


@dataclass(frozen=True, slots=True)
class ImagePart:
    """What hosts of one architecture take of an image; `programs` are the paths of what lies in its ``bin/``.

    `swarm` is there when they shall swarm.
    """

    architecture: str
    layers: tuple[LayerBlob, ...]
    texts: tuple[TextFile, ...]
    runtime: HostRuntime
    carried: tuple[CarriedImage, ...] = ()
    programs: frozenset[str] = frozenset()
    swarm: SwarmPart | None = None


@dataclass(frozen=True, slots=True)
class SiteHost:
    """A host with what was found on it."""

    host: Host
    facts: Facts

    @property
    def name(self) -> str:
        """The host's name in the cluster."""
        return self.host.name

    @property
    def stamp(self) -> NodeStamp | None:
        """The stamp found on it, if that is this machine's own and not one that was cloned with its disk."""
        stamp = self.facts.stamp
        return stamp if stamp and stamp.machine_id == self.facts.machine_id else None


@dataclass(frozen=True, slots=True)
class Site:
    """Everything that a runtime may know. No connection, no secret values, no bundle.

    `network`, `registry`, `aliases` (address and names) and `documents` are what the Clusterfile says.
    """

    cluster: str
    image: Digest
    config: ImageConfig
    parts: Mapping[str, ImagePart]
    hosts: tuple[SiteHost, ...]
    parameters: Mapping[str, object] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: frozenset[str] = frozenset()
    public: Mapping[str, str] = field(default_factory=dict)
    network: Network = field(default_factory=Network)
    registry: Registry = field(default_factory=Registry)
    aliases: tuple[tuple[str, tuple[str, ...]], ...] = ()
    documents: tuple[PassedDocument, ...] = ()

    def with_role(self, role: str) -> tuple[SiteHost, ...]:
        """The hosts of a role, in the Clusterfile's order; every host has the role ``all``."""
        return tuple(host for host in self.hosts if role == "all" or role in host.host.roles)


class Runtime(Protocol):
    """What every runtime can do. Pure: the same site gives the same answer."""

    def requirements(self, config: ImageConfig) -> tuple[Requirement, ...]:
        """What it asks of hosts, besides what the image's own requirements say."""
        ...

    def secrets(self, site: Site) -> tuple[SecretRequest, ...]:
        """The secrets that must exist before `install`; kept from run to run under their names."""
        ...

    def install(self, site: Site) -> tuple[Stage, ...]:
        """The stages that make the site what the image says, from nothing; guards say what already holds.

        Raises `PlanError` or `RecipeError` when the site cannot be made so.
        """
        ...

    def receipt(self, site: Site, host: SiteHost) -> Receipt:
        """The units and trees that `install` may leave on `host`, in the order in which they come to be.

        The planner adds the files that the stages write and its own trees, and puts all into the host's stamp before
        anything else is written.
        """
        ...

    def remove(self, site: Site) -> tuple[Stage, ...]:
        """The stages that take off the hosts what the receipts of their stamps list, and at last the stamps."""
        ...


@runtime_checkable
class TakesApplications(Protocol):
    """What a runtime can do to whose clusters bundles of kind App are added. Pure, as `Runtime` is."""

    def add(self, site: Site) -> tuple[Stage, ...]:
        """The stages that bring the application that `site`'s image is to the cluster that its hosts are.

        Raises `PlanError` or `RecipeError` when it cannot be brought there.
        """
        ...

    def take_away(self, site: Site, application: AppStamp) -> tuple[Stage, ...]:
        """The stages that take an application, as its own stamp describes it, from the cluster again."""
        ...

    def is_well(self, stamp: NodeStamp, application: AppStamp) -> Command:
        """What to run on the host with both stamps: status 0 says that all that the application launched is well."""
        ...


@runtime_checkable
class MakesNetworks(Protocol):
    """What a runtime has besides whose clusters have networks of their own, which ``spec.network`` of a site sets."""

    def networks(self) -> tuple[str, ...]:
        """The names there that it heeds."""
        ...


@dataclass(frozen=True, slots=True)
class NodeView:
    """A node as its cluster sees it; `why` says what is wrong with one that is not `ready`."""

    name: str
    version: str
    ready: bool
    why: str = ""


@dataclass(frozen=True, slots=True)
class ClusterView:
    """A cluster as it sees itself: its nodes, `pods` that are not well with why, or the `problem` of asking it."""

    nodes: tuple[NodeView, ...] = ()
    pods: tuple[tuple[str, str], ...] = ()
    problem: str = ""

    @property
    def well(self) -> bool:
        """Whether it answers and all of its nodes are ready; pods are its users' affair."""
        return not self.problem and all(node.ready for node in self.nodes)


@runtime_checkable
class TellsOfClusters(Protocol):
    """What a runtime has besides whose clusters can be asked how they are."""

    def question(self, stamp: NodeStamp) -> Command | None:
        """What to run on a host with `stamp`; None where the cluster cannot be asked."""
        ...

    def view(self, output: str) -> ClusterView:
        """What the answer says."""
        ...


@runtime_checkable
class NeedsRoom(Protocol):
    """What a runtime has besides when hosts receive more of it than the image and its programs."""

    def room(self, site: Site, host: SiteHost) -> Mapping[str, int]:
        """Bytes by folder that `install` writes on `host` besides those; asked before the secrets are made."""
        ...
