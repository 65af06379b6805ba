"""The plug-in: a site whose image holds Kubernetes becomes stages that make a cluster of its hosts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.digest import Digest
from appliance.inventory.facts import Receipt
from appliance.plan import footprint
from appliance.plan.planner import needs
from appliance.plan.steps import Stage, Step
from appliance.recipe.requirements import Requirement, RequirementKind
from appliance.runtimes.kubernetes import (
    addition,
    applications,
    configuration,
    containerd,
    etcd,
    joining,
    kubelet,
    leaving,
    machine,
    nodes,
    podnetwork,
    renewal,
    secrets,
    telling,
)
from appliance.runtimes.kubernetes.members import API_PORT, members, place
from appliance.runtimes.kubernetes.needs import requirements
from appliance.runtimes.parts import declaredsecrets, hostnames, loadbalancer, registry, unitcommands
from appliance.runtimes.parts.healthchecks import check_step
from appliance.runtimes.parts.services import write

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from appliance.image.oci import ImageConfig
    from appliance.inventory.appstamp import AppStamp
    from appliance.inventory.facts import NodeStamp
    from appliance.plan.runtime import ClusterView, SecretRequest, Site, SiteHost
    from appliance.runtimes.parts.services import Service
    from appliance.transport.base import Command


@dataclass(frozen=True, slots=True)
class KubernetesRuntime:
    """See `appliance.plan.runtime.Runtime`."""

    def requirements(self, config: ImageConfig) -> tuple[Requirement, ...]:
        """What Kubernetes asks of hosts, and the balancer's ports."""
        ports = (str(loadbalancer.PORT), str(loadbalancer.REGISTRY_PORT))
        return (Requirement(RequirementKind.PORTS, names=ports), *requirements(config.spec.runtime_version))

    def secrets(self, site: Site) -> tuple[SecretRequest, ...]:
        """Those of the cluster, of its registry, and what ``bundle.yaml`` declares under ``secrets``."""
        return (*secrets.requests(site), *registry.requests(site), *declaredsecrets.requests(site))

    def room(self, site: Site, host: SiteHost) -> Mapping[str, int]:
        """See `appliance.plan.runtime.NeedsRoom`: images in the registry, and as containerd has them."""
        return {**registry.room(site, host), **containerd.room(site, host)}

    def install(self, site: Site) -> tuple[Stage, ...]:
        """Machines, registry, etcd; then the first control plane, the others, the workers; at last what runs there."""
        configuration.check(site)
        stages = (*applications.before(site), *_grounds(site), *_cluster(site), *_running(site))
        return tuple(stage for stage in stages if stage.steps)

    def receipt(self, site: Site, host: SiteHost) -> Receipt:
        """Units in the order in which they come up, and the folders that containers and kubelet fill."""
        governs = host in members(site).control_planes
        units = (
            containerd.UNIT,
            *registry.units(site, host),
            *((etcd.UNIT,) * governs),
            loadbalancer.UNIT,
            kubelet.UNIT,
        )
        return Receipt(units=units, trees=(*leaving.TREES, *((etcd.DATA,) * governs)))

    def networks(self) -> tuple[str, ...]:
        """See `appliance.plan.runtime.MakesNetworks`."""
        return ("podSubnet", "serviceSubnet", "controlPlaneEndpoint", "vip")

    def add(self, site: Site) -> tuple[Stage, ...]:
        """See `appliance.plan.runtime.TakesApplications`."""
        return addition.add(site)

    def take_away(self, site: Site, application: AppStamp) -> tuple[Stage, ...]:
        """See `appliance.plan.runtime.TakesApplications`."""
        return addition.take_away(site, application)

    def is_well(self, stamp: NodeStamp, application: AppStamp) -> Command:
        """See `appliance.plan.runtime.TakesApplications`."""
        return addition.is_well(stamp, application)

    def question(self, stamp: NodeStamp) -> Command | None:
        """See `appliance.plan.runtime.TellsOfClusters`."""
        return telling.question(stamp)

    def view(self, output: str) -> ClusterView:
        """See `appliance.plan.runtime.TellsOfClusters`."""
        return telling.view(output)

    def remove(self, site: Site) -> tuple[Stage, ...]:
        """Stop pods, leave the cluster, stop services, delete files and put back what was, delete trees and stamp."""
        stamped = [(host.name, host.stamp) for host in site.hosts if host.stamp and host.stamp.cluster == site.cluster]
        stages = (
            _destructive("Leave the cluster", (_leave(name, stamp) for name, stamp in stamped)),
            _destructive("Stop services", (_stop(name, stamp) for name, stamp in stamped)),
            _destructive("Delete files", (_delete(name, stamp) for name, stamp in stamped)),
            _destructive("Delete programs and data", (iter(footprint.clear(name, stamp)) for name, stamp in stamped)),
        )
        return tuple(stage for stage in stages if stage.steps)


