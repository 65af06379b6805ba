"""From a site to a plan: what every installation does, what the runtime adds, and less what already holds. Pure."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import TYPE_CHECKING

from appliance.bundle.pyruntime.layout import STANDS, install_script
from appliance.errors import PlanError
from appliance.image.blobs import Blob
from appliance.inventory.facts import NodeStamp, Receipt
from appliance.plan import footprint
from appliance.plan.changes import changes
from appliance.plan.document import plan_digest
from appliance.plan.steps import Plan, Proposal, PutText, Receive, Run, Stage, Step, Unpack
from appliance.recipe.bundlefile import APP
from appliance.transport.base import Command

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Set as AbstractSet

    from appliance.inventory.preflight import CheckResult
    from appliance.plan.runtime import HostRuntime, ImagePart, Runtime, Site, SiteHost, TakesApplications
    from appliance.recipe.bundlefile import BundleSpec, RoleSpec

PROGRAM_FOLDERS = ("application", "bin", "etc", "lib", "lib64", "libexec", "sbin", "scripts", "share")
"""The top folders of a rootfs that are copied to where services run them; those that an image lacks don't count."""


def candidate(site: Site, runtime: Runtime) -> tuple[Stage, ...]:
    """All that makes `site` what its image says, from nothing; what already holds is for `prune`.

    Raises `PlanError` when a host belongs to another cluster or the image has nothing for its architecture, and what
    `runtime` raises.
    """
    for host in site.hosts:
        _check(site, host)
    installation = runtime.install(site)
    stages = (
        _stage(site, "Prepare hosts", (_prepare(site, host, runtime, installation) for host in site.hosts)),
        _stage(site, "Send the image", ((send(site, host),) for host in site.hosts)),
        _stage(site, "Unpack the image", ((unpack(site, host),) for host in site.hosts)),
        *installation,
    )
    _check_order(stages)
    return stages


def require_product(spec: BundleSpec, cluster: str, hosts: Iterable[SiteHost]) -> None:
    """A cluster stays the product that it is: `PlanError` for a bundle of another, but an app or what replaces it."""
    for host in hosts:
        stamp = host.stamp
        if stamp is None or stamp.cluster != cluster or spec.kind == APP or stamp.product in (spec.name, spec.replaces):
            continue
        raise PlanError(
            f"{stamp.product} {stamp.version} is installed there, and the bundle is {spec.name}",
            where=host.name,
            hint=f"take a bundle of {stamp.product}; to put {spec.name} there, reset cluster {cluster} first",
        )


def addition(site: Site, runtime: TakesApplications) -> tuple[Stage, ...]:
    """All that adds the application whose image is `site`'s to a cluster that is there, and is no part of that.

    What it writes outside of the cluster's own trees is kept aside and listed in the hosts' stamps, as of any
    installation. Raises `PlanError` when the image has nothing for a host's architecture, and what `runtime` raises.
    """
    for host in site.hosts:
        _check(site, host)
    adding = runtime.add(site)
    preparing = _stage(site, "Prepare hosts", (_note(site, host, adding) for host in site.hosts))
    stages = tuple(stage for stage in (preparing, *adding) if stage.steps)
    _check_order(stages)
    return stages


def _note(site: Site, host: SiteHost, adding: tuple[Stage, ...]) -> tuple[Step, ...]:
    """Keep what stands where an application's files go, and list them with what the host has already."""
    written = (step.action for stage in adding for step in stage.steps if step.host == host.name)
    paths = (action.path for action in written if isinstance(action, PutText))
    own = tuple(f"{tree}/" for tree in footprint.own_trees(site.cluster))
    files = tuple(path for path in paths if not path.startswith(own))
    if not files or host.stamp is None:
        return ()
    receipt = footprint.merge([host.stamp.receipt, Receipt(files=files)])
    stamp = dataclasses.replace(host.stamp, receipt=receipt)
    return (footprint.keep(host.name, site.cluster, files), footprint.write_stamp(host.name, stamp))


def prune(stages: Iterable[Stage], held: AbstractSet[str]) -> tuple[Stage, ...]:
    """`stages` without the steps of `held` (ids whose guard holds), and without stages that have none left.

    A step stays, whatever its guard says, when it comes `after` one that stays.
    """
    kept: set[str] = set()
    left: list[Stage] = []
    for stage in stages:
        for step in stage.steps:
            if step.id not in held or not kept.isdisjoint(step.after):
                kept.add(step.id)
        if steps := tuple(step for step in stage.steps if step.id in kept):
            left.append(Stage(stage.title, steps, stage.needs, stage.at_once, stage.destructive))
    return tuple(left)


def plan(site: Site, stages: Iterable[Stage], *, held: AbstractSet[str]) -> Plan:
    """The plan that is left of candidate `stages` when the guards of `held` hold."""
    return Plan(site.cluster, str(site.image), prune(stages, held))


def proposal(
    operation: str, site: Site, planned: Plan, *, checks: Iterable[CheckResult] = (), notices: Iterable[str] = ()
) -> Proposal:
    """What is shown and confirmed before `planned` is carried out; `operation` is install, reset, and so on."""
    return Proposal(
        operation=operation,
        changes=changes(site, planned),
        checks=tuple(checks),
        plan=planned,
        plan_digest=plan_digest(planned),
        notices=tuple(notices),
    )


