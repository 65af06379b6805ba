"""What is said to systemd, and asked of it: constant shell scripts, with units and paths as arguments."""

from __future__ import annotations

from appliance.plan.steps import Run, Step, WaitFor
from appliance.transport.base import Command

ACTIVE_SECONDS = 120.0

_RELOADED = """
for unit; do
    [ "$(systemctl show --property=NeedDaemonReload --value -- "$unit")" = no ] || exit 1
done
"""

_START = """
set -eu
umask 077
unit=$1 mark=$2; shift 2
for path; do [ -f "$path" ] || { echo "$path is missing" >&2; exit 1; }; done
sum=$(sha256sum "$@" | sha256sum)
systemctl reset-failed -- "$unit" 2>/dev/null || true
systemctl restart --no-block -- "$unit"
mkdir -p "${mark%/*}"
printf '%s\\n' "$sum" >"$mark.part"
mv -f "$mark.part" "$mark"
"""

_STARTED = """
unit=$1 mark=$2; shift 2
case $(systemctl is-active -- "$unit") in active|activating|reloading) ;; *) exit 1 ;; esac
[ "$(sha256sum "$@" 2>/dev/null | sha256sum)" = "$(cat "$mark" 2>/dev/null)" ]
"""

_ACTIVE = """
systemctl is-active --quiet -- "$1" && exit 0
{
    printf '%s is %s; its last words:\\n' "$1" "$(systemctl is-active -- "$1")"
    journalctl --no-pager --quiet --output=cat --lines=12 --unit="$1"
} >&2
exit 1
"""

_STOP = """
unit=$1 all=$2
systemctl stop -- "$all"
systemctl disable --quiet -- "$unit" 2>/dev/null
for link in /etc/systemd/system/*.wants/"$unit" /etc/systemd/system/*.requires/"$unit"; do  # where its file is gone
    [ ! -L "$link" ] || rm -f "$link"
done
systemctl clean --what=all -- "$all" 2>/dev/null
systemctl reset-failed -- "$all" 2>/dev/null
! systemctl is-active --quiet -- "$all" || { echo "$unit does not stop" >&2; exit 1; }
"""

_STOPPED = """
unit=$1 all=$2
for state in $(systemctl is-active -- "$all"); do
    case $state in inactive|unknown) ;; *) exit 1 ;; esac
done
case $(systemctl is-enabled -- "$unit" 2>/dev/null) in enabled*|alias|linked*) exit 1 ;; esac
for link in /etc/systemd/system/*.wants/"$unit" /etc/systemd/system/*.requires/"$unit"; do
    [ ! -L "$link" ] || exit 1
done
"""

_FORGET = """
systemctl daemon-reload || exit
systemctl reset-failed -- "$@" 2>/dev/null
exit 0
"""

_FORGOTTEN = """
for unit; do
    path=$(systemctl show --property=FragmentPath --value -- "$unit")
    [ -z "$path" ] || [ -e "$path" ] || exit 1
    [ "$(systemctl show --property=NeedDaemonReload --value -- "$unit")" = no ] || exit 1
done
"""


def reload(host: str, folder: str, *, units: tuple[str, ...], after: tuple[str, ...]) -> Step:
    """Make systemd read the units of a role's folder again."""
    return Step(
        id=f"{host}/reload:{folder}",
        title=f"Tell systemd of {', '.join(units)}",
        host=host,
        action=Run(Command(("systemctl", "daemon-reload"))),
        unless=Command.shell(_RELOADED, *units),
        after=after,
    )


def enable(host: str, unit: str, *, after: tuple[str, ...]) -> Step:
    """Have a unit started at boot."""
    return Step(
        id=f"{host}/enable:{unit}",
        title=f"Enable {unit}",
        host=host,
        action=Run(Command(("systemctl", "reenable", "--quiet", "--", unit))),
        unless=Command(("systemctl", "is-enabled", "--quiet", "--", unit)),
        after=after,
    )


def start(host: str, unit: str, *, mark: str, files: tuple[str, ...], after: tuple[str, ...]) -> Step:
    """Start a unit, or restart it, without waiting; `mark` then holds the digest of `files` as they were."""
    return Step(
        id=f"{host}/start:{unit}",
        title=f"Start {unit}",
        host=host,
        action=Run(Command.shell(_START, unit, mark, *files)),
        unless=Command.shell(_STARTED, unit, mark, *files),
        after=after,
    )


def await_active(host: str, unit: str, *, after: tuple[str, ...]) -> Step:
    """Wait until a unit is active."""
    return Step(
        id=f"{host}/active:{unit}",
        title=f"Wait for {unit}",
        host=host,
        action=WaitFor(Command.shell(_ACTIVE, unit, timeout=30.0), seconds=ACTIVE_SECONDS),
        after=after,
    )


def stop(host: str, unit: str) -> Step:
    """Stop a unit (of a template: all its instances), take it from the boot, and delete its state."""
    arguments = (unit, unit.replace("@.", "@*."))
    return Step(
        id=f"{host}/stop:{unit}",
        title=f"Stop {unit}, disable it and delete its state",
        host=host,
        action=Run(Command.shell(_STOP, *arguments)),
        unless=Command.shell(_STOPPED, *arguments),
    )


def forget(host: str, units: tuple[str, ...], *, after: tuple[str, ...]) -> Step:
    """Make systemd see that units are gone."""
    return Step(
        id=f"{host}/forget-units",
        title="Tell systemd that the units are gone",
        host=host,
        action=Run(Command.shell(_FORGET, *units)),
        unless=Command.shell(_FORGOTTEN, *units),
        after=after,
    )
