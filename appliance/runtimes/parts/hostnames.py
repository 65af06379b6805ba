"""Names that hosts of a cluster know without DNS: lines of ours at the head of ``/etc/hosts``, each marked as ours.

Lines of others are left as they are. Ours stand before them, since the first line that has a name counts: what the
Clusterfile says goes before what a host was given earlier. Each part of an installation has a block of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.plan.steps import Run, Step
from appliance.transport.base import Command

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from appliance.plan.runtime import Site

PATH = "/etc/hosts"
NODES = "hosts"
"""The block of the cluster's hosts, and of the Clusterfile's aliases."""

_WRITE = """
set -eu
path=$1 mark=$2 lines=$3
[ -e "$path" ] || : >"$path"
cp -p "$path" "$path.part"
{ [ -z "$lines" ] || printf '%s\\n' "$lines"; grep -v -e " $mark\\$" "$path" || true; } >"$path.part"
! command -v restorecon >/dev/null || restorecon "$path.part" || true
sync
mv -f "$path.part" "$path" 2>/dev/null || { cat "$path.part" >"$path"; rm -f "$path.part"; }  # a mount stays
"""

_WRITTEN = '[ "$(grep -e " $2\\$" "$1" 2>/dev/null)" = "$3" ]'


def nodes(site: Site) -> Mapping[str, tuple[str, ...]]:
    """The names of the cluster's hosts and the Clusterfile's aliases, by address."""
    named: dict[str, tuple[str, ...]] = {host.host.address: (host.name,) for host in site.hosts}
    for address, names in site.aliases:
        named[address] = tuple(dict.fromkeys((*named.get(address, ()), *names)))
    return named


def put(host: str, cluster: str, block: str, names: Mapping[str, Sequence[str]]) -> Step:
    """Make the lines of `block` (a word) on `host` those of `names` by address, and no others; none takes it away."""
    mark = f"{_mark(cluster)} {block}"
    lines = "\n".join(f"{address} {' '.join(known)} {mark}" for address, known in names.items())
    every = dict.fromkeys(name for known in names.values() for name in known)
    return Step(
        id=f"{host}/names:{block}",
        title=f"Write {', '.join(every)} into {PATH}",
        host=host,
        action=Run(Command.shell(_WRITE, PATH, mark, lines)),
        unless=Command.shell(_WRITTEN, PATH, mark, lines),
    )


def remove(host: str, cluster: str) -> Step:
    """Take all lines of `cluster` out of ``/etc/hosts``."""
    mark = f"{_mark(cluster)} [a-z-]*"
    return Step(
        id=f"{host}/names",
        title=f"Take the names of {cluster} out of {PATH}",
        host=host,
        action=Run(Command.shell(_WRITE, PATH, mark, "")),
        unless=Command.shell(_WRITTEN, PATH, mark, ""),
    )


def _mark(cluster: str) -> str:
    return f"# of cluster {cluster}:"
