"""Bundles of kind App: what adds one to a cluster that is there, what takes it away, and which ones are there."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from appliance import events, plugins
from appliance.digest import Digest
from appliance.errors import PlanError, PluginError, RecipeError, VerificationError
from appliance.image.oci import ImageConfig, Platform
from appliance.inventory import preflight
from appliance.operations import deliver
from appliance.operations.fitting import require_fit
from appliance.operations.inspect import added
from appliance.operations.parameters import settle, told
from appliance.operations.propose import Proposed, leases, propose
from appliance.operations.survey import survey
from appliance.plan import planner
from appliance.plan.forecast import forecast
from appliance.plan.runtime import Site, TakesApplications
from appliance.recipe.bundlefile import BundleSpec
from appliance.recipe.siteapps import SiteApp, with_app

if TYPE_CHECKING:
    from appliance.bundle.verify import VerifiedBundle
    from appliance.events import Sink
    from appliance.inventory.appstamp import AppStamp
    from appliance.inventory.facts import NodeStamp
    from appliance.inventory.preflight import CheckResult
    from appliance.operations.parameters import Parameters
    from appliance.operations.propose import Target
    from appliance.operations.survey import Survey

ADD = "add"
TAKE_AWAY = "remove"


def check(
    bundle: VerifiedBundle, target: Target, *, only: frozenset[str] = frozenset(), sink: Sink = events.silent
) -> tuple[CheckResult, ...]:
    """Look at all hosts, or `only` those of these names, and judge whether they are fit for it; failures first."""
    spec = deliver.platform_image(bundle, bundle.manifest.arch[0]).config.spec
    hosts = tuple(host for host in target.hosts() if not only or host.name in only)
    with survey(hosts, target.connect, clock=target.clock, sink=sink) as found:
        found.require_any()
        return _checks(bundle, spec, found, target)


def add(bundle: VerifiedBundle, target: Target, *, sink: Sink = events.silent) -> Proposed:
    """What brings the application to the cluster; an empty plan when it is there already, as it is set.

    Raises `VerificationError` when a later epoch of it is there, `PreflightFailed` when a host is not fit, `PlanError`
    and `RecipeError` when there is no such plan, `TransportError` when no host answers.
    """
    config = deliver.platform_image(bundle, bundle.manifest.arch[0]).config
    spec = config.spec
    wanted = _wanted(target, bundle)
    parameters = settle(spec, wanted.parameters, target.vault(), owner=spec.name)
    hosts = target.hosts()
    with survey(hosts, target.connect, clock=target.clock, sink=sink) as found:
        found.require_any()
        runtime = _runtime(_stamp(found, target))
        _require_newer(bundle, added(found, target.cluster.name))
        site = _site(bundle, target, found, config, parameters)
        checks = _checks(bundle, spec, found, target)
        require_fit(checks)
        parameters.keep(target.vault())
        candidate = planner.addition(site, runtime)
        proposal = propose(ADD, site, candidate, found, target, checks=checks, sink=sink)
        app = dataclasses.replace(wanted, parameters=told(spec, wanted.parameters))
        cluster = dataclasses.replace(target.cluster, apps=with_app(target.cluster.apps, app))
        return Proposed(proposal, hosts, spec, cluster, found.began, leases(found), forecast(site, proposal.plan))


def take_away(target: Target, name: str, *, sink: Sink = events.silent) -> Proposed:
    """What takes the application called `name` from the cluster; needs no bundle.

    Raises `PlanError` when it is not there, `TransportError` when no host answers, `PreflightFailed` when one of
    several does not.
    """
    hosts = target.hosts()
    with survey(hosts, target.connect, clock=target.clock, sink=sink) as found:
        found.require_any()
        checks = preflight.unreachable(found.missing)
        require_fit(checks)
        stamp = _stamp(found, target)
        there = added(found, target.cluster.name)
        for application in there:
            if application.name == name:
                break
        else:
            known = ", ".join(one.name for one in there)
            raise PlanError(
                f"no application {name} is on cluster {stamp.cluster}", hint=f"there are: {known or 'none'}"
            )
        spec = BundleSpec(name, application.version, application.epoch, runtime=stamp.runtime)
        site = Site(
            cluster=target.cluster.name,
            image=Digest.parse(application.image),
            config=ImageConfig(Platform("linux", found.hosts[0].facts.architecture), spec, layers=()),
            parts={},
            hosts=found.hosts,
        )
        candidate = _runtime(stamp).take_away(site, application)
        proposal = propose(TAKE_AWAY, site, candidate, found, target, checks=checks, sink=sink)
        left = tuple(app for app in target.cluster.apps if app.name != name)
        cluster = dataclasses.replace(target.cluster, apps=left)
        return Proposed(proposal, hosts, spec, cluster, found.began, leases(found))


def _checks(bundle: VerifiedBundle, spec: BundleSpec, found: Survey, target: Target) -> tuple[CheckResult, ...]:
    return preflight.check_hosts(
        found.hosts,
        spec.requirements,
        cluster=target.cluster.name,
        missing=found.missing,
        architectures=bundle.manifest.arch,
    )


def _wanted(target: Target, bundle: VerifiedBundle) -> SiteApp:
    """The application as the Clusterfile sets it. `RecipeError` when that names another version."""
    held = f"{bundle.manifest.name}:{bundle.manifest.version}"
    for app in target.cluster.apps:
        if app.name == bundle.manifest.name and app.image != held:
            raise RecipeError(
                f"the Clusterfile is for {app.image}, the bundle holds {held}",
                where="spec.apps",
                hint=f"take the bundle of {app.image}, or write {held}",
            )
        if app.name == bundle.manifest.name:
            return app
    return SiteApp(held)


def _site(bundle: VerifiedBundle, target: Target, found: Survey, config: ImageConfig, parameters: Parameters) -> Site:
    there = {host.facts.architecture for host in found.hosts} & set(bundle.manifest.arch)
    return Site(
        cluster=target.cluster.name,
        image=bundle.manifest.image,
        config=config,
        parts={arch: deliver.image_part(bundle, arch) for arch in sorted(there)},
        hosts=found.hosts,
        parameters=parameters.values,
        env={**config.env, **target.cluster.env},
        network=target.cluster.network,
        registry=target.cluster.registry,
        aliases=target.cluster.host_aliases,
    )


def _stamp(found: Survey, target: Target) -> NodeStamp:
    """A stamp of the cluster. `PlanError` when a host that answers is none of its: it must be installed first."""
    for host in found.hosts:
        if host.stamp is None or host.stamp.cluster != target.cluster.name:
            raise PlanError(
                f"this host is none of cluster {target.cluster.name}, to which the application is to be added",
                where=host.name,
                hint="apply the cluster's own bundle first",
            )
    stamp = found.hosts[0].stamp
    assert stamp is not None  # noqa: S101  (every host has one)
    return stamp


def _runtime(stamp: NodeStamp) -> TakesApplications:
    runtime = plugins.runtime(stamp.runtime)
    if not isinstance(runtime, TakesApplications):
        raise PluginError(
            f"nothing can be added to a cluster of the runtime {stamp.runtime}",
            hint="a bundle of kind App goes onto a cluster of the runtime kubernetes",
        )
    return runtime


def _require_newer(bundle: VerifiedBundle, there: tuple[AppStamp, ...]) -> None:
    for stamp in there:
        if stamp.name == bundle.manifest.name and bundle.goes_back_from(stamp.epoch, Digest.parse(stamp.image)):
            raise VerificationError(
                f"the bundle's epoch {bundle.manifest.epoch} is lower than {stamp.epoch}, which is on the cluster",
                hint=f"whom the policy names must sign a permit: appliance trust permit --from {stamp.image}",
            )
