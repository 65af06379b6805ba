"""Whether what is asked for fits: a Clusterfile to a bundle, and hosts to both; who does not fit hears what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.digest import Digest
from appliance.errors import PlanError, PreflightFailed, RecipeError, VerificationError
from appliance.inventory.preflight import CheckResult, Verdict
from appliance.operations import deliver
from appliance.plan import footprint
from appliance.recipe.clusterfile import SWARM
from appliance.recipe.schema import suggestion
from appliance.transport.base import Command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from appliance.bundle.manifest import BundleManifest
    from appliance.bundle.verify import VerifiedBundle
    from appliance.inventory.hosts import Host
    from appliance.operations.survey import Survey
    from appliance.recipe.bundlefile import RoleSpec

_ANY = 'for path; do [ ! -e "$path" ] || exit 0; done; exit 1'


def check_roles(roles: Sequence[RoleSpec], hosts: Sequence[Host]) -> None:
    """Raise `RecipeError` when hosts have a role that is not one of `roles`, or a role has too few hosts or too many.

    An image that describes no roles takes any.
    """
    known = [role.name for role in roles]
    for host in hosts:
        for name in host.roles:
            if known and name not in known:
                hint = suggestion(name, known)
                raise RecipeError(f"there is no role {name!r}, which {host.address} has", where="spec.hosts", hint=hint)
    for role in roles:
        count = sum(role.name in host.roles for host in hosts)
        if count < role.minimum or (role.maximum and count > role.maximum):
            wanted = f"{role.minimum} to {role.maximum}" if role.maximum else f"{role.minimum} or more"
            hint = "list the hosts of each role in the Clusterfile, or with --hosts ROLE=ADDRESSES"
            raise RecipeError(f"the role {role.name} takes {wanted} hosts, not {count}", where="spec.hosts", hint=hint)


def check_image(named: str, held: BundleManifest) -> None:
    """Raise `RecipeError` when a Clusterfile names another image than the bundle holds; naming none takes any.

    An image is named as ``NAME:VERSION`` or by its digest.
    """
    name = f"{held.name}:{held.version}"
    if named and named not in (name, str(held.image)):
        raise RecipeError(
            f"the Clusterfile is for {named}, the bundle holds {name}",
            where="spec.image",
            hint=f"take the bundle of {named}, or write image: {name} to change the cluster to that",
        )


def check_method(method: str, held: BundleManifest) -> None:
    """Raise `RecipeError` when hosts shall swarm and the bundle does not carry what they do that with."""
    if method == SWARM and not all(held.has_runtime(arch, deliver.SWARM_PART) for arch in held.arch):
        raise RecipeError(
            "the bundle carries nothing that hosts can swarm with",
            where="spec.distribution.method",
            hint="write auto, unicast or chain, or have the bundle made with: appliance bundle --swarm",
        )


def require_newer(bundle: VerifiedBundle, cluster: str, found: Survey) -> None:
    """Raise `VerificationError` when a host of `cluster` has had a later epoch, unless a permit allows to go back.

    What a host has had counts as what was seen here.
    """
    for host in found.hosts:
        stamp = host.stamp
        if stamp is None or stamp.cluster != cluster:
            continue
        if bundle.goes_back_from(stamp.epoch, Digest.parse(stamp.image)):
            raise VerificationError(
                f"the bundle's epoch {bundle.manifest.epoch} is lower than {stamp.epoch}, which is installed there",
                where=host.name,
                hint=f"whom the policy names must sign a permit: appliance trust permit --from {stamp.image}",
            )


def require_stamps(cluster: str, found: Survey) -> None:
    """Raise `PlanError` when a host lost its stamp, or has one that cannot be read, but not what was installed.

    Nobody knows what to take off such a host; what is kept there lets an installation write the stamp anew.
    """
    for each in found.hosts:
        if each.facts.stamp_error:
            raise PlanError(
                f"{footprint.STAMP} cannot be read: {each.facts.stamp_error}",
                where=each.name,
                hint="use the version that wrote it; if it is damaged, remove it, apply the same bundle, then reset",
            )
    ours = Command.shell(_ANY, *footprint.remains(cluster))
    left = found.ask(lambda host, line: host.facts.stamp is None and line.run(ours).ok)
    for host in (name for name, there in left.items() if there):
        raise PlanError(
            f"{footprint.STAMP} is gone, but not what it listed",
            where=host,
            hint="appliance apply with the same bundle writes it anew; then reset",
        )


def require_fit(checks: Sequence[CheckResult]) -> None:
    """Raise `PreflightFailed`, which names the first failure, unless there is none."""
    failed = [result for result in checks if result.verdict is Verdict.FAIL]
    if not failed:
        return
    first, *others = failed
    more = f" (and {len(others)} more failed)" if others else ""
    raise PreflightFailed(
        f"{first.check}: {first.detail}{more}",
        results=checks,
        where=first.host,
        hint=first.hint or "put right what the checks name, then run the same command again",
    )
