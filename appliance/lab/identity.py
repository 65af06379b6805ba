"""Who a host is and who may enter it: its name, machine id and SSH keys, and its users.

All is written into the host's root before it boots, by Debian's own programs where there are any.
"""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING

from appliance import files
from appliance.errors import ApplianceError
from appliance.lab.programs import run
from appliance.lab.spec import Sudo

if TYPE_CHECKING:
    from pathlib import Path

    from appliance.lab.spec import HostSpec, LabUser

_HOST_KEY = "etc/ssh/ssh_host_ed25519_key"
# With control groups of version 1, a host's systemd is not told that a user's manager has ended. It would wait for a
# minute and a half, and whoever logs in meanwhile with it.
_USER_MANAGER = "etc/systemd/system/user@.service.d/lab.conf"


def make_key(path: Path, comment: str) -> str:
    """Make an Ed25519 key without passphrase at `path` (0600) and `path`.pub; the public key's line."""
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)])
    return path.with_name(f"{path.name}.pub").read_text().strip()


def fingerprint(public: Path) -> str:
    """``SHA256:…`` of the public key in the file `public`."""
    return run(["ssh-keygen", "-l", "-E", "sha256", "-f", str(public)]).split()[1]


def host_key(root: Path) -> Path:
    """The public SSH host key in `root`."""
    return root / f"{_HOST_KEY}.pub"


def give(root: Path, spec: HostSpec, *, address: str, key: str) -> None:
    """Make the system in `root` the host of `spec` at `address`, which the public `key` opens."""
    files.write_text(root / "etc/hostname", f"{spec.name}\n")
    files.write_text(root / "etc/hosts", f"127.0.0.1 localhost\n{address} {spec.name}\n")
    files.write_text(root / "etc/machine-id", f"{uuid.uuid4().hex}\n", mode=0o444)
    (root / _USER_MANAGER).parent.mkdir()
    files.write_text(root / _USER_MANAGER, "[Service]\nTimeoutStopSec=1s\n")
    make_key(root / _HOST_KEY, f"root@{spec.name}")
    _admit(root, "root", (key,))
    for user in spec.users:
        _add_user(root, user, key)


def _add_user(root: Path, user: LabUser, key: str) -> None:
    chroot = ["chroot", str(root)]
    run([*chroot, "useradd", "--create-home", "--shell", "/bin/bash", user.name])
    if user.password is not None:
        run([*chroot, "chpasswd"], stdin=f"{user.name}:{user.password}\n")
    if user.sudo is not Sudo.NONE:
        tag = "NOPASSWD: " if user.sudo is Sudo.NOPASSWD else ""
        files.write_text(root / "etc/sudoers.d" / user.name, f"{user.name} ALL=(ALL:ALL) {tag}ALL\n", mode=0o440)
    _admit(root, user.name, (*((key,) if user.lab_key else ()), *user.authorized_keys))


def _admit(root: Path, user: str, keys: tuple[str, ...]) -> None:
    home, uid, gid = _account(root, user)
    folder = home / ".ssh"
    folder.mkdir(mode=0o700, exist_ok=True)
    files.write_text(folder / "authorized_keys", "".join(f"{line}\n" for line in keys), mode=0o600)
    for path in (folder, folder / "authorized_keys"):
        os.chown(path, uid, gid)


def _account(root: Path, user: str) -> tuple[Path, int, int]:
    for line in (root / "etc/passwd").read_text().splitlines():
        name, _, uid, gid, _, home, _ = line.split(":")
        if name == user:
            return root / home.lstrip("/"), int(uid), int(gid)
    raise ApplianceError(f"user {user} was not made")
