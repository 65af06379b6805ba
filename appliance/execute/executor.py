"""A plan's stages, one after the other; in each the hosts side by side. Speaks by events and returns how it ended."""

from __future__ import annotations

import queue
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.errors import StateError
from appliance.events import Outcome, RunFinished, RunPaused, RunResumed, RunStarted, StageOutline, StageStarted
from appliance.execute.connection import Connection, Terms
from appliance.execute.control import Control
from appliance.execute.lane import Lane, Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from appliance.execute.actions import Supplies
    from appliance.execute.lane import Saying
    from appliance.plan.steps import Plan, Stage
    from appliance.transport.base import Connect, Endpoint

_TICK = 0.25
"""Seconds between looks at whether held-back output has become due."""

_MOST_LANES = 256


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended; `failed` are hosts that did not come through, each with its sentence."""

    outcome: Outcome
    seconds: float
    failed: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Site:
    """How hosts are reached: their endpoints by name, what opens them, on what terms they are leased.

    All of `endpoints` are leased for the run, those without a step in the plan, too: so a dead run's lease, there as
    anywhere, ends with the run that completes its work.
    """

    endpoints: Mapping[str, Endpoint]
    connect: Connect
    terms: Terms


class Executor:
    """Carries out one plan, once. What a person says meanwhile goes to `control`."""

    def __init__(
        self,
        plan: Plan,
        *,
        operation: str,
        site: Site,
        supplies: Supplies,
        saying: Saying,
        control: Control | None = None,
        at_once: int = 0,
    ) -> None:
        self._plan = plan
        self._operation = operation
        self._site = site
        self._supplies = supplies
        self._saying = saying
        self._at_once = at_once
        self._news: queue.SimpleQueue[_News] = queue.SimpleQueue()
        self.control = control or Control()
        places = _places(plan)
        self._lanes = {
            host: self._lane(host, places.get(host, [])) for host in dict.fromkeys((*places, *site.endpoints))
        }
        self._with_steps = frozenset(places)
        self._dropped: set[str] = set()
        self.control.attach(held=self._tell_held, retry=self._retry, stop=self._break_off)

    def _lane(self, host: str, places: list[Place]) -> Lane:
        connection = Connection(
            self._site.endpoints[host],
            connect=self._site.connect,
            terms=self._site.terms,
            clock=self._supplies.clock,
            stopped=lambda: self.control.stopped,
        )
        return Lane(
            host,
            places,
            connection=connection,
            supplies=self._supplies,
            control=self.control,
            saying=self._saying,
        )

    def run(self) -> RunResult:
        """Carry the plan out. A host's failure is an outcome, never an exception; so is a lease held by others."""
        started = self._saying.monotonic()
        self._saying.sink(self._outline())
        outcome = Outcome.FAILED
        try:
            outcome = self._stages() if self._enter() else Outcome.REFUSED
        finally:
            self._each([lane.leave for lane in self._lanes.values()])
            result = RunResult(outcome, self._saying.monotonic() - started, self._failed())
            self._saying.sink(RunFinished(result.outcome, result.seconds, result.failed))
        return result

    def _outline(self) -> RunStarted:
        owner = self._site.terms.owner
        outlines = tuple(
            StageOutline(stage.title, tuple(_counts(stage).items()), stage.destructive) for stage in self._plan.stages
        )
        return RunStarted(
            run=owner.run,
            operation=self._operation,
            cluster=self._plan.cluster,
            image=self._plan.image,
            operator=owner.operator,
            hosts=tuple(self._lanes),
            stages=outlines,
        )

    def _enter(self) -> bool:
        """Take all leases; whether the run may begin. A single host that is refused forbids it, needed or not."""
        self._each([lane.enter for lane in self._lanes.values()])
        return not any(lane.failure and lane.failure.refused for lane in self._lanes.values())

    def _each(self, calls: Sequence[Callable[[], None]]) -> None:
        if not calls:
            return
        with ThreadPoolExecutor(min(len(calls), self._at_once or _MOST_LANES)) as pool:
            for call in [pool.submit(call) for call in calls]:
                call.result()

    def _stages(self) -> Outcome:
        for number, stage in enumerate(self._plan.stages):
            if not self.control.may_begin():
                return Outcome.CANCELLED
            outcome = self._stage(number, stage)
            if outcome is not Outcome.OK:
                return outcome
        return Outcome.FAILED if self._dropped else Outcome.OK

    def _stage(self, number: int, stage: Stage) -> Outcome:
        """Carry one stage out to its barrier. Hosts that failed and are not needed are dropped."""
        lanes = [self._lanes[host] for host in _counts(stage) if host not in self._dropped]
        self._saying.sink(StageStarted(number, stage.title, tuple(lane.host for lane in lanes)))
        ready = [lane for lane in lanes if lane.failure is None]
        needed = {lane.host for lane in lanes} if stage.needs is None else set(stage.needs)
        if not needed.isdisjoint(self._failed_hosts()):
            return Outcome.FAILED
        self._side_by_side(number, stage, ready)
        failed = self._failed_hosts()
        if self.control.cancelled and any(self._lanes[host].has_steps(number) for host in self._lanes):
            return Outcome.CANCELLED
        if not needed.isdisjoint(failed):
            return Outcome.FAILED
        self._dropped |= failed
        return Outcome.OK

    def _side_by_side(self, number: int, stage: Stage, lanes: Iterable[Lane]) -> None:
        """Let `lanes` work; hosts that are to be retried meanwhile join them. At the barrier, wait while paused."""
        bound = min((n for n in (stage.at_once, self._at_once) if n), default=_MOST_LANES)
        underway: dict[str, Future[None]] = {}
        with ThreadPoolExecutor(bound, thread_name_prefix="lane") as pool:

            def begin(lane: Lane) -> None:
                underway[lane.host] = pool.submit(lane.work, number)
                underway[lane.host].add_done_callback(lambda _: self._news.put(_Ended(lane.host)))

            for lane in lanes:
                begin(lane)
            while underway or self.control.paused or not self._news.empty():
                match self._next():
                    case _Ended(host):
                        underway.pop(host).result()
                    case _Retry(host) if host not in underway:
                        if self._lanes[host].failure and self._lanes[host].has_steps(number):
                            self._dropped.discard(host)
                            begin(self._lanes[host])
                    case _:
                        pass

    def _next(self) -> _News | None:
        try:
            return self._news.get(timeout=_TICK)
        except queue.Empty:
            for lane in self._lanes.values():
                lane.tick()
            return None

    def _tell_held(self) -> None:
        self._saying.sink(RunPaused() if self.control.paused else RunResumed())

    def _retry(self, host: str) -> None:
        if host not in self._lanes:
            raise StateError(f"this run has no host {host}", hint=f"it has {', '.join(self._lanes)}")
        self._news.put(_Retry(host))

    def _break_off(self) -> None:
        for lane in self._lanes.values():
            lane.break_off()

    def _failed_hosts(self) -> set[str]:
        return {host for host, _ in self._failed()}

    def _failed(self) -> tuple[tuple[str, str], ...]:
        """Hosts that did not come through. One that has no step, and only could not be reached, is not missed."""
        return tuple(
            (lane.host, lane.failure.detail)
            for lane in self._lanes.values()
            if lane.failure is not None and (lane.host in self._with_steps or lane.failure.refused)
        )


@dataclass(frozen=True, slots=True)
class _Ended:
    host: str


@dataclass(frozen=True, slots=True)
class _Retry:
    host: str


_News = _Ended | _Retry


def _places(plan: Plan) -> dict[str, list[Place]]:
    """What each host of the plan is to do, the hosts in the order in which they first appear."""
    places: dict[str, list[Place]] = {}
    for number, stage in enumerate(plan.stages):
        for step in stage.steps:
            places.setdefault(step.host, []).append(Place(number, step))
    return places


def _counts(stage: Stage) -> dict[str, int]:
    counts: dict[str, int] = {}
    for step in stage.steps:
        counts[step.host] = counts.get(step.host, 0) + 1
    return counts
