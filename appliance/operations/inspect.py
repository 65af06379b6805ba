"""How the site is: what each host's stamp says, whose units run, who works there, and what the cluster tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance import events, plugins
from appliance.errors import TimedOut
from appliance.inventory import appstamp
from appliance.operations.survey import survey
from appliance.plan import footprint
from appliance.plan.runtime import TakesApplications, TellsOfClusters
from appliance.transport.base import Command

if TYPE_CHECKING:
    from appliance.events import Sink
    from appliance.inventory.appstamp import AppStamp
    from appliance.operations.propose import Target
    from appliance.operations.survey import Survey
    from appliance.plan.runtime import ClusterView, SiteHost
    from appliance.transport.base import Transport

_STATES = 'for unit; do systemctl is-active -- "$unit"; done; exit 0'


@dataclass(frozen=True, slots=True)
class HostStatus:
    """One host: what its stamp names, each unit with its state as systemd says it, and what is wrong, if anything."""

    name: str
    address: str
    roles: tuple[str, ...]
    version: str = ""
    image: str = ""
    units: tuple[tuple[str, str], ...] = ()
    lease: str = ""
    problem: str = ""

    @property
    def well(self) -> bool:
        """Whether it answers, is installed, and all of its units are active."""
        return not self.problem and all(state == "active" for _, state in self.units)


@dataclass(frozen=True, slots=True)
class AppStatus:
    """An application that was added, and whether all that it launched is `well`."""

    stamp: AppStamp
    well: bool


@dataclass(frozen=True, slots=True)
class SiteStatus:
    """Hosts, the `cluster` that they make, if it can be asked, and the applications that were added to it."""

    hosts: tuple[HostStatus, ...]
    cluster: ClusterView | None = None
    applications: tuple[AppStatus, ...] = ()

    @property
    def well(self) -> bool:
        """Whether all hosts are well, and so are the cluster and its applications."""
        cluster = self.cluster is None or self.cluster.well
        return cluster and all(host.well for host in self.hosts) and all(app.well for app in self.applications)


def status(target: Target, *, sink: Sink = events.silent) -> SiteStatus:
    """Ask all hosts of the target, in the Clusterfile's order. One that does not answer is a problem, not an error."""
    hosts = target.hosts()
    with survey(hosts, target.connect, clock=target.clock, sink=sink) as found:
        answers = {host.name: host for host in found.hosts}
        units = found.ask(_unit_states)
        missing = {host.name: str(error) for host, error in found.missing}
        cluster = _cluster(found, target.cluster.name)
        applications = _applications(found, target.cluster.name)
    told = (
        _status(answers[host.name], units[host.name], target.cluster.name)
        if host.name in answers
        else HostStatus(host.name, host.address, host.roles, problem=missing[host.name])
        for host in hosts
    )
    return SiteStatus(tuple(told), cluster, applications)


def added(found: Survey, cluster: str) -> tuple[AppStamp, ...]:
    """The applications that were added to `cluster`, as the hosts tell of them, each once."""
    asked = appstamp.question(f"{footprint.NODE}/clusters/{cluster}")
    answers = found.ask(lambda _host, line: appstamp.parse(line.run(asked).stdout))
    return tuple({stamp.name: stamp for stamps in answers.values() for stamp in stamps}.values())


def _applications(found: Survey, cluster: str) -> tuple[AppStatus, ...]:
    """The applications, each judged on the host that has its stamp."""
    asked = appstamp.question(f"{footprint.NODE}/clusters/{cluster}")

    def ask(host: SiteHost, line: Transport) -> tuple[AppStatus, ...]:
        if host.stamp is None or host.stamp.cluster != cluster:
            return ()
        runtime, stamp = plugins.runtime(host.stamp.runtime), host.stamp
        if not isinstance(runtime, TakesApplications):
            return ()
        there = appstamp.parse(line.run(asked).stdout)
        return tuple(AppStatus(app, _is_well(line, runtime.is_well(stamp, app))) for app in there)

    return tuple({app.stamp.name: app for apps in found.ask(ask).values() for app in apps}.values())


def _is_well(line: Transport, question: Command) -> bool:
    """Whether the answer is yes; a cluster that does not answer in time is not well."""
    try:
        return line.run(question).ok
    except TimedOut:
        return False


def _cluster(found: Survey, name: str) -> ClusterView | None:
    """How the cluster says it is: the first answer that has no problem, or the last one that has."""

    def ask(host: SiteHost, line: Transport) -> ClusterView | None:
        if host.stamp is None or host.stamp.cluster != name:
            return None
        runtime = plugins.runtime(host.stamp.runtime)
        if not isinstance(runtime, TellsOfClusters) or not (command := runtime.question(host.stamp)):
            return None
        return runtime.view(line.run(command).stdout)

    views = [view for view in found.ask(ask).values() if view]
    return next((view for view in views if not view.problem), views[-1] if views else None)


def _unit_states(host: SiteHost, transport: Transport) -> tuple[tuple[str, str], ...]:
    units = host.stamp.receipt.units if host.stamp else ()
    if not units:
        return ()
    result = transport.run(Command.shell(_STATES, *units, timeout=60.0))
    return tuple(zip(units, result.stdout.split(), strict=False))


def _status(found: SiteHost, units: tuple[tuple[str, str], ...], cluster: str) -> HostStatus:
    stamp = found.stamp
    problem = ""
    if stamp is None:
        problem = "nothing is installed"
    elif stamp.cluster != cluster:
        problem = f"belongs to cluster {stamp.cluster}"
    return HostStatus(
        name=found.name,
        address=found.host.address,
        roles=found.host.roles,
        version=stamp.version if stamp else "",
        image=stamp.image if stamp else "",
        units=units,
        lease=found.facts.lease,
        problem=problem,
    )