def _grounds(site: Site) -> Iterator[Stage]:
    """What must be there before kubeadm."""
    programs = _programs(site)
    cluster = members(site)
    yield _stage(site, "Prepare the machines", (machine.prepare(site, host, programs) for host in site.hosts))
    yield from registry.stages(site)
    yield _stage(site, "Configure the nodes", (_configure(site, host) for host in site.hosts))
    yield _stage(site, "Start etcd", (_start_etcd(site, host) for host in cluster.control_planes), at_once=1)
    yield _stage(site, "Start containers", (_start(site, host) for host in site.hosts))
    waiting = ((etcd.service(site, host, programs).active(host.name),) for host in cluster.control_planes)
    yield _stage(site, "Wait for etcd", waiting)
    renewing = ((renewal.renew(site, host, programs),) for host in cluster.control_planes)
    yield _stage(site, "Renew certificates", renewing, at_once=1)


def _cluster(site: Site) -> Iterator[Stage]:
    """What makes nodes of machines. Pods have their network before others join, unless the cluster stands already."""
    programs = _programs(site)
    cluster = members(site)
    others = [host for host in cluster.control_planes if host is not cluster.eldest]
    network = _stage(site, "Apply the network of pods", [podnetwork.apply(site, programs)])
    begins = cluster.eldest is cluster.first
    if begins:
        yield _stage(site, f"Begin the cluster on {cluster.first.name}", [joining.begin(site, programs)])
        yield network
    if others or cluster.workers:
        yield _stage(site, "Admit the other nodes", [(joining.admit(site, programs),)])
    yield _stage(site, "Join control planes", (joining.join(site, host, programs) for host in others), at_once=1)
    if not begins:
        yield network
    yield _stage(site, "Join workers", (joining.join(site, host, programs) for host in cluster.workers))


def _running(site: Site) -> Iterator[Stage]:
    """What is done once all nodes have joined. Where pods have their network already, applications find ready nodes."""
    programs = _programs(site)
    cluster = members(site)
    yield _stage(site, "Label nodes", [nodes.label(site, programs)])
    yield _stage(site, "Fetch the kubeconfig", [nodes.way_in(site)])
    ready = _stage(site, "Wait for nodes", ((nodes.ready(host, programs),) for host in cluster.all))
    launched = applications.stages(site, cluster.first)
    yield from (ready, *launched) if podnetwork.apply(site, programs) else (*launched, ready)
    yield _stage(site, "Check the cluster", (_checks(site, host) for host in site.hosts))


def _checks(site: Site, host: SiteHost) -> Iterator[Step]:
    """The checks of ``bundle.yaml`` for the roles of `host`; one without roles is for every host."""
    for check in site.config.spec.health:
        if not check.roles or {"all", *host.host.roles}.intersection(check.roles):
            yield check_step(site, host, check)


def _programs(site: Site) -> str:
    return footprint.programs(site.cluster, site.image)


def _stage(site: Site, title: str, lanes: Iterable[Iterable[Step]], *, at_once: int = 0) -> Stage:
    return Stage(title, tuple(step for lane in lanes for step in lane), needs(site), at_once=at_once)


def _destructive(title: str, lanes: Iterable[Iterable[Step]]) -> Stage:
    return Stage(title, tuple(step for lane in lanes for step in lane), needs=(), destructive=True)


def _services(site: Site, host: SiteHost) -> tuple[Service, ...]:
    """The services of every node, in the order in which they start."""
    programs = _programs(site)
    servers = {each.name: place(each, API_PORT) for each in members(site).control_planes}
    return (
        containerd.service(site, host, programs),
        loadbalancer.service(site.cluster, programs, servers, registries=registry.servers(site, host)),
        kubelet.service(site, programs),
    )


def _configure(site: Site, host: SiteHost) -> Iterator[Step]:
    yield write(host.name, containerd.crictl())
    yield from registry.client_steps(site, host)
    for service in _services(site, host):
        yield from service.configure(host.name)
    if host in members(site).control_planes:
        yield from etcd.service(site, host, _programs(site)).configure(host.name)
        yield from (write(host.name, text) for text in secrets.control_plane_files(site, host))


def _start_etcd(site: Site, host: SiteHost) -> Iterator[Step]:
    yield etcd.membership(site, host, _programs(site))
    yield etcd.service(site, host, _programs(site)).start(host.name, site.cluster)


def _start(site: Site, host: SiteHost) -> Iterator[Step]:
    services = _services(site, host)
    yield from (service.start(host.name, site.cluster) for service in services)
    yield from (service.active(host.name) for service in services if service.name != kubelet.UNIT)


def _leave(name: str, stamp: NodeStamp) -> Iterator[Step]:
    yield leaving.leave(name, footprint.programs(stamp.cluster, Digest.parse(stamp.image)))


def _stop(name: str, stamp: NodeStamp) -> Iterator[Step]:
    yield from (unitcommands.stop(name, unit) for unit in reversed(stamp.receipt.units))


def _delete(name: str, stamp: NodeStamp) -> Iterator[Step]:
    yield from machine.put_back(name, stamp.cluster)
    yield hostnames.remove(name, stamp.cluster)
    if stamp.receipt.files:
        yield footprint.bring_back(name, stamp)
    if stamp.receipt.units:
        after = (f"{name}/files",) if stamp.receipt.files else ()
        yield unitcommands.forget(name, stamp.receipt.units, after=after)
