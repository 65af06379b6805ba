"""The question by which any POSIX shell tells what its host is, and readers for what it answers. Pure.

The answer is text in sections: a line ``@NAME`` opens one, and its lines follow, each behind a space. What a host
lacks is an empty section, so that a bare Debian, a host without Python and busybox all can answer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv6Address
from itertools import pairwise
from typing import TYPE_CHECKING

from appliance.transport.base import Command

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

_SCRIPT = r"""
LC_ALL=C; export LC_ALL
exec 2>/dev/null
show() { printf '@%s\n' "$1"; shift; "$@" | sed 's/^/ /'; echo; }
first() { for file; do [ -r "$file" ] && { cat "$file"; return; }; done; }
show date date +%s.%N
show uid id -u
show hostname cat /proc/sys/kernel/hostname
show machine-id cat /etc/machine-id
show uname uname -mr
show os first /etc/os-release /usr/lib/os-release
show cpus getconf _NPROCESSORS_ONLN
show nproc nproc
show memory grep MemTotal: /proc/meminfo
show tcp grep -h ' 0A ' /proc/net/tcp /proc/net/tcp6
show inet grep -B1 'host LOCAL' /proc/net/fib_trie
show inet6 cat /proc/net/if_inet6
[ -d /run/systemd/system ] && show systemd systemctl --version
show commands sh -c 'for name; do command -v "$name" >/dev/null && echo "$name"; done' sh @COMMANDS@
mounts() {
    while read -r source path type rest; do
        case $source:$path in /dev/*:*\\*) ;; /dev/*) [ -d "$path" ] && echo "$path";; esac
    done </proc/mounts | sort -u | head -n 64
}
for path in "$@" $(mounts); do
    found=$path
    while [ ! -e "$found" ]; do found=${found%/*}; [ -n "$found" ] || found=/; done
    printf '@disk\n %s\n@device\n' "$path"
    stat -c ' %d' "$found"
    echo @space
    stat -f -c ' %S %a %b %d %c %T' "$found" || show df df -Pk "$found"
done
@MORE@
show lease head -c 4096 /run/appliance/lease/owner
[ -e /etc/appliance/node.json ] && show stamp head -c @STAMP@ /etc/appliance/node.json
echo @end
"""


def question(paths: tuple[str, ...], commands: tuple[str, ...], *, stamp_bytes: int, more: str = "") -> Command:
    """Ask for all facts: the room at `paths`, there or not yet; which of `commands` exist; a stamp of that size.

    `more` is a script that ``show``s further sections.
    """
    script = _SCRIPT.replace("@COMMANDS@", " ".join(commands)).replace("@STAMP@", str(stamp_bytes + 1))
    script = script.replace("@MORE@", more)
    return Command.shell(script, *paths, timeout=60)


@dataclass(frozen=True, slots=True)
class Section:
    """A section of an answer."""

    name: str
    lines: tuple[str, ...]

    @property
    def line(self) -> str:
        """Its first line, stripped; empty if there is none."""
        return self.lines[0].strip() if self.lines else ""

    @property
    def number(self) -> int:
        """The first number in its first line; 0 if there is none."""
        return number(self.line)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a host answered."""

    sections: tuple[Section, ...]

    @classmethod
    def parse(cls, text: str) -> Answer:
        """Read an answer; `ValueError` if it breaks off."""
        found: list[tuple[str, list[str]]] = []
        for line in text.split("\n"):
            if line.startswith("@"):
                found.append((line[1:], []))
            elif line.startswith(" ") and found:
                found[-1][1].append(line[1:])
        if not found or found[-1] != ("end", []):
            raise ValueError("the answer breaks off")
        return cls(tuple(Section(name, tuple(lines)) for name, lines in found))

    def get(self, name: str) -> Section:
        """The first section of that name, or an empty one."""
        return next((section for section in self.sections if section.name == name), Section(name, ()))

    def has(self, name: str) -> bool:
        """Whether there is a section of that name."""
        return any(section.name == name for section in self.sections)

    def rooms(self) -> Iterator[Answer]:
        """The answers about each path: its sections disk, device and space, and df where stat tells no space."""
        starts = [number for number, section in enumerate(self.sections) if section.name == "disk"]
        for start, end in pairwise([*starts, len(self.sections)]):
            yield Answer(self.sections[start:end])


def number(text: str) -> int:
    """The first number in a text; 0 if there is none."""
    match = re.search(r"[0-9]{1,18}", text)
    return int(match[0]) if match else 0


def skew(date: str, at: datetime) -> float:
    """Seconds that a host's clock is ahead; busybox knows no fractions."""
    match = re.match(r"([0-9]{1,12})(\.[0-9]{1,9})?", date)
    if not match:
        return 0.0
    return round(int(match[1]) + float(match[2] or 0.5) - at.timestamp(), 3)


def inet_addresses(lines: tuple[str, ...]) -> Iterator[str]:
    """Addresses out of ``/proc/net/fib_trie``: the leaf above each ``/32 host LOCAL``, without loopback's."""
    leaf, seen = "", set()
    for line in lines:
        words = line.split()
        if words[:1] == ["|--"]:
            leaf = words[-1]
        elif words[:1] == ["/32"] and not leaf.startswith("127.") and leaf not in seen:
            seen.add(leaf)
            yield leaf


def inet6_addresses(lines: tuple[str, ...]) -> Iterator[str]:
    """Addresses out of ``/proc/net/if_inet6``, without loopback's and those of a link."""
    for line in lines:
        if digits := re.match(r"[0-9a-f]{32}\b", line):
            address = IPv6Address(int(digits[0], 16))
            if not address.is_loopback and not address.is_link_local:
                yield str(address)


def os_release(lines: tuple[str, ...]) -> dict[str, str]:
    """The assignments of os-release(5), without their quotes."""
    pairs = (line.partition("=") for line in lines if not line.startswith("#"))
    return {name.strip(): re.sub(r"\\(.)", r"\1", value.strip().strip("\"'")) for name, _, value in pairs}


def ports(lines: tuple[str, ...]) -> tuple[int, ...]:
    """The local ports of lines of ``/proc/net/tcp``, sorted; a line of another form is passed over."""
    found = (re.match(r"\s*\d+: [0-9A-F]+:([0-9A-F]{4}) ", line) for line in lines)
    return tuple(sorted({int(match[1], 16) for match in found if match}))
