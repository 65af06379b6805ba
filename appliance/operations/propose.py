"""From what is wanted and what the hosts say to a `Proposal`: what one screen shows and one confirmation admits.

Nothing on a host changes here. On the operator's side the secrets that the runtime asks for are made, once.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from appliance import events, plugins
from appliance.digest import Digest
from appliance.errors import PlanError, RecipeError
from appliance.execute.lease import Owner
from appliance.image.oci import ImageConfig, Platform
from appliance.inventory import preflight
from appliance.inventory.hosts import Access, Host, written_hosts
from appliance.inventory.providers import HostRequest
from appliance.operations import checking, deliver, fitting
from appliance.operations.fulfil import fulfil
from appliance.operations.parameters import Parameters, settle, without_secrets
from appliance.operations.remarks import applications_lacking, left_out
from appliance.operations.sites import applied_apps
from appliance.operations.survey import Survey, survey
from appliance.plan import planner
from appliance.plan.forecast import Forecast, forecast, timed
from appliance.plan.runtime import Runtime, Site
from appliance.recipe import overlays
from appliance.recipe.bundlefile import APP, BundleSpec
from appliance.recipe.clusterfile import SWARM
from appliance.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from appliance.bundle.verify import VerifiedBundle
    from appliance.clock import Clock
    from appliance.events import Sink
    from appliance.inventory.facts import NodeStamp
    from appliance.inventory.preflight import CheckResult
    from appliance.plan.steps import Proposal, Stage
    from appliance.recipe.clusterfile import Cluster
    from appliance.state import ClusterDir
    from appliance.transport.base import Connect

INSTALL = "apply"
RESET = "reset"
_NO_IMAGE = Digest.of(b"")


@dataclass(frozen=True, slots=True)
class Target:
    """The cluster that is meant: what it shall be, how its hosts are entered, and where it is kept on this machine."""

    cluster: Cluster
    access: Access
    folder: ClusterDir
    clock: Clock
    connect: Connect = field(repr=False)

    def hosts(self) -> tuple[Host, ...]:
        """The hosts, made or found by the Clusterfile's provider. Raises `PlanError` when there is none."""
        provider = plugins.provider(self.cluster.provider.name)
        written = written_hosts(self.cluster, self.access, secret=lambda name: self.vault().get(name).decode())
        found = provider.hosts(HostRequest(self.cluster.name, self.cluster.provider.count, written))
        if not found:
            raise PlanError("the Clusterfile names no host", where="spec.hosts", hint="list addresses with their roles")
        return found

    def vault(self) -> Vault:
        """The cluster's secrets."""
        return Vault.open(self.folder.vault, self.folder.vault_key)


@dataclass(frozen=True, slots=True)
class Proposed:
    """A proposal, with what carrying it out takes besides: hosts, the bundle's description, leases found on hosts.

    `cluster` is what is remembered of the Clusterfile: no secret stands in it. `forecast`: what is sent and written.
    """

    proposal: Proposal
    hosts: tuple[Host, ...]
    spec: BundleSpec
    cluster: Cluster
    surveyed: datetime
    leases: tuple[tuple[str, Owner], ...] = ()
    forecast: Forecast = field(default_factory=Forecast)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do: no step, and no lease that a dead run left to be given back."""
        return self.proposal.plan.empty and not self.leases


def check(
    bundle: VerifiedBundle, target: Target, *, only: frozenset[str] = frozenset(), sink: Sink = events.silent
) -> tuple[CheckResult, ...]:
    """Look at all hosts, or `only` those of these names, and judge whether they are fit for the bundle; failures first.

    What concerns hosts together is judged only when all are looked at.
    """
    wanted, distribution = _wanted(bundle, target), target.cluster.distribution
    if only:
        wanted = dataclasses.replace(wanted, hosts=tuple(host for host in wanted.hosts if host.name in only))
    with survey(wanted.hosts, target.connect, clock=target.clock, sink=sink) as found:
        found.require_any()
        site = _site(bundle, target, wanted, found)
        measured = checking.measure(found, site, distribution, clock=target.clock, sink=sink)
        checks = checking.check(found, site, distribution, architectures=wanted.architectures, measured=measured)
    if only:
        return tuple(result for result in checks if result.host)
    return (*checks, *checking.foretold(site, distribution, measured))


def install(bundle: VerifiedBundle, target: Target, *, sink: Sink = events.silent) -> Proposed:
    """What makes the site what the Clusterfile and the bundle's image say; an empty plan when it is so already.

    Raises `VerificationError` when a host has a later epoch, `PreflightFailed` when one is not fit, `PlanError` and
    `RecipeError` when there is no such plan, `TransportError` when no host answers.
    """
    wanted, distribution = _wanted(bundle, target), target.cluster.distribution
    with survey(wanted.hosts, target.connect, clock=target.clock, sink=sink) as found:
        found.require_any()
        planner.require_product(wanted.config.spec, target.cluster.name, found.hosts)
        fitting.require_newer(bundle, target.cluster.name, found)
        site = _site(bundle, target, wanted, found)
        measured = checking.measure(found, site, distribution, clock=target.clock, sink=sink)
        checks = checking.check(found, site, distribution, architectures=wanted.architectures, measured=measured)
        fitting.require_fit(checks)
        wanted.parameters.keep(target.vault())
        runtime = plugins.runtime(site.config.spec.runtime)
        site = _with_secrets(site, runtime, target)
        apps = target.cluster.apps or applied_apps(target.folder)
        notices = (*left_out(target.folder, wanted.hosts), *applications_lacking(found, site.cluster, apps))
        proposal = propose(INSTALL, site, planner.candidate(site, runtime), found, target, checks=checks, sink=sink)
        proposal = dataclasses.replace(proposal, notices=notices)
    cluster = dataclasses.replace(without_secrets(wanted.config.spec, target.cluster), apps=apps)
    expected = timed(forecast(site, proposal.plan), measured.rates(), distribution)
    return Proposed(proposal, wanted.hosts, wanted.config.spec, cluster, found.began, leases(found), expected)


def reset(target: Target, *, sink: Sink = events.silent) -> Proposed:
    """What takes off the hosts what their own receipts list; needs no bundle. Hosts without a stamp are left alone.

    The plan is empty when none has one. Raises `TransportError` when no host answers, `PreflightFailed` when one of
    several does not, `PlanError` when a host lost its stamp, but not what was installed.
    """
    hosts = target.hosts()
    with survey(hosts, target.connect, clock=target.clock, sink=sink) as found:
        found.require_any()
        checks = preflight.unreachable(found.missing)
        fitting.require_fit(checks)
        fitting.require_stamps(target.cluster.name, found)
        site = _installed_site(target, found)
        stages = plugins.runtime(site.config.spec.runtime).remove(site) if _stamps(target, found) else ()
        proposal = propose(RESET, site, stages, found, target, checks=checks, sink=sink)
    return Proposed(proposal, hosts, site.config.spec, target.cluster, found.began, leases(found))


def description(bundle: VerifiedBundle) -> BundleSpec:
    """What the bundle's ``bundle.yaml`` says."""
    return deliver.platform_image(bundle, bundle.manifest.arch[0]).config.spec


