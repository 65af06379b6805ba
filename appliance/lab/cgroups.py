"""Control groups: where a lab's processes are held together, found and ended.

A lab has the folder ``appliance-lab/LAB`` in every hierarchy (cgroup v1, v2 or both), and in it a folder per host with
two leaves: ``power`` for the loop that starts the host, ``machine`` for the host itself. Whatever a host starts stays
inside, so this is also how a lab is taken down without looking for programs by name.
"""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.clock import SystemClock
from appliance.errors import ApplianceError

if TYPE_CHECKING:
    from collections.abc import Iterator

_FAMILY = "appliance-lab"
_LEAVES = ("power", "machine")
_WANTED = {"cpu", "cpuset", "io", "memory", "pids"}
_ROUNDS = 200
_PAUSE_SECONDS = 0.02


def hierarchies() -> tuple[Path, ...]:
    """Where control group hierarchies are mounted on this machine."""
    found = tuple(_mounted("cgroup", "cgroup2"))
    if not found:
        raise ApplianceError("no control groups are mounted on this machine", hint="mount cgroup2 on /sys/fs/cgroup")
    return found


def has_v2() -> bool:
    """Whether version 2 is there, be it beside version 1 and without controllers.

    Hosts use it then: only it tells the systemd in a container when a group is empty, so that units stop at once.
    """
    return any(_mounted("cgroup2"))


def _mounted(*kinds: str) -> Iterator[Path]:
    mounts = (line.split(" ") for line in Path("/proc/self/mountinfo").read_text().splitlines())
    return iter({Path(fields[4]): None for fields in mounts if fields[fields.index("-") + 1] in kinds})


def labs() -> set[str]:
    """Names of the labs that have control groups."""
    found = set[str]()
    for hierarchy in hierarchies():
        with contextlib.suppress(FileNotFoundError):
            found.update(folder.name for folder in (hierarchy / _FAMILY).iterdir() if folder.is_dir())
    return found


def make(lab: str, host: str) -> tuple[Path, ...]:
    """Make the host's folder in every hierarchy, with its leaves; the folders. `ApplianceError` where it may not be."""
    try:
        return tuple(_make_in(hierarchy, (_FAMILY, lab, host)) for hierarchy in hierarchies())
    except OSError as error:
        raise ApplianceError(
            f"no control group can be made: {error.strerror}",
            where=host,
            hint="a lab needs a machine, or a privileged container with writable control groups",
        ) from error


def _make_in(hierarchy: Path, names: tuple[str, ...]) -> Path:
    while True:
        folder = hierarchy
        try:
            for name in names:
                _pass_on_controllers(folder)
                folder = _make(folder / name)
            _pass_on_controllers(folder)
            for leaf in _LEAVES:
                _make(folder / leaf)
        except FileNotFoundError:  # the last other lab went, and took the family's folder with it
            continue
        return folder


def _make(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    for name in ("cpuset.cpus", "cpuset.mems"):  # v1: empty, and nothing can enter, until they are copied down
        own, parent = folder / name, folder.parent / name
        if parent.exists() and not (folder / "cgroup.controllers").exists():
            own.write_text(parent.read_text())
    return folder


def _pass_on_controllers(folder: Path) -> None:
    """In v2, offer `folder`'s controllers to those below it; in v1 they are there."""
    offered = folder / "cgroup.controllers"
    if not offered.exists():
        return
    for controller in set(offered.read_text().split()) & _WANTED:
        with contextlib.suppress(OSError):  # one that cannot be passed on is one that hosts do without
            (folder / "cgroup.subtree_control").write_text(f"+{controller}")


def pids(lab: str, host: str = "", leaf: str = "") -> set[int]:
    """Processes of a lab, of one of its hosts, or of one leaf of that."""
    return {
        int(pid)
        for folder in _folders(lab, host, leaf)
        for procs in _below(folder, "cgroup.procs")
        for pid in _read(procs).split()
        if pid != "0"  # one outside of our own process namespace
    }


def leader(lab: str, host: str) -> int | None:
    """The process that is the host's init, or None while it is off."""
    for pid in sorted(pids(lab, host, "machine")):
        status = _read(Path(f"/proc/{pid}/status"))
        levels = next((line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:")), [])
        if len(levels) > 1 and levels[1] == "1":
            return pid
    return None


def kill(lab: str, host: str = "") -> None:
    """End every process of the lab or host, at once and without asking; returns when none is left."""
    for _ in range(_ROUNDS):
        for folder in _folders(lab, host):
            with contextlib.suppress(OSError):  # only cgroup v2 has it
                (folder / "cgroup.kill").write_text("1")
        left = pids(lab, host)
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if not left:
            return
        SystemClock().sleep(_PAUSE_SECONDS)
    raise ApplianceError(f"{len(left)} processes do not end", where=host or lab)


def remove(lab: str, host: str = "") -> None:
    """Remove the empty folders of the lab or host, ending what enters them meanwhile."""
    for _ in range(_ROUNDS):
        kill(lab, host)
        for folder in _folders(lab, host):
            _prune(folder)
        if not any(folder.exists() for folder in _folders(lab, host)):
            break
        SystemClock().sleep(_PAUSE_SECONDS)
    else:
        raise ApplianceError("control groups stay in use", where=host or lab)
    if not host:
        for hierarchy in hierarchies():
            with contextlib.suppress(OSError):  # another lab's folder is in it, or it is gone
                (hierarchy / _FAMILY).rmdir()


def _prune(folder: Path) -> None:
    for current, _, _ in os.walk(folder, topdown=False):
        with contextlib.suppress(OSError):
            Path(current).rmdir()


def _folders(lab: str, *parts: str) -> tuple[Path, ...]:
    return tuple(folder for hierarchy in hierarchies() if (folder := hierarchy.joinpath(_FAMILY, lab, *parts)).is_dir())


def _below(folder: Path, name: str) -> Iterator[Path]:
    for current, _, _ in os.walk(folder):
        yield Path(current, name)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # it ended meanwhile
        return ""
