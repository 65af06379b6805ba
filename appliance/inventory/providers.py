"""The seam for what brings hosts into being, and the provider that brings none: addresses as they were written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from appliance.inventory.hosts import Host


@dataclass(frozen=True, slots=True)
class HostRequest:
    """What a Clusterfile asks of a provider: a cluster's name, `count` hosts, and those written down."""

    cluster: str
    count: int = 0
    written: tuple[Host, ...] = ()


class InfraProvider(Protocol):
    """Makes hosts, or finds them, and gives them back."""

    def hosts(self, request: HostRequest) -> tuple[Host, ...]:
        """The hosts to install on, reachable. The same request again gives the same hosts."""
        ...

    def release(self, cluster: str) -> None:
        """Take down what `hosts` made for `cluster`; nothing else."""
        ...


class StaticProvider:
    """Hosts that exist already."""

    def hosts(self, request: HostRequest) -> tuple[Host, ...]:
        """See `InfraProvider.hosts`."""
        return request.written

    def release(self, cluster: str) -> None:
        """See `InfraProvider.release`: nothing was made."""
