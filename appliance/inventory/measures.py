"""How fast a host's disk is, measured on it: a few seconds and MiB at most, and nothing stays there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.transport.base import Command

if TYPE_CHECKING:
    from collections.abc import Iterable

    from appliance.transport.base import Transport

SYNCS = 100
_WRITTEN_MIB = 16
_SECONDS = 60.0

# dd says itself how long it took, without what it takes to start it. 2300 bytes, synced one after the other where
# there is room already: so etcd writes its log.
_SCRIPT = r"""
LC_ALL=C; export LC_ALL
PATH=$PATH:/usr/sbin:/usr/bin:/sbin:/bin
written=$1 syncs=$2 room=$3; shift 3
trap 'rm -rf "$folder"' EXIT
trap 'exit 129' HUP INT TERM
enter() {
    near=$1
    while [ ! -d "$near" ]; do near=${near%/*}; [ -n "$near" ] || near=/; done
    folder=$(mktemp -d "${near%/}/.measure.XXXXXX")
}
enter "$room" && {
    dd if=/dev/zero of="$folder/data" bs=1048576 count="$written" conv=fsync 2>&1 | sed 's/^/write /'
    rm -rf "$folder"
}
for path; do
    enter "$path" || continue
    dd if=/dev/zero of="$folder/log" bs=2300 count="$syncs" conv=fsync 2>/dev/null
    began=$(date +%s) done=0
    while [ "$done" -lt "$syncs" ] && [ $(($(date +%s) - began)) -lt 3 ]; do
        dd if=/dev/zero of="$folder/log" bs=2300 count=1 seek="$done" conv=notrunc oflag=dsync 2>&1 | sed "s|^|$path |"
        done=$((done + 1))
    done
    rm -rf "$folder"
done
"""


@dataclass(frozen=True, slots=True)
class Measures:
    """What was measured of a host; 0 and nothing where it was not.

    `bandwidth` is in bits a second, from the operator to it alone; `writing` in bytes a second; `synced` are the
    seconds within which 99 of 100 small writes are synced, by path.
    """

    bandwidth: float = 0.0
    writing: float = 0.0
    synced: tuple[tuple[str, float], ...] = ()

    def syncs(self, path: str) -> float | None:
        """The seconds at `path`; None if that was not measured."""
        return dict(self.synced).get(path)


def disk(transport: Transport, *, room: str, paths: tuple[str, ...] = ()) -> Measures:
    """Measure how fast a host writes at `room`, and how fast it syncs at `paths`, there or not yet.

    Raises what `Transport.run` raises. What a host cannot tell stays unmeasured.
    """
    command = Command.shell(_SCRIPT, str(_WRITTEN_MIB), str(SYNCS), room, *paths, timeout=_SECONDS)
    return read(transport.run(command).stdout, paths)


def read(text: str, paths: tuple[str, ...]) -> Measures:
    """Read what dd said on a host."""
    took: dict[str, list[float]] = {}
    for line in text.splitlines():
        if found := re.match(r"(\S+) .* copied, ([0-9.e-]{1,20}) s", line):
            took.setdefault(found[1], []).append(_seconds(found[2]))
    (writing,) = took.get("write", [0.0])[-1:]
    synced = tuple((path, _p99(took[path])) for path in paths if path in took)
    return Measures(writing=(_WRITTEN_MIB << 20) / writing if writing else 0.0, synced=synced)


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _p99(seconds: Iterable[float]) -> float:
    """That within which 99 of 100 are; of fewer, the longest."""
    ordered = sorted(seconds)
    return ordered[max(0, -(-len(ordered) * 99 // 100) - 1)]
