"""`Host`: a machine of the cluster, with its place in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from appliance.transport.base import Endpoint


@dataclass(frozen=True, slots=True)
class Host:
    """A machine: its `name` in the cluster (unique, a DNS label), where to reach it, its roles and labels."""

    name: str
    endpoint: Endpoint
    roles: tuple[str, ...]
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """The address under which other hosts reach it, too."""
        return self.endpoint.address
