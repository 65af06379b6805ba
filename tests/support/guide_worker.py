"""A worker that touches no host: it plays the run of its plan. ``ok``; ``fail HOST``; ``hold``: when it is told."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from appliance.events import Event
    from appliance.plan.steps import Plan


def main(play: str, _command: str, run_dir: str) -> None:
    tests = Path(__file__).parent.parent
    sys.path[:0] = [str(tests), str(tests.parent)]
    from support.signing import DAY, NOW, At  # noqa: PLC0415  (found only now)

    from appliance.events import RunPaused, Stream  # noqa: PLC0415
    from appliance.execute import launch, mailbox, worker  # noqa: PLC0415
    from appliance.execute.journal import Journal  # noqa: PLC0415
    from appliance.execute.order import read_order  # noqa: PLC0415
    from appliance.plan.document import plan_from_json  # noqa: PLC0415
    from appliance.state import RunDir  # noqa: PLC0415

    run = RunDir(Path(run_dir))
    order, plan = read_order(run.path / "run.json"), plan_from_json(run.plan.read_bytes())
    with mailbox.listening(run.path) as listener, Journal(run.journal) as journal:
        me = {"pid": os.getpid(), "started": launch.started(os.getpid())}
        (run.path / "worker.json").write_text(json.dumps(me))
        stream = Stream(
            At(NOW - DAY), worker.remembering(journal.write, run, order)
        )  # before whatever the guide asks next

        def told() -> dict[str, Any]:
            line, _ = listener.accept()
            with line:
                message = mailbox.receive(line)
                mailbox.answer(line)
            return message

        told()
        events = _events(play, plan, order.run, order.operation)
        stream(next(events))
        while play == "hold":
            message = told()
            with (run.path / "told").open("a") as log:
                log.write(f"{message['do']} {message['host']}\n")
            if message["do"] != "pause":
                break
            stream(RunPaused())
        for event in events:
            stream(event)
    worker.write_reports(run)


def _events(play: str, plan: Plan, run: str, operation: str) -> Iterator[Event]:
    from appliance.events import (  # noqa: PLC0415  (found only now)
        Outcome,
        RunFinished,
        RunStarted,
        StageOutline,
        StageStarted,
        StepFinished,
        StepOutput,
        StepStarted,
    )

    hosts = tuple(dict.fromkeys(step.host for stage in plan.stages for step in stage.steps))
    outlines = tuple(
        StageOutline(stage.title, tuple((h, sum(s.host == h for s in stage.steps)) for h in hosts), stage.destructive)
        for stage in plan.stages
    )
    yield RunStarted(run, operation, plan.cluster, plan.image, "ann@desk", hosts, outlines)
    for number, stage in enumerate(plan.stages):
        yield StageStarted(number, stage.title, hosts)
        for step in stage.steps:
            yield StepStarted(number, step.host, step.id, step.title)
            if play == f"fail {step.host}":
                yield StepOutput(number, step.host, step.id, "cannot write: the disk is full")
                why, hint = "the disk is full", "free space there, then retry"
                yield StepFinished(number, step.host, step.id, Outcome.FAILED, 0.5, why, hint)
                yield RunFinished(Outcome.FAILED, 1.0, ((step.host, why),))
                return
            yield StepFinished(number, step.host, step.id, Outcome.OK, 0.1)
    yield RunFinished(Outcome.OK, 1.0)


if __name__ == "__main__":
    main(*sys.argv[1:])
