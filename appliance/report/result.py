"""`Report`: what remains of a run, as data, for the renderings. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.events import Outcome

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from appliance.report.view import HostView, RunView, StageView, StepRecord


@dataclass(frozen=True, slots=True)
class HostReport:
    """A host: its outcome, steps through of all, seconds at work, and if it failed, where, why and what next."""

    name: str
    outcome: Outcome
    done: int
    total: int
    seconds: float
    steps: tuple[StepRecord, ...]
    failed_step: str = ""
    detail: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class StageReport:
    """A stage: steps through of all, and its seconds from the first step to the last; None if it never began."""

    title: str
    done: int
    total: int
    destructive: bool
    started: datetime | None
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Report:
    """A run. `outcome` None: its worker ended without a word, or still works."""

    run: str
    operation: str
    cluster: str
    image: str
    operator: str
    started: datetime | None
    seconds: float
    outcome: Outcome | None
    stages: tuple[StageReport, ...]
    hosts: tuple[HostReport, ...]
    journal: str = ""

    @property
    def failed(self) -> tuple[HostReport, ...]:
        """Hosts that did not come through."""
        return tuple(host for host in self.hosts if host.outcome is not Outcome.OK)

    @property
    def notes(self) -> tuple[tuple[HostReport, StepRecord], ...]:
        """Steps that ended well, and of which something should be known nevertheless."""
        steps = ((host, step) for host in self.hosts for step in host.steps)
        return tuple((host, step) for host, step in steps if step.outcome is Outcome.OK and step.detail)


def report_of(view: RunView, *, journal: Path | None = None) -> Report:
    """What `view` tells of its run; `journal` is where all of it can be read."""
    return Report(
        run=view.run,
        operation=view.operation,
        cluster=view.cluster,
        image=view.image,
        operator=view.operator,
        started=view.started,
        seconds=view.seconds,
        outcome=view.outcome,
        stages=tuple(_stage(view, stage) for stage in view.stages),
        hosts=tuple(_host(view, host) for host in view.hosts),
        journal=str(journal) if journal else "",
    )


def _stage(view: RunView, stage: StageView) -> StageReport:
    seconds = None
    if stage.started:
        records = [step for host in view.hosts for step in host.steps if step.stage == stage.number]
        ends = [(step.started - stage.started).total_seconds() + step.seconds for step in records]
        seconds = max(ends, default=0.0)
    return StageReport(
        stage.title, view.stage_done(stage.number), stage.total, stage.destructive, stage.started, seconds
    )


def _host(view: RunView, host: HostView) -> HostReport:
    total = sum(count for stage in view.stages for name, count in stage.hosts if name == host.name)
    done = host.through
    failure = host.failure
    why = dict(view.failed).get(host.name, "")
    if failure:
        outcome = failure.outcome
    elif why or done < total:
        outcome = Outcome.CANCELLED
    else:
        outcome = Outcome.OK
    return HostReport(
        name=host.name,
        outcome=outcome,
        done=done,
        total=total,
        seconds=sum(step.seconds for step in host.steps),
        steps=host.steps,
        failed_step=failure.title if failure else "",
        detail=failure.detail if failure else why,
        hint=failure.hint if failure else "",
    )
