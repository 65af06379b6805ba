"""What a requirement means for one host: whether its facts meet it, in words. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from appliance.inventory.surroundings import Part
from appliance.recipe.quantities import rate_text, size_text
from appliance.recipe.requirements import Requirement, RequirementKind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from appliance.inventory.facts import DiskSpace, Facts

NEEDED_INODES = 10_000
BYTES_AN_INODE = 1 << 14
"""For how many bytes mke2fs makes an inode."""
_MEMORY_KEPT_BY_FIRMWARE = 16
_GNU_NAMES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether a host is fit in one respect: what was found, and what to do if it is not."""

    fit: bool
    detail: str
    hint: str = ""


def judge(  # noqa: C901, PLR0911  (one for each kind)
    requirement: Requirement, facts: Facts, *, ours: Collection[int] = ()
) -> Judgement:
    """Hold `requirement` against `facts`; ports that listen for our own services are `ours`.

    `ValueError` for what a host's facts alone cannot tell.
    """
    match requirement.kind:
        case RequirementKind.CPU:
            return _at_least(facts.cpus, requirement.amount, "cores", "give the machine more cores")
        case RequirementKind.MEMORY:
            return _memory(facts, requirement.amount)
        case RequirementKind.DISK:
            return room_for({requirement.path: requirement.amount}, facts)
        case RequirementKind.KERNEL:
            return _kernel(facts.kernel, requirement.names[0])
        case RequirementKind.ARCH:
            return architecture(facts, requirement.names)
        case RequirementKind.OS:
            return _system(facts, requirement.names)
        case RequirementKind.PORTS:
            return _ports(facts, requirement.names, ours)
        case RequirementKind.CLOCK_SKEW:
            return _clock(facts.clock_skew, requirement.amount)
        case RequirementKind.MODULES:
            return _modules(facts, requirement.names)
        case RequirementKind.CGROUPS:
            return _cgroups(facts, requirement.names, least=requirement.amount)
        case RequirementKind.FSYNC | RequirementKind.BANDWIDTH | RequirementKind.UNIQUE | RequirementKind.WITHOUT:
            raise ValueError(f"{requirement.kind} is judged by more than one host's facts")
        case _:
            assert_never(requirement.kind)


def architecture(facts: Facts, accepted: Collection[str]) -> Judgement:
    """Whether the host's architecture is one of `accepted`, by Go's names or the kernel's."""
    names = [_GNU_NAMES.get(name, name) for name in accepted]
    detail = f"{facts.architecture or 'unknown'}; accepted: {', '.join(names)}"
    return Judgement(facts.architecture in names, detail, "choose another machine, or a bundle for this architecture")


def room_for(wanted: Mapping[str, int], facts: Facts) -> Judgement:
    """Whether there is room for `wanted` bytes by folder; folders on the same file system share its room."""
    needs: dict[str, int] = {}
    spaces: dict[str, DiskSpace] = {}
    for path, amount in wanted.items():
        if (space := space_at(path, facts)) is None:
            return Judgement(fit=False, detail=f"free space at {path} is not known", hint="see what df says there")
        device = space.device or space.path
        spaces[device] = space
        needs[device] = needs.get(device, 0) + amount
    missing = {spaces[device].path: need - spaces[device].free for device, need in needs.items()}
    short = {path: lacks for path, lacks in missing.items() if lacks > 0}
    free = "; ".join(f"{size_text(space.free)} free for {size_text(needs[device])}" for device, space in spaces.items())
    detail = f"{' and '.join(wanted)}: {free}"
    if not short:
        return Judgement(fit=True, detail=detail)
    lacking = ", ".join(f"{size_text(lacks)} on the file system of {path}" for path, lacks in short.items())
    return Judgement(fit=False, detail=f"{detail}; missing: {lacking}", hint="free space, or enlarge the file system")


def inodes_for(wanted: Mapping[str, int], facts: Facts) -> Judgement:
    """Whether the files of `wanted` bytes by folder can still be made, on file systems that count their inodes.

    Files are taken to be no smaller than those for which such file systems are made.
    """
    needs: dict[str, int] = {}
    spaces: dict[str, DiskSpace] = {}
    for path, amount in wanted.items():
        if (space := space_at(path, facts)) and space.free_inodes >= 0:
            device = space.device or space.path
            spaces[device] = space
            needs[device] = needs.get(device, 0) + amount // BYTES_AN_INODE
    if not spaces:
        return Judgement(fit=True, detail="not limited")
    device = min(spaces, key=lambda one: spaces[one].free_inodes - needs[one])
    free, needed = spaces[device].free_inodes, max(NEEDED_INODES, needs[device])
    detail = f"{free} inodes free at {spaces[device].path}; needed: {needed}"
    return Judgement(free >= needed, detail, "remove small files there, or make a new file system")


def syncing(p99: float | None, most: int) -> Judgement | None:
    """Whether a disk syncs within `most` milliseconds; `p99` is in seconds, None where nothing was measured."""
    if p99 is None:
        return None
    detail = f"small writes are synced within {1000 * p99:.1f} ms (p99); allowed: {most} ms"
    return Judgement(1000 * p99 <= most, detail, "use a faster disk there (SSD), or one that nothing else writes to")


