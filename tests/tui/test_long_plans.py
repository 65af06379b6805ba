"""What Kubernetes asks of the screens: many stages with long titles, on many hosts, legible on 80 columns."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from support.guidesite import BUNDLE_YAML
from support.piloting import press, settle, until
from support.screentext import compare
from support.signing import NOW, At

from appliance.digest import Digest
from appliance.events import (
    Outcome,
    RunStarted,
    StageOutline,
    StageStarted,
    StepFinished,
    StepStarted,
    Stream,
)
from appliance.execute import launch
from appliance.execute.journal import Journal
from appliance.operations.propose import INSTALL, Proposed
from appliance.plan.steps import Plan, Proposal, Run, Stage, Step
from appliance.recipe import bundlefile
from appliance.recipe.clusterfile import Cluster
from appliance.transport.base import Command
from tui.app import Guide
from tui.screens.plan import PlanPage
from tui.screens.run import RunPage
from tui.session import Delivery, Session

if TYPE_CHECKING:
    from support.guidesite import GuideSite, MakeSite

    from appliance.state import RunDir

IMAGE = str(Digest.of(b""))
HOSTS = (*(f"control-plane-{n}" for n in (1, 2, 3)), *(f"worker-{n}" for n in range(1, 8)))
CLUSTER = "a-cluster-with-a-long-name-of-45-characters-a"
UNDERWAY = 12


def stage(number: int) -> Stage:
    title = (
        f"Take something off that stands in the way, number {number}" if number % 4 == 0 else "Join the control plane"
    )
    act = Run(Command(("true",)))
    steps = tuple(Step(f"{host}/{number}", f"Do what has a rather long title, {number}", host, act) for host in HOSTS)
    return Stage(title, steps, destructive=number == 8)


PLAN = Plan(CLUSTER, IMAGE, tuple(map(stage, range(20))))


def run_underway(site: GuideSite) -> RunDir:
    """A run of the plan that is at its 13th stage; its worker is this very process."""
    run = site.engine.folder(CLUSTER).new_run("apply", now=NOW)
    outlines = tuple(StageOutline(each.title, tuple((host, 1) for host in HOSTS)) for each in PLAN.stages)
    with Journal(run.journal) as journal:
        stream = Stream(At(NOW), journal.write)
        stream(RunStarted(run.name, "apply", CLUSTER, IMAGE, "ann@desk", HOSTS, outlines))
        for number, each in enumerate(PLAN.stages[: UNDERWAY + 1]):
            stream(StageStarted(number, each.title, HOSTS))
            for step in each.steps:
                stream(StepStarted(number, step.host, step.id, step.title))
                if number < UNDERWAY:
                    stream(StepFinished(number, step.host, step.id, Outcome.OK, 1.0))
    me = {"pid": os.getpid(), "started": launch.started(os.getpid())}
    (run.path / "worker.json").write_text(json.dumps(me))
    return run


async def test_20_stages_and_200_steps_are_legible(make_site: MakeSite) -> None:
    site = make_site()
    spec, cluster = bundlefile.load(BUNDLE_YAML, source=""), Cluster(CLUSTER)
    proposed = Proposed(Proposal(INSTALL, (), (), PLAN, Digest.of(b"")), (), spec, cluster, NOW)
    session = Session(Delivery(Path("demo.run"), spec=spec, image=IMAGE), cluster, proposed=proposed)
    guide = Guide(site.engine, session)
    async with guide.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await guide.push_screen(PlanPage())
        await settle(pilot)
        await press(pilot, "down", "enter", "down", "enter")
        compare(guide, "plan-long")
        guide.show_run(run_underway(site))
        await until(pilot, lambda: isinstance(guide.screen, RunPage) and guide.screen._view is not None)
        await settle(pilot, at_work=True)
        compare(guide, "run-long")
