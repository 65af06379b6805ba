"""Places to run a bundle in that have less than this machine: a root with busybox alone, mounts of one's own."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def in_own_mounts(script: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a shell script whose mounts nobody else sees, and which end with it."""
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-euc", script, "sh", *arguments]
    path = os.defpath + ":/sbin:/usr/sbin"
    return subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": path})


def bare(root: Path) -> Path:
    """Make `root` a machine with busybox and nothing else: no libc, no Python, no /proc."""
    for name in ("bin", "dev", "tmp", "var/tmp", "stick"):
        (root / name).mkdir(parents=True)
    (root / "tmp").chmod(0o1777)
    os.mknod(root / "dev/null", 0o20666, os.makedev(1, 3))
    busybox = root / "bin/busybox"
    shutil.copy(shutil.which("busybox") or "", busybox)
    for applet in subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split():
        if applet != "busybox":
            (root / "bin" / applet).symlink_to("busybox")
    return root
