"""An Ansible inventory's groups and variables, whatever they were written in, and the hosts that they make."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from appliance.errors import RecipeError
from appliance.recipe.clusterfile import SshSettings
from appliance.recipe.importing.hostlist import HostList, ListedHost
from appliance.recipe.importing.notes import Notes, checked_port, checked_user

if TYPE_CHECKING:
    from collections.abc import Mapping

ALL = "all"
UNGROUPED = "ungrouped"

_ADDRESS = ("ansible_host", "ansible_ssh_host")
_PORT = ("ansible_port", "ansible_ssh_port")
_USER = ("ansible_user", "ansible_ssh_user")
_KEY = ("ansible_ssh_private_key_file", "ansible_private_key_file")
_PASSWORD = ("ansible_password", "ansible_ssh_pass", "ansible_ssh_password")
_BECOME = ("ansible_become", "ansible_sudo")
_METHOD = ("ansible_become_method",)
_BECOME_PASSWORD = ("ansible_become_password", "ansible_become_pass", "ansible_sudo_pass", "ansible_sudo_password")
_HONOURED = {*_ADDRESS, *_PORT, *_USER, *_KEY, *_PASSWORD, *_BECOME, *_METHOD, *_BECOME_PASSWORD}
_SAYS_NOTHING = {"ansible_connection": ("ssh", "smart", "paramiko", "paramiko_ssh")}
_YES = ("true", "yes", "on", "1")


@dataclass(frozen=True, slots=True)
class Variable:
    """A value, and where it stands."""

    value: str
    where: str


@dataclass(slots=True)
class Group:
    """A group: its own hosts; groups below it, by where that is said; variables."""

    hosts: dict[str, None] = field(default_factory=dict)
    children: dict[str, str] = field(default_factory=dict)
    variables: dict[str, Variable] = field(default_factory=dict)


@dataclass(slots=True)
class Inventory:
    """All of it: groups by name, and what stands with the hosts themselves; where each host is named first."""

    groups: dict[str, Group] = field(default_factory=lambda: {ALL: Group()})
    hosts: dict[str, dict[str, Variable]] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)

    def group(self, name: str) -> Group:
        """The group of this name, made if it is new."""
        return self.groups.setdefault(name, Group())

    def add(self, host: str, variables: Mapping[str, Variable], *, group: str, where: str) -> None:
        """A host of a group, with what stands beside it."""
        self.group(group).hosts[host] = None
        self.places.setdefault(host, where)
        self.hosts.setdefault(host, {}).update(variables)

    def read(self) -> HostList:
        """The hosts, with the groups that they are in and what of their variables is honoured; the rest is named.

        Raises `RecipeError` for a group below itself and for values that cannot be used.
        """
        notes = Notes()
        self._say_unused(notes)
        depths, above = self._depths(), self._parents()
        hosts = []
        for name in self.hosts:
            holding = [group for group, inside in self.groups.items() if name in inside.hosts]
            for group in holding:  # it grows while it is read
                holding += [parent for parent in above[group] if parent not in holding]
            holding.sort(key=lambda group: -depths[group])
            hosts.append(self._host(name, holding, notes))
        return HostList(tuple(hosts), notes.in_order, dict(notes.secrets))

    def _host(self, name: str, groups: list[str], notes: Notes) -> ListedHost:
        """A host in `groups`, the nearest first."""
        values = dict(self.groups[ALL].variables)
        for group in reversed(groups):
            values.update(self.groups[group].variables)
        values.update(self.hosts[name])
        named = tuple(group for group in groups if group not in (ALL, UNGROUPED))
        return ListedHost(name, _value(values, _ADDRESS) or name, self.places[name], named, ssh=_ssh(values, notes))

    def _parents(self) -> dict[str, list[str]]:
        """The groups right above each."""
        return {name: [above for above, group in self.groups.items() if name in group.children] for name in self.groups}

    def _depths(self) -> dict[str, int]:
        """How far down the tree each group lies, by the longest way."""
        depths = dict.fromkeys(self.groups, 0)
        for turn in range(len(self.groups) + 1):
            deeper = [
                (child, where, depths[name] + 1)
                for name, group in self.groups.items()
                for child, where in group.children.items()
                if depths[child] <= depths[name]
            ]
            if not deeper:
                break
            child, where, _ = deeper[0]
            if turn == len(self.groups):
                raise RecipeError(f"the group {child} is below itself", where=where, hint="take it out of its children")
            depths.update({name: depth for name, _, depth in deeper})
        depths[ALL] = -1
        return depths

    def _say_unused(self, notes: Notes) -> None:
        tables = [*(group.variables for group in self.groups.values()), *self.hosts.values()]
        places: dict[str, str] = {}
        for table in tables:
            for name, variable in table.items():
                if name not in _HONOURED and variable.value not in _SAYS_NOTHING.get(name, ()):
                    places.setdefault(name, variable.where)
        for name, where in places.items():
            notes.warn(where, f"the variable {name} is not used here")


def _value(values: Mapping[str, Variable], names: tuple[str, ...]) -> str:
    """The first of these variables that has a value. Raises `RecipeError` for a template, which only Ansible fills."""
    for name in names:
        if (found := values.get(name)) and found.value:
            if "{{" in found.value:
                hint = "ansible-inventory --list --yaml writes inventories without variables of variables"
                raise RecipeError(f"{name} is a template, and is not filled here", where=found.where, hint=hint)
            return found.value
    return ""


def _ssh(values: Mapping[str, Variable], notes: Notes) -> SshSettings:
    return SshSettings(
        user=checked_user(_value(values, _USER), _where(values, _USER)),
        port=checked_port(_value(values, _PORT), _where(values, _PORT)),
        key=_value(values, _KEY),
        become=_become(values, notes),
        password_secret=_secret(values, _PASSWORD, "inventory-password", notes),
        become_password_secret=_secret(values, _BECOME_PASSWORD, "inventory-become-password", notes),
    )


def _secret(values: Mapping[str, Variable], names: tuple[str, ...], kind: str, notes: Notes) -> str:
    """The name of the secret that one of these variables holds; empty when none does."""
    password = _value(values, names)
    if not password:
        return ""
    field_ = next(name for name in names if name in values)
    return notes.secret(kind, password, where=_where(values, names), field_=field_)


def _become(values: Mapping[str, Variable], notes: Notes) -> str:
    method = _value(values, _METHOD) or "sudo"
    if method not in ("sudo", "su"):
        notes.warn(_where(values, _METHOD), f"ansible_become_method {method} is not used: root is become by sudo")
        method = "sudo"
    return method if _value(values, _BECOME).lower() in _YES else ""


def _where(values: Mapping[str, Variable], names: tuple[str, ...]) -> str:
    return next((values[name].where for name in names if name in values), "")
