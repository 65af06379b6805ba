"""Hosts must have roles that the bundle knows, in the numbers that it takes."""

from __future__ import annotations

import pytest

from appliance.errors import RecipeError
from appliance.inventory.hosts import Host
from appliance.operations.fitting import check_roles
from appliance.recipe.bundlefile import RoleSpec
from appliance.transport.base import Endpoint

ROLES = (RoleSpec("etcd", minimum=1, maximum=3), RoleSpec("client"))


def hosts(*roles: str) -> list[Host]:
    return [
        Host(f"host-{n}", Endpoint(f"10.0.0.{n}", 22, "root"), tuple(names.split())) for n, names in enumerate(roles, 1)
    ]


@pytest.mark.parametrize("roles", [("etcd",), ("etcd", "etcd client", "client", "etcd")])
def test_known_roles_in_their_numbers_pass(roles: tuple[str, ...]) -> None:
    check_roles(ROLES, hosts(*roles))


def test_an_image_that_describes_no_roles_takes_any() -> None:
    check_roles((), hosts("anything"))


@pytest.mark.parametrize(
    ("roles", "message", "hint"),
    [
        (("etc",), "there is no role 'etc', which 10.0.0.1 has", "did you mean 'etcd'?"),
        (("client",), "the role etcd takes 1 to 3 hosts, not 0", "--hosts ROLE=ADDRESSES"),
        (("etcd",) * 4, "the role etcd takes 1 to 3 hosts, not 4", "--hosts ROLE=ADDRESSES"),
    ],
)
def test_other_roles_and_numbers_are_refused_with_what_would_do(
    roles: tuple[str, ...], message: str, hint: str
) -> None:
    with pytest.raises(RecipeError) as refused:
        check_roles(ROLES, hosts(*roles))
    assert (refused.value.message, refused.value.where) == (message, "spec.hosts")
    assert hint in refused.value.hint