def needs(site: Site) -> tuple[str, ...] | None:
    """The hosts without which a run must stop; None when those are all.

    A role with a `minimum` that is not `odd` (so not a quorum) can do with its first `minimum` hosts; any other role,
    and one that the image does not describe, needs every host. A host is needed when one of its roles needs it.
    """
    roles = {role.name: role for role in site.config.spec.roles}
    spare = {name: _spare(site, roles[name]) for name in roles}
    needed = tuple(
        host.name
        for host in site.hosts
        if not host.host.roles or any(host.name not in spare.get(role, frozenset()) for role in host.host.roles)
    )
    return None if len(needed) == len(site.hosts) else needed


def _spare(site: Site, role: RoleSpec) -> frozenset[str]:
    hosts = site.with_role(role.name)
    return frozenset() if role.odd else frozenset(host.name for host in hosts[role.minimum :])


def _check(site: Site, host: SiteHost) -> None:
    if host.stamp and host.stamp.cluster != site.cluster:
        raise PlanError(
            f"this host belongs to cluster {host.stamp.cluster!r}",
            where=host.name,
            hint="reset that cluster first, or take the host out of this one",
        )
    if host.facts.architecture not in site.parts:
        raise PlanError(
            f"the image has nothing for a host of architecture {host.facts.architecture}",
            where=host.name,
            hint=f"it was built for {', '.join(sorted(site.parts))}",
        )


def _part(site: Site, host: SiteHost) -> ImagePart:
    return site.parts[host.facts.architecture]


def _stage(site: Site, title: str, lanes: Iterable[tuple[Step, ...]]) -> Stage:
    return Stage(title, tuple(step for lane in lanes for step in lane), needs(site))


def _prepare(site: Site, host: SiteHost, runtime: Runtime, installation: tuple[Stage, ...]) -> tuple[Step, ...]:
    steps = [step for stage in installation for step in stage.steps if step.host == host.name]
    files = tuple(step.action.path for step in steps if isinstance(step.action, PutText))
    written = Receipt(files=files, trees=footprint.own_trees(site.cluster))
    before = [host.stamp.receipt] if host.stamp else []
    receipt = footprint.merge([*before, written, runtime.receipt(site, host)])
    keeping = (footprint.keep(host.name, site.cluster, files),) if files else ()
    stamp = _stamp(site, host, receipt)
    return (
        footprint.claim(host.name, stamp),
        *keeping,
        footprint.write_stamp(host.name, stamp),
        *helper(host, _part(site, host).runtime),
        *swarming(host, _part(site, host)),
    )


def _stamp(site: Site, host: SiteHost, receipt: Receipt) -> NodeStamp:
    spec = site.config.spec
    return NodeStamp(
        cluster=site.cluster,
        product=spec.name,
        machine_id=host.facts.machine_id,
        roles=host.host.roles,
        image=str(site.image),
        version=spec.version,
        epoch=spec.epoch,
        runtime=spec.runtime,
        receipt=receipt,
    )


def helper(host: SiteHost, runtime: HostRuntime) -> tuple[Step, ...]:
    """Send and unpack the Python that works on a host."""
    tar = f"{footprint.NODE}/blobs/sha256/{runtime.digest.hex}"
    folder = f"{footprint.NODE}/runtime/{runtime.digest.hex}"
    return (
        Step(
            id=f"{host.name}/helper-blob",
            title="Send the helper that receives",
            host=host.name,
            action=Receive((Blob(runtime.digest, runtime.size),), runtime=None),
        ),
        Step(
            id=f"{host.name}/helper",
            title="Unpack the helper",
            host=host.name,
            action=Run(Command.shell(install_script(), tar, runtime.digest.hex, folder)),
            unless=Command.shell(STANDS, folder, runtime.digest.hex),
        ),
    )


def swarming(host: SiteHost, part: ImagePart) -> tuple[Step, ...]:
    """Send what hosts swarm with, if they shall."""
    if part.swarm is None:
        return ()
    return (
        Step(
            id=f"{host.name}/swarm",
            title="Send what hosts swarm with",
            host=host.name,
            action=Receive((part.swarm.layer.blob,), part.runtime.digest),
        ),
    )


def send(site: Site, host: SiteHost) -> Step:
    """Send the layers of the image that the host's architecture takes."""
    part = _part(site, host)
    blobs = tuple(dict.fromkeys(layer.blob for layer in part.layers))
    return Step(
        id=f"{host.name}/image",
        title=f"Send the image's layers ({len(blobs)})",
        host=host.name,
        action=Receive(blobs, part.runtime.digest, part.swarm.layer if part.swarm else None),
    )


def unpack(site: Site, host: SiteHost) -> Step:
    """Unpack the layers and put the programs in place."""
    part = _part(site, host)
    return Step(
        id=unpack_id(host.name),
        title="Unpack the image and put its programs in place",
        host=host.name,
        action=Unpack(site.cluster, site.image, part.layers, PROGRAM_FOLDERS, part.runtime.digest),
    )


def unpack_id(host: str) -> str:
    """The id of the step that puts an image's programs in place; steps that must follow it name it in `after`."""
    return f"{host}/unpack"


def _check_order(stages: tuple[Stage, ...]) -> None:
    """A plug-in's mistake must not become a plan: ids are unique, and `after` names earlier steps of the host."""
    steps = [step for stage in stages for step in stage.steps]
    if twice := [name for name, count in Counter(step.id for step in steps).items() if count > 1]:
        raise PlanError(f"two steps have the id {twice[0]!r}", hint="this is a fault of the runtime plug-in")
    seen: dict[str, str] = {}
    for step in steps:
        seen[step.id] = step.host
        for earlier in step.after:
            if earlier == step.id or seen.get(earlier) != step.host:
                raise PlanError(f"{step.id!r} comes after {earlier!r}, which is no earlier step of its host")
