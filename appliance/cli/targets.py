"""From what the command line says to the `Target` that operations want, and what every change of a site does."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from appliance.cli import prompts
from appliance.cli.access import AccessOptions, believed_keys, confirm_keys
from appliance.cli.anchors import trust_of
from appliance.cli.proposals import changes_lines, checks_lines, plan_lines, proposal_document
from appliance.clock import SystemClock
from appliance.errors import PreflightFailed, RecipeError
from appliance.events import Outcome
from appliance.inventory.preflight import CheckResult
from appliance.operations import carry_out, deliver
from appliance.operations.carry_out import Terms
from appliance.operations.propose import Target
from appliance.recipe import clusterfile
from appliance.transport.connect import connector
from appliance.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from appliance.bundle.verify import VerifiedBundle
    from appliance.cli.options import Session
    from appliance.operations.propose import Proposed
    from appliance.recipe.clusterfile import Cluster

_CLUSTERFILE_BYTES = 4 << 20


def read_clusterfile(session: Session, path: Path, *, settings: Mapping[str, str]) -> Cluster:
    """The cluster that a Clusterfile describes, with ``--set`` laid over it; its warnings are said, secrets kept."""
    try:
        with path.open("rb") as source:
            text = source.read(_CLUSTERFILE_BYTES).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError("cannot read the Clusterfile", where=str(path), hint="name a readable text file") from error
    read = clusterfile.load(text, source=str(path))
    for warning in read.warnings:
        session.output.warn(warning)
    if read.secrets:
        folder = session.home.cluster(read.cluster.name)
        vault = Vault.open(folder.vault, folder.vault_key)
        for name, value in read.secrets.items():
            vault.put(name, value.encode())
    return replace(read.cluster, parameters={**read.cluster.parameters, **settings})


def target_of(session: Session, cluster: Cluster, access: AccessOptions) -> Target:
    """The target: hosts that show new keys are asked about on a terminal, at once for all."""
    folder = session.home.cluster(cluster.name)
    keys = believed_keys(folder.known_hosts, access)
    target = Target(cluster, access.access, folder, SystemClock(), connector(keys))
    confirm_keys(target.hosts(), keys, access, session.output)
    return target


@contextmanager
def opened(session: Session, path: Path, anchors: tuple[str, ...], policy: Path | None) -> Iterator[VerifiedBundle]:
    """The bundle, if its signatures and the policy hold; what it does not prove is said once."""
    with deliver.open_delivery(path, trust_of(anchors, policy), now=SystemClock().now()) as bundle:
        if session.bundle is not None:
            session.output.say("integrity: signatures hold; origin: checked by this bundle's own code")
        yield bundle


def show_checks(session: Session, failed: PreflightFailed) -> PreflightFailed:
    """Say what the checks found, for people; the error goes on its way."""
    results = [result for result in failed.results if isinstance(result, CheckResult)]
    if session.output.for_people:
        session.output.say("\n".join(checks_lines(results, all_of_them=session.output.verbose)))
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

    Raises `RunFailed` or `Cancelled` when it did not come through.
    """
    from appliance.cli.follow import report_text, watch  # noqa: PLC0415  (rich is slow to import)
    from appliance.report.document import to_document  # noqa: PLC0415

    proposal = proposed.proposal
    if proposed.empty:
        session.output.result(
            {**proposal_document(proposal), "run": None}, f"nothing to do: {target.cluster.name} is as it should be"
        )
        return
    steps = plan_lines(proposal.plan)
    shown = steps if session.output.verbose else steps[-1:]
    session.output.say("\n".join([*changes_lines(proposal), "", *shown]))
    if proposal.plan.destructive:
        prompts.confirm(
            f"Something is lost by this. {proposal.operation} {target.cluster.name}?",
            yes=yes,
            refusal=f"{proposal.operation} destroys what is on the hosts",
        )
    elif prompts.interactive():
        prompts.confirm("Do this?", yes=yes, refusal="")
    run = carry_out.start(proposed, target, session.home, bundle=bundle, terms=terms, sink=session.output.sink())
    report = watch(run, session.output)
    if report.outcome is Outcome.OK:
        carry_out.remember(proposed, target, run)
    session.output.result({"run": to_document(report)}, lambda: report_text(report))
    carry_out.require_done(report)


def terms_of(session: Session, *, at_once: int, take_over: bool) -> Terms:
    """The terms of a run; a worker is started the way that this process was."""
    if session.bundle is None:
        return Terms(at_once, take_over)
    boot = str(Path(sys.argv[0]).absolute())
    return Terms(at_once, take_over, (sys.executable, "-I", "-B", boot, str(session.bundle)))


def settings_of(words: tuple[str, ...]) -> dict[str, str]:
    """``--set NAME=VALUE``, repeated; a usage error for a word without ``=``."""
    settings = {}
    for word in words:
        name, found, value = word.partition("=")
        if not found or not name:
            raise click.UsageError(f"--set {word}: write NAME=VALUE")
        settings[name] = value
    return settings
