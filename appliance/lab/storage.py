"""What a host's files lie on: an overlay over its root, folders outside of that, and perhaps a small disk.

Databases and container engines do badly on an overlay, and an overlay's upper folder cannot lie on another one, so
where they write is bound from the machine's own file system.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from appliance import files
from appliance.clock import SystemClock
from appliance.errors import ApplianceError
from appliance.lab.programs import run

if TYPE_CHECKING:
    from collections.abc import Iterator

_OUTSIDE = {"appliance": 0o755, "containerd": 0o700, "etcd": 0o755, "kubelet": 0o755, "private": 0o700}
_DISK_FOR = "appliance"
_UNUSABLE = re.compile(r"[,:\\\s]")
_ROUNDS = 100
_PAUSE_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Binding:
    """A folder of this machine that the host sees at `inside`."""

    outside: Path
    inside: str


def check(folder: Path) -> None:
    """Raise `ApplianceError` for a folder whose path mount options cannot carry."""
    if _UNUSABLE.search(str(folder)):
        raise ApplianceError(
            f"a lab cannot lie in {folder}", hint="choose a folder without spaces, commas, colons and backslashes"
        )


def mount(lower: Path, folder: Path, *, root: Path, disk: int | None) -> None:
    """Mount at `root` a clone of `lower` whose changes go to `folder`, and a disk of `disk` bytes if asked for."""
    with files.disk_errors(folder):
        for name in ("upper", "work", "data", *(f"data/{name}" for name in _OUTSIDE)):
            (folder / name).mkdir(parents=True)
        (folder / "upper").chmod(0o755)
        for name, mode in _OUTSIDE.items():
            (folder / "data" / name).chmod(mode)
        root.mkdir()
    layers = f"lowerdir={lower},upperdir={folder / 'upper'},workdir={folder / 'work'}"
    try:
        run(["mount", "-t", "overlay", "-o", layers, "appliance-lab", str(root)])
    except ApplianceError as error:
        raise ApplianceError(
            f"no overlay can be mounted over {folder}: {error.message}",
            hint="keep the lab on ext4 or xfs: set XDG_CACHE_HOME",
        ) from error
    if disk:
        _mount_disk(folder, disk)


def _mount_disk(folder: Path, size: int) -> None:
    image = folder / "disk.img"
    with files.disk_errors(image), image.open("wb") as out:
        out.truncate(size)
    run(["mkfs.ext4", "-q", "-m", "0", str(image)])
    run(["mount", "-o", "loop", str(image), str(folder / "data" / _DISK_FOR)])


def bindings(folder: Path) -> tuple[Binding, ...]:
    """What the host whose storage is `folder` sees of this machine."""
    return tuple(Binding(folder / "data" / name, f"/var/lib/{name}") for name in _OUTSIDE)


def discard(*folders: Path) -> None:
    """Unmount everything at and below `folders`; then remove the last one with all that is in it."""
    for _ in range(_ROUNDS):
        points = [point for point in _mount_points() if any(point.is_relative_to(folder) for folder in folders)]
        if not points:
            break
        for point in reversed(points):
            _unmount(point)
    else:
        raise ApplianceError(f"{points[0]} stays mounted", hint="end what uses it, then take the lab down again")
    shutil.rmtree(folders[-1], ignore_errors=True)


def _unmount(point: Path) -> None:
    try:
        run(["umount", str(point)])
    except ApplianceError:  # busy while processes that were killed go away
        SystemClock().sleep(_PAUSE_SECONDS)


def _mount_points() -> Iterator[Path]:
    for line in Path("/proc/self/mountinfo").read_bytes().splitlines():
        escaped = line.split(b" ")[4]
        yield Path(os.fsdecode(re.sub(rb"\\([0-7]{3})", lambda octal: bytes([int(octal[1], 8)]), escaped)))
