"""What the engine says, and the only way in which it says it.

A function that takes long takes a `Sink` and tells it events; nobody prints. A `Stream` numbers and times events for
those who keep them; `to_json` and `from_json` are the journal's and ``-o jsonl``'s form.
"""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from appliance.clock import Clock, timestamp
from appliance.errors import Cancelled

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Outcome(enum.StrEnum):
    """How a step, a host's lane, a task or a run ended."""

    OK = "ok"
    SKIPPED = "skipped"
    FAILED = "failed"
    CANCELLED = "cancelled"
    REFUSED = "refused"
    """Of a run: it may not begin, another has leased a host or what is on one forbids it. Nothing was changed."""


@dataclass(frozen=True, slots=True)
class StageOutline:
    """What a reader of the journal must know of a stage before it starts: steps per host."""

    title: str
    steps: tuple[tuple[str, int], ...]
    destructive: bool = False


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run begins: which, what it does, on which hosts, in which stages."""

    run: str
    operation: str
    cluster: str
    image: str
    operator: str
    hosts: tuple[str, ...]
    stages: tuple[StageOutline, ...]


@dataclass(frozen=True, slots=True)
class StageStarted:
    """Stage number `stage` (from 0) begins on `hosts`."""

    stage: int
    title: str
    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StepStarted:
    """A host begins a step."""

    stage: int
    host: str
    step: str
    title: str


@dataclass(frozen=True, slots=True)
class StepProgress:
    """Bytes done of a step's total bytes."""

    stage: int
    host: str
    step: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class StepOutput:
    """Lines that a remote command wrote, masked."""

    stage: int
    host: str
    step: str
    text: str


@dataclass(frozen=True, slots=True)
class StepFinished:
    """A step ended after `seconds`; `detail` is one sentence when it did not end well, `hint` the next action.

    Of one that did end well, `detail` is what should be known nevertheless.
    """

    stage: int
    host: str
    step: str
    outcome: Outcome
    seconds: float
    detail: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class RunPaused:
    """Somebody said so: steps underway end, no other begins until `RunResumed`."""


@dataclass(frozen=True, slots=True)
class RunResumed:
    """Steps begin again, or the run is told to end."""


@dataclass(frozen=True, slots=True)
class RunFinished:
    """The run ended; `failed` are the hosts that did not come through, each with its sentence."""

    outcome: Outcome
    seconds: float
    failed: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class TaskStarted:
    """Work outside a run begins (build, verify, scan …); `total` in bytes or items, 0 if unknown."""

    task: str
    title: str
    total: int = 0
    unit: str = "bytes"


@dataclass(frozen=True, slots=True)
class TaskProgress:
    """`done` so far, of what `TaskStarted` said."""

    task: str
    done: int
    detail: str = ""


@dataclass(frozen=True, slots=True)
class TaskFinished:
    """The task ended."""

    task: str
    outcome: Outcome
    detail: str = ""


Event = (
    RunStarted
    | StageStarted
    | StepStarted
    | StepProgress
    | StepOutput
    | StepFinished
    | RunPaused
    | RunResumed
    | RunFinished
    | TaskStarted
    | TaskProgress
    | TaskFinished
)
Sink = Callable[[Event], None]


def silent(event: Event) -> None:
    """The default sink: hears nothing."""


@contextlib.contextmanager
def task(sink: Sink, name: str, title: str, *, total: int = 0, unit: str = "bytes") -> Iterator[Callable[[int], None]]:
    """Say that a task starts and, however the block ends, that it ended; the block gets a function that counts.

    Each count is added to what was done before, in `unit`.
    """
    done = 0

    def count(more: int) -> None:
        nonlocal done
        done += more
        sink(TaskProgress(name, done))

    sink(TaskStarted(name, title, total, unit))
    try:
        yield count
    except BaseException as error:
        ended = Outcome.CANCELLED if isinstance(error, KeyboardInterrupt | Cancelled) else Outcome.FAILED
        sink(TaskFinished(name, ended, str(error)))
        raise
    sink(TaskFinished(name, Outcome.OK))


@dataclass(frozen=True, slots=True)
class Stamped:
    """An event with its number in its stream (from 1) and its time."""

    number: int
    at: datetime
    event: Event


class Stream:
    """Numbers and times events under a lock and hands them, in order, to its readers."""

    def __init__(self, clock: Clock, *readers: Callable[[Stamped], None], first: int = 1) -> None:
        self._clock = clock
        self._readers = readers
        self._next = first
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        """Be a `Sink`."""
        with self._lock:
            stamped = Stamped(self._next, self._clock.now(), event)
            self._next += 1
            for reader in self._readers:
                reader(stamped)


_TYPES: Mapping[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        RunStarted,
        StageStarted,
        StepStarted,
        StepProgress,
        StepOutput,
        StepFinished,
        RunPaused,
        RunResumed,
        RunFinished,
        TaskStarted,
        TaskProgress,
        TaskFinished,
    )
}


def to_json(stamped: Stamped) -> dict[str, Any]:
    """The event as one flat JSON object: ``n``, ``at``, ``event`` and the event's own fields."""
    fields = dataclasses.asdict(stamped.event)
    return {"n": stamped.number, "at": timestamp(stamped.at), "event": type(stamped.event).__name__, **fields}


def from_json(document: Mapping[str, Any]) -> Stamped:
    """Read what `to_json` wrote; `ValueError` for anything else."""
    try:
        kind = _TYPES[document["event"]]
        fields = {name: _restore(name, document[name]) for name in (f.name for f in dataclasses.fields(kind))}
        return Stamped(int(document["n"]), datetime.fromisoformat(document["at"]), kind(**fields))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not an event: {error}") from error


def _restore(name: str, value: Any) -> Any:
    if name == "outcome":
        return Outcome(value)
    if name == "stages":
        return tuple(StageOutline(s["title"], tuple((h, n) for h, n in s["steps"]), s["destructive"]) for s in value)
    if name == "failed":
        return tuple((host, why) for host, why in value)
    return tuple(value) if isinstance(value, list) else value
