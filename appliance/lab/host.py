"""One host: start it, wait for it, run something in it, cut its power or its cable.

A host is switched on by a small shell loop that outlives its maker and, like a real machine's firmware, starts the
system again when it asks for a reboot.
"""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.clock import SystemClock
from appliance.errors import ApplianceError
from appliance.lab import cgroups, network, programs, storage

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from appliance.lab.registry import LabHost

_SSH_PORT = 22
_BOOT_SECONDS = 90.0
_PAUSE_SECONDS = 0.02
_ANSWER_SECONDS = 1.0
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SCRATCH = Path("/run/systemd/nspawn")
_DEVICES = ("/dev/fuse", "/dev/kmsg")
_SYSTEM_CALLS = "add_key keyctl bpf perf_event_open"  # those that container engines in a host need

# Enter leaf $1 of the control groups that file $2 lists, then become the command that follows.
_ENTER = """
while read -r group; do echo $$ >"$group/$1/cgroup.procs" || exit; done <"$2"
shift 2; exec "$@"
"""
_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_ASKED_FOR_REBOOT = 133
_LOOP = f"""while :; do "$@"; [ $? -eq {_ASKED_FOR_REBOOT} ] || exit; done"""


def power_on(host: LabHost) -> None:
    """Start the host; returns at once, see `wait`. Nothing happens to a host that is on."""
    if cgroups.pids(host.lab, host.name):
        return
    cgroups.remove(host.lab, host.name)
    groups = host.storage / "cgroups"
    groups.write_text("".join(f"{folder}\n" for folder in cgroups.make(host.lab, host.name)))
    settings = {
        "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network",
        "SYSTEMD_NSPAWN_LOCK": "0",
        "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "0" if host.containers or not cgroups.has_v2() else "1",
    }
    loop = ["setsid", "--fork", "sh", "-c", _LOOP, "sh", *_enter("machine", groups), *_machine(host)]
    with host.console.open("ab") as console:
        done = subprocess.run(
            programs.bound([*_enter("power", groups), *loop]),  # in its groups before it leaves for the background
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            env=programs.environment(settings),
            cwd="/",
            check=False,
        )
    if done.returncode:
        raise ApplianceError("the host cannot be started", where=host.name, hint=_said(host))


def _enter(leaf: str, groups: Path) -> list[str]:
    return ["sh", "-c", _ENTER, "sh", leaf, str(groups)]


def _machine(host: LabHost) -> list[str]:
    return [
        "systemd-nspawn",
        "--quiet",
        "--boot",
        "--keep-unit",
        "--register=no",
        "--settings=no",
        f"--directory={host.root}",
        f"--machine={_machine_name(host)}",
        f"--hostname={host.name}",
        f"--network-namespace-path={host.netns}",
        "--resolv-conf=off",
        "--timezone=off",
        "--link-journal=no",
        "--capability=all",
        f"--system-call-filter={_SYSTEM_CALLS}",
        *(f"--bind={device}" for device in _DEVICES if Path(device).exists()),
        *(f"--bind={each.outside}:{each.inside}" for each in storage.bindings(host.storage)),
    ]


def _machine_name(host: LabHost) -> str:
    return f"{host.lab}.{host.name}"


def wait(host: LabHost, *, seconds: float = _BOOT_SECONDS) -> None:
    """Return when sshd answers and admits users; `ApplianceError` if the host goes off or `seconds` pass."""
    clock = SystemClock()
    end = clock.monotonic() + seconds
    while not (_answers(host) and _admits_users(host)):
        if clock.monotonic() > end:
            raise ApplianceError(f"no answer from sshd within {seconds:.0f} seconds", where=host.name, hint=_said(host))
        if not cgroups.pids(host.lab, host.name):
            raise ApplianceError("the host went off while it booted", where=host.name, hint=_said(host))
        clock.sleep(_PAUSE_SECONDS)


def _answers(host: LabHost) -> bool:
    try:
        with socket.create_connection((host.address, _SSH_PORT), timeout=_ANSWER_SECONDS) as connection:
            return connection.recv(8).startswith(b"SSH-2.0-")
    except OSError:
        return False


def _admits_users(host: LabHost) -> bool:
    leader = cgroups.leader(host.lab, host.name)
    return leader is not None and not Path(f"/proc/{leader}/root/run/nologin").exists()


def _said(host: LabHost) -> str:
    with contextlib.suppress(OSError):
        said = _COLOUR.sub("", host.console.read_text(errors="replace"))
        return f"its console's last line: {programs.last_line(said)}"
    return "its console said nothing"


def run_inside(
    host: LabHost, argv: Sequence[str], *, stdin: str = "", check: bool = True, seconds: float = 60.0
) -> subprocess.CompletedProcess[str]:
    """Run `argv` as root in the host, not through SSH but from outside; output as text.

    Raises `ApplianceError` when the host is off, when `seconds` pass, and with `check` when the status is not 0.
    """
    leader = cgroups.leader(host.lab, host.name)
    if leader is None:
        raise ApplianceError("the host is off", where=host.name)
    enter = ["nsenter", f"--target={leader}", "--all", "--root", "--wd=/", "env", "-i", f"PATH={_PATH}", "HOME=/root"]
    try:
        done = subprocess.run(
            [*enter, "LANG=C.UTF-8", *argv], input=stdin, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ApplianceError(f"{argv[0]} did not end within {seconds:.0f} seconds", where=host.name) from error
    if check and done.returncode:
        last = programs.last_line(done.stderr)
        raise ApplianceError(f"{argv[0]} failed ({done.returncode}): {last}", where=host.name)
    return done


def power_off(host: LabHost) -> None:
    """Cut the host's power: whatever ran in it is gone, unwarned; its disks and addresses stay."""
    cgroups.kill(host.lab, host.name)
    clear([host])


def clear(hosts: Iterable[LabHost]) -> None:
    """Remove what systemd-nspawn leaves on this machine for hosts that were killed."""
    for host in hosts:
        for folder in _SCRATCH.glob(f"*/{_machine_name(host)}"):
            storage.discard(folder)


def reboot(host: LabHost, *, seconds: float = _BOOT_SECONDS) -> None:
    """Have the host reboot itself; returns when it is up again."""
    before = cgroups.leader(host.lab, host.name)
    run_inside(host, ["systemctl", "reboot"])
    clock = SystemClock()
    end = clock.monotonic() + seconds
    while cgroups.leader(host.lab, host.name) == before:
        if clock.monotonic() > end:
            raise ApplianceError(f"it did not go down within {seconds:.0f} seconds", where=host.name, hint=_said(host))
        clock.sleep(_PAUSE_SECONDS)
    wait(host, seconds=seconds)


def is_on(host: LabHost) -> bool:
    """Whether the host's system runs."""
    return cgroups.leader(host.lab, host.name) is not None


def cut(host: LabHost) -> None:
    """Pull the host's network cable."""
    network.cut(host.link)


def mend(host: LabHost) -> None:
    """Put the host's network cable back."""
    network.mend(host.link)
