"""What the hosts say: facts of all of them, and which steps of a candidate plan hold already.

A `Survey` keeps one connection a host open between its questions, so that a site is asked in two round trips.
"""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from appliance import events
from appliance.errors import HostKeyChanged, TransportError
from appliance.execute import guards
from appliance.inventory import facts
from appliance.plan.runtime import SiteHost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from appliance.clock import Clock
    from appliance.events import Sink
    from appliance.inventory.hosts import Host
    from appliance.plan.steps import Stage, Step
    from appliance.transport.base import Connect, Transport

AT_ONCE = 32

R = TypeVar("R")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Survey:
    """The hosts that answered, with what was found on them since `began`, and why the others did not."""

    began: datetime
    hosts: tuple[SiteHost, ...]
    missing: tuple[tuple[Host, TransportError], ...]
    _lines: dict[str, Transport] = field(repr=False)

    def require_any(self) -> None:
        """Raise what the first host that did not answer said, if none answered or a host key changed."""
        for _, error in self.missing:
            if isinstance(error, HostKeyChanged) or not self.hosts:
                raise error

    def ask(
        self,
        question: Callable[[SiteHost, Transport], R],
        *,
        of: Sequence[SiteHost] | None = None,
        at_once: int = AT_ONCE,
    ) -> dict[str, R]:
        """Put `question` to every host that answered, or to those `of` them; the answers by the hosts' names."""
        hosts = self.hosts if of is None else of
        answers = _each(lambda host: question(host, self._lines[host.name]), hosts, lambda _: None, at_once=at_once)
        return {host.name: answer for host, answer in zip(hosts, answers, strict=True)}

    def held(self, stages: Sequence[Stage], *, resolve: guards.Resolve, sink: Sink = events.silent) -> frozenset[str]:
        """The ids of those steps that need not be carried out. `resolve` gives secrets, to be compared on the host."""
        steps: dict[str, list[Step]] = {}
        for step in (step for stage in stages for step in stage.steps):
            steps.setdefault(step.host, []).append(step)

        def ask(host: SiteHost) -> frozenset[str]:
            return guards.held(self._lines[host.name], steps.get(host.name, []), resolve=resolve)

        with events.task(sink, "guards", "Ask hosts what holds already", total=len(self.hosts), unit="hosts") as count:
            return frozenset[str]().union(*_each(ask, self.hosts, count))


def _nobody(_host: Host, _answer: SiteHost | TransportError) -> None:
    """Hear of no host."""


@contextlib.contextmanager
def survey(
    hosts: Sequence[Host],
    connect: Connect,
    *,
    clock: Clock,
    sink: Sink = events.silent,
    hear: Callable[[Host, SiteHost | TransportError], None] = _nobody,
) -> Iterator[Survey]:
    """Connect to all hosts, at most `AT_ONCE` at a time, and ask each what it is; connections close with the block.

    A host that cannot be used is a value in `Survey.missing`, not an error. `hear` gets each host's answer as soon as
    it is there, in threads of the survey.
    """
    with contextlib.ExitStack() as stack:
        began = clock.now()
        lines: dict[str, Transport] = {}

        def ask(host: Host) -> SiteHost | TransportError:
            answer: SiteHost | TransportError
            try:
                transport = stack.enter_context(connect(host.endpoint))
                lines[host.name] = transport
                answer = SiteHost(host, facts.gather(transport, clock=clock))
            except TransportError as error:
                error.where = error.where or host.name
                answer = error
            hear(host, answer)
            return answer

        with events.task(sink, "facts", "Look at the hosts", total=len(hosts), unit="hosts") as count:
            answers = _each(ask, hosts, count)
        yield Survey(
            began=began,
            hosts=tuple(answer for answer in answers if isinstance(answer, SiteHost)),
            missing=tuple(
                (host, answer)
                for host, answer in zip(hosts, answers, strict=True)
                if isinstance(answer, TransportError)
            ),
            _lines=lines,
        )


def _each(
    ask: Callable[[T], R], hosts: Sequence[T], count: Callable[[int], None], *, at_once: int = AT_ONCE
) -> list[R]:
    """Ask all, so many at once; answers in the order of `hosts`."""
    answers: list[R] = []
    with ThreadPoolExecutor(max_workers=at_once) as pool:
        for answer in pool.map(ask, hosts):
            answers.append(answer)
            count(1)
    return answers
