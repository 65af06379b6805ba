"""Roles when nobody has said: by what the roles ask for, and by what the hosts are."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.sites import host

from appliance.inventory.roles import propose_roles
from appliance.recipe.bundlefile import RoleSpec

ETCD = (RoleSpec("etcd", 1, 7, odd=True), RoleSpec("client"))
KUBERNETES = (RoleSpec("control-plane", 1, odd=True), RoleSpec("worker", 1))


def counts(hosts: int, roles: tuple[RoleSpec, ...]) -> list[int]:
    chosen = propose_roles([str(n) for n in range(hosts)], roles, {})
    return [sum(role.name in names for names in chosen.values()) for role in roles]


@pytest.mark.parametrize(
    ("hosts", "roles", "wanted"),
    [
        (0, ETCD, [0, 0]),
        (1, ETCD, [1, 0]),
        (2, ETCD, [1, 1]),
        (3, ETCD, [3, 0]),
        (5, ETCD, [3, 2]),
        (12, ETCD, [5, 7]),
        (2, KUBERNETES, [1, 1]),
        (4, KUBERNETES, [3, 1]),
        (100, KUBERNETES, [5, 95]),
        (4, (RoleSpec("etcd", 1, 7, odd=True),), [3]),
        (9, (RoleSpec("etcd", 1, 7, odd=True),), [7]),
    ],
)
def test_how_many_hosts_a_role_gets(hosts: int, roles: tuple[RoleSpec, ...], wanted: list[int]) -> None:
    assert counts(hosts, roles) == wanted


def test_the_larger_hosts_vote() -> None:
    small, large = host("small").facts, replace(host("large").facts, cpus=16)
    facts = {"a": small, "b": large, "c": small, "d": large}
    chosen = propose_roles(["a", "b", "c", "d"], (RoleSpec("store", 2, 2), RoleSpec("client")), facts)
    assert chosen == {"a": ("client",), "b": ("store",), "c": ("client",), "d": ("store",)}
