"""What a lab is asked to be: its hosts, their systems and their users."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from appliance.errors import RecipeError

if TYPE_CHECKING:
    from pathlib import Path

SUITES = ("bullseye", "bookworm", "trixie")
MOST_HOSTS = 200
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,28}[a-z0-9])?")
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,30}")
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_SMALLEST_DISK = 8 << 20


class Sudo(enum.StrEnum):
    """What a user may do as root."""

    NONE = "none"
    NOPASSWD = "nopasswd"
    PASSWORD = "password"  # noqa: S105  (a word of sudo's, not a secret)


@dataclass(frozen=True, slots=True)
class LabUser:
    """An account besides root.

    It is entered with the lab's own key (unless `lab_key` is false), with any of `authorized_keys` (lines as in
    sshd(8)), and with `password` if there is one.
    """

    name: str
    password: str | None = field(default=None, repr=False)
    sudo: Sudo = Sudo.NONE
    authorized_keys: tuple[str, ...] = ()
    lab_key: bool = True


@dataclass(frozen=True, slots=True)
class HostSpec:
    """One host: a Debian `suite`, with or without Python, with extra Debian `packages`.

    `bandwidth` is in bits per second each way; `data_disk` is the size in bytes of a file system of its own under
    ``/var/lib/appliance``. Root is entered with the lab's key. One with `containers` gives container engines and
    kubelets, old ones too, control groups of version 1, whole and its own.
    """

    name: str
    suite: str = "bookworm"
    python: bool = True
    packages: tuple[str, ...] = ()
    users: tuple[LabUser, ...] = ()
    bandwidth: int | None = None
    data_disk: int | None = None
    containers: bool = False


@dataclass(frozen=True, slots=True)
class LabSpec:
    """A lab: hosts on a network of their own, without a way out.

    With `ipv6` each host has an IPv6 address, too. A `tied` lab goes when its maker does: `sweep` takes it down once
    the process that made it is gone. `cache` is the folder for root file systems and the hosts' disks, on a file
    system that an overlay can lie on; by default the user's cache folder.
    """

    name: str
    hosts: tuple[HostSpec, ...]
    tied: bool = False
    ipv6: bool = False
    cache: Path | None = None


def check(spec: LabSpec) -> None:
    """Raise `RecipeError`, with the field in `where`, for a lab that cannot be made."""
    _match(_LABEL, spec.name, "name", "a lab's name has small letters, digits and hyphens, 30 at most")
    names = [host.name for host in spec.hosts]
    if not names or len(names) > MOST_HOSTS:
        raise RecipeError(f"a lab has 1 to {MOST_HOSTS} hosts, not {len(names)}", where="hosts")
    if doubles := sorted({name for name in names if names.count(name) > 1}):
        raise RecipeError(f"two hosts are named {doubles[0]}", where="hosts", hint="give each host its own name")
    for host in spec.hosts:
        _check_host(host)


def _check_host(host: HostSpec) -> None:
    _match(_LABEL, host.name, "hosts", "a host's name is a DNS label of small letters, 30 at most")
    if host.suite not in SUITES:
        raise RecipeError(f"no suite {host.suite!r}", where=host.name, hint=f"there are {', '.join(SUITES)}")
    for package in host.packages:
        _match(_PACKAGE, package, host.name, "name Debian packages only")
    for user in host.users:
        _check_user(user, host.name)
    if host.bandwidth is not None and host.bandwidth < 1:
        raise RecipeError("the bandwidth must be positive", where=host.name)
    if host.data_disk is not None and host.data_disk < _SMALLEST_DISK:
        raise RecipeError(f"a data disk has at least {_SMALLEST_DISK} bytes", where=host.name)


def _check_user(user: LabUser, where: str) -> None:
    _match(_USER, user.name, where, "a user's name has small letters, digits, - and _, 31 at most")
    lines = "".join((*user.authorized_keys, user.password or ""))
    if "\n" in lines or "\0" in lines:
        raise RecipeError(f"a key or the password of user {user.name} has more than one line", where=where)


def _match(pattern: re.Pattern[str], text: str, where: str, hint: str) -> None:
    if not pattern.fullmatch(text):
        raise RecipeError(f"{text[:80]!r} cannot be used as a name", where=where, hint=hint)
