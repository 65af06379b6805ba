"""What an installation leaves on a host: where, and the steps that keep what was there before and bring it back.

A file that stood where ours is written is kept under ``NODE/clusters/NAME/before/files``, with the list of folders that
had to be made. Removal works from the stamp's receipt alone; of what is kept, it uses what is still there. A tree that
is a mount point (a disk of its own for data) is emptied, and stays.
"""

from __future__ import annotations

import dataclasses
import posixpath
from typing import TYPE_CHECKING

from appliance.errors import PlanError
from appliance.inventory.appstamp import FOLDER as APPS
from appliance.inventory.facts import Receipt, stamp_to_text
from appliance.plan.steps import PutText, Run, Step
from appliance.transport.base import Command

if TYPE_CHECKING:
    from collections.abc import Iterable

    from appliance.digest import Digest
    from appliance.inventory.facts import NodeStamp

NODE = "/var/lib/appliance/node"
STAMP = "/etc/appliance/node.json"

_CLAIM = """
set -eu
mkdir -p "${1%/*}"
umask 077
printf '%s' "$2" >"$1.part"
sync
mv -f "$1.part" "$1"
"""

_KEEP = """
set -eu
umask 077
kept=$1; shift
mkdir -p "$kept/files"
touch "$kept/seen" "$kept/folders"
for path; do
    ! grep -qxF -e "$path" "$kept/seen" || continue
    folder=${path%/*}
    while [ -n "$folder" ] && [ ! -d "$folder" ]; do
        grep -qxF -e "$folder" "$kept/folders" || printf '%s\\n' "$folder" >>"$kept/folders"
        folder=${folder%/*}
    done
    if [ -e "$path" ] || [ -L "$path" ]; then
        mkdir -p "$kept/files${path%/*}"
        cp -a "$path" "$kept/files$path.part"
        mv -f "$kept/files$path.part" "$kept/files$path"
    fi
    printf '%s\\n' "$path" >>"$kept/seen"
done
sync
"""

_KEPT = """
kept=$1; shift
for path; do grep -qxF -e "$path" "$kept/seen" 2>/dev/null || exit 1; done
"""

_BRING_BACK = """
set -eu
kept=$1; shift
made() { for path; do folder=${path%/*}; while [ "${folder#/*/}" != "$folder" ]; do
    printf '%s\\n' "$folder"; folder=${folder%/*}; done; done; }
for path; do
    [ ! -e "$kept/seen" ] || grep -qxF -e "$path" "$kept/seen" || continue
    rm -f "$path"
    if [ -e "$kept/files$path" ] || [ -L "$kept/files$path" ]; then
        mkdir -p "${path%/*}"
        cp -a "$kept/files$path" "$path.part"
        mv -f "$path.part" "$path"
    fi
done
if [ -e "$kept/folders" ]; then cat "$kept/folders"; else made "$@"; fi | sort -ru | while read -r folder; do
    rmdir "$folder" 2>/dev/null || true
done
mkdir -p "$kept"
rm -rf "$kept.done"
mv "$kept" "$kept.done"
sync
"""

_BROUGHT_BACK = """
kept=$1; shift
[ ! -e "$kept" ] || exit 1
[ ! -e "$kept.done" ] || exit 0
for path; do [ ! -e "$path" ] && [ ! -L "$path" ] || exit 1; done
"""

_CLEAR = """
set -eu
for path; do
    if mountpoint -q "$path"; then find "$path" -mindepth 1 -maxdepth 1 ! -name lost+found -exec rm -rf {} +
    else rm -rf "$path"; fi
    case $path in /opt/appliance/*|/var/lib/appliance/*|/etc/appliance/*) rmdir "${path%/*}" 2>/dev/null || true ;; esac
done
sync
"""

_CLEARED = """
for path; do
    if mountpoint -q "$path"; then
        [ -z "$(find "$path" -mindepth 1 -maxdepth 1 ! -name lost+found)" ] || exit 1
    else [ ! -e "$path" ] && [ ! -L "$path" ] || exit 1; fi
done
"""


def programs(cluster: str, image: Digest) -> str:
    """The folder on a host from which services run their programs."""
    return f"/opt/appliance/{cluster}/{image.hex}"