def require_unchanged(shown: Digest, now: Proposal) -> None:
    """Raise `PlanError` when the site is not what it was when the plan with the digest `shown` was made."""
    if shown != now.plan_digest:
        raise PlanError(
            "the site changed since this plan was made", hint="make the plan again, and look at what is different"
        )


def propose(
    operation: str,
    site: Site,
    candidate: tuple[Stage, ...],
    found: Survey,
    target: Target,
    *,
    checks: Sequence[CheckResult],
    sink: Sink,
) -> Proposal:
    """What is left of a `candidate` when the hosts were asked which of its steps hold already."""
    held = found.held(candidate, resolve=target.vault().get, sink=sink)
    return planner.proposal(operation, site, planner.plan(site, candidate, held=held), checks=checks)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What the Clusterfile and the bundle ask for, found to fit together before any host is asked."""

    hosts: tuple[Host, ...]
    architectures: tuple[str, ...]
    config: ImageConfig
    parameters: Parameters


def _wanted(bundle: VerifiedBundle, target: Target) -> _Wanted:
    offered = bundle.manifest.arch
    config = deliver.platform_image(bundle, offered[0]).config
    if config.spec.kind == APP:
        hint = "put it there: appliance run BUNDLE --name CLUSTER"
        raise RecipeError(f"{config.spec.name} makes no cluster, it goes onto one that is there", hint=hint)
    fitting.check_image(target.cluster.image, bundle.manifest)
    fitting.check_method(target.cluster.distribution.method, bundle.manifest)
    hosts = target.hosts()
    fitting.check_roles(config.spec.roles, hosts)
    parameters = settle(config.spec, target.cluster.parameters, target.vault())
    return _Wanted(hosts, offered, config, parameters)


def _site(bundle: VerifiedBundle, target: Target, wanted: _Wanted, found: Survey) -> Site:
    """The site as the survey found it, without secrets."""
    there = {host.facts.architecture for host in found.hosts}
    return Site(
        cluster=target.cluster.name,
        image=bundle.manifest.image,
        config=wanted.config,
        parts={
            arch: deliver.image_part(
                bundle,
                arch,
                also=overlays.paths(target.cluster.documents),
                swarm=target.cluster.distribution.method == SWARM,
            )
            for arch in wanted.architectures
            if arch in there
        },
        hosts=found.hosts,
        parameters=wanted.parameters.values,
        env={**wanted.config.env, **target.cluster.env},
        network=target.cluster.network,
        registry=target.cluster.registry,
        aliases=target.cluster.host_aliases,
        documents=target.cluster.documents,
    )


def _with_secrets(site: Site, runtime: Runtime, target: Target) -> Site:
    made = fulfil(runtime.secrets(site), target.vault(), now=target.clock.now())
    return dataclasses.replace(site, secrets=made.secrets, public=made.public)


def leases(found: Survey) -> tuple[tuple[str, Owner], ...]:
    """The hosts that are leased, and by whom."""
    return tuple((host.name, Owner.from_json(host.facts.lease)) for host in found.hosts if host.facts.lease)


def _stamps(target: Target, found: Survey) -> list[NodeStamp]:
    return [host.stamp for host in found.hosts if host.stamp and host.stamp.cluster == target.cluster.name]


def _installed_site(target: Target, found: Survey) -> Site:
    """The site as its stamps describe it; of no image when there is none."""
    spec, image = BundleSpec(target.cluster.name, version=""), _NO_IMAGE
    for stamp in _stamps(target, found)[:1]:
        spec = BundleSpec(target.cluster.name, stamp.version, stamp.epoch, runtime=stamp.runtime)
        image = Digest.parse(stamp.image)
    return Site(
        cluster=target.cluster.name,
        image=image,
        config=ImageConfig(Platform("linux", found.hosts[0].facts.architecture), spec, layers=()),
        parts={},
        hosts=found.hosts,
    )
