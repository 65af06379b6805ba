"""Root file systems that hosts are clones of: a minimal Debian, made once and kept.

A root's folder is named by the digest of all that decides its content, so it never changes and may be deleted at any
time while no lab stands on it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance import files
from appliance.digest import Digest
from appliance.errors import ApplianceError
from appliance.events import Outcome, TaskFinished, TaskProgress, TaskStarted, silent
from appliance.lab.programs import bound, environment, run

if TYPE_CHECKING:
    from pathlib import Path

    from appliance.events import Sink

_DEFAULT_MIRROR = "http://deb.debian.org/debian"
_PACKAGES = (
    "ca-certificates",
    "curl",
    "dbus",
    "iproute2",
    "iputils-ping",
    "kmod",
    "libpam-systemd",
    "openssh-server",
    "procps",
    "sudo",
    "systemd",
    "systemd-sysv",
)
_PYTHON = "python3-minimal"
_OPTIONS = (
    "--quiet",
    "--verbose",
    "--mode=root",
    "--format=directory",
    "--variant=minbase",
    '--aptopt=Acquire::Languages "none"',
    "--dpkgopt=force-unsafe-io",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--dpkgopt=path-exclude=/usr/share/man/*",
)
_TOLD = ("I: ", "Unpacking ", "Setting up ")
# No console to log in at, and no timer that would work beside what is measured.
_MASKED = (
    "apt-daily-upgrade.timer",
    "apt-daily.timer",
    "console-getty.service",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "getty.target",
)
# A container host writes six kernel settings and its control groups' controllers, which a namespace may not;
# files that hold the expected values already are laid over the settings.
_SYSCTLS = {
    "kernel/keys/root_maxbytes": "25000000",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
}
_KERNEL_UNIT = """\
[Unit]
Description=Kernel settings as container hosts expect them, and writable control groups
DefaultDependencies=no
Before=sysinit.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh /etc/lab/kernel.sh

[Install]
WantedBy=sysinit.target
"""
_KERNEL_SCRIPT = """\
cd /etc/lab/sysctl || exit
find . -type f | while read -r setting; do
    if [ -e "/proc/sys/$setting" ]; then mount --bind "$setting" "/proc/sys/$setting"; fi
done
for controller in /sys/fs/cgroup/*/; do
    if mountpoint -q "$controller"; then mount -o remount,rw,bind "$controller"; fi
done
"""


@dataclass(frozen=True, slots=True)
class RootSpec:
    """A Debian `suite`, with or without Python, with extra Debian `packages`."""

    suite: str
    python: bool
    packages: tuple[str, ...] = ()

    @property
    def all_packages(self) -> tuple[str, ...]:
        """What is installed, without what that depends on."""
        return tuple(sorted({*_PACKAGES, *self.packages, *((_PYTHON,) if self.python else ())}))

    @property
    def digest(self) -> Digest:
        """Of all that decides what is in the root, apart from the state of Debian's archive."""
        recipe = [_OPTIONS, _MASKED, sorted(_SYSCTLS.items()), _KERNEL_UNIT, _KERNEL_SCRIPT]
        return Digest.of(json.dumps([self.suite, self.all_packages, recipe]).encode())


def prepare(spec: RootSpec, *, folder: Path, sink: Sink = silent) -> Path:
    """The root of `spec` below `folder`, made with mmdebstrap (half a minute, 200 MB) if it is not there yet.

    It appears whole or not at all, and two processes never make the same one. Raises `ApplianceError` when Debian's
    archive cannot be reached or lacks a package.
    """
    root = folder / spec.digest.hex
    with files.lock(folder / f"{spec.digest.hex}.lock"):
        if not root.is_dir():
            beside = folder / f"{spec.digest.hex}.part"
            shutil.rmtree(beside, ignore_errors=True)  # of a maker that was killed
            _make(spec, beside, sink)
            beside.rename(root)
    return root


def _make(spec: RootSpec, folder: Path, sink: Sink) -> None:
    task = f"lab-root-{spec.digest.short}"
    sink(TaskStarted(task, f"Make a Debian {spec.suite} root file system", unit="steps"))
    try:
        _bootstrap(spec, folder, task, sink)
        _adapt(folder)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        sink(TaskFinished(task, Outcome.FAILED, str(error)))
        raise
    sink(TaskFinished(task, Outcome.OK))


def _bootstrap(spec: RootSpec, folder: Path, task: str, sink: Sink) -> None:
    include = f"--include={','.join(spec.all_packages)}"
    # In namespaces of its own and bound to our life: its mounts and children cannot stay behind.
    alone = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
    argv = bound((*alone, "mmdebstrap", *_OPTIONS, include, spec.suite, str(folder), _mirror()))
    steps = 0
    last = deque[str](maxlen=40)
    with subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment()
    ) as process:
        for line in process.stderr or ():
            last.append(line.strip())
            if line.startswith(_TOLD):
                steps += 1
                sink(TaskProgress(task, steps, last[-1]))
    if process.returncode:
        reason = next((line for line in last if line.startswith("E:")), last[-1] if last else "no reason given")
        raise ApplianceError(
            f"mmdebstrap could not make a {spec.suite} root: {reason}",
            hint="Debian's archive must be reachable (apt-get update), and have the packages named",
        )


def _mirror() -> str:
    """The Debian archive that this machine's apt uses."""
    listing = run(["apt-get", "indextargets", "--format", "$(ORIGIN) $(REPO_URI)", "Created-By: Packages"])
    targets = (line.rpartition(" ")[::2] for line in listing.splitlines())
    return next((uri for origin, uri in targets if origin == "Debian" and "security" not in uri), _DEFAULT_MIRROR)


def _adapt(root: Path) -> None:
    """Take away what is one host's own, and add what a lab's hosts need."""
    for key in (root / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    for name in ("resolv.conf", "machine-id", "hostname"):
        (root / "etc" / name).unlink(missing_ok=True)
        files.write_text(root / "etc" / name, "")
    units = root / "etc/systemd/system"
    for unit in _MASKED:
        (units / unit).unlink(missing_ok=True)
        (units / unit).symlink_to("/dev/null")
    for setting, value in _SYSCTLS.items():
        files.write_text(root / "etc/lab/sysctl" / setting, f"{value}\n")
    files.write_text(root / "etc/lab/kernel.sh", _KERNEL_SCRIPT)
    files.write_text(units / "lab-kernel.service", _KERNEL_UNIT)
    wants = units / "sysinit.target.wants"
    wants.mkdir(exist_ok=True)
    (wants / "lab-kernel.service").symlink_to("../lab-kernel.service")
