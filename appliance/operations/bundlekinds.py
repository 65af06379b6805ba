"""What a bundle is for, by its kind: to be a cluster, or to go onto one that is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance import events
from appliance.operations import applications, propose
from appliance.recipe.bundlefile import APP

if TYPE_CHECKING:
    from appliance.bundle.verify import VerifiedBundle
    from appliance.events import Sink
    from appliance.inventory.preflight import CheckResult
    from appliance.operations.propose import Proposed, Target

OPERATIONS = (propose.INSTALL, applications.ADD)
"""What is proposed for a bundle; to carry it out takes the bundle."""


def check(
    bundle: VerifiedBundle, target: Target, *, only: frozenset[str] = frozenset(), sink: Sink = events.silent
) -> tuple[CheckResult, ...]:
    """Look at all hosts, or `only` those of these names, and judge whether they are fit for the bundle."""
    if propose.description(bundle).kind == APP:
        return applications.check(bundle, target, only=only, sink=sink)
    return propose.check(bundle, target, only=only, sink=sink)


def apply(bundle: VerifiedBundle, target: Target, *, sink: Sink = events.silent) -> Proposed:
    """What makes the site what the Clusterfile and the bundle say; raises what `propose.install` does."""
    if propose.description(bundle).kind == APP:
        return applications.add(bundle, target, sink=sink)
    return propose.install(bundle, target, sink=sink)
