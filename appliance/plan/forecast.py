"""What a plan will cost: bytes on the line and on disks, at most; and about how long that takes. Pure.

The time rests on what was measured of a few hosts before. Where nothing was, or the way is not known, none is said.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from appliance.plan import footprint
from appliance.plan.runtime import NeedsRoom
from appliance.plan.steps import Receive, Unpack
from appliance.recipe.quantities import rate_text, span_text

if TYPE_CHECKING:
    from appliance.plan.runtime import Runtime, Site, SiteHost
    from appliance.plan.steps import Plan, Step
    from appliance.recipe.clusterfile import Distribution

WORTH_BYTES = 4 << 20
"""What each of several hosts must get for a line of hosts to be worth its beginning."""
_UNIT_BYTES = 1 << 18
"""What a host has before the next one gets it."""
_UNPACKED_A_SECOND = 200_000_000
"""What a host unpacks at most, in bytes, however fast its disk is."""
_SPREAD = 1.6
"""How much longer than computed it may well take."""


@dataclass(frozen=True, slots=True)
class Span:
    """Between how many seconds something is expected to take."""

    least: float
    most: float


@dataclass(frozen=True, slots=True)
class Rates:
    """What was measured, in bytes a second: to hosts `alone`, to those `together`, and `writing` on their disks.

    `together` is 0 where it was not measured.
    """

    alone: tuple[float, ...] = ()
    together: float = 0.0
    writing: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Forecast:
    """Upper bounds in bytes: `sent` to all `hosts` together, `sent_each` and `written_each` for the host with most.

    What a host has already is neither sent nor written again; only the host knows, when it comes to that. Of what is
    sent, `first_each` goes to each host from here, before hosts can pass on. `time` is what sending and unpacking
    takes, `basis` what that rests on; None and empty where it cannot be told.
    """

    hosts: int = 0
    sent: int = 0
    sent_each: int = 0
    written_each: int = 0
    first_each: int = 0
    time: Span | None = None
    basis: str = ""


def forecast(site: Site, plan: Plan) -> Forecast:
    """What `plan`, made for `site`, sends and writes at most."""
    by_host: dict[str, list[Step]] = {}
    for step in (step for stage in plan.stages for step in stage.steps):
        by_host.setdefault(step.host, []).append(step)
    sent = [sum(map(_sent, steps)) for steps in by_host.values()]
    first = [sum(map(_sent_first, steps)) for steps in by_host.values()]
    written = [sum(_sent(step) + _unpacked(site, step) for step in steps) for steps in by_host.values()]
    receiving = sum(amount > 0 for amount in sent)
    return Forecast(
        receiving, sum(sent), max(sent, default=0), max(written, default=0), first_each=max(first, default=0)
    )


def expected(site: Site, runtime: Runtime) -> Forecast:
    """What an installation sends and writes at most on those hosts that lack the image, before there is a plan."""
    costs = [
        (_expected_sent(site, host, runtime), part.runtime)
        for host in site.hosts
        if (part := site.parts.get(host.facts.architecture))
        and not (host.stamp and host.stamp.image == str(site.image))
    ]
    trees = 2 * sum(layer.size for layer in site.config.layers)
    return Forecast(
        hosts=len(costs),
        sent=sum(sent for sent, _ in costs),
        sent_each=max((sent for sent, _ in costs), default=0),
        written_each=max((sent + python.unpacked_bytes + trees for sent, python in costs), default=0),
        first_each=max((python.size for _, python in costs), default=0),
    )


def _expected_sent(site: Site, host: SiteHost, runtime: Runtime) -> int:
    """Layers, the Python that receives, and what the runtime sends besides, to where all that is received lies."""
    part = site.parts[host.facts.architecture]
    more = runtime.room(site, host).get(footprint.NODE, 0) if isinstance(runtime, NeedsRoom) else 0
    swarm = part.swarm.layer.blob.size if part.swarm else 0
    return part.runtime.size + swarm + sum(layer.blob.size for layer in part.layers) + more


def timed(cost: Forecast, rates: Rates, distribution: Distribution) -> Forecast:
    """`cost` with the time that it takes at `rates`, or without one where that cannot be told."""
    seconds = _sending(cost, rates, distribution) if rates.alone and cost.sent else None
    if seconds is None:
        return cost
    writing = min(_UNPACKED_A_SECOND, *rates.writing) if rates.writing else _UNPACKED_A_SECOND
    received, unpacked = cost.sent_each / writing, (cost.written_each - cost.sent_each) / writing
    least = max(seconds, received) + unpacked
    slowest = rate_text(8 * _capped(min(rates.alone), distribution))
    measured = len(rates.alone)
    among = f"{measured} that were measured of {cost.hosts} hosts" if measured < cost.hosts else f"{measured} hosts"
    basis = f"{slowest} to the slowest of {among}" if cost.hosts > 1 else f"{slowest} to the host"
    return replace(cost, time=Span(least, _SPREAD * least + received), basis=basis)


def time_said(cost: Forecast) -> str:
    """The time of a forecast, with what it rests on; empty without one."""
    if cost.time is None:
        return ""
    span = span_text(cost.time.least, cost.time.most)
    return f"{span} to send and unpack that, by {cost.basis}; what services take is not in it"


def _sending(cost: Forecast, rates: Rates, distribution: Distribution) -> float | None:
    """The seconds until all hosts have got all.

    From here alone it is what one line carries, or all together do; passed on, what the slowest line carries, and a
    unit more for each host; the runtime before that comes to twice as many hosts, and one more, each time. Between each
    other, hosts are taken to be no slower than from here.
    """
    slowest = _capped(min(rates.alone), distribution)
    ours = _capped(max(rates.together, *rates.alone), distribution)
    match _method(cost, distribution):
        case "unicast":
            return max(cost.sent / ours, cost.sent_each / slowest)
        case "chain" | "swarm":
            alone = cost.first_each / slowest
            first = max(alone, min(cost.first_each * cost.hosts / ours, alone * cost.hosts.bit_length()))
            return first + (cost.sent_each - cost.first_each + _UNIT_BYTES * cost.hosts) / slowest
        case _:
            return None


def _method(cost: Forecast, distribution: Distribution) -> str:
    if distribution.method != "auto":
        return distribution.method
    return "chain" if cost.hosts > 1 and cost.sent_each - cost.first_each >= WORTH_BYTES else "unicast"


def _capped(rate: float, distribution: Distribution) -> float:
    return min(rate, distribution.bandwidth / 8) if distribution.bandwidth else rate


def room(site: Site, host: SiteHost, runtime: Runtime) -> dict[str, int]:
    """Bytes by folder that an installation writes: blobs, the Python that receives, trees, a copy of programs, more.

    Empty when there is nothing for the host's architecture.
    """
    part = site.parts.get(host.facts.architecture)
    if part is None:
        return {}
    trees = sum(layer.size for layer in site.config.layers)
    sent = sum(layer.blob.size for layer in part.layers) + part.runtime.size + part.runtime.unpacked_bytes
    sent += part.swarm.layer.blob.size + part.swarm.unpacked_bytes if part.swarm else 0
    needed = Counter({footprint.NODE: sent + trees, "/opt/appliance": trees})
    if isinstance(runtime, NeedsRoom):
        needed.update(runtime.room(site, host))
    return needed


def _sent(step: Step) -> int:
    return sum(blob.size for blob in step.action.blobs) if isinstance(step.action, Receive) else 0


def _sent_first(step: Step) -> int:
    """What comes by the plain way: the runtime that receives the rest."""
    return _sent(step) if isinstance(step.action, Receive) and step.action.runtime is None else 0


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
