"""`bundle.yaml`: what a bundle is called, how it runs, what it asks of hosts. YAML in, `BundleSpec` out."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field


class Level(enum.StrEnum):
    """What a requirement that is not met does."""

    WARN = "warn"
    FAIL = "fail"


class RequirementKind(enum.StrEnum):
    """What a requirement is about; see `Requirement` for what its fields mean then."""

    CPU = "cpu"
    MEMORY = "memory"
    DISK = "disk"
    KERNEL = "kernel"
    ARCH = "arch"
    OS = "os"
    PORTS = "ports"
    CLOCK_SKEW = "clockSkew"


@dataclass(frozen=True, slots=True)
class Requirement:
    """What hosts of `roles` (none: all) must have.

    `amount` is cores, bytes or seconds; `path` the folder that must have `amount` bytes free; `names` the accepted
    architectures or systems (``debian``, ``debian-12``), the least kernel, or the ports that must be free.
    """

    kind: RequirementKind
    level: Level = Level.FAIL
    roles: tuple[str, ...] = ()
    amount: int = 0
    path: str = ""
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RoleSpec:
    """A role that hosts can have; `maximum` 0 means any number. `odd` warns of an even number of hosts."""

    name: str
    minimum: int = 0
    maximum: int = 0
    odd: bool = False
    description: str = ""


@dataclass(frozen=True, slots=True)
class SecretSpec:
    """A secret that the templates use: `kind` is token, password, ca, leaf or ssh-key.

    A leaf names its `ca`, its `usages` (server, client) and the `roles` whose hosts get one each, for their name and
    addresses plus `sans`; without roles there is one for the cluster.
    """

    name: str
    kind: str
    ca: str = ""
    usages: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    sans: tuple[str, ...] = ()
    length: int = 0


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """A command that says by its status 0 that hosts of `roles` are well; given up after `seconds`.

    `argv` may hold template expressions, rendered per host.
    """

    name: str
    argv: tuple[str, ...]
    roles: tuple[str, ...] = ()
    seconds: float = 120.0


@dataclass(frozen=True, slots=True)
class BundleSpec:
    """All that `bundle.yaml` says. `parameters` is a JSON Schema object as JSON text."""

    name: str
    version: str
    epoch: int = 0
    replaces: str = ""
    title: str = ""
    description: str = ""
    vendor: str = ""
    license: str = ""
    runtime: str = "systemd"
    runtime_version: str = ""
    roles: tuple[RoleSpec, ...] = ()
    requirements: tuple[Requirement, ...] = ()
    parameters: str = "{}"
    secrets: tuple[SecretSpec, ...] = ()
    health: tuple[HealthCheck, ...] = ()
    order: tuple[str, ...] = field(default=())
    minimum_installer: str = ""
    upgrades_from: str = ""
