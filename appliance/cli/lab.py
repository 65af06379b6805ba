"""`lab`: hosts on this machine to rehearse on."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import click

from appliance.cli.options import Group, Session, common, pass_session
from appliance.lab import lab as labs
from appliance.lab.spec import HostSpec, LabSpec, LabUser, Sudo
from appliance.transport.base import quote

if TYPE_CHECKING:
    from appliance.lab.registry import Lab, LabHost

OPERATOR = "operator"
_USER = "ops"
_RATES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}


@click.group(cls=Group)
@common
def lab() -> None:
    """Hosts on this machine to rehearse on: real systemd and sshd, and no way out. Needs root."""


def _bits(_ctx: click.Context, _parameter: click.Parameter, value: str | None) -> int | None:
    if value is None:
        return None
    found = re.fullmatch(r"([0-9]+)\s*([kmg]?)(?:bit|bps)?", value.strip().lower())
    if not found:
        raise click.BadParameter(f"{value!r} is not a rate such as 200Mbit")
    return int(found[1]) * _RATES[found[2]]


@lab.command()
@click.option(
    "-n",
    "--hosts",
    "count",
    type=click.IntRange(1, 200),
    metavar="N",
    default=3,
    show_default=True,
    help="how many hosts",
)
@click.option("--name", metavar="NAME", default="lab", show_default=True, help="what the lab is called")
@click.option("--suite", metavar="SUITE", default="bookworm", show_default=True, help="the hosts' Debian release")
@click.option("--bandwidth", callback=_bits, metavar="RATE", help="limit each host's link, such as 200Mbit")
@click.option("--containers", is_flag=True, help="hosts that run containers, kubelet's too")
@click.option("--ipv6", is_flag=True, help="hosts have an IPv6 address, too")
@click.option("--no-egress", is_flag=True, expose_value=False, help="no way out of the lab, which is always so")
@click.option("--operator", is_flag=True, help="also a host 'operator' without Python that can enter the others")
@pass_session
@common
def up(
    session: Session,
    *,
    count: int,
    name: str,
    suite: str,
    bandwidth: int | None,
    containers: bool,
    ipv6: bool,
    operator: bool,
) -> None:
    """Make and boot hosts. Root and the user 'ops' (sudo without a password) are entered with the lab's key.

    Example: appliance lab up -n 3 --bandwidth 200Mbit
    """
    users = (LabUser(_USER, sudo=Sudo.NOPASSWD),)
    hosts = [
        HostSpec(f"host-{n}", suite=suite, users=users, bandwidth=bandwidth, containers=containers)
        for n in range(1, count + 1)
    ]
    if operator:
        hosts.append(HostSpec(OPERATOR, suite=suite, python=False, users=users, bandwidth=bandwidth))
    made = labs.up(LabSpec(name, tuple(hosts), ipv6=ipv6), sink=session.output.sink())
    session.output.result(_document(made), "\n".join(_lines(made)))


@lab.command(name="list")
@pass_session
@common
def list_(session: Session) -> None:
    """List the labs that stand on this machine.

    Example: appliance lab list -o json
    """
    found = labs.labs()
    lines = [line for each in found for line in _lines(each)]
    session.output.result({"labs": [_document(each) for each in found]}, "\n".join(lines) or "no lab is up")


@lab.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("-t", "tty", is_flag=True, help="with a terminal, although there is a COMMAND")
@click.argument("host")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.option("--name", metavar="NAME", default="lab", show_default=True, help="which lab")
@click.option("--user", metavar="NAME", default="root", show_default=True, help="as whom")
@common
def ssh(*, host: str, command: tuple[str, ...], name: str, user: str, tty: bool) -> None:
    """Enter HOST (its name or number), or run COMMAND there: one word as a shell's line, several as they are.

    Example: appliance lab ssh 1 -- systemctl status etcd
    """
    command = command[1:] if command[:1] == ("--",) else command
    line = command if len(command) < 2 else (quote(command),)  # noqa: PLR2004  (one word is a shell's line)
    words = (*labs.ssh_command(labs.find(name), host, user=user), *(("-t",) if tty else ()), *line)
    os.execvp(words[0], words)  # noqa: S606  (ssh takes this terminal over)


@lab.command()
@click.option("--name", metavar="NAME", default="lab", show_default=True, help="which lab")
@pass_session
@common
def down(session: Session, name: str) -> None:
    """Take a lab down and leave nothing of it.

    Example: appliance lab down
    """
    was_there = labs.down(name)
    session.output.result(
        {"name": name, "removed": was_there}, f"lab {name} " + ("is gone" if was_there else "is not up")
    )


def _document(found: Lab) -> dict[str, object]:
    return {
        "name": found.name,
        "key": str(found.key),
        "known_hosts": str(found.known_hosts),
        "gateway": found.gateway,
        "hosts": [
            {"name": h.name, "address": h.address, "fingerprint": h.fingerprint, "python": h.python}
            | ({"address6": h.address6} if h.address6 else {})
            for h in found.hosts
        ],
    }


def _lines(found: Lab) -> list[str]:
    return [
        f"lab {found.name}: key {found.key}",
        *map(_line, found.hosts),
    ]


def _line(host: LabHost) -> str:
    second = f"{host.address6} " if host.address6 else ""
    return f"  {host.name:12} {host.address:15} {second}{host.suite}{'' if host.python else ', no Python'}"
