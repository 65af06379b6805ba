"""Programs that a test needs beside it, from Debian trixie's packages: unpacked in the user's cache, never installed.

    ORAS = program("oras", "usr/bin/oras")

A package is fetched once, its archive's signature checked by apt, and kept under the digest of its .deb.
"""

from __future__ import annotations

import fcntl
import os
import platform
import shutil
import subprocess
from functools import cache
from typing import TYPE_CHECKING

from appliance import state
from appliance.bundle.pyruntime import debian, programs
from appliance.digest import Digest

if TYPE_CHECKING:
    from pathlib import Path


@cache
def program(package: str, path: str) -> Path:
    """The program at `path` in the newest `package`; the one that is in the cache counts as such."""
    place = state.cache("test-parts")
    link = place / package
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not link.exists():
            link.unlink(missing_ok=True)
            link.symlink_to(_fetched(package, place).name)
    return link / path


def _fetched(package: str, place: Path) -> Path:
    archive = debian.open_archive(platform.machine(), place)
    apt = ("apt-get", "-c", str(archive.root / "apt.conf"), "-qq")
    part = place / f"{package}.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    programs.run((*apt, "update"))
    programs.run((*apt, "download", package), folder=part)
    (deb,) = part.glob("*.deb")
    folder = place / Digest.of(deb.read_bytes()).hex
    if not folder.exists():
        subprocess.run(["dpkg-deb", "--extract", deb, part / "root"], check=True)
        os.replace(part / "root", folder)  # noqa: PTH105  (a folder over nothing)
    shutil.rmtree(part)
    return folder
