"""One host's way through a plan: its steps in sequence, over one connection, each with a start and a finish."""

from __future__ import annotations

import codecs
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from appliance.errors import ApplianceError, Cancelled, StateError, TimedOut, Unreachable
from appliance.events import Outcome, Sink, StepFinished, StepStarted
from appliance.execute import guards
from appliance.execute.actions import Ears, Supplies, perform
from appliance.execute.coalesce import Coalescer
from appliance.plan.steps import Run, WaitFor
from appliance.transport.base import Command
from appliance.vault import LineMask, Mask

if TYPE_CHECKING:
    from collections.abc import Iterable

    from appliance.execute.connection import Connection
    from appliance.execute.control import Control
    from appliance.plan.steps import Step

ATTEMPTS = 4
"""How often a step is begun while the line to the host keeps breaking."""

Log = Callable[[str, str], None]
"""A host's name and masked text that a command on it wrote: for the host's log."""


def unlogged(host: str, text: str) -> None:
    """The default `Log`."""


@dataclass(frozen=True, slots=True)
class Saying:
    """Where a lane says what happens, and what must not be said."""

    sink: Sink
    mask: Mask = field(default_factory=lambda: Mask(()))
    log: Log = unlogged
    monotonic: Callable[[], float] = time.monotonic


@dataclass(frozen=True, slots=True)
class Failure:
    """How a lane ended early, masked. `refused`: state on the host forbids any work there, such as another's lease."""

    outcome: Outcome
    detail: str
    hint: str
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """A step and the number of its stage."""

    stage: int
    step: Step


