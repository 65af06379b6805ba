"""How the site is: what each host's stamp says, whose units run, and who works there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance import events
from appliance.operations.survey import survey
from appliance.transport.base import Command

if TYPE_CHECKING:
    from appliance.events import Sink
    from appliance.operations.propose import Target
    from appliance.plan.runtime import SiteHost
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


def status(target: Target, *, sink: Sink = events.silent) -> tuple[HostStatus, ...]:
    """Ask all hosts of the target, in the Clusterfile's order. One that does not answer is a problem, not an error."""
    hosts = target.hosts()
    with survey(hosts, target.connect, clock=target.clock, sink=sink) as found:
        answers = {host.name: host for host in found.hosts}
        units = found.ask(_unit_states)
        missing = {host.name: str(error) for host, error in found.missing}
    return tuple(
        _status(answers[host.name], units[host.name], target.cluster.name)
        if host.name in answers
        else HostStatus(host.name, host.address, host.roles, problem=missing[host.name])
        for host in hosts
    )


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
