"""Runs on real hosts, over SSH and sudo: the worker killed between steps and inside one, stopped, its line cut."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from support.doomed import doomed
from support.lab import DEPUTY, DEPUTY_PASSWORD, OPS

from appliance.clock import SystemClock
from appliance.events import Outcome, RunFinished, Stamped, StepStarted
from appliance.execute import guards, journal, launch, lease
from appliance.execute.order import RunSecrets, make_order, write_order
from appliance.files import write_bytes
from appliance.lab import host as hosts
from appliance.plan.document import plan_to_json
from appliance.plan.planner import prune
from appliance.plan.steps import Plan, PutText, Run, SecretRef, Stage, Step
from appliance.state import Home, RunDir
from appliance.transport.base import Become, Command, Credential, Endpoint
from appliance.transport.connect import connector
from appliance.transport.ssh.hostkeys import HostKeys
from appliance.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from appliance.lab.registry import Lab

pytestmark = pytest.mark.hosts

CLOCK = SystemClock()
SECRET = b"swordfish-on-no-command-line"
SCENE = "/var/lib/scene"

_DO = """
mkdir /var/lib/scene/busy 2>/dev/null || echo two at once >>/var/lib/scene/overlap
[ -z "$2" ] || eval "$2"
echo "$1" >>/var/lib/scene/did
rmdir /var/lib/scene/busy
"""


def do(host: str, name: str, then: str = "") -> Step:
    unless = Command(("grep", "-qx", name, f"{SCENE}/did"))
    return Step(f"{host}/{name}", f"Do {name}", host, Run(Command.shell(_DO, name, then)), unless)


def put(host: str) -> Step:
    return Step(f"{host}/put", "Put", host, PutText(f"{SCENE}/config", ("word=", SecretRef("word"), "\n"), 0o600))


@dataclass(frozen=True)
class Desk:
    """An operator of the shared lab; each host is entered in another way."""

    lab: Lab
    folder: Path

    @property
    def endpoints(self) -> dict[str, Endpoint]:
        ways = {
            "one": ("root", Become.NONE, None),
            "two": (OPS.name, Become.SUDO, None),
            "three": (DEPUTY.name, Become.SUDO, DEPUTY_PASSWORD),
        }
        return {
            name: Endpoint(
                self.lab.host(name).address,
                22,
                user,
                Credential(key=self.lab.key, agent=False, become=become, become_password=password),
            )
            for name, (user, become, password) in ways.items()
        }

    def start(self, *stages: Stage, program: tuple[str, ...] = launch.PROGRAM, at_once: int = 0) -> RunDir:
        home = Home.of(self.folder / "home")
        cluster = home.cluster("site")
        Vault.open(cluster.vault, cluster.vault_key).put("word", SECRET)
        shutil.copyfile(self.lab.known_hosts, cluster.known_hosts)
        run = cluster.new_run("apply", now=datetime.now(UTC))
        order = make_order(
            home,
            cluster,
            run=run.name,
            operation="apply",
            operator="ann@desk",
            endpoints=self.endpoints,
            at_once=at_once,
        )
        write_order(run.path / "run.json", order)
        write_bytes(run.plan, plan_to_json(Plan("site", "sha256:0", stages)))
        launch.start(run, RunSecrets.of(self.endpoints), program=program)
        return run

    def ask(self, host: str, script: str) -> str:
        root = Endpoint(self.lab.host(host).address, 22, "root", Credential(key=self.lab.key, agent=False))
        with connector(HostKeys(self.lab.known_hosts))(root) as line:
            return line.run(Command.shell(script)).stdout

    def needed(self, stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
        held: set[str] = set()
        for host in self.endpoints:
            steps = [step for stage in stages for step in stage.steps if step.host == host]
            with connector(HostKeys(self.lab.known_hosts))(self.endpoints[host]) as line:
                held |= guards.held(line, steps, resolve=lambda _: SECRET)
        return prune(stages, held)


@pytest.fixture
def desk(lab: Lab, tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(lab, tmp_path)
    for host in desk.endpoints:
        desk.ask(host, f"rm -rf {SCENE} {lease.FOLDER}; mkdir {SCENE}")
    yield desk
    for host in desk.endpoints:
        desk.ask(host, f"rm -rf {SCENE} {lease.FOLDER} /var/lib/appliance")


def kill(run: RunDir, number: int = signal.SIGKILL) -> None:
    os.kill(json.loads((run.path / "worker.json").read_text())["pid"], number)


def events(run: RunDir) -> Iterator[Stamped]:
    return journal.follow(run.journal, alive=lambda: launch.alive(run), clock=CLOCK, interval=0.01)


def ending(run: RunDir) -> RunFinished:
    event = list(events(run))[-1].event
    assert isinstance(event, RunFinished)
    return event


PLAN = (
    Stage("one", tuple(step for host in ("one", "two", "three") for step in (put(host), do(host, "1")))),
    Stage("two", tuple(do(host, "2") for host in ("one", "two", "three"))),
)


@pytest.mark.parametrize("at_once", [1, 0])
def test_killed_at_every_boundary_the_same_work_goes_on_and_each_step_is_carried_out_once(
    desk: Desk, at_once: int
) -> None:
    """With one host at a time each of the nine boundaries is met; side by side a kill falls into others' steps, too."""
    kills = 0
    while left := desk.needed(PLAN):
        run = desk.start(*left, program=doomed("finished", 1), at_once=at_once)
        assert not isinstance(list(events(run))[-1].event, RunFinished)
        kills += 1
    assert kills == 9 if at_once else 3 <= kills <= 9
    assert ending(desk.start()).outcome is Outcome.OK
    for host in desk.endpoints:
        assert desk.ask(host, f"cat {SCENE}/did {SCENE}/overlap 2>/dev/null").split() == ["1", "2"], host
        assert desk.ask(host, f"cat {SCENE}/config") == f"word={SECRET.decode()}\n"
        assert desk.ask(host, f"ls {lease.FOLDER} 2>/dev/null") == ""


