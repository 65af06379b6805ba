"""`LabProvider`: hosts for a cluster, made in a lab that bears the cluster's name."""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING

from appliance.errors import StateError
from appliance.inventory.hosts import Host
from appliance.lab import lab, registry
from appliance.lab.spec import HostSpec, LabSpec
from appliance.transport.base import Credential, Endpoint

if TYPE_CHECKING:
    from appliance.inventory.providers import HostRequest
    from appliance.lab.registry import Lab

_SSH_PORT = 22


class LabProvider:
    """Stands in for the hosts written down, name by name, and adds ``host-N`` until there are as many as asked for."""

    def hosts(self, request: HostRequest) -> tuple[Host, ...]:
        """See `InfraProvider.hosts`; boots the lab unless it stands.

        Raises `StateError` when a lab of that name stands with other hosts, and what `lab.up` raises.
        """
        names = _names(request)
        standing = registry.read(request.cluster)
        if standing is None or not standing.complete:
            standing = lab.up(LabSpec(request.cluster, tuple(HostSpec(name) for name in names)))
        if tuple(host.name for host in standing.hosts) != names:
            there = ", ".join(host.name for host in standing.hosts)
            raise StateError(
                f"lab {request.cluster} stands with other hosts: {there}", hint=f"appliance lab down {request.cluster}"
            )
        written = {host.name: host for host in request.written}
        return tuple(_host(standing, name, written.get(name)) for name in names)

    def release(self, cluster: str) -> None:
        """See `InfraProvider.release`."""
        lab.down(cluster)


def _names(request: HostRequest) -> tuple[str, ...]:
    written = [host.name for host in request.written]
    spare = (name for number in range(1, request.count + 1) if (name := f"host-{number}") not in written)
    missing = max(request.count - len(written), 0)
    return (*written, *itertools.islice(spare, missing))


def _host(standing: Lab, name: str, written: Host | None) -> Host:
    endpoint = Endpoint(
        standing.host(name).address, _SSH_PORT, "root", credential=Credential(key=standing.key, agent=False)
    )
    return dataclasses.replace(written, endpoint=endpoint) if written else Host(name, endpoint, roles=())