class Lane:
    """A host in a run. `work` is called by one thread at a time; `break_off` and `tick` by any."""

    def __init__(
        self,
        host: str,
        places: Iterable[Place],
        *,
        connection: Connection,
        supplies: Supplies,
        control: Control,
        saying: Saying,
    ) -> None:
        self.host = host
        self.failure: Failure | None = None
        self._left = deque(places)
        self._marks = _marks([place.step for place in self._left])
        self._carried_out: set[str] = set()
        self._connection = connection
        self._supplies = supplies
        self._control = control
        self._saying = saying
        self._coalescer: Coalescer | None = None
        self._notes: list[str] = []
        self._busy = False

    def enter(self) -> None:
        """Connect and lease, so that a host that cannot be had is known before anything changes.

        A failure is said as that of a step of the first stage, and is the lane's.
        """
        started = self._saying.monotonic()
        self._busy = True
        try:
            self._connection.transport()
        except (ApplianceError, OSError) as error:
            self._say(StepStarted(self._stage, self.host, f"{self.host}/connect", "Connect"))
            self._fail(error)
            self._finish(f"{self.host}/connect", started, self.failure)
        finally:
            self._busy = False

    @property
    def _stage(self) -> int:
        return self._left[0].stage if self._left else 0

    def has_steps(self, stage: int) -> bool:
        """Whether anything is left to do up to and in `stage`."""
        return bool(self._left) and self._left[0].stage <= stage

    def work(self, stage: int) -> None:
        """Carry out all that is left up to and in `stage`, until one fails; `failure` says how it went."""
        self.failure = None
        while self.has_steps(stage) and self.failure is None:
            if not self._control.may_begin():
                self.failure = Failure(Outcome.CANCELLED, "cancelled before all its steps were done", "")
                return
            self._step(self._left[0].step)
            if self.failure is None:
                self._left.popleft()

    def leave(self) -> None:
        """Give the host back."""
        self._connection.leave()

    def break_off(self) -> None:
        """Cut short what is underway: entering the host, or a step. Giving it back is not."""
        if self._busy:
            self._connection.break_off()

    def tick(self) -> None:
        """Say what a step underway holds back by now."""
        if coalescer := self._coalescer:
            coalescer.tick()

    def _step(self, step: Step) -> None:
        started = self._saying.monotonic()
        self._say(StepStarted(self._stage, self.host, step.id, step.title))
        stage, sink, monotonic = self._stage, self._saying.sink, self._saying.monotonic
        coalescer = Coalescer(sink, stage=stage, host=self.host, step=step.id, monotonic=monotonic)
        self._coalescer, self._busy = coalescer, True
        self._notes.clear()
        outcome = Outcome.FAILED
        self.failure = Failure(outcome, "a fault of this program; see worker.log", "report it, with worker.log")
        try:
            outcome = self._carry_out(step, coalescer)
            self.failure = None
        except (ApplianceError, OSError) as error:
            self._fail(error)
        finally:
            self._coalescer, self._busy = None, False
            coalescer.flush()
            self._finish(step.id, started, self.failure, outcome)

    def _fail(self, error: ApplianceError | OSError) -> None:
        mask = self._saying.mask
        if self._control.stopped:
            self.failure = Failure(Outcome.CANCELLED, "stopped; the next run sees how far it came", "")
        elif isinstance(error, ApplianceError):
            outcome = Outcome.CANCELLED if isinstance(error, Cancelled) else Outcome.FAILED
            refused = isinstance(error, StateError)
            self.failure = Failure(outcome, mask(error.message), mask(error.hint), refused)
        else:
            self.failure = Failure(Outcome.FAILED, mask(f"{error.strerror or error}: {error.filename or ''}"), "")

    def _finish(self, step: str, started: float, failure: Failure | None, outcome: Outcome = Outcome.FAILED) -> None:
        seconds = self._saying.monotonic() - started
        if failure:
            event = StepFinished(self._stage, self.host, step, failure.outcome, seconds, failure.detail, failure.hint)
        else:
            event = StepFinished(self._stage, self.host, step, outcome, seconds, "; ".join(self._notes))
        self._say(event)

    def _note(self, sentence: str) -> None:
        self._notes.append(self._saying.mask(sentence))

    def _say(self, event: StepStarted | StepFinished) -> None:
        self._saying.sink(event)

    def _carry_out(self, step: Step, coalescer: Coalescer) -> Outcome:
        """Begin a step as often as the line allows. After a break the host is asked what became of it."""
        for attempt in range(1, ATTEMPTS + 1):
            self._connection.transport()  # a host that stays away has had its time when this raises
            try:
                if (attempt > 1 or self._may_hold(step)) and self._holds(step):
                    return Outcome.SKIPPED if attempt == 1 else Outcome.OK
                self._once(step, coalescer)
            except TimedOut:
                self._connection.end_command()
                raise
            except Cancelled:
                raise
            except ApplianceError as error:
                if not isinstance(error, Unreachable) and not self._connection.left():
                    raise
                self._connection.drop()
                if attempt == ATTEMPTS or self._control.stopped:
                    raise
            else:
                self._carried_out.add(step.id)
                return Outcome.OK
        raise AssertionError("the last attempt returns or raises")

    def _may_hold(self, step: Step) -> bool:
        """Whether it is worth asking; a step after one that was carried out is marked on the host as needed."""
        return step.unless is not None and self._carried_out.isdisjoint(step.after)

    def _holds(self, step: Step) -> bool:
        supplies = self._supplies
        return bool(guards.held(self._connection.transport(), (step,), resolve=supplies.resolve, node=supplies.node))

    def _once(self, step: Step, coalescer: Coalescer) -> None:
        pending = str(self._supplies.node.pending)
        own = guards.mark(step.id) if step.after else ""
        self._notes.clear()
        at_once = own if isinstance(step.action, Run | WaitFor) else ""  # the others take several commands
        leased = self._connection.leased(pending=pending, marks=self._marks.get(step.id, ()), done=at_once)
        with _Lines(self.host, self._saying, coalescer) as lines:
            ears = Ears(coalescer.progress, lines.feed, self._note, lambda: self._control.stopped)
            perform(step.action, leased, host=self.host, supplies=self._supplies, ears=ears)
        if own != at_once:
            self._connection.leased(pending=pending).run(Command(("rm", "-f", f"{pending}/{own}")))


def _marks(steps: list[Step]) -> dict[str, tuple[str, ...]]:
    """Per step id the marks of those steps that its being carried out makes needed."""
    marks: dict[str, tuple[str, ...]] = {}
    for step in steps:
        for earlier in step.after:
            marks[earlier] = (*marks.get(earlier, ()), guards.mark(step.id))
    return marks


class _Lines:
    """A command's output on its way to the log and the coalescer: decoded, whole lines, masked."""

    def __init__(self, host: str, saying: Saying, coalescer: Coalescer) -> None:
        self._host = host
        self._log = saying.log
        self._coalescer = coalescer
        self._mask = LineMask(saying.mask)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._say(self._mask.flush())

    def feed(self, data: bytes) -> None:
        self._say(self._mask.feed(self._decoder.decode(data)))

    def _say(self, text: str) -> None:
        if text:
            self._log(self._host, text)
            self._coalescer.output(text.removesuffix("\n"))
