"""Hosts as other tools list them: an Ansible inventory or a table; and the roles that they get in a bundle."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from appliance.errors import RecipeError
from appliance.recipe.addresses import expand
from appliance.recipe.clusterfile import HostGroup, SshSettings
from appliance.recipe.importing.notes import NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

_SYNONYMS = {"master": "control-plane", "controlplane": "control-plane", "node": "worker", "agent": "worker"}


@dataclass(frozen=True, slots=True)
class ListedHost:
    """A host of a list: what it is called there, its address or a name for one, its groups, and how it is entered.

    `fingerprints` are those of its keys, as far as the list carries them.
    """

    name: str
    address: str
    where: str
    groups: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    ssh: SshSettings = field(default_factory=SshSettings)
    fingerprints: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HostList:
    """A list as read: hosts in order, warnings for people, and inline secrets by name, bound for the vault."""

    hosts: tuple[ListedHost, ...]
    warnings: tuple[str, ...] = ()
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)

    def without_secrets(self) -> HostList:
        """The list as it may be written down."""
        plain = (
            replace(host, ssh=replace(host.ssh, password_secret="", become_password_secret="")) for host in self.hosts
        )
        return HostList(tuple(plain), self.warnings)


def resolved(hosts: HostList, resolve: Callable[[str], str]) -> HostList:
    """`hosts`, each with an IP address; `resolve` gives the address of a name, and its `RecipeError` gets the line.

    Raises `RecipeError` for what is no address, and for one that comes twice.
    """
    seen: dict[str, str] = {}
    found = []
    for host in hosts.hosts:
        address = _address(host, resolve)
        if address in seen:
            hint = "list it once, in all of its groups"
            raise RecipeError(f"{host.name} and {seen[address]} are both at {address}", where=host.where, hint=hint)
        seen[address] = host.name
        found.append(replace(host, address=address))
    return replace(hosts, hosts=tuple(found))


def _address(host: ListedHost, resolve: Callable[[str], str]) -> str:
    text = host.address
    if any(letter.isalpha() for letter in text) and ":" not in text:
        try:
            text = resolve(text)
        except RecipeError as error:
            raise RecipeError(error.message, where=host.where, hint=error.hint) from error
    (address, *more) = expand([text], where=host.where)
    if more:
        raise RecipeError(f"{text!r} is more than one address", where=host.where, hint="list each host by itself")
    return address


def role_of(group: str, roles: Iterable[str]) -> str:
    """Which of `roles` a group means, by its name or what others call it; empty: none of them."""
    known = {_plain(role): role for role in roles}
    plain = _plain(group)
    return known.get(plain) or known.get(_SYNONYMS.get(plain, ""), "")


def _plain(name: str) -> str:
    return re.sub(r"s$", "", name.lower().replace("_", "-").removeprefix("kube-"))


def by_role(hosts: Sequence[ListedHost], roles: Sequence[str]) -> tuple[tuple[HostGroup, ...], tuple[ListedHost, ...]]:
    """Hosts with the roles that their groups mean, alike ones together; and those of which no group is a role.

    Without `roles` every group's name is a role. Where there is one role and no group means it, it is everyone's.
    """
    given = [_roles(host, roles) for host in hosts]
    if len(roles) == 1 and not any(given):
        given = [tuple(roles)] * len(hosts)
    groups: dict[tuple[object, ...], HostGroup] = {}
    for host, mine in zip(hosts, given, strict=True):
        if mine:
            alike = (mine, tuple(sorted(host.labels.items())), host.ssh)
            group = groups.get(alike, HostGroup((), mine, host.labels, host.ssh))
            groups[alike] = group.joined(host.address, host.fingerprints)
    return tuple(groups.values()), tuple(host for host, mine in zip(hosts, given, strict=True) if not mine)


def _roles(host: ListedHost, roles: Sequence[str]) -> tuple[str, ...]:
    if not roles:
        named = (group.lower().replace("_", "-") for group in host.groups)
        return tuple(dict.fromkeys(name for name in named if NAME.fullmatch(name)))
    return tuple(dict.fromkeys(role for group in host.groups if (role := role_of(group, roles))))
