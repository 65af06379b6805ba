"""By which way a run's blobs reach its hosts: what was asked for, or what its plan calls for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.distribute.chain import Chain
from appliance.distribute.pace import Pace
from appliance.distribute.swarm import Load, Swarm
from appliance.distribute.talk import Way
from appliance.distribute.unicast import Unicast
from appliance.errors import PlanError
from appliance.plan.forecast import WORTH_BYTES
from appliance.plan.steps import Receive, Unpack

if TYPE_CHECKING:
    from collections.abc import Mapping

    from appliance.distribute.base import Distributor
    from appliance.plan.steps import Plan, Stage
    from appliance.recipe.clusterfile import Distribution
    from appliance.transport.base import Endpoint


def distributor(asked: Distribution, plan: Plan, *, endpoints: Mapping[str, Endpoint], at_once: int = 0) -> Distributor:
    """The way for `plan`. Left to choose, it is the chain where two hosts or more get enough at the same time.

    By a swarm goes what the plan says that it swarms with; other blobs by the chain. Raises `PlanError` for a method
    that is not there.
    """
    unicast = Unicast(pace=Pace(asked.bandwidth))
    addresses = {name: endpoint.address for name, endpoint in endpoints.items()}
    match asked.method:
        case "unicast":
            return unicast
        case "auto" if not any(_worth_it(stage, at_once) for stage in plan.stages):
            return unicast
        case "auto" | "chain" | "swarm":
            way = Way(addresses, asked.port, asked.bandwidth)
            chain = Chain(way, unicast=unicast, layers=to_unpack(plan))
            load = _load(plan)
            return Swarm(way, load, unicast=unicast, otherwise=chain) if asked.method == "swarm" and load else chain
        case _:
            raise PlanError(
                f"the method {asked.method} is not there",
                hint="write auto, unicast, chain or swarm for the distribution",
            )


def _load(plan: Plan) -> Load | None:
    """What the plan says that hosts get by a swarm; all other receptions of the same runtime are part of it."""
    received = [step.action for stage in plan.stages for step in stage.steps if isinstance(step.action, Receive)]
    parts = {action.runtime: action.swarm for action in received if action.runtime and action.swarm}
    blobs = [blob for action in received if action.runtime in parts for blob in action.blobs]
    carried = dict.fromkeys(blob for blob in blobs if all(blob != part.blob for part in parts.values()))
    return Load(tuple(carried), parts) if parts else None


def to_unpack(plan: Plan) -> dict[str, dict[str, str]]:
    """For each host the blobs of layers that it will unpack, with the digests of their tars, all hexadecimal."""
    layers: dict[str, dict[str, str]] = {}
    for step in (step for stage in plan.stages for step in stage.steps):
        if isinstance(step.action, Unpack):
            found = {layer.blob.digest.hex: layer.diff_id.hex for layer in step.action.layers}
            layers.setdefault(step.host, {}).update(found)
    return layers


def _worth_it(stage: Stage, at_once: int) -> bool:
    sizes = [
        sum(blob.size for blob in step.action.blobs)
        for step in stage.steps
        if isinstance(step.action, Receive) and step.action.runtime
    ]
    enough = sum(size >= WORTH_BYTES for size in sizes)
    return min(n for n in (enough, at_once or enough, stage.at_once or enough)) > 1
