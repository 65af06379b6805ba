"""Runs: started, followed, commanded; and what they left."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance import files
from appliance.execute import launch
from appliance.operations import bundlekinds, carry_out, inspect
from appliance.operations.carry_out import Terms
from appliance.report.html import to_html
from tui.calls.delivery import opened
from tui.calls.proposals import applied

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from appliance.clock import Clock
    from appliance.events import Sink
    from appliance.execute.lease import Owner
    from appliance.inventory.hosts import Access
    from appliance.operations.inspect import SiteStatus
    from appliance.operations.propose import Proposed
    from appliance.report.result import Report
    from appliance.report.view import RunView
    from appliance.state import ClusterDir, RunDir
    from tui.engine import Engine
    from tui.session import Session

_LOG_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class KnownCluster:
    """A cluster of this machine's: whether something was applied to it, and its runs with their reports."""

    name: str
    applied: bool
    runs: tuple[KnownRun, ...]


@dataclass(frozen=True, slots=True)
class KnownRun:
    """A run of a cluster, what its journal tells, and whether it goes on."""

    run: RunDir
    report: Report
    alive: bool


def holders(engine: Engine, session: Session, proposed: Proposed) -> tuple[tuple[str, Owner], ...]:
    """Hosts that another run has leased, and who; what a dead run of ours left is not among them."""
    return carry_out.foreign_leases(proposed, engine.target(proposed.cluster, session.access), engine.home)


def start(engine: Engine, session: Session, proposed: Proposed, *, take_over: bool = False, sink: Sink) -> RunDir:
    """Start the run, in a process of its own; `take_over`: end what other runs do on its hosts."""
    target = engine.target(proposed.cluster, session.access)
    terms = Terms(program=engine.program or carry_out.own_program(engine.own), take_over=take_over)
    needs_bundle = proposed.proposal.operation in bundlekinds.OPERATIONS
    with opened(engine, session.verified) if needs_bundle else contextlib.nullcontext() as bundle:
        run = carry_out.start(proposed, target, engine.home, bundle=bundle, terms=terms, sink=sink)
    target.folder.draft.unlink(missing_ok=True)
    return run


def follow(run: RunDir, *, clock: Clock, hear: Callable[[RunView], None]) -> Report:
    """Replay a run and follow it to its end."""
    return carry_out.follow(run, clock=clock, hear=lambda _, view: hear(view))


def command(run: RunDir, order: str, *, host: str = "") -> None:
    """Tell a run to pause, resume, cancel, stop, or retry a host."""
    launch.command(run, order, host=host)


def save_report(report: Report, path: Path) -> None:
    """Write a run's report as a page; never over another file."""
    files.write_text(path, to_html(report), replace=False)


def log(run: RunDir, host: str) -> str:
    """The end of what remote commands wrote on a host."""
    try:
        with run.log(host).open("rb") as log:
            log.seek(max(0, run.log(host).stat().st_size - _LOG_BYTES))
            return log.read(_LOG_BYTES).decode(errors="replace")
    except FileNotFoundError:
        return ""


def clusters(engine: Engine) -> tuple[KnownCluster, ...]:
    """The clusters to which something was done from here, with their runs, newest first."""
    found = (_known(engine.folder(name)) for name in engine.home.clusters())
    return tuple(cluster for cluster in found if cluster.applied or cluster.runs)


def living_run(engine: Engine) -> RunDir | None:
    """A run that goes on, if one does."""
    runs = (run for name in engine.home.clusters() for run in engine.folder(name).list_runs()[:1])
    return next((run for run in runs if _known_run(run).alive), None)


def last_journal(engine: Engine) -> Path | None:
    """Where the journal of the newest run of all clusters lies."""
    runs = (run for name in engine.home.clusters() for run in engine.folder(name).list_runs()[:1])
    newest = max(runs, key=lambda run: run.started, default=None)
    return newest.journal if newest else None


def status(engine: Engine, name: str, access: Access, *, sink: Sink) -> SiteStatus:
    """What is installed on the cluster's hosts, and how it is."""
    return inspect.status(engine.target(applied(engine, name), access), sink=sink)


def _known(folder: ClusterDir) -> KnownCluster:
    runs = tuple(_known_run(run) for run in folder.list_runs())
    return KnownCluster(folder.name, folder.clusterfile.exists(), runs)


def _known_run(run: RunDir) -> KnownRun:
    """What is known of a run. One whose end is told is over, though its worker may take a moment to be gone."""
    alive = launch.alive(run)
    told = carry_out.report(run)
    return KnownRun(run, told, alive and told.outcome is None)
