"""What Kubernetes asks of hosts: all that kubeadm looks at before it begins, and what it forgets. Pure.

A bundle that says something else about the same thing is right, for it knows what it brings.
"""

from __future__ import annotations

from typing import TypeVar

from appliance.recipe.requirements import Hindrance, Level, Requirement, RequirementKind, Trait
from appliance.runtimes.kubernetes.members import CONTROL_PLANE

T = TypeVar("T")

_GIB = 1 << 30
_CONTROL_PLANE_PORTS = ("2379", "2380", "6443", "10257", "10259")
_NODE_PORTS = ("10248", "10249", "10250", "10256")
_KERNEL_SINCE = (((1, 32), "4.19"), ((0, 0), "3.10"))
"""The least kernel that kubeadm takes, by the version since which it does."""
_CGROUPS_SINCE = (((1, 35), 2), ((0, 0), 1))
"""The least version of control groups with which the kubelet starts by itself."""
_SKEW_SECONDS = 2
_FSYNC_MILLISECONDS = 10
"""What etcd's own guide asks of a disk, at the 99th percentile."""


def requirements(version: str) -> tuple[Requirement, ...]:
    """What Kubernetes `version` (``1.20.2``, ``v1.31``; empty: the newest) asks of its hosts."""
    minor = _minor(version)
    return (*_machine(minor), *_system(), *_places())


def _machine(minor: tuple[int, int]) -> tuple[Requirement, ...]:
    """What the machine must be."""
    return (
        Requirement(RequirementKind.CPU, roles=(CONTROL_PLANE,), amount=2),
        Requirement(RequirementKind.MEMORY, roles=(CONTROL_PLANE,), amount=1700 << 20),
        Requirement(RequirementKind.KERNEL, names=(_since(_KERNEL_SINCE, minor),)),
        Requirement(RequirementKind.MODULES, names=("overlay", "br_netfilter", "nf_conntrack", "veth", "bridge")),
        Requirement(RequirementKind.MODULES, names=("ip_tables|nf_tables",)),
        Requirement(RequirementKind.MODULES, level=Level.WARN, names=("vxlan",)),
        Requirement(
            RequirementKind.CGROUPS, amount=_since(_CGROUPS_SINCE, minor), names=("cpu", "cpuset", "memory", "pids")
        ),
        Requirement(
            RequirementKind.FSYNC,
            level=Level.WARN,
            roles=(CONTROL_PLANE,),
            amount=_FSYNC_MILLISECONDS,
            path="/var/lib/etcd",
        ),
    )


def _system() -> tuple[Requirement, ...]:
    """How it must be set up. Swap is turned off by the installation, so that it is only told."""
    return (
        Requirement(RequirementKind.CLOCK_SKEW, level=Level.WARN, amount=_SKEW_SECONDS),
        Requirement(RequirementKind.UNIQUE, names=(Trait.MAC,)),
        Requirement(RequirementKind.UNIQUE, level=Level.WARN, names=(Trait.HOSTNAME, Trait.PRODUCT_UUID)),
        Requirement(RequirementKind.WITHOUT, names=(Hindrance.LEFTOVERS, Hindrance.ENGINES, Hindrance.NETWORK_CLASH)),
        Requirement(
            RequirementKind.WITHOUT,
            level=Level.WARN,
            names=(Hindrance.SWAP, Hindrance.FIREWALL, Hindrance.PROXY, Hindrance.WRONG_NAME, Hindrance.SELINUX),
        ),
    )


def _places() -> tuple[Requirement, ...]:
    """What must be free."""
    return (
        Requirement(RequirementKind.PORTS, roles=(CONTROL_PLANE,), names=_CONTROL_PLANE_PORTS),
        Requirement(RequirementKind.PORTS, names=_NODE_PORTS),
        Requirement(
            RequirementKind.DISK, level=Level.WARN, roles=(CONTROL_PLANE,), path="/var/lib/etcd", amount=2 * _GIB
        ),
        Requirement(RequirementKind.DISK, level=Level.WARN, path="/var/lib/kubelet", amount=_GIB),
    )


def _minor(version: str) -> tuple[int, int]:
    """``v1.31.4`` is (1, 31); what is no version counts as the newest."""
    first, _, rest = version.removeprefix("v").partition(".")
    second = rest.partition(".")[0]
    return (int(first), int(second)) if first.isdecimal() and second.isdecimal() else (99, 0)


def _since(table: tuple[tuple[tuple[int, int], T], ...], minor: tuple[int, int]) -> T:
    return next(value for since, value in table if minor >= since)
