"""Between the engine's threads and the screen: work runs aside, events are folded there, and one message says so.

A `Job` is one engine call on a thread of its own. Whatever it hears it keeps as values; it wakes the screen once, and
not again before the screen has taken them (`Job.take`) and is ready for more (`Job.arm`). So 20,000 events are as few
messages as the screen can draw.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from textual.message import Message

from appliance.clock import SystemClock
from appliance.errors import ApplianceError, Cancelled
from appliance.events import TaskFinished, TaskProgress, TaskStarted
from tui import texts

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from appliance.clock import Clock
    from appliance.events import Event

T = TypeVar("T")

_RATE_SECONDS = 5.0
_SAMPLES_APART = 0.25
_SPELL_SECONDS = 0.002
_REST_SECONDS = 0.001


@dataclass(frozen=True, slots=True)
class TaskView:
    """Work underway: `done` of `total` in `unit`, and how many a second lately."""

    name: str
    title: str
    total: int
    unit: str
    done: int = 0
    rate: float = 0.0
    samples: tuple[tuple[float, int], ...] = ()

    @property
    def seconds_left(self) -> float | None:
        """Until it ends at this rate; None when nobody can say."""
        return (self.total - self.done) / self.rate if self.rate > 0 and self.total else None


def fold(task: TaskView | None, event: Event, at: float) -> TaskView | None:
    """`task`, the one underway, with one more event known, heard `at` seconds of a monotonic clock. Pure."""
    match event:
        case TaskStarted():
            return TaskView(event.task, event.title, event.total, event.unit, samples=((at, 0),))
        case TaskProgress() if task and task.name == event.task:
            return _measured(replace(task, done=event.done), at)
        case TaskFinished() if task and task.name == event.task:
            return None
        case _:
            return task


def _measured(task: TaskView, at: float) -> TaskView:
    samples = task.samples
    if at - samples[-1][0] >= _SAMPLES_APART:
        recent = tuple(sample for sample in samples if at - sample[0] <= _RATE_SECONDS)
        samples = (*(recent or samples[-1:]), (at, task.done))
    since, before = samples[0]
    rate = (task.done - before) / (at - since) if at > since else 0.0
    return replace(task, samples=samples, rate=rate)


@dataclass(frozen=True, slots=True)
class News(Generic[T]):
    """What a job knows: the task underway, the latest value told, and when it is `over` the result or the error."""

    task: TaskView | None = None
    value: Any = None
    over: bool = False
    result: T | None = None
    error: ApplianceError | None = None
    fault: BaseException | None = None


class Job(Generic[T]):
    """`work` on a thread of its own; `wake` is called from that thread, once for all that was not taken yet."""

    def __init__(
        self, name: str, work: Callable[[Job[T]], T], *, wake: Callable[[Job[T]], None], clock: Clock | None = None
    ) -> None:
        self.name = name
        self.clock: Clock = _Impatient(clock or SystemClock(), self)
        self._work = work
        self._wake = wake
        self._lock = threading.Lock()
        self._cancelled = threading.Event()
        self._news: News[T] = News()
        self._changed = False
        self._awake = False
        self._rested = 0.0
        self._thread = threading.Thread(target=self._run, name=f"guide-{name}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def cancel(self) -> None:
        """Let the work end at its next word; what it still finds is not told."""
        self._cancelled.set()

    @property
    def cancelled(self) -> bool:
        """Whether nobody waits for it any more."""
        return self._cancelled.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait until it is cancelled; whether it is."""
        return self._cancelled.wait(seconds)

    def sink(self, event: Event) -> None:
        """Be a `Sink`. Raises `Cancelled` when nobody waits any more."""
        self._go_on()
        at = self.clock.monotonic()
        self._say(lambda news: replace(news, task=fold(news.task, event, at)))

    def tell(self, value: object) -> None:
        """Make `value` the latest one. Raises `Cancelled` when nobody waits any more."""
        self._go_on()
        self._say(lambda news: replace(news, value=value))
        self._rest()

    def take(self) -> News[T]:
        """What is known by now; nobody is woken for more before `arm`."""
        with self._lock:
            self._changed = False
            return self._news

    def arm(self) -> None:
        """Wake again: at the next word, or now if there was one since `take`."""
        with self._lock:
            self._awake = self._changed
            wake = self._changed
        if wake:
            self._wake(self)

    def _go_on(self) -> None:
        if self._cancelled.is_set():
            raise Cancelled("left")

    def _rest(self) -> None:
        """Now and then let go of the interpreter: who folds without a pause leaves the screen half of its time."""
        if self.clock.monotonic() - self._rested > _SPELL_SECONDS:
            self._cancelled.wait(_REST_SECONDS)
            self._rested = self.clock.monotonic()

    def _run(self) -> None:
        try:
            result = self._work(self)
        except ApplianceError as caught:
            error = caught
            self._say(lambda news: replace(news, task=None, over=True, error=error))
        except OSError as caught:  # the machine's business, such as a stick that is gone, and no fault of this program
            why = caught.strerror or str(caught) or type(caught).__name__
            refused = ApplianceError(why, hint=texts.TRY_AGAIN, where=str(caught.filename or ""))
            self._say(lambda news: replace(news, task=None, over=True, error=refused))
        except BaseException as caught:  # noqa: BLE001  (the screen's thread raises it, and restores the terminal)
            fault = caught
            self._say(lambda news: replace(news, task=None, over=True, fault=fault))
        else:
            self._say(lambda news: replace(news, task=None, over=True, result=result))

    def _say(self, change: Callable[[News[T]], News[T]]) -> None:
        with self._lock:
            self._news = change(self._news)
            self._changed = True
            wake = not self._awake
            self._awake = True
        if wake and not self._cancelled.is_set():
            self._wake(self)


class _Impatient:
    """A clock whose sleep ends, with `Cancelled`, when its job is cancelled."""

    def __init__(self, clock: Clock, job: Job[Any]) -> None:
        self._clock = clock
        self._job = job

    def now(self) -> datetime:
        """See `Clock.now`."""
        return self._clock.now()

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return self._clock.monotonic()

    def sleep(self, seconds: float) -> None:
        """See `Clock.sleep`."""
        if self._job.wait(seconds):
            raise Cancelled("left")

    def jitter(self, seconds: float) -> float:
        """See `Clock.jitter`."""
        return self._clock.jitter(seconds)


class Changed(Message):
    """A job has something to tell, or has ended."""

    def __init__(self, job: Job[Any]) -> None:
        super().__init__()
        self.job = job
