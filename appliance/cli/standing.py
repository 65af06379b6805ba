"""How a site is, as `status` prints it: a document, and lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.cli.text import one_line, plural, table

if TYPE_CHECKING:
    from appliance.operations.inspect import HostStatus, SiteStatus
    from appliance.plan.runtime import ClusterView

_COLUMNS = 100
_NOT_READY = "not all that it launched is ready"


def status_document(found: SiteStatus) -> dict[str, object]:
    """For machines."""
    document: dict[str, object] = {"hosts": [_document(host) for host in found.hosts]}
    if found.cluster:
        document["kubernetes"] = {
            "problem": found.cluster.problem,
            "nodes": [
                {"name": node.name, "version": node.version, "ready": node.ready, "why": node.why}
                for node in found.cluster.nodes
            ],
            "pods": dict(found.cluster.pods),
        }
    if found.applications:
        document["applications"] = [
            {
                "name": app.stamp.name,
                "version": app.stamp.version,
                "epoch": app.stamp.epoch,
                "image": app.stamp.image,
                "well": app.well,
            }
            for app in found.applications
        ]
    return document


def status_lines(found: SiteStatus) -> list[str]:
    """For people: hosts, the cluster's own view of its nodes and pods, applications that were added."""
    lines = _host_lines(found.hosts)
    if found.cluster:
        lines += ["", *_cluster_lines(found.cluster)]
    if found.applications:
        rows = [
            ("ok" if app.well else "!!", app.stamp.name, app.stamp.version, _NOT_READY * (not app.well))
            for app in found.applications
        ]
        lines += ["", *table(rows, heads=("", "APPLICATION", "VERSION", "STATE"))]
    return lines


def _cluster_lines(cluster: ClusterView) -> list[str]:
    if cluster.problem:
        return [f"!!  the cluster does not answer: {one_line(cluster.problem, _COLUMNS)}"]
    nodes = [
        ("ok" if node.ready else "!!", node.name, node.version, "ready" if node.ready else one_line(node.why, _COLUMNS))
        for node in cluster.nodes
    ]
    pods = [("!!", name, one_line(why, _COLUMNS)) for name, why in cluster.pods]
    return [
        *table(nodes, heads=("", "NODE", "VERSION", "STATE")),
        *(["", *table(pods, heads=("", "POD", "STATE"))] if pods else []),
    ]


def _document(host: HostStatus) -> dict[str, object]:
    return {
        "name": host.name,
        "address": host.address,
        "roles": list(host.roles),
        "version": host.version,
        "image": host.image,
        "units": dict(host.units),
        "lease": host.lease,
        "problem": host.problem,
        "well": host.well,
    }


def _host_lines(hosts: tuple[HostStatus, ...]) -> list[str]:
    rows = [
        ("ok" if host.well else "!!", host.name, host.address, ", ".join(host.roles), host.version, _state(host))
        for host in hosts
    ]
    well = sum(host.well for host in hosts)
    return [
        *table(rows, heads=("", "HOST", "ADDRESS", "ROLES", "VERSION", "STATE")),
        f"{well} of {plural(len(hosts), 'host')} well",
    ]


def _state(host: HostStatus) -> str:
    """What is wrong, else how many units are active; and who works there."""
    off = [f"{unit} {state}" for unit, state in host.units if state != "active"]
    active = f"{plural(len(host.units) - len(off), 'unit')} active"
    leased = [f"leased: {host.lease}"] if host.lease else []
    return ", ".join([*([host.problem] if host.problem else [*off, active]), *leased])
