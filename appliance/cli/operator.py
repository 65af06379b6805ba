"""For the operator: `preflight`, `plan`, `apply`, `run`, `reset`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import click

from appliance import files
from appliance.cli.access import AccessOptions, access_options
from appliance.cli.anchors import bundle_argument, trust_options
from appliance.cli.development import bundle_or_image
from appliance.cli.hostgroups import inventory_option, listed_groups, named_groups
from appliance.cli.options import FILE, Command, Session, common, pass_session
from appliance.cli.proposals import (
    changes_lines,
    checks_document,
    forecast_line,
    passed_lines,
    plan_lines,
    problem_lines,
    proposal_document,
)
from appliance.cli.settings import Settings, settings_options
from appliance.cli.targets import carry, opened, read_clusterfile, show_checks, target_of, terms_of, wanted_cluster
from appliance.cli.ways import WayOptions, way_options
from appliance.clock import SystemClock
from appliance.errors import PreflightFailed, StateError
from appliance.inventory.preflight import Verdict
from appliance.operations import applications, bundlekinds, look, propose
from appliance.plan.document import LIMIT, plan_digest, plan_from_json, plan_to_json
from appliance.recipe.bundlefile import APP
from appliance.recipe.clusterfile import Cluster
from appliance.recipe.siteapps import at_version

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from appliance.bundle.verify import VerifiedBundle
    from appliance.operations.propose import Proposed, Target
    from appliance.recipe.bundlefile import BundleSpec
    from appliance.trust.policy import Trust

P = ParamSpec("P")
R = TypeVar("R")

_NOT_FIT = 4


def _clusterfile_option(command: Callable[P, R]) -> Callable[P, R]:
    command = click.option(
        "-f", "--file", type=FILE, required=True, metavar="CLUSTERFILE", help="the Clusterfile, ours or sealer's"
    )(command)
    return settings_options(command)


def _terms_options(command: Callable[P, R]) -> Callable[P, R]:
    command = click.option("-y", "--yes", is_flag=True, help="do not ask")(command)
    command = click.option("--at-once", type=click.IntRange(0), metavar="N", default=0, help="hosts at once; 0 is all")(
        command
    )
    return click.option("--take-over", is_flag=True, help="take hosts over that another run has leased")(command)


@click.command(cls=Command)
@bundle_argument
@_clusterfile_option
@trust_options
@access_options
@pass_session
@common
def preflight(
    session: Session,
    *,
    bundle: Path,
    file: Path,
    settings: Settings,
    trust: Trust,
    access: AccessOptions,
) -> int:
    """Check whether the hosts are fit for BUNDLE; change nothing. Exit code 4 when one is not.

    Example: appliance preflight etcd.run -f cluster.yaml
    """
    with opened(session, bundle, trust) as verified:
        target = target_of(session, wanted_cluster(session, file, settings, verified), access)
        checks = bundlekinds.check(verified, target, sink=session.output.sink())
    failed = any(check.verdict is Verdict.FAIL for check in checks)
    session.output.result(
        {"fit": not failed, "checks": checks_document(checks)},
        lambda: "\n".join([*passed_lines(checks, verbose=session.output.verbose), *problem_lines(checks)]),
    )
    return _NOT_FIT if failed else 0


@click.command(cls=Command)
@bundle_argument
@_clusterfile_option
@click.option("-O", "--save", type=FILE, metavar="PLAN", help="save the plan, to be approved and applied later")
@trust_options
@access_options
@pass_session
@common
def plan(
    session: Session,
    *,
    bundle: Path,
    file: Path,
    settings: Settings,
    save: Path | None,
    trust: Trust,
    access: AccessOptions,
) -> None:
    """Say what `apply` would do, stage by stage; no host is changed.

    Example: appliance plan etcd.run -f cluster.yaml -O plan.json
    """
    with opened(session, bundle, trust) as verified:
        target = target_of(session, wanted_cluster(session, file, settings, verified), access)
        proposed = _install(session, verified, target)
    proposal = proposed.proposal
    if save:
        files.write_bytes(save, plan_to_json(proposal.plan), mode=0o600)
        session.output.say(f"wrote {save}; carry it out by adding to the apply command: --plan {save}")
    session.output.result(
        proposal_document(proposed),
        lambda: "\n".join([*changes_lines(proposal), "", *plan_lines(proposal.plan), forecast_line(proposed.forecast)]),
    )


@click.command(cls=Command)
@bundle_argument
@_clusterfile_option
@click.option("--plan", "saved", type=FILE, metavar="PLAN", help="carry out this plan, if the site did not change")
@way_options
@_terms_options
@trust_options
@access_options
@pass_session
@common
def apply(
    session: Session,
    *,
    bundle: Path,
    file: Path,
    settings: Settings,
    saved: Path | None,
    yes: bool,
    at_once: int,
    take_over: bool,
    way: WayOptions,
    trust: Trust,
    access: AccessOptions,
) -> None:
    """Make the site what the Clusterfile and BUNDLE say. The same command again goes on, or does nothing.

    Example: appliance apply etcd.run -f cluster.yaml --yes
    """
    with opened(session, bundle, trust) as verified:
        target = target_of(session, way.over(wanted_cluster(session, file, settings, verified)), access)
        proposed = _install(session, verified, target)
        if saved:
            _require_saved(saved, proposed)
        terms = terms_of(session, at_once=at_once, take_over=take_over)
        carry(session, proposed, target, bundle=verified, yes=yes, terms=terms)


@click.command(cls=Command)
@bundle_argument
@click.option("--hosts", "words", multiple=True, metavar="ROLE=ADDRESSES", help="hosts of a role; repeatable")
@inventory_option
@click.option("--control-plane", "-m", "--masters", "masters", metavar="ADDRESSES", help="short for a role's hosts")
@click.option("--worker", "-n", "--nodes", "nodes", metavar="ADDRESSES", help="short for a role's hosts")
@click.option("--name", metavar="NAME", default="", help="the cluster's name (the bundle's)")
@settings_options
@way_options
@_terms_options
@trust_options
@access_options
@pass_session
@common
def run(
    session: Session,
    *,
    bundle: Path,
    words: tuple[str, ...],
    inventory: Path | None,
    masters: str | None,
    nodes: str | None,
    name: str,
    settings: Settings,
    yes: bool,
    at_once: int,
    take_over: bool,
    way: WayOptions,
    trust: Trust,
    access: AccessOptions,
) -> None:
    """Install BUNDLE on the named hosts: writes the Clusterfile, then does what `apply` does.

    In place of a bundle it may be an image of the local store, such as etcd-cluster:1.0.0: that is bundled on the way,
    signed by a development key of this machine. A bundle of kind App goes onto a cluster that was installed from here:
    name that with --name, where there are several, and no host.

    Example: appliance run etcd.run --hosts etcd=10.0.0.11-10.0.0.13 --user ops
    """
    short = [f"{role}={given}" for role, given in (("control-plane", masters), ("worker", nodes)) if given]
    named = named_groups([*words, *short])
    if named and inventory:
        raise _misused("hosts are named twice: with --inventory, and beside it")
    bundle, trust = bundle_or_image(session, bundle, trust)
    if not named and not inventory and not _is_application(bundle, trust):
        raise _misused("no host is named")
    with opened(session, bundle, trust) as verified:
        spec, called = propose.description(verified), name or verified.manifest.name
        if spec.kind == APP:
            if named or inventory:
                raise _misused("an application goes onto the hosts of a cluster that is there: name none")
            cluster = settings.over_app(_with_app(session, name, spec), spec)
        else:
            groups = listed_groups(session, inventory, spec, cluster=called) if inventory else named
            image = f"{verified.manifest.name}:{verified.manifest.version}"
            cluster = settings.over(Cluster(called, image=image, ssh=access.settings(), hosts=groups), spec)
        target = target_of(session, way.over(cluster), access)
        proposed = _install(session, verified, target)
        terms = terms_of(session, at_once=at_once, take_over=take_over)
        carry(session, proposed, target, bundle=verified, yes=yes, terms=terms)


@click.command(cls=Command)
@click.argument("name", required=False, default="")
@click.option("-f", "--file", type=FILE, metavar="CLUSTERFILE", help="the Clusterfile (the one applied last)")
@click.option("--app", metavar="APP", default="", help="only this application, which was added to the cluster")
@_terms_options
@access_options
@pass_session
@common
def reset(
    session: Session,
    *,
    name: str,
    file: Path | None,
    app: str,
    yes: bool,
    at_once: int,
    take_over: bool,
    access: AccessOptions,
) -> None:
    """Take off the hosts what was installed for cluster NAME; data of its services is lost.

    Example: appliance reset etcd-cluster
    """
    path = file or session.home.cluster(cluster_name(session, name)).clusterfile
    target = target_of(session, read_clusterfile(session, path), access)
    try:
        if app:
            proposed = applications.take_away(target, app, sink=session.output.sink())
        else:
            proposed = propose.reset(target, sink=session.output.sink())
    except PreflightFailed as failed:
        raise show_checks(session, failed) from None
    terms = terms_of(session, at_once=at_once, take_over=take_over)
    carry(session, proposed, target, bundle=None, yes=yes, terms=terms)


def _misused(message: str) -> click.UsageError:
    return click.UsageError(message, ctx=click.get_current_context())


def _is_application(path: Path, trust: Trust) -> bool:
    """Whether a bundle, whoever signed it, says that it is of kind App."""
    with look.opened(path, trust, now=SystemClock().now()) as (found, _):
        return look.platforms(found)[0].config.spec.kind == APP


def _with_app(session: Session, name: str, spec: BundleSpec) -> Cluster:
    """The cluster called `name`, or the only one, as it was applied last, with the application in this version."""
    cluster = read_clusterfile(session, session.home.cluster(cluster_name(session, name)).clusterfile)
    return replace(cluster, apps=at_version(cluster.apps, f"{spec.name}:{spec.version}"))


def cluster_name(session: Session, name: str) -> str:
    """`name`, or that of the only cluster to which something was applied from here; `StateError` if several.

    A plan or a mistaken call leaves a folder, too; such a cluster counts only when it is named.
    """
    known = session.home.clusters()
    if name:
        if name not in known:
            raise StateError(f"this machine knows no cluster {name}", hint=f"it knows {', '.join(known) or 'none'}")
        return name
    applied = [known_name for known_name in known if session.home.cluster(known_name).clusterfile.exists()]
    if len(applied) != 1:
        message = "which cluster?" if applied else "nothing was applied to any cluster from here"
        raise StateError(message, hint=f"name one of {', '.join(applied or known)}" if known else "appliance apply")
    return applied[0]


def _install(session: Session, bundle: VerifiedBundle, target: Target) -> Proposed:
    """What `apply` proposes: for a bundle of kind App, to add it to the cluster."""
    try:
        return bundlekinds.apply(bundle, target, sink=session.output.sink())
    except PreflightFailed as failed:
        raise show_checks(session, failed) from None


def _require_saved(path: Path, proposed: Proposed) -> None:
    saved = plan_from_json(files.read_bounded(path, LIMIT))
    propose.require_unchanged(plan_digest(saved), proposed.proposal)
