"""Runs and what they left: `attach`, `runs`, `report`, `status`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from appliance import files
from appliance.cli.access import AccessOptions, access_options
from appliance.cli.operator import cluster_name
from appliance.cli.options import FILE, Command, Session, common, pass_session
from appliance.cli.output import Format
from appliance.cli.standing import status_document, status_lines
from appliance.cli.targets import read_clusterfile, target_of
from appliance.cli.text import table
from appliance.clock import SystemClock, timestamp
from appliance.errors import StateError
from appliance.events import Outcome
from appliance.execute import launch
from appliance.operations import carry_out, inspect
from appliance.report.document import to_document
from appliance.report.html import to_html
from appliance.report.text import duration, to_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from appliance.report.result import Report
    from appliance.state import RunDir

_NAME = click.option("--name", metavar="NAME", default="", help="the cluster, where this machine knows several")
_WATCH_SECONDS = 5.0


def _run(session: Session, name: str, run: str) -> RunDir:
    return session.home.cluster(cluster_name(session, name)).run(run)


@click.command(cls=Command)
@click.argument("run", default="latest")
@click.argument("order", required=False, type=click.Choice(["pause", "resume", "cancel", "stop", "retry"]))
@click.argument("host", required=False, default="")
@_NAME
@pass_session
@common
def attach(session: Session, *, run: str, order: str | None, host: str, name: str) -> None:
    """Follow RUN (the latest one), or tell it to pause, resume, cancel, stop, or retry a HOST.

    Examples: appliance attach; appliance attach latest retry etcd-2
    """
    from appliance.cli.follow import watch  # noqa: PLC0415  (rich is slow to import)

    found = _run(session, name, run)
    if order:
        if (order == "retry") != bool(host):
            raise click.UsageError("retry names a HOST, and nothing else does")
        launch.command(found, order, host=host)
        session.output.result({"run": found.name, "told": order}, f"told {found.name}: {order} {host}".rstrip())
        return
    report = watch(found, session.output)
    session.output.result({"run": to_document(report)}, lambda: to_text(report).rstrip("\n"))
    carry_out.require_done(report)


@click.command(cls=Command)
@_NAME
@pass_session
@common
def runs(session: Session, *, name: str) -> None:
    """List what was done to a cluster, newest first.

    Example: appliance runs
    """
    names = [cluster_name(session, name)] if name else session.home.clusters()
    found = [run for each in names for run in session.home.cluster(each).list_runs()]
    reports = [(run, carry_out.report(run)) for run in found]
    session.output.result(
        {
            "runs": [
                {
                    "run": run.name,
                    "cluster": report.cluster,
                    "operation": run.operation,
                    "started": timestamp(run.started),
                    "operator": report.operator,
                    "outcome": _outcome(run, report.outcome),
                    "seconds": round(report.seconds, 3),
                }
                for run, report in reports
            ]
        },
        lambda: "\n".join(_run_lines(reports)) or "no run yet",
    )


def _run_lines(reports: Sequence[tuple[RunDir, Report]]) -> list[str]:
    rows = [
        (
            run.name,
            report.cluster,
            _outcome(run, report.outcome),
            f"{sum(host.outcome is Outcome.OK for host in report.hosts)}/{len(report.hosts)}",
            duration(report.seconds),
            report.operator,
        )
        for run, report in reports
    ]
    return table(rows, heads=("RUN", "CLUSTER", "OUTCOME", "HOSTS", "TIME", "OPERATOR"), right=(3, 4))


def _outcome(run: RunDir, outcome: str | None) -> str:
    return outcome or ("running" if launch.alive(run) else "lost")


@click.command(cls=Command)
@click.argument("run", default="latest")
@click.option("--html", type=FILE, metavar="FILE", help="write it as a page, too")
@_NAME
@pass_session
@common
def report(session: Session, *, run: str, html: Path | None, name: str) -> None:
    """Show the report of RUN (the latest one).

    Example: appliance report --html report.html
    """
    found = carry_out.report(_run(session, name, run))
    if html:
        files.write_text(html, to_html(found))
        session.output.say(f"wrote {html}")
    session.output.result(to_document(found), lambda: to_text(found).rstrip("\n"))


@click.command(cls=Command)
@click.argument("name", required=False, default="")
@click.option("--watch", is_flag=True, help="look again every few seconds")
@access_options
@pass_session
@common
def status(session: Session, *, name: str, watch: bool, access: AccessOptions) -> int:
    """Say what is installed on the hosts of cluster NAME, and how its services are. Exit code 1 when one is not well.

    Example: appliance status --watch
    """
    folder = session.home.cluster(cluster_name(session, name))
    if not folder.clusterfile.exists():
        raise StateError(f"nothing was applied to cluster {folder.name} from here", hint="appliance apply")
    target = target_of(session, read_clusterfile(session, folder.clusterfile), access)
    if watch and session.output.format is Format.JSON:
        raise click.UsageError(
            "--watch has no one result: it goes with text or -o jsonl", ctx=click.get_current_context()
        )
    while True:
        found = inspect.status(target)
        lines = status_lines(found)
        session.output.result(
            {"cluster": folder.name, **status_document(found)},
            "\n".join([f"{folder.name} at {timestamp(SystemClock().now())}", *lines, ""] if watch else lines),
        )
        if not watch:
            return 0 if found.well else 1
        time.sleep(_WATCH_SECONDS)
