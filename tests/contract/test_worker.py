"""The worker as a process: started, followed, told, killed at every boundary, and gone on after."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from support.room_worker import program
from support.rooms import Room, rooms

from appliance.clock import SystemClock
from appliance.digest import Digest
from appliance.errors import StateError
from appliance.events import Outcome, RunFinished, Stamped, StepFinished, StepStarted
from appliance.execute import guards, journal, launch, lease, mailbox, worker
from appliance.execute.lease import Owner
from appliance.execute.order import RunSecrets, make_order, write_order
from appliance.files import write_bytes
from appliance.plan.document import plan_to_json
from appliance.plan.planner import prune
from appliance.plan.steps import Plan, PutText, Run, SecretRef, Stage, Step
from appliance.report.view import view_of
from appliance.state import ClusterState, Home, InstalledHost, RunDir, foresee, read_state
from appliance.transport.base import Command, Credential, Endpoint
from appliance.vault import Vault

if TYPE_CHECKING:
    from pathlib import Path

CLOCK = SystemClock()
PASSWORD = "hunter2-never-written"
SECRET = b"swordfish-never-shown"
HOSTS = ("a", "b", "c")
MADE = datetime(2026, 1, 2, tzinfo=UTC)
STATE = ClusterState(
    cluster="site",
    bundle="demo",
    version="1.0.0",
    epoch=1,
    image=Digest.of(b"image"),
    run="a run",
    applied=MADE,
    hosts=(InstalledHost("a", "10.0.0.1", ("db",)),),
)


@dataclass(frozen=True)
class Desk:
    """An operator's machine with a cluster of rooms."""

    folder: Path

    @property
    def home(self) -> Home:
        return Home.of(self.folder / "home")

    def endpoints(self) -> dict[str, Endpoint]:
        return {host: Endpoint(host, 22, "root", Credential(password=PASSWORD)) for host in HOSTS}

    def new_run(self, *stages: Stage, take_over: bool = False) -> RunDir:
        cluster = self.home.cluster("site")
        vault = Vault.open(cluster.vault, cluster.vault_key)
        vault.put("word", SECRET)
        run = cluster.new_run("apply", now=datetime.now(UTC))
        order = make_order(
            self.home,
            cluster,
            run=run.name,
            operation="apply",
            operator="ann@desk",
            endpoints=self.endpoints(),
            take_over=take_over,
        )
        write_order(run.path / "run.json", order)
        write_bytes(run.plan, plan_to_json(Plan("site", "sha256:0", stages)))
        return run

    def start(self, run: RunDir, *, kill: int = 0) -> None:
        launch.start(run, RunSecrets.of(self.endpoints()), program=program(self.folder / "hosts", kill=kill))

    def room(self, host: str) -> Room:
        return Room(self.folder / "hosts" / host)

    def did(self, host: str) -> list[str]:
        path = self.room(host).at("/run/did")
        return path.read_text().split() if path.exists() else []

    def needed(self, stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
        """What a new plan has left of `stages`, by the hosts' own word."""
        held: set[str] = set()
        for host in HOSTS:
            steps = [step for stage in stages for step in stage.steps if step.host == host]
            with rooms(self.folder / "hosts")(self.endpoints()[host]) as line:
                held |= guards.held(line, steps, resolve=lambda _: SECRET)
        return prune(stages, held)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def follow(run: RunDir) -> list[Stamped]:
    return list(journal.follow(run.journal, alive=lambda: launch.alive(run), clock=CLOCK, interval=0.02))


def ending(run: RunDir) -> RunFinished:
    event = follow(run)[-1].event
    assert isinstance(event, RunFinished)
    return event


_DO = """
mkdir /run/busy 2>/dev/null || echo two at once >>/run/overlap
[ -z "$2" ] || eval "$2"
echo "$1" >>/run/did
rmdir /run/busy
"""


def do(host: str, name: str, then: str = "", *, after: tuple[str, ...] = ()) -> Step:
    unless = Command(("grep", "-qx", name, "/run/did"))
    return Step(f"{host}/{name}", f"Do {name}", host, Run(Command.shell(_DO, name, then)), unless, after)


def put(host: str) -> Step:
    return Step(f"{host}/put", "Put", host, PutText("/run/config", ("word=", SecretRef("word"), "\n"), 0o600))


PLAN = (
    Stage("one", tuple(step for host in HOSTS for step in (put(host), do(host, "1")))),
    Stage("two", tuple(do(host, "2", after=(f"{host}/put",)) for host in HOSTS)),
)
COMMANDS = 3 + 3 * (1 + 2) + 3 * 1 + 3
"""Leases; per host a put, a question and a command; then a command (the put made it needed); leases back."""


def test_a_run_is_carried_out_by_a_process_that_outlives_whoever_started_it(desk: Desk) -> None:
    run = desk.new_run(*PLAN)
    desk.start(run)
    assert ending(run).outcome is Outcome.OK
    assert [desk.did(host) for host in HOSTS] == [["1", "2"]] * 3
    pid = json.loads((run.path / "worker.json").read_text())["pid"]
    assert os.getsid(0) != pid
    os.waitpid(pid, 0)
    assert not launch.alive(run)
    assert json.loads(run.report("json").read_text())["outcome"] == "ok"
    assert "done" in run.report("txt").read_text()
    assert run.report("html").read_text().startswith("<!doctype html>")
    assert (run.path / "worker.log").read_bytes() == b""


def test_what_a_run_came_to_is_remembered_though_nobody_watches_it(desk: Desk) -> None:
    cluster = desk.home.cluster("site")

    def after(state: ClusterState | None, *stages: Stage) -> ClusterState | None:
        run = desk.new_run(*stages)
        foresee(run, state)
        desk.start(run)
        ended = list(follow(run))[-1]
        return replace(found, applied=MADE) if (found := read_state(cluster.state)) and ended else None

    failing = Stage("Fail", (do("a", "fails", "exit 1"),))
    assert after(STATE, failing) is None
    assert after(STATE, *PLAN) == STATE
    assert after(None, failing) == STATE
    assert after(None, *PLAN) is None
    assert not cluster.state.exists()


def test_nothing_secret_is_in_what_a_run_leaves_behind(desk: Desk) -> None:
    run = desk.new_run(*PLAN, Stage("say", (do("a", "3", "cat /run/config; echo $SECRET; ps -ef >/run/processes"),)))
    desk.start(run)
    assert ending(run).outcome is Outcome.OK
    while launch.alive(run):  # it writes the reports after the last word of its journal
        CLOCK.sleep(0.01)
    assert desk.room("a").at("/run/config").read_bytes() == b"word=" + SECRET + b"\n"
    assert "‹secret›" in run.log("a").read_text()
    left = [path for path in run.path.rglob("*") if path.is_file()]
    assert len(left) > 8
    for path in [*left, desk.room("a").at("/run/processes")]:
        assert PASSWORD.encode() not in path.read_bytes(), path
        assert SECRET not in path.read_bytes(), path
    assert {stat.S_IMODE(path.stat().st_mode) for path in left if path not in (run.plan, run.path / "worker.log")} <= {
        0o600
    }


@pytest.mark.parametrize("number", range(1, COMMANDS + 1))
def test_killed_at_any_boundary_the_next_run_completes_the_work(desk: Desk, number: int) -> None:
    killed = desk.new_run(*PLAN)
    desk.start(killed, kill=number)
    events = follow(killed)
    assert not events or not isinstance(events[-1].event, RunFinished) or number > COMMANDS - 3
    again = desk.new_run(*desk.needed(PLAN))
    desk.start(again)
    assert ending(again).outcome is Outcome.OK
    for host in HOSTS:
        assert desk.did(host) == ["1", "2"], host
        assert not desk.room(host).at("/run/overlap").exists()
        assert not desk.room(host).at(lease.FOLDER).exists()
    assert desk.needed(PLAN) == ()


def test_a_command_that_outlives_its_killed_worker_is_never_run_beside_itself(desk: Desk) -> None:
    go = desk.folder / "go"
    plan = (Stage("one", (do("a", "1", f"while [ ! -e {go} ]; do sleep 0.05; done"),)),)
    run = desk.new_run(*plan)
    desk.start(run)
    began = next(s for s in journal.follow(run.journal, alive=lambda: True, clock=CLOCK) if _began(s, "a/1"))
    assert began
    while not desk.room("a").at("/run/busy").exists():
        CLOCK.sleep(0.01)
    os.kill(json.loads((run.path / "worker.json").read_text())["pid"], signal.SIGKILL)
    follow(run)
    again = desk.new_run(*desk.needed(plan))
    desk.start(again)
    while lease.inspect(desk.room("a").transport()) == Owner.from_json(_owner(run)):
        CLOCK.sleep(0.01)
    go.touch()
    assert ending(again).outcome is Outcome.OK
    assert desk.did("a") == ["1"]
    assert not desk.room("a").at("/run/overlap").exists()


def _began(stamped: Stamped, step: str) -> bool:
    return isinstance(stamped.event, StepStarted) and stamped.event.step == step


def _owner(run: RunDir) -> str:
    document = json.loads((run.path / "run.json").read_text())
    return Owner(run.name, "ann@desk", "site", "", document["home"]).to_json()


def blocked(desk: Desk) -> tuple[RunDir, Path]:
    """A run whose first step waits for a file."""
    go = desk.folder / "go"
    steps = (do("a", "1", f"while [ ! -e {go} ]; do sleep 0.05; done"), do("a", "2"))
    run = desk.new_run(Stage("one", steps), Stage("two", (do("a", "3"),)))
    desk.start(run)
    while not desk.room("a").at("/run/busy").exists():
        CLOCK.sleep(0.01)
    return run, go


@pytest.mark.parametrize("how", ["message", "signal", "signal to a paused run"])
def test_cancel_ends_a_run_after_the_step_underway(desk: Desk, how: str) -> None:
    run, go = blocked(desk)
    if "paused" in how:
        launch.command(run, "pause")
    if how == "message":
        launch.command(run, "cancel")
    else:
        os.kill(json.loads((run.path / "worker.json").read_text())["pid"], signal.SIGTERM)
        launch.command(run, "ping")
    go.touch()
    assert ending(run).outcome is Outcome.CANCELLED
    assert desk.did("a") == ["1"]


def test_a_lost_terminal_changes_nothing(desk: Desk) -> None:
    run, go = blocked(desk)
    os.kill(json.loads((run.path / "worker.json").read_text())["pid"], signal.SIGHUP)
    go.touch()
    assert ending(run).outcome is Outcome.OK


def test_a_paused_run_goes_on_when_told(desk: Desk) -> None:
    run, go = blocked(desk)
    launch.command(run, "pause")
    go.touch()
    for stamped in journal.follow(run.journal, alive=lambda: True, clock=CLOCK):
        if isinstance(stamped.event, StepFinished):
            break
    launch.command(run, "resume")
    assert ending(run).outcome is Outcome.OK
    assert desk.did("a") == ["1", "2", "3"]


def test_a_second_worker_for_a_run_is_refused(desk: Desk) -> None:
    run, go = blocked(desk)
    with pytest.raises(StateError, match="in use by another process"):
        worker.serve(run.path)
    go.touch()
    assert ending(run).outcome is Outcome.OK
    with pytest.raises(StateError, match="was carried out already|in use"):
        worker.serve(run.path)


def test_another_run_beside_a_living_one_is_refused_and_that_one_goes_on(desk: Desk) -> None:
    run, go = blocked(desk)
    second = desk.new_run(Stage("one", (do("a", "9"),)))
    desk.start(second)
    refused = ending(second)
    assert refused.outcome is Outcome.REFUSED
    assert run.name in refused.failed[0][1]
    assert desk.did("a") == []
    go.touch()
    assert ending(run).outcome is Outcome.OK


def test_commands_that_nobody_knows_or_hears_are_refused(desk: Desk) -> None:
    run, go = blocked(desk)
    with pytest.raises(StateError, match="does not know"):
        launch.command(run, "dance")
    go.touch()
    ending(run)
    while launch.alive(run):
        CLOCK.sleep(0.01)
    with pytest.raises(StateError, match="no worker listens"):
        launch.command(run, "ping")


def test_the_socket_is_the_operators_alone_and_fits_any_depth(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    with mailbox.listening(deep):
        path = deep / mailbox.NAME
        assert stat.S_ISSOCK(path.stat().st_mode)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        with pytest.raises(StateError, match="no worker listens"):
            mailbox.ask(deep, {"do": "ping"}, seconds=0.05)


def test_what_the_worker_finds_wrong_is_raised_where_it_was_started(desk: Desk) -> None:
    run = desk.new_run(*PLAN)
    desk.home.cluster("site").vault_key.unlink()
    with pytest.raises(StateError, match="the vault's key"):
        desk.start(run)
    assert list(journal.read(run.journal)) == []


def test_a_worker_that_cannot_start_says_why(desk: Desk) -> None:
    run = desk.new_run(*PLAN)
    run.plan.write_text("{}")
    with pytest.raises(StateError, match="did not start: .*not a plan"):
        desk.start(run)
    dead = (sys.executable, "-c", "raise SystemExit('nothing here')")
    with pytest.raises(StateError, match="did not start: .*nothing here"):
        launch.start(desk.new_run(*PLAN), RunSecrets(), program=dead)
    with pytest.raises(StateError, match="cannot start /no/such/python"):
        launch.start(desk.new_run(*PLAN), RunSecrets(), program=("/no/such/python",))


def test_only_a_dead_run_of_this_cluster_and_home_is_a_dead_predecessor(desk: Desk) -> None:
    cluster = desk.home.cluster("site")
    mine = Owner(desk.new_run(*PLAN).name, "ann@desk", "site", "", "home-a")
    assert launch.dead_predecessor(mine, cluster, home="home-a")
    assert not launch.dead_predecessor(mine, cluster, home="home-b")
    assert not launch.dead_predecessor(mine, desk.home.cluster("other"), home="home-a")
    assert not launch.dead_predecessor(replace(mine, run="../x"), cluster, home="home-a")
    document = {"pid": os.getpid(), "started": launch.started(os.getpid())}
    (cluster.runs / mine.run / "worker.json").write_text(json.dumps(document))
    assert not launch.dead_predecessor(mine, cluster, home="home-a")


def test_a_process_that_merely_has_the_workers_pid_is_not_it(desk: Desk) -> None:
    run = desk.new_run(*PLAN)
    assert not launch.alive(run)
    (run.path / "worker.json").write_text(json.dumps({"pid": os.getpid(), "started": "boot:1"}))
    assert not launch.alive(run)
    (run.path / "worker.json").write_text("{")
    assert not launch.alive(run)


def test_a_view_of_the_journal_tells_the_whole_run(desk: Desk) -> None:
    run = desk.new_run(*PLAN)
    desk.start(run)
    view = view_of(follow(run))
    assert (view.done, view.total) == (9, 9)
    assert view.outcome is Outcome.OK
    assert [host.current for host in view.hosts] == [None] * 3


def test_a_message_that_is_not_whole_is_refused() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(b'{"do":')
        ours.shutdown(socket.SHUT_WR)
        with pytest.raises(ValueError, match="not whole"):
            mailbox.receive(theirs)
