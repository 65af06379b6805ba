"""From what the command line says to the `Target` that operations want, and what every change of a site does."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from appliance.cli import prompts
from appliance.cli.access import AccessOptions, believed_keys, confirm_keys
from appliance.cli.proposals import (
    changes_lines,
    forecast_line,
    passed_lines,
    plan_lines,
    problem_lines,
    proposal_document,
    steps_line,
)
from appliance.clock import SystemClock
from appliance.inventory.hosts import unheeded
from appliance.inventory.preflight import CheckResult
from appliance.operations import carry_out, deliver, propose, sites
from appliance.operations.carry_out import Terms
from appliance.operations.propose import Target
from appliance.recipe.bundlefile import APP
from appliance.recipe.parameters import secret_parameters
from appliance.transport.connect import connector

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from appliance.bundle.verify import VerifiedBundle
    from appliance.cli.options import Session
    from appliance.cli.settings import Settings
    from appliance.errors import PreflightFailed
    from appliance.operations.propose import Proposed
    from appliance.recipe.clusterfile import Cluster
    from appliance.trust.policy import Trust


def read_clusterfile(session: Session, path: Path) -> Cluster:
    """The cluster that a Clusterfile describes; its warnings are said, passwords in it kept in the vault."""
    read = sites.read_clusterfile(session.home, path)
    for warning in read.warnings:
        session.output.warn(warning)
    return read.cluster


def wanted_cluster(session: Session, path: Path, settings: Settings, bundle: VerifiedBundle) -> Cluster:
    """The cluster of a Clusterfile with the command line's settings; a warning for each secret in clear text."""
    spec = propose.description(bundle)
    written = read_clusterfile(session, path)
    if spec.kind == APP:
        return settings.over_app(written, spec)
    for name in sorted(secret_parameters(spec) & written.parameters.keys()):
        how = f"it is kept in the vault from now on: take it out, and change it with --set-file {name}=FILE"
        session.output.warn(f"{path}: spec.parameters.{name} is a secret and stands here in clear text; {how}")
    return settings.over(written, spec)


def target_of(session: Session, cluster: Cluster, access: AccessOptions) -> Target:
    """The target: hosts that show new keys are asked about on a terminal, at once for all."""
    folder = session.home.cluster(cluster.name)
    keys = believed_keys(folder.known_hosts, access)
    target = Target(cluster, access.access, folder, SystemClock(), connector(keys))
    hosts = target.hosts()
    for sentence in unheeded(hosts, access.access.config):
        session.output.warn(sentence)
    if any(host.endpoint.unsafe_legacy_algorithms for host in hosts):
        session.output.warn("unsafe legacy SSH algorithms are allowed: others may read and change what is sent")
    confirm_keys(hosts, keys, access, session.output)
    return target


@contextmanager
def opened(session: Session, path: Path, trust: Trust) -> Iterator[VerifiedBundle]:
    """The bundle, if its signatures and the policy hold; what it does not prove is said once."""
    with deliver.open_delivery(path, trust, now=SystemClock().now()) as bundle:
        if session.bundle is not None:
            session.output.say("integrity: signatures hold; origin: checked by this bundle's own code")
        yield bundle


def show_checks(session: Session, failed: PreflightFailed) -> PreflightFailed:
    """Say what the checks found, for people; the error goes on its way."""
    results = [result for result in failed.results if isinstance(result, CheckResult)]
    if session.output.for_people:
        passed = passed_lines(results, verbose=True) if session.output.verbose else []
        session.output.say("\n".join([*passed, *problem_lines(results)]))
    return failed


def carry(
    session: Session,
    proposed: Proposed,
    target: Target,
    *,
    bundle: VerifiedBundle | None,
    yes: bool,
    terms: Terms,
) -> None:
    """Show the proposal, have it confirmed, start the run, watch it to its end, and print the report.

    Raises `RunFailed`, `Cancelled` or `StateError` when it did not come through.
    """
    from appliance.cli.follow import report_text, watch  # noqa: PLC0415  (rich is slow to import)
    from appliance.report.document import to_document  # noqa: PLC0415

    proposal = proposed.proposal
    carry_out.require_free(proposed, target, session.home, take_over=terms.take_over)
    if proposed.empty:
        carry_out.settle(proposed, target)
        session.output.result(
            {**proposal_document(proposed), "run": None}, f"nothing to do: {target.cluster.name} is as it should be"
        )
        return
    shown = plan_lines(proposal.plan) if session.output.verbose else [steps_line(proposal.plan)]
    session.output.say("\n".join([*changes_lines(proposal), "", *shown, forecast_line(proposed.forecast)]))
    if proposal.plan.destructive:
        prompts.confirm(
            f"Something is lost by this. {proposal.operation} {target.cluster.name}?",
            yes=yes,
            refusal=f"{proposal.operation} destroys what is on the hosts",
        )
    elif prompts.interactive():
        prompts.confirm("Do this?", yes=yes, refusal="")
    _confirm_taking_over(proposed, target, session, yes=yes)
    run = carry_out.start(proposed, target, session.home, bundle=bundle, terms=terms, sink=session.output.sink())
    report = watch(run, session.output)
    session.output.result({"run": to_document(report)}, lambda: report_text(report))
    carry_out.require_done(report)


def _confirm_taking_over(proposed: Proposed, target: Target, session: Session, *, yes: bool) -> None:
    holders = {owner.run: owner for _, owner in carry_out.foreign_leases(proposed, target, session.home)}
    for run, owner in holders.items():
        prompts.confirm(
            f"{owner.operator} has leased hosts for run {run} since {owner.started}; what it does there ends. Go on?",
            yes=yes,
            refusal=f"--take-over ends run {run} of {owner.operator}",
        )


def terms_of(session: Session, *, at_once: int, take_over: bool) -> Terms:
    """The terms of a run; a worker is started the way that this process was."""
    return Terms(at_once, take_over, carry_out.own_program(session.bundle))
