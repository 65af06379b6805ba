"""Measures hosts before something is sent to them: lines and disks, a few of them, for seconds; nothing stays there."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from appliance import events
from appliance.distribute.pace import Pace
from appliance.errors import TransportError
from appliance.inventory import measures, sampling
from appliance.inventory.measures import Measures
from appliance.inventory.preflight import own_stamp
from appliance.plan import footprint
from appliance.plan.forecast import Rates
from appliance.recipe.requirements import RequirementKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from appliance.clock import Clock
    from appliance.events import Sink
    from appliance.inventory.sampling import Piece
    from appliance.operations.survey import Survey
    from appliance.plan.runtime import SiteHost
    from appliance.recipe.requirements import Requirement
    from appliance.transport.base import Transport

R = TypeVar("R")

SOME = 4
"""Of how many hosts lines and disks are measured for a forecast."""
_WORTH_BYTES = 1 << 20
"""What a host must get for its time to be foretold."""
_TOGETHER_SECONDS = 0.25
"""How long lines are used at once."""

Asked = Callable[["SiteHost"], Sequence["Requirement"]]
"""What a host is asked for."""


@dataclasses.dataclass(frozen=True, slots=True)
class Measured:
    """What was measured: of each host by its name, and in bytes a second of their lines `together`."""

    hosts: Mapping[str, Measures] = dataclasses.field(default_factory=dict)
    together: float = 0.0

    def rates(self) -> Rates:
        """What a forecast rests on."""
        found = self.hosts.values()
        return Rates(
            alone=tuple(each.bandwidth / 8 for each in found if each.bandwidth),
            together=self.together,
            writing=tuple(each.writing for each in found if each.writing),
        )


def measure(
    found: Survey,
    asked: Asked,
    *,
    image: str,
    sent_each: int,
    bandwidth: int,
    clock: Clock,
    sink: Sink = events.silent,
) -> Measured:
    """Measure lines and disks of `SOME` hosts that lack the `image`, and of all others for which that is asked.

    That is for a forecast, if hosts get `sent_each` bytes that are worth one. A host that fails stays unmeasured.
    `bandwidth` in bits a second bounds what leaves this machine; 0 does not.
    """
    wanting = [host for host in found.hosts if not ((stamp := own_stamp(host.facts)) and stamp.image == image)]
    pace = Pace(bandwidth, monotonic=clock.monotonic, sleep=clock.sleep).wait
    kinds = {host.name: {one.kind for one in asked(host)} for host in wanting}
    some = wanting[:SOME] if sent_each >= _WORTH_BYTES else []
    written = [host for host in wanting if host in some or RequirementKind.FSYNC in kinds[host.name]]
    reached = [host for host in wanting if host in some or RequirementKind.BANDWIDTH in kinds[host.name]]
    if not (written or reached):
        return Measured()
    with events.task(sink, "measure", "Measure lines and disks", total=3, unit="steps") as count:
        disks = found.ask(_kept(lambda host, line: _disk(line, asked(host)), Measures()), of=written)
        count(1)
        alone = found.ask(_kept(partial(_alone, clock=clock, pace=pace), 0.0), of=reached, at_once=1)
        count(1)
        together = _together(found, some, alone, clock=clock, pace=pace)
        count(1)
    names = [host.name for host in wanting if host.name in disks or host.name in alone]
    return Measured(
        {name: dataclasses.replace(disks.get(name, Measures()), bandwidth=8 * alone.get(name, 0.0)) for name in names},
        together,
    )


def _kept(question: Callable[[SiteHost, Transport], R], otherwise: R) -> Callable[[SiteHost, Transport], R]:
    """`question`, with another answer where a host does not come through it."""

    def ask(host: SiteHost, line: Transport) -> R:
        try:
            return question(host, line)
        except TransportError:
            return otherwise

    return ask


def _disk(line: Transport, asked: Sequence[Requirement]) -> Measures:
    paths = tuple(dict.fromkeys(one.path for one in asked if one.kind is RequirementKind.FSYNC))
    return measures.disk(line, room=footprint.NODE, paths=paths)


def _alone(host: SiteHost, line: Transport, *, clock: Clock, pace: Callable[[int], None]) -> float:
    return 0.0 if host.host.endpoint.local else sampling.alone(line, clock=clock, pace=pace)


def _together(
    found: Survey, some: Sequence[SiteHost], alone: Mapping[str, float], *, clock: Clock, pace: Callable[[int], None]
) -> float:
    """Bytes a second that reach hosts at the same time, all in all; 0 if that cannot be told."""
    reached = [host for host in some if alone.get(host.name)]
    if len(reached) < 2:  # noqa: PLR2004  (nobody to share with)
        return 0.0
    start = threading.Barrier(len(reached))

    def send(host: SiteHost, line: Transport) -> tuple[Piece, ...]:
        size = min(sampling.MOST_BYTES, round(_TOGETHER_SECONDS * alone[host.name]) + 1)
        try:
            return sampling.together(line, size, clock=clock, start=start, pace=pace)
        except TransportError:
            start.abort()
            raise

    nothing: tuple[Piece, ...] = ()
    return sampling.joint_rate(list(found.ask(_kept(send, nothing), of=reached).values()))
