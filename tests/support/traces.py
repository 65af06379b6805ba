"""What an installation could leave on a host: everything that a test compares before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.lab import host as machines

if TYPE_CHECKING:
    from appliance.lab.registry import LabHost

# What systemd, sshd and logins change by themselves is left out, and targets: network-online, once reached, stays so.
_FILES = r"""
find / /run -xdev \( -path /tmp -o -path /var/log -o -path /var/lib/systemd \
    -o -path /run/systemd -o -path /run/udev -o -path /run/user -o -path /run/utmp -o -path /run/log \
    -o -path /run/motd.dynamic \) -prune \
    -o -type d -printf '%p %y %m %u:%g\n' -o -printf '%p %y %m %u:%g %s %l\n'
find /tmp /var/log -name '*appliance*'
"""
_UNITS = """
systemctl list-unit-files --no-legend --no-pager | awk '{print $1, $2}'
systemctl list-units --no-legend --no-pager --all --plain --type=service,socket,timer,mount |
    awk '!/^(user|session|run-|ssh|systemd-|apt-|dpkg-|e2scrub|fstrim|logrotate|man-db)/ {print $1, $3, $4}'
"""
_PROCESSES = "ps -eo user=,args= | grep -Ev 'ps -eo|grep|sshd: |\\(sd-pam\\)|systemd --user|sh -c|\\[|systemd-'"
_SOCKETS = "ss -Hlntu | awk '{print $1, $5}'; ss -Hlx | awk '{print $5}' | grep -Ev '^/run/user/|/systemd/'"

_QUESTIONS = {
    "files": _FILES,
    "contents": "find /etc -xdev -type f -exec sha256sum {} +",
    "units": _UNITS,
    "users": "cat /etc/passwd /etc/group /etc/shadow",
    "mounts": "awk '$2 !~ \"^/run/(user|credentials)/\" {print $1, $2, $3}' /proc/mounts",
    "processes": _PROCESSES,
    "sockets": _SOCKETS,
    "routes": "ip -4 route",
    "forwarding": "grep -H . /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding",
}


def trace(host: LabHost) -> dict[str, frozenset[str]]:
    """Files with type, mode, owner, size and target, what /etc holds, units, users, mounts, processes, sockets."""
    return {
        question: frozenset(machines.run_inside(host, ("sh", "-c", f"{script}\ntrue")).stdout.splitlines())
        for question, script in _QUESTIONS.items()
    }


def differences(before: dict[str, frozenset[str]], after: dict[str, frozenset[str]]) -> list[str]:
    """What is there more (+), or no longer (-)."""
    more = [f"{question}: +{line}" for question in before for line in sorted(after[question] - before[question])]
    less = [f"{question}: -{line}" for question in before for line in sorted(before[question] - after[question])]
    return more + less