def underway(desk: Desk) -> tuple[RunDir, tuple[Stage, ...]]:
    """A run inside a step, on a host entered by sudo with a password; the step ends when /var/lib/scene/go is there."""
    plan = (Stage("one", (do("three", "1", f"while [ ! -e {SCENE}/go ]; do sleep 0.1; done"), do("three", "2"))),)
    run = desk.start(*plan)
    next(s for s in events(run) if isinstance(s.event, StepStarted) and s.event.step == "three/1")
    while not desk.ask("three", f"ls -d {SCENE}/busy 2>/dev/null"):
        pass
    return run, plan


def test_a_command_underway_when_the_worker_is_killed_is_waited_for_and_not_repeated(desk: Desk) -> None:
    run, plan = underway(desk)
    kill(run)
    again = desk.start(*desk.needed(plan))
    desk.ask("three", f"while grep -q '{run.name}' {lease.FOLDER}/owner; do sleep 0.1; done; touch {SCENE}/go")
    assert ending(again).outcome is Outcome.OK
    assert desk.ask("three", f"cat {SCENE}/did {SCENE}/overlap 2>/dev/null").split() == ["1", "2"]


def test_stop_now_lets_go_at_once_and_the_next_run_goes_on(desk: Desk) -> None:
    run, plan = underway(desk)
    launch.command(run, "cancel")
    launch.command(run, "stop")
    assert ending(run).outcome is Outcome.CANCELLED
    assert run.name in desk.ask("three", f"cat {lease.FOLDER}/owner")
    again = desk.start(*desk.needed(plan))
    desk.ask("three", f"touch {SCENE}/go")
    assert ending(again).outcome is Outcome.OK
    assert desk.ask("three", f"cat {SCENE}/did {SCENE}/overlap 2>/dev/null").split() == ["1", "2"]


def test_a_connection_that_is_cut_mid_step_is_opened_again_and_the_step_not_repeated(desk: Desk) -> None:
    run, _ = underway(desk)
    desk.ask("three", f"pkill -KILL -u {DEPUTY.name} sshd; touch {SCENE}/go")
    assert ending(run).outcome is Outcome.OK
    assert desk.ask("three", f"cat {SCENE}/did {SCENE}/overlap 2>/dev/null").split() == ["1", "2"]


@pytest.mark.slow
def test_a_step_that_ended_while_the_link_was_cut_is_asked_about_and_not_repeated(desk: Desk) -> None:
    """The operator's side gives the connection up; the host, which saw nothing of that, tells what became of it."""
    run, _ = underway(desk)
    three = desk.lab.host("three")
    gone = f"while ss -Htn state established dst {three.address} | grep -q .; do sleep 0.5; done"
    hosts.cut(three)
    try:
        hosts.run_inside(three, ("touch", f"{SCENE}/go"))
        subprocess.run(["sh", "-c", gone], check=True, timeout=120)
    finally:
        hosts.mend(three)
    assert ending(run).outcome is Outcome.OK
    assert desk.ask("three", f"cat {SCENE}/did {SCENE}/overlap 2>/dev/null").split() == ["1", "2"]
