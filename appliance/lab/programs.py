"""The machine's own programs that the lab uses, and the packages that bring them."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

from appliance.errors import ApplianceError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PACKAGE_OF = {
    "chroot": "coreutils",
    "ip": "iproute2",
    "mkfs.ext4": "e2fsprogs",
    "mmdebstrap": "mmdebstrap",
    "mount": "mount",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "setsid": "util-linux",
    "ssh-keygen": "openssh-client",
    "systemd-nspawn": "systemd-container",
    "tc": "iproute2",
    "umount": "mount",
    "unshare": "util-linux",
}
_ADMINISTRATORS_FOLDERS = ":/usr/local/sbin:/usr/sbin:/sbin"  # which sudo and su may leave out
_SECONDS = 120.0


def require() -> None:
    """Raise `ApplianceError` unless this user and this machine can run a lab."""
    if os.geteuid() != 0:
        raise ApplianceError("a lab needs root: it makes network namespaces and boots systems", hint="run it with sudo")
    path = environment()["PATH"]
    if missing := sorted(name for name in _PACKAGE_OF if not shutil.which(name, path=path)):
        packages = " ".join(sorted({_PACKAGE_OF[name] for name in missing}))
        raise ApplianceError(
            f"this machine lacks {', '.join(missing)}, which a lab needs", hint=f"apt-get install {packages}"
        )


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment, with the administrator's folders in PATH, in the C locale, and `more`."""
    path = os.environ.get("PATH", "/usr/bin:/bin") + _ADMINISTRATORS_FOLDERS
    return {**os.environ, "PATH": path, "LC_ALL": "C.UTF-8", **(more or {})}


def bound(argv: Sequence[str]) -> list[str]:
    """`argv`, to be killed when its maker dies: what a crash leaves behind must not grow while it is swept."""
    return ["setpriv", "--pdeathsig", "KILL", *argv]


def run(argv: Sequence[str], *, stdin: str = "") -> str:
    """The standard output of `argv`, given `stdin`; `ApplianceError` with the program's last words if it fails."""
    try:
        done = subprocess.run(
            bound(argv),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            env=environment(),
            check=True,
            cwd="/",
        )
    except subprocess.CalledProcessError as error:
        raise ApplianceError(f"{argv[0]} failed: {last_line(error.stderr)}") from error
    except subprocess.TimeoutExpired as error:
        raise ApplianceError(f"{argv[0]} did not end within {_SECONDS:.0f} seconds") from error
    return done.stdout


def last_line(text: str) -> str:
    """The last line of `text` that says something."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"
