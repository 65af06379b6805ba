"""How a cluster stands, as rows of a table: its hosts, applications that were added, pods that are not well. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui import texts, wording
from tui.widgets.grid import Cell, Row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from appliance.operations.inspect import AppStatus, HostStatus, SiteStatus
    from appliance.plan.runtime import NodeView

_APPLICATION = "application "


def application(key: str) -> str:
    """The name of the application whose row has this key; empty if it is the row of something else."""
    return key.removeprefix(_APPLICATION) if key.startswith(_APPLICATION) else ""


def counted(found: SiteStatus) -> str:
    """All of it in one line."""
    hosts = wording.counted(len(found.hosts), texts.HOSTS)
    said = texts.HOSTS_WELL.format(well=sum(host.well for host in found.hosts), hosts=hosts)
    if found.cluster and found.cluster.problem:
        said += texts.CLUSTER_SILENT.format(why=wording.clean(found.cluster.problem))
    if found.applications:
        apps = wording.counted(len(found.applications), texts.APPLICATIONS)
        said += texts.APPLICATIONS_WELL.format(well=sum(app.well for app in found.applications), apps=apps)
    return said


def rows(found: SiteStatus) -> Iterator[Row]:
    """Hosts with what their cluster says of them, applications, then pods that are not well."""
    nodes = {node.name: node for node in found.cluster.nodes} if found.cluster else {}
    for host in found.hosts:
        yield _host(host, nodes.pop(host.name, None))
    for node in nodes.values():
        yield _row(f"node {node.name}", (texts.NODE, node.name, "", node.version, _node(node)), well=node.ready)
    for app in found.applications:
        yield _app(app)
    for name, why in found.cluster.pods if found.cluster else ():
        yield _row(f"pod {name}", (texts.POD, name, "", "", why), well=False)


def _host(host: HostStatus, node: NodeView | None) -> Row:
    said = [host.problem] if host.problem else []
    if node:
        said.append(_node(node))
    said += _units(host) if not host.problem else []
    if host.lease:
        said.append(texts.STATUS_LEASED)
    well = host.well and (node is None or node.ready)
    return _row(host.name, (texts.HOST, host.name, host.address, host.version, ", ".join(said)), well=well)


def _units(host: HostStatus) -> list[str]:
    """The services that are not well each, then how many are."""
    off = [(unit.removesuffix(".service"), state) for unit, state in host.units if state != "active"]
    active = wording.counted(len(host.units) - len(off), texts.ACTIVE)
    return [*(texts.UNIT.format(unit=unit, state=state) for unit, state in off), active]


def _node(node: NodeView) -> str:
    return texts.NODE_READY if node.ready else texts.NODE_NOT_READY.format(why=node.why)


def _app(app: AppStatus) -> Row:
    stamp = app.stamp
    said = texts.APPLICATION_STATES[app.well]
    return _row(f"{_APPLICATION}{stamp.name}", (texts.APPLICATION, stamp.name, "", stamp.version, said), well=app.well)


def _row(key: str, said: tuple[str, ...], *, well: bool) -> Row:
    verdict = Cell(texts.WELL if well else texts.NOT_WELL, "success" if well else "error")
    return Row(key, (verdict, *(Cell(text) for text in said)))
