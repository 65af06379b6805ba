"""`scan`: who answers by SSH, in address ranges or among the hosts that a list names."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from appliance import files
from appliance.cli.hostgroups import inventory_option, read_hosts
from appliance.cli.options import FILE, Command, Session, common, pass_session
from appliance.cli.text import table
from appliance.inventory import scan as scanning
from appliance.recipe import addresses, clusterfile
from appliance.recipe.clusterfile import Cluster, HostGroup, SshSettings
from appliance.recipe.importing.hostlist import ListedHost, by_role

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from appliance.inventory.scan import Scanned

_PORT = 22


@click.command(cls=Command)
@click.argument("ranges", nargs=-1, metavar="[RANGE...]")
@inventory_option
@click.option("--port", type=click.IntRange(1, 65535), metavar="N", help="where sshd listens (22)")
@click.option(
    "--timeout", type=click.FloatRange(min=0.1), metavar="N", default=3.0, show_default=True, help="seconds a host"
)
@click.option(
    "--write-inventory",
    type=FILE,
    metavar="FILE",
    help="write a Clusterfile with the hosts found, and the fingerprints of their keys",
)
@click.option("--role", metavar="ROLE", default="worker", show_default=True, help="the role of hosts without one in it")
@pass_session
@common
def scan(
    session: Session,
    *,
    ranges: tuple[str, ...],
    inventory: Path | None,
    port: int | None,
    timeout: float,
    write_inventory: Path | None,
    role: str,
) -> None:
    """Find SSH hosts in RANGEs, or those of an inventory, with the fingerprints of their keys.

    Example: appliance scan 10.0.0.11-10.0.0.40 10.0.1.0/24
    """
    listed = read_hosts(session, inventory).without_secrets().hosts if inventory else ()
    if not ranges and not listed:
        raise click.UsageError("name RANGEs, or a list of hosts with --inventory", ctx=click.get_current_context())
    named = {host.address for host in listed}
    wanted = [address for address in addresses.expand(list(ranges), where="RANGE") if address not in named]
    default = SshSettings(port=port if port and port != _PORT else 0)
    hosts = (*listed, *(ListedHost(address, address, "", (role,)) for address in wanted))
    found = _found(session, hosts, port=port or _PORT, timeout=timeout)
    if write_inventory:
        _write(write_inventory, _carrying(session, hosts, found), ssh=default, role=role)
        session.output.say(
            f"wrote {write_inventory}; it has these keys: compare them with what the hosts' consoles show"
        )
    rows = [(host.address, key.kind, key.fingerprint) for host in found for key in host.keys]
    session.output.result(
        {"hosts": [_document(host) for host in found]},
        "\n".join([*table(rows), f"{len(found)} of {len(hosts)} addresses answer"]),
    )


def _found(session: Session, hosts: Sequence[ListedHost], *, port: int, timeout: float) -> tuple[Scanned, ...]:
    """Those of `hosts` that answer, in their order, each asked at its own port or at `port`."""
    by_port: dict[int, list[str]] = {}
    for host in hosts:
        by_port.setdefault(host.ssh.port or port, []).append(host.address)
    answered = {
        each.address: each
        for where, asked in by_port.items()
        for each in scanning.scan(asked, port=where, timeout=timeout, sink=session.output.sink())
    }
    return tuple(answered[host.address] for host in hosts if host.address in answered)


def _carrying(session: Session, hosts: Sequence[ListedHost], found: Sequence[Scanned]) -> Iterator[ListedHost]:
    """Those of `hosts` that answered, with the fingerprints that their list has of them, or else that they showed."""
    shown = {each.address: tuple(key.fingerprint for key in each.keys) for each in found}
    for host in hosts:
        if host.address in shown:
            prints = host.fingerprints or shown[host.address]
            if not {*prints} & {*shown[host.address]}:
                session.output.warn(
                    f"{host.where}: {host.address} shows {' and '.join(shown[host.address])}, and the list has"
                    f" {' or '.join(prints)}, which is kept: find out why"
                )
            yield replace(host, fingerprints=prints)


def _write(path: Path, hosts: Iterable[ListedHost], *, ssh: SshSettings, role: str) -> None:
    """Write a Clusterfile of these hosts; groups are roles there, and who is in none has `role`."""
    groups, others = by_role([replace(host, groups=host.groups or (role,)) for host in hosts], ())
    left = HostGroup((), (role,))
    for host in others:
        left = left.joined(host.address, host.fingerprints)
    groups = (*groups, left) if others else groups
    files.write_text(path, clusterfile.dump(Cluster("site", ssh=ssh, hosts=groups)), replace=False)


def _document(host: Scanned) -> dict[str, object]:
    return {
        "address": host.address,
        "port": host.port,
        "banner": host.banner,
        "keys": [{"type": key.kind, "fingerprint": key.fingerprint} for key in host.keys],
    }
