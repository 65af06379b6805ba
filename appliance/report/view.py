"""`RunView`: what is known of a run so far. The one fold of its events, for console, TUI and report. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, assert_never

from appliance.events import (
    Outcome,
    RunFinished,
    RunPaused,
    RunResumed,
    RunStarted,
    StageOutline,
    StageStarted,
    Stamped,
    StepFinished,
    StepOutput,
    StepProgress,
    StepStarted,
    TaskFinished,
    TaskProgress,
    TaskStarted,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

OUTPUT_LINES = 20
"""Lines of a host's output that a view remembers."""

_RATE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class StepView:
    """A step underway: bytes done of a total, and bytes a second over the last few seconds."""

    id: str
    title: str
    stage: int
    since: datetime
    done: int = 0
    total: int = 0
    rate: float = 0.0
    measured: tuple[tuple[datetime, int], ...] = ()

    @property
    def seconds_left(self) -> float | None:
        """Until it ends at this rate; None when nobody can say."""
        return (self.total - self.done) / self.rate if self.rate > 0 and self.total else None


@dataclass(frozen=True, slots=True)
class StepRecord:
    """A step that ended."""

    stage: int
    id: str
    title: str
    started: datetime
    outcome: Outcome
    seconds: float
    detail: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class HostView:
    """One host: what ended there, what is underway, and the last output of the latest step."""

    name: str
    current: StepView | None = None
    steps: tuple[StepRecord, ...] = ()
    output: tuple[str, ...] = ()
    failure: StepRecord | None = None

    @property
    def through(self) -> int:
        """How many different steps are through, in all stages."""
        return len({(step.stage, step.id) for step in self.steps if _through(step.outcome)})

    def done(self, stage: int) -> int:
        """How many different steps of a stage are through."""
        through = {step.id for step in self.steps if step.stage == stage and _through(step.outcome)}
        return len(through)


@dataclass(frozen=True, slots=True)
class StageView:
    """One stage: `hosts` take part with that many steps each; `started` None means that it waits."""

    number: int
    title: str
    hosts: tuple[tuple[str, int], ...]
    destructive: bool = False
    started: datetime | None = None

    @property
    def total(self) -> int:
        """Steps of all hosts."""
        return sum(count for _, count in self.hosts)


@dataclass(frozen=True, slots=True)
class RunView:
    """A run as its events tell it. `last` is the time of the latest event; `outcome` None means that it goes on.

    While it is `paused`, no step begins.
    """

    run: str = ""
    operation: str = ""
    cluster: str = ""
    image: str = ""
    operator: str = ""
    started: datetime | None = None
    last: datetime | None = None
    hosts: tuple[HostView, ...] = ()
    stages: tuple[StageView, ...] = ()
    outcome: Outcome | None = None
    paused: bool = False
    failed: tuple[tuple[str, str], ...] = ()
    number: int = 0
    places: Mapping[str, int] = field(default_factory=dict, repr=False)

    @property
    def seconds(self) -> float:
        """From the first event to the last."""
        return (self.last - self.started).total_seconds() if self.started and self.last else 0.0

    @property
    def total(self) -> int:
        """Steps of the whole run."""
        return sum(stage.total for stage in self.stages)

    @property
    def done(self) -> int:
        """Steps that are through, on all hosts."""
        return sum(host.through for host in self.hosts)

    @property
    def stage(self) -> StageView | None:
        """The stage that started last."""
        return next((stage for stage in reversed(self.stages) if stage.started), None)

    def stage_done(self, stage: int) -> int:
        """Steps of a stage that are through, on all hosts."""
        return sum(host.done(stage) for host in self.hosts)

    def host(self, name: str) -> HostView:
        """The host of this name; `KeyError` when the run has none such."""
        return self.hosts[self.places[name]]


def fold(view: RunView, stamped: Stamped) -> RunView:
    """`view`, with one more event known. Events outside a run, and those of an unknown host, change nothing."""
    if stamped.number <= view.number:
        return view
    view = replace(view, number=stamped.number, last=stamped.at)
    event = stamped.event
    match event:
        case RunStarted():
            return _run_started(view, event, stamped.at)
        case StageStarted():
            stages = tuple(
                replace(stage, started=stamped.at) if stage.number == event.stage else stage for stage in view.stages
            )
            return replace(view, stages=stages)
        case StepStarted() | StepProgress() | StepOutput() | StepFinished():
            return _on_host(view, event, stamped.at)
        case RunPaused() | RunResumed():
            view = replace(view, paused=isinstance(event, RunPaused))
        case RunFinished():
            view = replace(view, outcome=event.outcome, failed=event.failed, paused=False)
        case TaskStarted() | TaskProgress() | TaskFinished():
            pass
        case _:
            assert_never(event)
    return view


def view_of(events: Iterable[Stamped]) -> RunView:
    """The view of a whole journal."""
    view = RunView()
    for stamped in events:
        view = fold(view, stamped)
    return view


def _run_started(view: RunView, event: RunStarted, at: datetime) -> RunView:
    return RunView(
        run=event.run,
        operation=event.operation,
        cluster=event.cluster,
        image=event.image,
        operator=event.operator,
        started=at,
        last=at,
        hosts=tuple(HostView(name) for name in event.hosts),
        stages=tuple(_stage(number, outline) for number, outline in enumerate(event.stages)),
        number=view.number,
        places={name: index for index, name in enumerate(event.hosts)},
    )


def _stage(number: int, outline: StageOutline) -> StageView:
    return StageView(number, outline.title, outline.steps, outline.destructive)


def _on_host(view: RunView, event: StepStarted | StepProgress | StepOutput | StepFinished, at: datetime) -> RunView:
    place = view.places.get(event.host)
    if place is None:
        return view
    host = view.hosts[place]
    match event:
        case StepStarted():
            current = StepView(event.step, event.title, event.stage, at)
            host = replace(host, current=current, output=(), failure=None)
        case StepProgress():
            host = replace(host, current=_progress(host.current, event, at))
        case StepOutput():
            lines = (*host.output, *event.text.splitlines())
            host = replace(host, output=lines[-OUTPUT_LINES:])
        case StepFinished():
            host = _step_finished(host, event, at)
    return replace(view, hosts=(*view.hosts[:place], host, *view.hosts[place + 1 :]))


def _progress(current: StepView | None, event: StepProgress, at: datetime) -> StepView | None:
    if current is None or current.id != event.step:
        return current
    measured = (*current.measured, (at, event.done))
    recent = tuple(m for m in measured[:-1] if (at - m[0]).total_seconds() <= _RATE_SECONDS)
    measured = (*(recent or measured[-2:-1]), measured[-1])
    seconds = (at - measured[0][0]).total_seconds()
    rate = (event.done - measured[0][1]) / seconds if seconds > 0 else current.rate
    return replace(current, done=event.done, total=event.total, rate=max(rate, 0.0), measured=measured)


def _step_finished(host: HostView, event: StepFinished, at: datetime) -> HostView:
    known = host.current if host.current and host.current.id == event.step else None
    record = StepRecord(
        stage=event.stage,
        id=event.step,
        title=known.title if known else event.step,
        started=known.since if known else at,
        outcome=event.outcome,
        seconds=event.seconds,
        detail=event.detail,
        hint=event.hint,
    )
    failure = None if _through(event.outcome) else record
    return replace(host, current=None, steps=(*host.steps, record), failure=failure)


def _through(outcome: Outcome) -> bool:
    return outcome in (Outcome.OK, Outcome.SKIPPED)
