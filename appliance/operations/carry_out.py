"""Carry a proposal out: bring its blobs into the operator's store, start the worker, and follow its journal."""

from __future__ import annotations

import getpass
import shutil
import socket
import sys
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from appliance import events, files, state
from appliance.bundle.pyruntime import layout
from appliance.digest import Digest
from appliance.errors import ApplianceError, BundleError, Cancelled, PlanError, RunFailed, StateError
from appliance.events import Outcome
from appliance.execute import journal, launch, lease, order
from appliance.execute.order import RunSecrets
from appliance.operations import deliver, propose
from appliance.plan.document import plan_to_json
from appliance.plan.steps import Receive
from appliance.recipe import clusterfile
from appliance.report.result import Report, report_of
from appliance.report.view import RunView, fold
from appliance.state import ClusterDir, ClusterState, Home, InstalledHost, RunDir
from appliance.trust import floors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from appliance.bundle.verify import VerifiedBundle
    from appliance.clock import Clock
    from appliance.events import Sink, Stamped
    from appliance.execute.lease import Owner
    from appliance.image.blobs import Blob
    from appliance.operations.propose import Proposed, Target
    from appliance.plan.steps import Plan


@dataclass(frozen=True, slots=True)
class Terms:
    """How a run is carried out: hosts at once (0: no bound), whether foreign leases are taken over, what starts us."""

    at_once: int = 0
    take_over: bool = False
    program: tuple[str, ...] = launch.PROGRAM


def own_program(bundle: Path | None) -> tuple[str, ...]:
    """How a worker is started the way that this process was; `bundle` is the ``.run`` that it came out of, if any."""
    if bundle is None:
        return launch.PROGRAM
    return (sys.executable, *layout.FLAGS, str(Path(sys.argv[0]).absolute()), str(bundle))


def start(
    proposed: Proposed,
    target: Target,
    home: Home,
    *,
    bundle: VerifiedBundle | None = None,
    terms: Terms = Terms(),
    sink: Sink = events.silent,
) -> RunDir:
    """Start the worker that carries the proposal out and return its folder; the run goes on without the caller.

    The blobs that the plan sends come out of `bundle`, checked as they are read. Raises `BundleError` when some are
    needed and there is none, `StateError` when its epoch leaves too many behind, when another run has leased a host or
    the worker does not start, `PlanError` when a run of the cluster ended since the proposal was made.
    """
    plan = proposed.proposal.plan
    require_free(proposed, target, home, take_over=terms.take_over)
    require_current(target.folder, proposed.surveyed)
    _take_out(plan, home, bundle, sink)
    if bundle is not None:
        floors.keep(home.floors, bundle.seen, lower=True)
    run = target.folder.new_run(proposed.proposal.operation, now=target.clock.now())
    endpoints = {host.name: host.endpoint for host in proposed.hosts}
    instructions = order.make_order(
        home,
        target.folder,
        run=run.name,
        operation=proposed.proposal.operation,
        operator=f"{getpass.getuser()}@{socket.gethostname()}",
        endpoints=endpoints,
        at_once=terms.at_once,
        take_over=terms.take_over,
        distribution=proposed.cluster.distribution,
    )
    try:
        files.write_bytes(run.plan, plan_to_json(plan), mode=0o600)
        order.write_order(run.path / "run.json", instructions)
        _foresee(proposed, target, run)
        files.write_text(target.folder.clusterfile, clusterfile.dump(proposed.cluster), mode=0o600)
    except ApplianceError:
        shutil.rmtree(run.path, ignore_errors=True)  # a run that never was is none
        raise
    launch.start(run, RunSecrets.of(endpoints), program=terms.program, clock=target.clock)
    return run


def foreign_leases(proposed: Proposed, target: Target, home: Home) -> tuple[tuple[str, Owner], ...]:
    """Hosts that a living run, or somebody else's, has leased, and who; what a dead run of ours left is resumed."""
    ours = order.identity(home.root)
    return tuple(
        (host, owner) for host, owner in proposed.leases if not launch.dead_predecessor(owner, target.folder, home=ours)
    )


def require_free(proposed: Proposed, target: Target, home: Home, *, take_over: bool) -> None:
    """Raise `StateError`, naming operator and run, when a host is leased (see `foreign_leases`) and not taken over."""
    for host, owner in () if take_over else foreign_leases(proposed, target, home):
        refusal = lease.foreign(owner)
        refusal.where = host
        raise refusal


def require_current(folder: ClusterDir, surveyed: datetime) -> None:
    """Raise `PlanError` when the cluster's newest run did something since the hosts were `surveyed`."""
    for run in folder.list_runs()[:1]:
        told = report(run)
        last = (told.started or run.started) + timedelta(seconds=told.seconds)
        if last >= surveyed:
            raise PlanError(
                f"run {run.name} was at work while the hosts were looked at", hint="run the same command again"
            )


