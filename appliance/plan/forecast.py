"""What a plan will cost at most: bytes on the line and on disks. Pure.

Nothing is said of time: no line was measured before the run, and it shows the time left from what it measures itself.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.plan import footprint
from appliance.plan.runtime import NeedsRoom
from appliance.plan.steps import Receive, Unpack

if TYPE_CHECKING:
    from appliance.plan.runtime import Runtime, Site, SiteHost
    from appliance.plan.steps import Plan, Step


@dataclass(frozen=True, slots=True)
class Forecast:
    """Upper bounds in bytes: `sent` to all `hosts` together, `sent_each` and `written_each` for the host with most.

    What a host has already is neither sent nor written again; only the host knows, when it comes to that.
    """

    hosts: int = 0
    sent: int = 0
    sent_each: int = 0
    written_each: int = 0


def forecast(site: Site, plan: Plan) -> Forecast:
    """What `plan`, made for `site`, sends and writes at most."""
    by_host: dict[str, list[Step]] = {}
    for step in (step for stage in plan.stages for step in stage.steps):
        by_host.setdefault(step.host, []).append(step)
    sent = [sum(map(_sent, steps)) for steps in by_host.values()]
    written = [sum(_sent(step) + _unpacked(site, step) for step in steps) for steps in by_host.values()]
    receiving = sum(amount > 0 for amount in sent)
    return Forecast(receiving, sum(sent), max(sent, default=0), max(written, default=0))


def room(site: Site, host: SiteHost, runtime: Runtime) -> dict[str, int]:
    """Bytes by folder that an installation writes: blobs, the Python that receives, trees, a copy of programs, more.

    Empty when there is nothing for the host's architecture.
    """
    part = site.parts.get(host.facts.architecture)
    if part is None:
        return {}
    trees = sum(layer.size for layer in site.config.layers)
    sent = sum(layer.blob.size for layer in part.layers) + part.runtime.size + part.runtime.unpacked_bytes
    needed = Counter({footprint.NODE: sent + trees, "/opt/appliance": trees})
    if isinstance(runtime, NeedsRoom):
        needed.update(runtime.room(site, host))
    return needed


def _sent(step: Step) -> int:
    return sum(blob.size for blob in step.action.blobs) if isinstance(step.action, Receive) else 0


def _unpacked(site: Site, step: Step) -> int:
    """The trees of layers and their copy from which services run; the helper's tree."""
    match step.action:
        case Unpack():
            return 2 * sum(layer.size for layer in site.config.layers)
        case Receive(runtime=None):
            sent = {blob.digest for blob in step.action.blobs}
            runtimes = (part.runtime for part in site.parts.values())
            return sum(runtime.unpacked_bytes for runtime in runtimes if runtime.digest in sent)
        case _:
            return 0
