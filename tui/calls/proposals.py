"""What would be done, and whether the hosts are fit for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.errors import ApplianceError, PreflightFailed
from appliance.inventory.preflight import CheckResult, failures_first
from appliance.operations import applications, bundlekinds, carry_out, fitting, propose, sites
from tui.calls.delivery import opened

if TYPE_CHECKING:
    from collections.abc import Iterable

    from appliance.events import Sink
    from appliance.inventory.hosts import Access
    from appliance.operations.propose import Proposed
    from appliance.recipe.clusterfile import Cluster
    from tui.engine import Engine
    from tui.session import Session

OF_DELIVERY = bundlekinds.OPERATIONS
"""The operations that the steps lead to; others begin on the cluster's screen."""


def require_roles(session: Session) -> None:
    """Raise `RecipeError` unless the roles have the hosts that they need; nobody is asked for that."""
    everyone = session.hosts_to_enter([machine.address for machine in session.chosen], secret=lambda _: "")
    fitting.check_roles(session.spec.roles, everyone)


def check(
    engine: Engine, session: Session, *, only: frozenset[str] = frozenset(), sink: Sink
) -> tuple[CheckResult, ...]:
    """Whether all hosts, or `only` those, are fit; failures first."""
    with opened(engine, session.verified) as bundle:
        found = bundlekinds.check(bundle, engine.target(session.cluster, session.access), only=only, sink=sink)
    return failures_first(found)


def install(engine: Engine, session: Session, *, sink: Sink) -> Proposed:
    """What makes the site what the Clusterfile and the delivery say."""
    target = engine.target(session.cluster, session.access)
    with opened(engine, session.verified) as bundle:
        proposed = bundlekinds.apply(bundle, target, sink=sink)
    carry_out.settle(proposed, target)
    return proposed


def reset(engine: Engine, name: str, access: Access, *, sink: Sink) -> Proposed:
    """What takes off the hosts what was applied last to the cluster called `name`."""
    target = engine.target(applied(engine, name), access)
    proposed = propose.reset(target, sink=sink)
    carry_out.settle(proposed, target)
    return proposed


def take_away(engine: Engine, name: str, app: str, access: Access, *, sink: Sink) -> Proposed:
    """What takes the application called `app` from the cluster called `name`."""
    return applications.take_away(engine.target(applied(engine, name), access), app, sink=sink)


def applied(engine: Engine, name: str) -> Cluster:
    """The Clusterfile as applied last. `RecipeError` when there is none."""
    return sites.read_clusterfile(engine.home, engine.folder(name).clusterfile).cluster


def checks_of(error: ApplianceError) -> tuple[CheckResult, ...]:
    """The check results in a refusal, failures first; none when it is another error."""
    results: Iterable[object] = error.results if isinstance(error, PreflightFailed) else ()
    return failures_first(result for result in results if isinstance(result, CheckResult))