def _take_out(plan: Plan, home: Home, bundle: VerifiedBundle | None, sink: Sink) -> None:
    needed = {blob.digest: blob.size for blob in _blobs(plan)}
    missing = [digest for digest, size in needed.items() if not files.has_blob(home.blobs, digest, size)]
    if not missing:
        return
    if bundle is None:
        raise BundleError(f"{len(missing)} blobs are needed that are not kept here", hint="name the bundle")
    deliver.take_out(bundle, home.blobs, missing, sink=sink)


def _blobs(plan: Plan) -> Iterator[Blob]:
    for stage in plan.stages:
        for step in stage.steps:
            if isinstance(step.action, Receive):
                yield from step.action.blobs


def follow(run: RunDir, *, clock: Clock, hear: Callable[[Stamped, RunView], None]) -> Report:
    """Replay the journal of `run` and follow it to its end; `hear` gets each event and the view with it folded in.

    Returns the report; its outcome is None when the worker died without a word.
    """
    view = RunView()
    for stamped in journal.follow(run.journal, alive=lambda: launch.alive(run), clock=clock):
        view = fold(view, stamped)
        hear(stamped, view)
    return _report(view, run)


def report(run: RunDir) -> Report:
    """What the journal of `run` tells by now."""
    view = RunView()
    for stamped in journal.read(run.journal):
        view = fold(view, stamped)
    return _report(view, run)


def _report(view: RunView, run: RunDir) -> Report:
    """The report; of a run whose worker never wrote a word, what the name of its folder tells."""
    told = report_of(view, journal=run.journal)
    if told.run:
        return told
    cluster = run.path.parents[1].name
    return replace(told, run=run.name, operation=run.operation, cluster=cluster, started=run.started)


def require_done(report: Report) -> None:
    """Raise unless all hosts came through: `RunFailed` (holding the report), `Cancelled` if the run was stopped.

    `StateError` if it was refused on a host, as by the lease of a run that began at the same moment.
    """
    if report.outcome is Outcome.OK:
        return
    if report.outcome is Outcome.REFUSED:
        why = "; ".join(f"{host.name}: {host.detail}" for host in report.failed if host.detail)
        hints = (host.hint for host in report.failed if host.hint)
        raise StateError(
            f"{report.operation} of {report.cluster} did not begin: {why}",
            hint=next(hints, "run the same command again"),
        )
    if report.outcome is Outcome.CANCELLED:
        raise Cancelled(f"{report.operation} of {report.cluster} was stopped", hint="the same command goes on with it")
    if report.outcome is None:
        raise RunFailed(
            f"the worker of run {report.run} ended without a word",
            report=report,
            hint="see whether the disk is full on which runs are kept, and worker.log beside its journal; the same"
            " command goes on where this one stopped",
        )
    failed = [host for host in report.failed if host.outcome is Outcome.FAILED] or report.failed
    hosts = ", ".join(host.name for host in failed)
    raise RunFailed(
        f"{report.operation} of {report.cluster} failed on {hosts}",
        report=report,
        hint="put right what the report names, then run the same command again: it goes on where this one stopped",
    )


def settle(proposed: Proposed, target: Target) -> None:
    """Remember what a proposal that is empty has found to hold already, as after a run that was killed at its very end.

    A worker remembers what its run has done. The hosts remain the truth.
    """
    if not (proposed.empty and target.folder.clusterfile.exists()):
        return
    match proposed.proposal.operation:
        case propose.INSTALL:
            kept = state.read_state(target.folder.state)
            found = _state(proposed, target, kept.run if kept else "")
            if kept is None or replace(found, applied=kept.applied) != kept:
                state.write_state(target.folder.state, found)
        case propose.RESET:
            target.folder.state.unlink(missing_ok=True)


def _foresee(proposed: Proposed, target: Target, run: RunDir) -> None:
    match proposed.proposal.operation:
        case propose.INSTALL:
            state.foresee(run, _state(proposed, target, run.name))
        case propose.RESET:
            state.foresee(run, None)


def _state(proposed: Proposed, target: Target, run: str) -> ClusterState:
    spec = proposed.spec
    return ClusterState(
        cluster=target.cluster.name,
        bundle=spec.name,
        version=spec.version,
        epoch=spec.epoch,
        image=Digest.parse(proposed.proposal.plan.image),
        run=run,
        applied=target.clock.now(),
        hosts=tuple(InstalledHost(host.name, host.address, host.roles) for host in proposed.hosts),
    )
