"""What a bundle or a runtime asks of hosts: one `Requirement` for each thing, read out of ``requirements``."""

from __future__ import annotations

import dataclasses
import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from appliance.recipe.quantities import parse_duration, parse_rate, parse_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from collections.abc import Set as AbstractSet

    from appliance.recipe.yamltext import Document

MODULES = (
    "bridge", "br_netfilter", "ip_set", "ip_tables", "ip_vs", "nf_conntrack", "nf_nat", "nf_tables", "overlay", "veth",
    "vxlan", "wireguard",
)  # fmt: skip
"""Parts of the kernel that can be asked for; ``A|B`` asks for one of them."""


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
    MODULES = "modules"
    CGROUPS = "cgroups"
    FSYNC = "fsync"
    BANDWIDTH = "bandwidth"
    UNIQUE = "unique"
    WITHOUT = "without"


class Trait(enum.StrEnum):
    """What no two hosts may have alike."""

    MAC = "mac"
    HOSTNAME = "hostname"
    PRODUCT_UUID = "product-uuid"


class Hindrance(enum.StrEnum):
    """What must not be on a host."""

    SWAP = "swap"
    FIREWALL = "firewall"
    PROXY = "proxy"
    LEFTOVERS = "leftovers"
    ENGINES = "engines"
    NETWORK_CLASH = "network-clash"
    WRONG_NAME = "wrong-name"
    SELINUX = "selinux"


_NAMED = frozenset({RequirementKind.MODULES, RequirementKind.PORTS, RequirementKind.UNIQUE, RequirementKind.WITHOUT})


@dataclass(frozen=True, slots=True)
class Requirement:
    """What hosts of `roles` (none: all) must have.

    `amount` is cores, bytes or seconds, the least version of control groups (0: any), for fsync milliseconds at the
    99th percentile, for bandwidth bits a second; `path` the folder that must have `amount` bytes free or be synced as
    fast; `names` the accepted architectures or systems (``debian``, ``debian-12``), the least kernel, the ports that
    must be free, `MODULES`, controllers, each a `Trait`, or each a `Hindrance`.
    """

    kind: RequirementKind
    level: Level = Level.FAIL
    roles: tuple[str, ...] = ()
    amount: int = 0
    path: str = ""
    names: tuple[str, ...] = ()

    @property
    def named(self) -> bool:
        """Whether it is about each of its `names` by itself."""
        return self.kind in _NAMED

    @property
    def subjects(self) -> frozenset[tuple[RequirementKind, str]]:
        """What it is about, to tell whether another one is about the same."""
        return frozenset((self.kind, name) for name in (self.names if self.named else (self.path,)))


def read(document: Document, number: int, item: Mapping[str, Any]) -> Requirement:
    """An item of ``requirements``, validated by the schema. `RecipeError` when it is not about one thing."""
    path = ("requirements", number)
    kinds = [kind for kind in RequirementKind if kind in item]
    if len(kinds) != 1:
        hint = f"write one item for each of {', '.join(RequirementKind)}"
        raise document.error(path, f"a requirement is about one thing, this about {len(kinds)}", hint=hint)
    kind, value = kinds[0], item[kinds[0]]
    requirement = Requirement(kind, Level(item.get("level", Level.FAIL)), tuple(item.get("roles", ())))
    try:
        return dataclasses.replace(requirement, **_fields(kind, value))
    except ValueError as error:
        raise document.error((*path, kind), str(error)) from error


def _fields(kind: RequirementKind, value: Any) -> dict[str, Any]:  # noqa: PLR0911  (one for each form)
    match kind:
        case RequirementKind.CPU:
            return {"amount": value}
        case RequirementKind.MEMORY:
            return {"amount": parse_size(value)}
        case RequirementKind.DISK:
            return {"path": value["path"], "amount": parse_size(value["free"])}
        case RequirementKind.CLOCK_SKEW:
            return {"amount": max(1, round(parse_duration(value)))}
        case RequirementKind.KERNEL:
            return {"names": (value,)}
        case RequirementKind.CGROUPS:
            return {"amount": value.get("version", 0), "names": tuple(value.get("controllers", ()))}
        case RequirementKind.FSYNC:
            return {"path": value["path"], "amount": max(1, round(1000 * parse_duration(value["p99"])))}
        case RequirementKind.BANDWIDTH:
            return {"amount": parse_rate(value)}
        case _:
            return {"names": tuple(map(str, value))}


def from_fields(fields: Mapping[str, Any]) -> Requirement:
    """A requirement out of its fields as JSON has them; `ValueError` or `TypeError` for others."""
    read: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
    read |= {"kind": RequirementKind(fields["kind"]), "level": Level(fields["level"])}
    return Requirement(**read)


def settled(*sources: Iterable[Requirement]) -> tuple[Requirement, ...]:
    """What counts where several say something: about the same thing, who comes first."""
    said: set[tuple[RequirementKind, str]] = set()
    counting: list[Requirement] = []
    for source in sources:
        rest = [_rest(requirement, said) for requirement in source]
        counting += [requirement for requirement in rest if requirement]
        said.update(subject for requirement in counting for subject in requirement.subjects)
    return tuple(counting)


def _rest(requirement: Requirement, said: AbstractSet[tuple[RequirementKind, str]]) -> Requirement | None:
    """What of a requirement nobody has said yet."""
    if requirement.subjects.isdisjoint(said):
        return requirement
    names = tuple(name for name in requirement.names if (requirement.kind, name) not in said)
    return dataclasses.replace(requirement, names=names) if names and requirement.named else None
