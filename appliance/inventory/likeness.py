"""What hosts have alike that must differ, and what differs that must be alike, in words. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, assert_never

from appliance.inventory.fitness import Judgement
from appliance.recipe.requirements import Trait

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from appliance.inventory.facts import Facts

_HINTS = {
    Trait.MAC: "give each machine an address of its own: a copied one keeps the first one's",
    Trait.HOSTNAME: "give each host a name of its own: 'hostnamectl set-hostname'",
    Trait.PRODUCT_UUID: "give each machine a UUID of its own, where it was made",
}


def values(trait: Trait, facts: Facts) -> tuple[str, ...]:
    """What a host has of a trait; nothing if it does not tell."""
    match trait:
        case Trait.MAC:
            return facts.around.macs
        case Trait.HOSTNAME:
            return (facts.hostname,) if facts.hostname else ()
        case Trait.PRODUCT_UUID:
            return (facts.around.product_uuid,) if facts.around.product_uuid else ()
        case _:
            assert_never(trait)


def shared(trait: Trait, hosts: Iterable[Facts]) -> Counter[str]:
    """How many hosts have each value of a trait."""
    return Counter(value for facts in hosts for value in set(values(trait, facts)))


def unlike(trait: Trait, facts: Facts, shared: Counter[str]) -> Judgement:
    """Whether nobody else has what a host has of a trait; `shared` counts the hosts that have a value."""
    own = values(trait, facts)
    if not own:
        return Judgement(fit=True, detail="the host does not tell")
    alike = ", ".join(value for value in own if shared[value] > 1)
    return Judgement(not alike, f"{alike} is another host's, too" if alike else ", ".join(own), _HINTS[trait])


def machine_id(facts: Facts, machines: Counter[str]) -> Judgement:
    """Whether a host has a machine id, and nobody else has it; `machines` counts the hosts that have one."""
    if not facts.machine_id:
        return Judgement(fit=False, detail="/etc/machine-id is empty", hint="run systemd-machine-id-setup on the host")
    if machines[facts.machine_id] > 1:
        hint = "the same machine under two addresses: list it once; a copied disk: give each a new /etc/machine-id"
        return Judgement(fit=False, detail=f"{facts.machine_id} is another host's, too", hint=hint)
    return Judgement(fit=True, detail=facts.machine_id)


def apart(skews: Mapping[str, float], most: int) -> Judgement:
    """Whether hosts' clocks are at most `most` seconds from each other, by how far each is ahead of ours."""
    first, last = max(skews, key=skews.__getitem__), min(skews, key=skews.__getitem__)
    span = skews[first] - skews[last]
    if span <= most:
        return Judgement(fit=True, detail=f"within {span:.1f} s of each other")
    hint = "run one time service on all hosts (chrony, systemd-timesyncd), and wait until it has set the clocks"
    return Judgement(fit=False, detail=f"{first} is {span:.1f} s ahead of {last}; allowed: {most} s", hint=hint)
