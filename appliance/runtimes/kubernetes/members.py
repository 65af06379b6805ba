"""Which hosts of a site are control planes and which are workers, and under which addresses they are known. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.errors import RecipeError

if TYPE_CHECKING:
    from appliance.plan.runtime import Site, SiteHost

CONTROL_PLANE = "control-plane"
WORKER = "worker"
API_PORT = 6443


@dataclass(frozen=True, slots=True)
class Members:
    """The nodes of a cluster, in the Clusterfile's order.

    `eldest` is the control plane that the others join: the first one, where the cluster begins; or, where that machine
    was lost and is made anew, one of those that kept the cluster up meanwhile.
    """

    control_planes: tuple[SiteHost, ...]
    workers: tuple[SiteHost, ...]
    eldest: SiteHost

    @property
    def first(self) -> SiteHost:
        """The control plane on which the cluster's own affairs are done once all have joined."""
        return self.control_planes[0]

    @property
    def all(self) -> tuple[SiteHost, ...]:
        """Every node."""
        return self.control_planes + self.workers


def members(site: Site) -> Members:
    """The site's nodes. `RecipeError` when a host is neither control plane nor worker, or both, or none begins."""
    where = "spec.hosts"
    for host in site.hosts:
        roles = {CONTROL_PLANE, WORKER} & set(host.host.roles)
        if len(roles) != 1:
            which = "both a control plane and a worker" if roles else "neither a control plane nor a worker"
            hint = f"give it one of the roles {CONTROL_PLANE} and {WORKER}"
            if roles:
                hint += f"; where no host is a {WORKER}, control planes run what workers would"
            raise RecipeError(f"{host.name} is {which}", where=where, hint=hint)
    control_planes = site.with_role(CONTROL_PLANE)
    if not control_planes:
        raise RecipeError("no host is a control plane", where=where, hint=f"give one the role {CONTROL_PLANE}")
    first, *others = control_planes
    governing = [] if _governs(site, first) else [host for host in others if _governs(site, host)]
    return Members(control_planes, site.with_role(WORKER), eldest=(governing or [first])[0])


def _governs(site: Site, host: SiteHost) -> bool:
    """Whether a host was seen to be a control plane of the cluster, with an API server that listens."""
    return belongs(site, host) and API_PORT in host.facts.listening_ports


def belongs(site: Site, host: SiteHost) -> bool:
    """Whether an installation of the cluster was begun on this machine."""
    return host.stamp is not None and host.stamp.cluster == site.cluster


def address(host: SiteHost) -> str:
    """The address under which other nodes reach a host; that of this machine is the first that it has.

    `RecipeError` when it has none.
    """
    if host.host.address:
        return host.host.address
    if not host.facts.addresses:
        raise RecipeError("this machine has no address but its own", where=host.name, hint="connect it to a network")
    return host.facts.addresses[0]


def place(host: SiteHost, port: int) -> str:
    """``ADDRESS:PORT`` of a host, as a URL has it."""
    found = address(host)
    return f"[{found}]:{port}" if ":" in found else f"{found}:{port}"
