"""Hosts and their roles, as the command line names them: ``ROLE=ADDRESSES``, or a list in a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, ParamSpec, TypeVar

import click

from appliance.cli.options import FILE
from appliance.operations import sites
from appliance.recipe import addresses
from appliance.recipe.clusterfile import HostGroup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from appliance.cli.options import Session
    from appliance.recipe.bundlefile import BundleSpec
    from appliance.recipe.importing.hostlist import HostList

P = ParamSpec("P")
R = TypeVar("R")


def inventory_option(command: Callable[P, R]) -> Callable[P, R]:
    """Give a command ``--inventory``."""
    said = "a list of hosts: an Ansible inventory (INI or YAML), or a table (.csv)"
    return click.option("-i", "--inventory", type=FILE, metavar="FILE", help=said)(command)


def read_hosts(session: Session, path: Path) -> HostList:
    """The hosts that a file lists; its warnings are said."""
    read = sites.read_hosts(path)
    for warning in read.warnings:
        session.output.warn(warning)
    return read


def listed_groups(session: Session, path: Path, spec: BundleSpec, *, cluster: str) -> tuple[HostGroup, ...]:
    """The hosts that a file lists, in the roles of a bundle; passwords in it are kept in the vault of `cluster`."""
    read = read_hosts(session, path)
    groups, notices = sites.with_roles(read, spec)
    for notice in notices:
        session.output.warn(f"{path}: {notice}")
    sites.keep_secrets(session.home, cluster, read.secrets)
    return groups


def named_groups(words: Iterable[str]) -> tuple[HostGroup, ...]:
    """``ROLE=ADDRESSES``, repeated, as groups: an address under several roles is one host that has them all."""
    roles: dict[str, list[str]] = {}
    for word in words:
        role, found, given = word.partition("=")
        if not found or not role or not given:
            raise click.UsageError(f"--hosts {word}: write ROLE=ADDRESSES, such as etcd=10.0.0.11-10.0.0.13")
        for address in addresses.expand(given.split(","), where=f"--hosts {word}"):
            roles.setdefault(address, []).append(role)
    together: dict[tuple[str, ...], list[str]] = {}
    for address, names in roles.items():
        together.setdefault(tuple(dict.fromkeys(names)), []).append(address)
    return tuple(HostGroup(tuple(members), names) for names, members in together.items())
