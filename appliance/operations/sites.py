"""Clusterfiles as an operator brings them, and what this machine keeps of a cluster that is still being described."""

from __future__ import annotations

import socket
from dataclasses import replace
from typing import TYPE_CHECKING

from appliance import files
from appliance.errors import RecipeError, StateError
from appliance.operations.parameters import without_secrets
from appliance.recipe import clusterfile
from appliance.recipe.importing import clusterfiles, hostlists
from appliance.recipe.importing.hostlist import by_role, resolved
from appliance.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from appliance.recipe.bundlefile import BundleSpec
    from appliance.recipe.clusterfile import Cluster, Clusterfile, HostGroup
    from appliance.recipe.importing.hostlist import HostList
    from appliance.recipe.siteapps import SiteApp
    from appliance.state import ClusterDir, Home

_CLUSTERFILE_BYTES = 4 << 20
_VARIABLES = ("group_vars", "host_vars")
_NAMED = 5


def read_clusterfile(home: Home, path: Path) -> Clusterfile:
    """The Clusterfile at `path`, ours or sealer's; passwords that stand in it are kept in its cluster's vault now.

    Raises `RecipeError` when it cannot be read or used.
    """
    read = clusterfiles.load(_text(path, "Clusterfile"), source=str(path))
    keep_secrets(home, read.cluster.name, read.secrets)
    return read


def read_hosts(path: Path) -> HostList:
    """The hosts that an Ansible inventory or a table at `path` lists, each with an IP address.

    Raises `RecipeError` when it cannot be read or used, and for a name that has no address.
    """
    text = _text(path, "list of hosts")
    if hostlists.is_clusterfile(text):
        raise RecipeError("this is a Clusterfile, no list of hosts", where=str(path), hint="give it with -f")
    read = resolved(hostlists.load(text, source=str(path)), address_of)
    beside = [name for name in _VARIABLES if (path.parent / name).is_dir()]
    more = "ansible-inventory --list --yaml writes one file with all that stands there"
    said = tuple(f"{path.parent / name} is not read; {more}" for name in beside)
    return replace(read, warnings=(*read.warnings, *said))


def is_clusterfile(path: Path) -> bool:
    """Whether the file at `path` says of itself that it is a Clusterfile. Raises `RecipeError`."""
    return hostlists.is_clusterfile(_text(path, "file"))


def with_roles(listed: HostList, spec: BundleSpec) -> tuple[tuple[HostGroup, ...], tuple[str, ...]]:
    """The hosts of a list in the roles of a bundle, and a sentence about those that have none.

    Raises `RecipeError` when nobody has a role.
    """
    roles = [role.name for role in spec.roles]
    groups, others = by_role(listed.hosts, roles)
    if not groups:
        hint = f"call groups after roles: {', '.join(roles)}" if roles else "put the hosts into groups"
        raise RecipeError("no host is in a group that is a role", where=listed.hosts[0].where, hint=hint)
    names = ", ".join(host.name for host in others[:_NAMED])
    more = f" and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
    return groups, (f"left out, in no group that is a role: {names}{more}",) if others else ()


def keep_secrets(home: Home, cluster: str, secrets: Mapping[str, str]) -> None:
    """Keep secrets that were found in a file in the vault of the cluster called `cluster`."""
    if secrets:
        folder = home.cluster(cluster)
        vault = Vault.open(folder.vault, folder.vault_key)
        for name, value in secrets.items():
            vault.put(name, value.encode())


def address_of(name: str) -> str:
    """The IP address of a host's name, as this machine knows it. Raises `RecipeError`."""
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise RecipeError(f"{name!r} is not an address, and no name that has one", hint="write IP addresses") from error
    return str(found[0][4][0])


def _text(path: Path, what: str) -> str:
    try:
        return files.read_bounded(path, _CLUSTERFILE_BYTES).decode()
    except UnicodeDecodeError as error:
        raise _unreadable(path, what, "it is not UTF-8 text") from error
    except StateError as error:
        raise _unreadable(path, what, "it is too large") from error
    except OSError as error:
        raise _unreadable(path, what, error.strerror or str(error)) from error


def _unreadable(path: Path, what: str, why: str) -> RecipeError:
    hint = "name a readable text file in UTF-8"
    return RecipeError(f"cannot read the {what}: {why}", where=str(path), hint=hint)


def keep_draft(folder: ClusterDir, cluster: Cluster, spec: BundleSpec) -> None:
    """Keep `cluster`, without secrets, so that its description can be gone on with."""
    files.write_text(folder.draft, clusterfile.dump(without_secrets(spec, cluster)), mode=0o600)


def applied_apps(folder: ClusterDir) -> tuple[SiteApp, ...]:
    """The applications of the cluster as it was applied last, with how they are set."""
    path = folder.clusterfile
    return clusterfile.load(_text(path, "Clusterfile"), source=str(path)).cluster.apps if path.is_file() else ()


def newest_draft(home: Home, bundle: str) -> Path | None:
    """The description last worked on that is for the bundle called `bundle` and was not applied since, if any."""
    found = []
    for name in home.clusters():
        draft = home.cluster(name).draft
        if draft.is_file() and clusterfile.load(draft.read_text(), source=str(draft)).cluster.image == bundle:
            found.append(draft)
    return max(found, key=lambda draft: draft.stat().st_mtime, default=None)