def application(cluster: str, name: str) -> str:
    """The folder on a host of all that belongs to an application that was added to `cluster`."""
    return f"{NODE}/clusters/{cluster}/{APPS}/{name}"


def own_trees(cluster: str) -> tuple[str, ...]:
    """What every runtime's installation leaves: programs, and all that runs kept on the host."""
    return (f"/opt/appliance/{cluster}", NODE)


def remains(cluster: str) -> tuple[str, ...]:
    """Folders that no host has but one on which `cluster` was installed."""
    return (f"{NODE}/clusters/{cluster}", f"/opt/appliance/{cluster}")


def merge(receipts: Iterable[Receipt]) -> Receipt:
    """All that the receipts list, each once, in order."""
    receipts = tuple(receipts)
    return Receipt(
        files=_once(path for receipt in receipts for path in receipt.files),
        units=_once(unit for receipt in receipts for unit in receipt.units),
        trees=_once(tree for receipt in receipts for tree in receipt.trees),
    )


def _once(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def claim(host: str, stamp: NodeStamp) -> Step:
    """Write the stamp if there is none, before anything else, with no files yet: what stands there is still theirs."""
    text = stamp_to_text(dataclasses.replace(stamp, receipt=Receipt(trees=own_trees(stamp.cluster))))
    return Step(
        id=f"{host}/claim",
        title=f"Say that this host is of cluster {stamp.cluster}",
        host=host,
        action=Run(Command.shell(_CLAIM, STAMP, text)),
        unless=Command(("test", "-e", STAMP)),
    )


def write_stamp(host: str, stamp: NodeStamp, *, title: str = "List what will be written") -> Step:
    """Write the stamp. Its files must be kept before: who removes takes for granted that they are ours."""
    return Step(f"{host}/stamp", title, host, PutText(STAMP, (stamp_to_text(stamp),), mode=0o600))


def keep(host: str, cluster: str, paths: tuple[str, ...]) -> Step:
    """Keep what stands at `paths` for good, once for each of them, before ours is written there."""
    arguments = (_before(cluster), *paths)
    return Step(
        id=f"{host}/keep",
        title="Keep aside what stands where our files go",
        host=host,
        action=Run(Command.shell(_KEEP, *arguments)),
        unless=Command.shell(_KEPT, *arguments),
    )


def bring_back(host: str, stamp: NodeStamp) -> Step:
    """Delete the receipt's files; what was kept comes back, folders that were made for ours go if empty."""
    arguments = (_before(stamp.cluster), *_checked(host, stamp.receipt.files, depth=2))
    return Step(
        id=f"{host}/files",
        title=f"Delete {len(stamp.receipt.files)} files, and put back what they replaced",
        host=host,
        action=Run(Command.shell(_BRING_BACK, *arguments)),
        unless=Command.shell(_BROUGHT_BACK, *arguments),
    )


def clear(host: str, stamp: NodeStamp) -> tuple[Step, ...]:
    """Delete the receipt's trees, and last of all the stamp; before it, the stamp says that only trees are left."""
    trees = _checked(host, stamp.receipt.trees, depth=3)
    left = dataclasses.replace(stamp, receipt=Receipt(trees=trees))
    return (
        write_stamp(host, left, title="Note that only folders are left"),
        _clear_step(host, "trees", f"Delete {', '.join(trees)}", trees),
        _clear_step(host, "forget", "Delete the stamp: this host is free", (STAMP,)),
    )


def _clear_step(host: str, name: str, title: str, paths: tuple[str, ...]) -> Step:
    action = Run(Command.shell(_CLEAR, *paths))
    return Step(f"{host}/{name}", title, host, action, unless=Command.shell(_CLEARED, *paths))


def _before(cluster: str) -> str:
    return f"{NODE}/clusters/{cluster}/before"


def _checked(host: str, paths: tuple[str, ...], *, depth: int) -> tuple[str, ...]:
    """`paths`, if each is absolute, normal, and at least `depth` names long: a receipt must not name ``/etc``."""
    for path in paths:
        if not path.startswith("/") or posixpath.normpath(path) != path or path.count("/") < depth:
            raise PlanError(
                f"the host's receipt lists {path!r}, which no installation writes",
                where=host,
                hint=f"look at {STAMP} on the host, and correct or delete it",
            )
    return paths