def bandwidth(found: float, least: int) -> Judgement | None:
    """Whether at least `least` bits a second reach it from here; `found` is 0 where nothing was measured."""
    if not found:
        return None
    detail = f"{rate_text(found)} from this machine" + (f"; needed: {rate_text(least)}" if least else "")
    return Judgement(found >= least, detail, "look at cable, switch port and duplex between here and there")


def space_at(path: str, facts: Facts) -> DiskSpace | None:
    """The room at `path`, by what is known of it or of the nearest folder above it."""
    above = [space for space in facts.disks if f"{path}/".startswith(f"{space.path.rstrip('/')}/")]
    return max(above, key=lambda space: len(space.path), default=None)


def _at_least(found: int, wanted: int, what: str, hint: str) -> Judgement:
    return Judgement(found >= wanted, f"{found} {what}; needed: {wanted}", hint)


def _memory(facts: Facts, wanted: int) -> Judgement:
    """A machine of N GiB shows a little less, as firmware and kernel keep some: up to a sixteenth is overlooked."""
    enough = facts.memory >= wanted - wanted // _MEMORY_KEPT_BY_FIRMWARE
    return Judgement(
        enough, f"{size_text(facts.memory)} of memory; needed: {size_text(wanted)}", "give the machine more memory"
    )


def _kernel(found: str, least: str) -> Judgement:
    return Judgement(_version(found) >= _version(least), f"{found}; needed: {least} or newer", "update the system")


def _version(text: str) -> tuple[int, ...]:
    """The leading numbers: ``5.10.0-28-amd64`` is (5, 10, 0)."""
    match = re.match(r"\d+(\.\d+)*", text)
    return tuple(int(part) for part in match[0].split(".")) if match else ()


def _system(facts: Facts, accepted: tuple[str, ...]) -> Judgement:
    """A name accepts any version, ``debian-12`` or ``rhel-9`` that version and its points."""
    found = f"{facts.os_id}-{facts.os_version}"
    fit = any(name in (found, facts.os_id) or found.startswith(f"{name}.") for name in accepted)
    detail = f"{facts.os_name or found}; accepted: {', '.join(accepted)}"
    return Judgement(fit, detail, "choose a machine with an accepted system")


def _ports(facts: Facts, names: tuple[str, ...], ours: Collection[int]) -> Judgement:
    wanted = {port for name in names for port in _port_range(name)}
    taken = sorted(wanted & (set(facts.listening_ports) - set(ours)))
    said = ", ".join(names)
    if not taken:
        return Judgement(fit=True, detail=f"free: {said}")
    ports = ", ".join(map(str, taken))
    hint = f"see who listens with 'ss -tlnp', and stop it: port {ports}"
    return Judgement(fit=False, detail=f"in use: {ports}; needed: {said}", hint=hint)


def _port_range(name: str) -> range:
    first, _, last = name.partition("-")
    return range(int(first), int(last or first) + 1)


def _clock(skew: float, most: int) -> Judgement:
    direction = "ahead of" if skew >= 0 else "behind"
    detail = f"{abs(skew):.1f} s {direction} this machine; allowed: {most} s"
    return Judgement(abs(skew) <= most, detail, "set the clock, or run a time service on all hosts")


def _modules(facts: Facts, names: tuple[str, ...]) -> Judgement:
    """Each of `names`, or one of those with ``|`` between, must be in the kernel or loadable."""
    parts = dict(facts.around.parts)
    states = {name: [parts.get(one, Part.UNKNOWN) for one in name.split("|")] for name in names}
    unknown = [name for name, found in states.items() if {*found} <= {Part.UNKNOWN}]
    lacking = [name for name, found in states.items() if {Part.THERE, Part.LOADABLE, Part.UNKNOWN}.isdisjoint(found)]
    if not lacking:
        said = f"not known: {_either(unknown)}" if unknown else f"there or loadable: {_either(names)}"
        return Judgement(fit=True, detail=said)
    forbidden = [name for name in lacking if Part.FORBIDDEN in states[name]]
    hint = "install the kernel's package of further modules (linux-modules-extra, kernel-modules), or a fuller kernel"
    if forbidden:
        hint = f"allow them: see who forbids them with 'grep -r {forbidden[0].split('|')[0]} /etc/modprobe.d'"
    return Judgement(fit=False, detail=f"not in kernel {facts.kernel}: {_either(lacking)}", hint=hint)


def _either(names: Iterable[str]) -> str:
    return ", ".join(name.replace("|", " or ") for name in names)


def _cgroups(facts: Facts, controllers: tuple[str, ...], *, least: int) -> Judgement:
    found = facts.around
    detail = f"control groups of version {found.cgroups or 'unknown'}"
    if not found.cgroups:
        return Judgement(fit=False, detail=detail, hint="see that /sys/fs/cgroup is mounted on the host")
    if found.cgroups < least:
        hint = "start the kernel with systemd.unified_cgroup_hierarchy=1, or choose a newer system"
        return Judgement(fit=False, detail=f"{detail}; needed: {least}", hint=hint)
    lacking = ", ".join(name for name in controllers if name not in found.controllers)
    if lacking:
        hint = "remove cgroup_disable=… from the kernel's command line (for memory, some need cgroup_enable=memory)"
        return Judgement(fit=False, detail=f"{detail} without {lacking}", hint=hint)
    return Judgement(fit=True, detail=detail)
