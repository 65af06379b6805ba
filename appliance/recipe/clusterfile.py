"""The Clusterfile: YAML goes in, a `Cluster` and the secrets found in it come out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class SshSettings:
    """How to enter hosts; empty means: as the operator says on the command line, else the defaults."""

    user: str = ""
    port: int = 0
    key: str = ""
    become: str = ""
    password_secret: str = ""
    become_password_secret: str = ""


@dataclass(frozen=True, slots=True)
class HostGroup:
    """Hosts written together: addresses expanded, in order."""

    addresses: tuple[str, ...]
    roles: tuple[str, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    ssh: SshSettings = field(default_factory=SshSettings)


@dataclass(frozen=True, slots=True)
class Provider:
    """Who makes the hosts."""

    name: str = "static"
    count: int = 0


@dataclass(frozen=True, slots=True)
class Distribution:
    """How bytes reach the hosts; `bandwidth` in bits a second, 0 for no limit."""

    method: str = "auto"
    bandwidth: int = 0
    port: int = 4647


@dataclass(frozen=True, slots=True)
class Cluster:
    """What a site shall be. `parameters` are checked against the bundle's schema by `check_parameters`."""

    name: str
    image: str = ""
    ssh: SshSettings = field(default_factory=SshSettings)
    hosts: tuple[HostGroup, ...] = ()
    provider: Provider = field(default_factory=Provider)
    env: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, object] = field(default_factory=dict)
    host_aliases: tuple[tuple[str, tuple[str, ...]], ...] = ()
    distribution: Distribution = field(default_factory=Distribution)


@dataclass(frozen=True, slots=True)
class Clusterfile:
    """A Clusterfile as read: the cluster, warnings for people, and inline secrets by name, bound for the vault."""

    cluster: Cluster
    warnings: tuple[str, ...] = ()
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
