"""What Kubernetes asks of hosts, by version and role."""

from __future__ import annotations

import pytest

from appliance.recipe.requirements import Level, Requirement, RequirementKind
from appliance.runtimes.kubernetes.needs import requirements


def asked(version: str, kind: RequirementKind, *roles: str) -> list[Requirement]:
    return [one for one in requirements(version) if one.kind is kind and (not one.roles or set(one.roles) & set(roles))]


@pytest.mark.parametrize(
    ("version", "kernel", "cgroups"),
    [
        ("1.20.2", "3.10", 1),
        ("v1.31.4", "3.10", 1),
        ("1.32.0", "4.19", 1),
        ("1.34", "4.19", 1),
        ("1.35.0", "4.19", 2),
        ("", "4.19", 2),
        ("newest", "4.19", 2),
    ],
)
def test_later_versions_ask_for_newer_kernels(version: str, kernel: str, cgroups: int) -> None:
    assert [one.names for one in asked(version, RequirementKind.KERNEL)] == [(kernel,)]
    assert [one.amount for one in asked(version, RequirementKind.CGROUPS)] == [cgroups]


@pytest.mark.parametrize(
    ("role", "ports"),
    [
        ("control-plane", {2379, 2380, 6443, 10248, 10249, 10250, 10256, 10257, 10259}),
        ("worker", {10248, 10249, 10250, 10256}),
    ],
)
def test_each_role_needs_its_ports(role: str, ports: set[int]) -> None:
    assert {int(port) for one in asked("1.31", RequirementKind.PORTS, role) for port in one.names} == ports


def test_only_a_control_plane_needs_a_disk_that_syncs_fast() -> None:
    assert asked("1.31", RequirementKind.FSYNC, "worker") == []
    (found,) = asked("1.31", RequirementKind.FSYNC, "control-plane")
    assert (found.path, found.amount, found.level) == ("/var/lib/etcd", 10, Level.WARN)


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("leftovers", "fail"),
        ("engines", "fail"),
        ("network-clash", "fail"),
        ("swap", "warn"),
        ("firewall", "warn"),
        ("proxy", "warn"),
        ("wrong-name", "warn"),
        ("selinux", "warn"),
    ],
)
def test_what_hinders_a_cluster_fails_and_what_may_do_so_warns(name: str, level: str) -> None:
    assert [one.level for one in asked("1.31", RequirementKind.WITHOUT) if name in one.names] == [level]
