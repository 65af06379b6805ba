"""An application that is added to a cluster, or taken away; what the cluster itself is made of stays as it is. Pure.

It lies below one folder on the first control plane, its programs beside the cluster's; its container images are added
to the cluster's registry, where they stay until the cluster is reset.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.digest import Digest
from appliance.errors import PlanError
from appliance.inventory import appstamp
from appliance.inventory.appstamp import AppStamp
from appliance.plan import footprint
from appliance.plan.planner import helper, needs, send, unpack
from appliance.plan.steps import PutText, Run, Stage, Step
from appliance.runtimes.kubernetes import applications
from appliance.runtimes.kubernetes.applications_steps import KUBECONFIG, UNDO, Place, search_path, settled
from appliance.runtimes.parts import registry, registryadditions
from appliance.transport.base import Command

if TYPE_CHECKING:
    from appliance.inventory.facts import NodeStamp
    from appliance.plan.runtime import Site, SiteHost

_GONE = 'for path; do [ ! -e "$path" ] || exit 1; done'
_UNDO_SECONDS = 1800.0


def add(site: Site) -> tuple[Stage, ...]:
    """Images to the registry, the application's own tree to the first control plane, and then all that it launches.

    Raises `PlanError` when it has nothing to launch.
    """
    first = applications.first_of(site)
    launching = applications.stages(site, first)
    if not launching:
        hint = "it needs CMD, LAUNCH, or manifests/*.yaml"
        raise PlanError(f"the application {site.config.spec.name} launches nothing", hint=hint)
    there = first in registry.hosts(site)
    python = () if there else helper(first, site.parts[first.facts.architecture].runtime)
    sending = (*python, send(site, first), unpack(site, first), _note(site, first))
    return (
        *registryadditions.stages(site),
        Stage("Send the application", sending, needs(site)),
        *launching,
    )


def take_away(site: Site, application: AppStamp) -> tuple[Stage, ...]:
    """Undo what was launched, the last first; then delete the application's folder and programs."""
    first = applications.first_of(site)
    if first.stamp is None:
        return ()
    home = footprint.application(site.cluster, application.name)
    images = [Digest.parse(image) for image in (application.image, first.stamp.image)]
    programs = [footprint.programs(site.cluster, image) for image in images]
    trees = (home, programs[0], f"{footprint.NODE}/images/{images[0].hex}")
    arguments = (home, search_path(programs), KUBECONFIG, *application.undo, "--", *trees)
    step = Step(
        id=f"{first.name}/undo:{application.name}",
        title=f"Take {application.name} {application.version} away: what it launched, and its files",
        host=first.name,
        action=Run(Command.shell(UNDO, *arguments, timeout=_UNDO_SECONDS)),
        unless=Command.shell(_GONE, *trees),
    )
    return (Stage(f"Take {application.name} away", (step,), destructive=True),)


def is_well(stamp: NodeStamp, application: AppStamp) -> Command:
    """What asks once, on the host with both stamps, whether all that the application launched is well."""
    place = Place(
        host="",
        home=footprint.application(stamp.cluster, application.name),
        programs=search_path(
            footprint.programs(stamp.cluster, Digest.parse(i)) for i in (application.image, stamp.image)
        ),
        tree="",
        key="",
    )
    return settled(place, application.launches)


def _note(site: Site, first: SiteHost) -> Step:
    """The application's stamp, there before anything of it is launched, so that it can be taken away."""
    spec = site.config.spec
    launches = applications.launches(site, first)
    stamp = AppStamp(
        name=spec.name,
        version=spec.version,
        epoch=spec.epoch,
        image=str(site.image),
        launches=tuple(launch.name for launch in launches),
        undo=tuple(line for launch in reversed(launches) for line in launch.undo),
    )
    path = f"{footprint.application(site.cluster, spec.name)}/{appstamp.FILE}"
    action = PutText(path, (appstamp.to_text(stamp),), mode=0o600)
    return Step(f"{first.name}/write:{path}", f"Note that {spec.name} {spec.version} is here", first.name, action)
