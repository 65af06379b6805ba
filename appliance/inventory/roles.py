"""Which hosts get which role when nobody has said: by what the roles ask for, and by what the hosts are. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from appliance.inventory.facts import Facts
    from appliance.recipe.bundlefile import RoleSpec

_SMALL_SITE = 10


def propose_roles(
    addresses: Sequence[str], roles: Sequence[RoleSpec], facts: Mapping[str, Facts]
) -> dict[str, tuple[str, ...]]:
    """A role for each of `addresses`; none for those that no role has room for.

    Each role first gets its minimum, in the order of `roles`; one that votes (`odd`) then grows to three hosts, or to
    five on a site of ten and more, or takes all if it is the only one; what is left goes to the role that is not
    bounded. Those known by their `facts` to be larger come first, otherwise the order is kept.
    """
    left = sorted(addresses, key=lambda address: _size(facts.get(address)), reverse=True)
    counts = _counts(len(left), roles)
    chosen: dict[str, tuple[str, ...]] = {}
    for role, count in zip(roles, counts, strict=True):
        for address in left[:count]:
            chosen[address] = (role.name,)
        left = left[count:]
    return {address: chosen.get(address, ()) for address in addresses}


def _size(facts: Facts | None) -> tuple[int, int]:
    """Cores, then memory by the GiB: what is nearly alike counts as alike."""
    return (facts.cpus, facts.memory >> 30) if facts else (0, 0)


def _counts(hosts: int, roles: Sequence[RoleSpec]) -> list[int]:
    counts = [0] * len(roles)
    left = hosts
    for index, role in enumerate(roles):
        counts[index] = min(role.minimum, left)
        left -= counts[index]
    for index, role in enumerate(roles):
        if role.odd:
            more = max(0, _voters(counts[index] + left, role, alone=len(roles) == 1) - counts[index])
            counts[index] += more
            left -= more
    for index, role in enumerate(roles):
        if not role.odd:
            more = left if not role.maximum else min(left, role.maximum - counts[index])
            counts[index] += more
            left -= more
    return counts


def _voters(available: int, role: RoleSpec, *, alone: bool) -> int:
    most = available if alone else (3 if available < _SMALL_SITE else 5)
    most = min(most, available, role.maximum or available)
    return most if most % 2 or not most else most - 1
