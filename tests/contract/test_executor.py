"""Plans carried out on several hosts with real shells: order, failures, broken lines, control, secrets."""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.rooms import Break, Happening, Room, endpoint, rooms

from appliance.clock import SystemClock
from appliance.distribute.base import NOBODY, BlobFolder
from appliance.distribute.unicast import Unicast
from appliance.errors import Unreachable
from appliance.events import (
    Event,
    Outcome,
    RunFinished,
    RunPaused,
    RunResumed,
    RunStarted,
    StageStarted,
    StepFinished,
    StepOutput,
    StepStarted,
)
from appliance.execute import connection, lease
from appliance.execute.actions import Supplies
from appliance.execute.connection import Terms
from appliance.execute.control import Control
from appliance.execute.executor import Executor, RunResult, Site
from appliance.execute.lane import Saying
from appliance.execute.lease import Owner
from appliance.files import write_bytes
from appliance.plan.steps import Fetch, Plan, PutText, Receive, Run, SecretRef, Stage, Step, WaitFor
from appliance.transport.base import Command, Connect
from appliance.vault import Mask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from appliance.distribute.base import Distributor, Hearing
    from appliance.image.blobs import Blob
    from appliance.transport.base import Endpoint, Transport

OWNER = Owner("run-1", "ann@desk", "site", "2026-11-23T06:00:00.000Z", "home-a")
OTHER = Owner("run-9", "bob@laptop", "site", "2026-11-23T06:30:00.000Z", "home-b")
SECRET = "swordfish+2"


class Hasty(SystemClock):
    """Waits for nothing, and says how long it would have."""

    def __init__(self) -> None:
        self.waited = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.waited

    def sleep(self, seconds: float) -> None:
        self.waited += seconds


@dataclass
class Scene:
    """Hosts below a folder, a plan's executor, and what it said."""

    folder: Path
    events: list[Event] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    control: Control = field(default_factory=Control)
    clock: Hasty = field(default_factory=Hasty)

    def room(self, host: str) -> Room:
        return Room(self.folder / host)

    def run(
        self,
        *stages: Stage,
        before: Happening | None = None,
        after: Happening | None = None,
        connect: Connect | None = None,
        at_once: int = 0,
        terms: Terms | None = None,
        heard: Callable[[Event], None] | None = None,
        distributor: Distributor | None = None,
    ) -> RunResult:
        plan = Plan("site", "sha256:0", stages)
        hosts = {step.host for stage in stages for step in stage.steps}

        def sink(event: Event) -> None:
            self.events.append(event)
            if heard:
                heard(event)

        executor = Executor(
            plan,
            operation="apply",
            site=Site(
                {host: endpoint(host) for host in hosts},
                connect or rooms(self.folder, before=before, after=after),
                terms or Terms(OWNER),
            ),
            supplies=Supplies(
                resolve={"word": SECRET.encode()}.__getitem__,
                source=BlobFolder(self.folder / "blobs"),
                distributor=distributor or Unicast(),
                fetched=self.folder / "fetched",
                clock=self.clock,
            ),
            saying=Saying(
                sink, Mask([SECRET]), lambda host, text: self.log.append(f"{host}: {text}"), self.clock.monotonic
            ),
            control=self.control,
            at_once=at_once,
        )
        return executor.run()

    def outcomes(self) -> dict[str, Outcome]:
        return {event.step: event.outcome for event in self.events if isinstance(event, StepFinished)}

    def did(self, host: str) -> list[str]:
        path = self.room(host).at("/run/did")
        return path.read_text().split() if path.exists() else []

    def leased(self, host: str) -> bool:
        return self.room(host).at(lease.FOLDER).exists()


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def do(host: str, name: str, then: str = "", **more: object) -> Step:
    """A step that writes its name into /run/did, and then does `then`."""
    command = Command.shell(f'echo "$1" >>/run/did; {then}', name)
    return Step(f"{host}/{name}", f"Do {name}", host, Run(command), **more)  # type: ignore[arg-type]


def stage(title: str, *steps: Step, **more: object) -> Stage:
    return Stage(title, steps, **more)  # type: ignore[arg-type]


def test_stages_are_barriers_and_steps_of_a_host_a_sequence(scene: Scene) -> None:
    hosts = ("a", "b", "c")
    result = scene.run(
        stage("one", *(do(host, name) for name in ("1", "2") for host in hosts)),
        stage("two", *(do(host, "3") for host in hosts)),
    )
    assert result.outcome is Outcome.OK
    assert result.failed == ()
    assert [scene.did(host) for host in hosts] == [["1", "2", "3"]] * 3
    second = next(n for n, e in enumerate(scene.events) if isinstance(e, StageStarted) and e.stage == 1)
    finished = [e.step for e in scene.events[:second] if isinstance(e, StepFinished)]
    assert sorted(finished) == sorted(f"{host}/{name}" for host in hosts for name in "12")
    assert isinstance(scene.events[0], RunStarted)
    assert scene.events[0].stages[0].steps == (("a", 2), ("b", 2), ("c", 2))
    assert isinstance(scene.events[-1], RunFinished)
    assert not any(scene.leased(host) for host in hosts)


def test_every_start_has_its_finish(scene: Scene) -> None:
    scene.run(stage("one", do("a", "1"), do("b", "1", "exit 3"), do("b", "2")), stage("two", do("a", "3")))
    started = [(e.host, e.step) for e in scene.events if isinstance(e, StepStarted)]
    finished = [(e.host, e.step) for e in scene.events if isinstance(e, StepFinished)]
    assert sorted(started) == sorted(finished)


def test_a_needed_hosts_failure_ends_its_lane_and_the_run_at_the_barrier(scene: Scene) -> None:
    result = scene.run(
        stage("one", do("a", "1", "echo why >&2; exit 3"), do("a", "2"), do("b", "1"), do("b", "2")),
        stage("two", do("b", "3")),
    )
    assert result.outcome is Outcome.FAILED
    assert result.failed == (("a", "the command ended with status 3: why"),)
    assert (scene.did("a"), scene.did("b")) == (["1"], ["1", "2"])
    assert not scene.leased("a")


def test_a_host_that_is_not_needed_is_dropped_and_the_others_finish(scene: Scene) -> None:
    result = scene.run(
        stage("one", do("a", "1", "exit 3"), do("b", "1"), do("c", "1"), needs=("b",)),
        stage("two", *(do(host, "2") for host in "abc")),
    )
    assert result.outcome is Outcome.FAILED
    assert [host for host, _ in result.failed] == ["a"]
    assert (scene.did("a"), scene.did("b"), scene.did("c")) == (["1"], ["1", "2"], ["1", "2"])


def test_a_dropped_host_that_a_later_stage_names_stops_the_run_there(scene: Scene) -> None:
    result = scene.run(
        stage("one", do("a", "1", "exit 3"), do("b", "1"), needs=("b",)), stage("two", do("b", "2"), needs=("a", "b"))
    )
    assert result.outcome is Outcome.FAILED
    assert scene.did("b") == ["1"]


def test_no_more_hosts_than_allowed_work_at_once(scene: Scene) -> None:
    lock, now, most = threading.Lock(), 0, 0

    def heard(event: Event) -> None:
        nonlocal now, most
        with lock:
            now += isinstance(event, StepStarted) - isinstance(event, StepFinished)
            most = max(most, now)

    steps = [do(host, "1") for host in "abcde"]
    scene.run(Stage("one", tuple(steps), at_once=2), heard=heard)
    assert most <= 2
    most = 0
    scene.run(stage("two", *steps), at_once=1, heard=heard)
    assert most == 1


def test_a_step_that_is_so_already_is_skipped_unless_one_before_it_was_carried_out(scene: Scene) -> None:
    so = Command(("true",))
    scene.run(
        stage("one", do("a", "1", unless=so), do("a", "2"), do("a", "3", unless=so, after=("a/2",))),
        stage("two", do("a", "4", unless=so, after=("a/1",))),
    )
    assert scene.did("a") == ["2", "3"]
    assert scene.outcomes()["a/1"] is Outcome.SKIPPED
    assert scene.outcomes()["a/4"] is Outcome.SKIPPED


def test_what_a_step_made_needed_stays_so_for_the_next_run_until_it_is_done(scene: Scene) -> None:
    so = Command(("true",))
    restart = do("a", "restart", "test -e /run/works", unless=so, after=("a/config",))
    scene.run(stage("one", do("a", "config"), restart))
    scene.room("a").at("/run/works").touch()
    scene.run(stage("one", restart))
    assert scene.did("a") == ["config", "restart", "restart"]
    scene.run(stage("one", restart))
    assert scene.did("a") == ["config", "restart", "restart"]


def test_an_unreachable_host_fails_before_anything_changes_anywhere(scene: Scene) -> None:
    def before(command: Command) -> None:
        if str(threading.current_thread().name) and first.pop(command.argv[-1], None):
            raise Unreachable("no answer from 10.0.0.1", hint="is it up?")

    first = {"/run/appliance/lease": True}
    result = scene.run(stage("one", do("a", "1"), do("b", "1")), before=before)
    assert result.outcome is Outcome.FAILED
    assert [why for _, why in result.failed] == ["no answer from 10.0.0.1"]
    assert scene.did("a") + scene.did("b") == []
    failed = [e for e in scene.events if isinstance(e, StepFinished)]
    assert [(e.outcome, e.hint) for e in failed] == [(Outcome.FAILED, "is it up?")]
    assert not scene.leased("a")
    assert not scene.leased("b")


def test_another_operators_lease_forbids_the_run_even_on_a_host_that_is_not_needed(scene: Scene) -> None:
    lease.take(scene.room("b").transport(), OTHER, clock=scene.clock)
    result = scene.run(stage("one", do("a", "1"), do("b", "1"), needs=("a",)))
    assert result.outcome is Outcome.REFUSED
    assert result.failed[0][0] == "b"
    assert "bob@laptop for run run-9" in result.failed[0][1]
    assert scene.did("a") == []
    assert not scene.leased("a")
    assert lease.inspect(scene.room("b").transport()) == OTHER


def test_a_lease_is_seized_when_asked_for(scene: Scene) -> None:
    lease.take(scene.room("a").transport(), OTHER, clock=scene.clock)
    assert scene.run(stage("one", do("a", "1")), terms=Terms(OWNER, seize=True)).outcome is Outcome.OK


def at_each_command(scene: Scene) -> int:
    """How many commands it takes: lease, put, guard, 1, 2 (needed by the put), lease back."""
    heard = Break()
    scene.run(*GUARDED, before=heard)
    assert len(heard.commands) == 6
    return len(heard.commands)


TEXT = PutText("/run/config", ("a\n",), 0o600)
GUARDED = (
    stage("one", Step("a/config", "Write", "a", TEXT), do("a", "1", unless=Command(("grep", "-qx", "1", "/run/did")))),
    stage("two", do("a", "2", unless=Command(("grep", "-qx", "2", "/run/did")), after=("a/config",))),
)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_line_that_breaks_at_any_command_is_opened_again_and_what_holds_is_not_done_twice(
    tmp_path: Path, when: str
) -> None:
    commands = at_each_command(Scene(tmp_path / "whole"))
    for number in range(2, commands):
        scene = Scene(tmp_path / str(number))
        breaks = Break(number)
        result = scene.run(*GUARDED, **{when: breaks})  # type: ignore[arg-type]
        assert result.outcome is Outcome.OK, (number, result)
        assert scene.did("a") == ["1", "2"], number


def test_a_host_that_stays_away_fails_its_step_after_a_bounded_time(scene: Scene) -> None:
    gone = threading.Event()

    def before(_: Command) -> None:
        if gone.is_set():
            raise Unreachable("no answer")

    def heard(event: Event) -> None:
        if isinstance(event, StepFinished):
            gone.set()

    result = scene.run(stage("one", do("a", "1"), do("a", "2")), before=before, heard=heard)
    assert result.failed == (("a", "no answer"),)
    assert scene.did("a") == ["1"]
    assert 0 < scene.clock.waited < 1.3 * sum(connection.BACK_OFF)
    assert scene.leased("a")


SYSTEMCTL = "#!/bin/sh\ncat /run/state 2>/dev/null || echo running\n"


def going_down(scene: Scene, *, rounds: int) -> RunResult:
    """A step that fails while its host goes down, which it has when it was asked so often; then the step succeeds."""
    programs = scene.folder / "programs"
    write_bytes(programs / "systemctl", SYSTEMCTL.encode(), mode=0o755)
    room = Room(scene.folder / "a", f"{programs}:{os.environ['PATH']}")
    asked = itertools.count(1)

    def before(command: Command) -> None:
        if "is-system-running" in " ".join(command.argv) and next(asked) == rounds:
            room.at("/run/state").rename(room.at("/run/back"))
            raise Unreachable("the connection broke")

    @contextlib.contextmanager
    def connect(_: Endpoint) -> Iterator[Transport]:
        yield room.transport(before=before)

    mounted = "[ -e /run/back ] || { echo stopping >/run/state; echo no such program >&2; exit 127; }"
    return scene.run(stage("one", do("a", "1", mounted)), connect=connect)


def test_what_fails_on_a_host_that_goes_down_is_done_when_it_is_back(scene: Scene) -> None:
    assert going_down(scene, rounds=3).outcome is Outcome.OK
    assert scene.did("a") == ["1", "1"]
    assert scene.clock.waited > 1


def test_a_host_that_never_gets_down_fails_its_step_after_a_bounded_time(scene: Scene) -> None:
    result = going_down(scene, rounds=1000)
    assert result.failed == (("a", "the command ended with status 127: no such program"),)
    assert 90 < scene.clock.waited < 200


def test_cancel_finishes_the_steps_underway_and_begins_no_other(scene: Scene) -> None:
    def heard(event: Event) -> None:
        if isinstance(event, StepStarted):
            scene.control.cancel()

    result = scene.run(stage("one", do("a", "1"), do("a", "2")), stage("two", do("a", "3")), heard=heard)
    assert result.outcome is Outcome.CANCELLED
    assert scene.did("a") == ["1"]
    assert scene.outcomes() == {"a/1": Outcome.OK}
    assert not scene.leased("a")


def test_pause_holds_steps_back_until_resume(scene: Scene) -> None:
    said: list[str] = []

    def heard(event: Event) -> None:
        if isinstance(event, StepFinished) and event.step == "a/1":
            scene.control.pause()
            threading.Timer(0.05, lambda: (said.extend(scene.did("a")), scene.control.resume())).start()

    result = scene.run(stage("one", do("a", "1"), do("a", "2")), heard=heard)
    assert result.outcome is Outcome.OK
    assert said == ["1"]
    assert scene.did("a") == ["1", "2"]
    assert [event for event in scene.events if isinstance(event, RunPaused | RunResumed)] == [RunPaused(), RunResumed()]


def test_a_paused_run_that_is_cancelled_is_not_paused_any_more(scene: Scene) -> None:
    def heard(event: Event) -> None:
        if isinstance(event, StepFinished):
            scene.control.pause()
            scene.control.pause()
            threading.Timer(0.05, scene.control.cancel).start()

    result = scene.run(stage("one", do("a", "1"), do("a", "2")), heard=heard)
    assert result.outcome is Outcome.CANCELLED
    assert [event for event in scene.events if isinstance(event, RunPaused | RunResumed)] == [RunPaused(), RunResumed()]


def test_a_failed_host_may_be_retried_while_the_run_is_paused(scene: Scene) -> None:
    def heard(event: Event) -> None:
        if isinstance(event, StepFinished) and event.outcome is Outcome.FAILED:
            scene.control.pause()
            scene.room("a").at("/run/mended").touch()
            threading.Timer(0.05, lambda: (scene.control.retry("a"), scene.control.resume())).start()

    steps = (do("a", "1", "test -e /run/mended"), do("a", "2"))
    result = scene.run(stage("one", *steps), stage("two", do("a", "3")), heard=heard)
    assert result.outcome is Outcome.OK
    assert scene.did("a") == ["1", "1", "2", "3"]


def test_secrets_reach_commands_on_standard_input_and_nothing_else(scene: Scene) -> None:
    heard = Break()
    shows = Command(("sh", "-c", "read -r word; echo got $word; echo err $word >&2; exit 1"), secrets=("word",))
    text = PutText("/run/secret", ("word=", SecretRef("word"), "\n"), 0o600)
    result = scene.run(
        stage("one", Step("a/put", "Put", "a", text), Step("a/show", "Show", "a", Run(shows))), before=heard
    )
    assert scene.room("a").at("/run/secret").read_text() == f"word={SECRET}\n"
    said = repr(scene.events) + "".join(scene.log) + repr(heard.commands) + repr(result)
    assert SECRET not in said
    assert "got ‹secret›" in "".join(scene.log)
    assert result.failed == (("a", "the command ended with status 1: err ‹secret›"),)


def test_output_is_heard_and_logged(scene: Scene) -> None:
    scene.run(stage("one", do("a", "1", "printf 'one\\ntwo'")))
    assert "".join(e.text for e in scene.events if isinstance(e, StepOutput)).replace("\n", "") == "onetwo"
    assert "".join(scene.log).replace("a: ", "") == "one\ntwo"


class Doubting:
    """A `Distributor` that has nothing to send, and notes something at each try; at the first one the line breaks."""

    def __init__(self) -> None:
        self.tries = itertools.count(1)

    def send(self, transport: Transport, blobs: Sequence[Blob], *, hearing: Hearing = NOBODY, **_: object) -> None:
        number = next(self.tries)
        hearing.note(f"doubt {number} of {SECRET}")
        if number == 1:
            raise Unreachable("the line broke")


def test_what_is_noted_of_a_step_that_goes_well_is_its_detail_masked(scene: Scene) -> None:
    """And none of what a try noted that came to nothing; and no other step's."""
    steps = (Step("a/send", "Send", "a", Receive((), None)), do("a", "so", unless=Command(("true",))))
    scene.run(stage("one", *steps), distributor=Doubting())
    finished = [(event.outcome, event.detail) for event in scene.events if isinstance(event, StepFinished)]
    assert finished == [(Outcome.OK, "doubt 2 of ‹secret›"), (Outcome.SKIPPED, "")]


def test_waiting_goes_on_until_it_is_so_or_the_time_is_over(scene: Scene) -> None:
    third = Command(("sh", "-c", "echo x >>/run/count; echo not yet >&2; [ $(wc -l </run/count) -ge 3 ]"))
    never = Command(("sh", "-c", "echo still not >&2; exit 1"))
    waits = (Step("a/third", "", "a", WaitFor(third, 10)), Step("a/never", "", "a", WaitFor(never, 10, interval=3)))
    result = scene.run(stage("one", *waits))
    assert scene.outcomes() == {"a/third": Outcome.OK, "a/never": Outcome.FAILED}
    assert result.failed == (("a", "not so after 10 seconds: still not"),)


def test_a_command_that_takes_too_long_fails_and_is_ended(scene: Scene) -> None:
    endless = Command(("sh", "-c", "echo $$ >/run/pid; exec sleep 600"), timeout=0.3)
    result = scene.run(stage("one", Step("a/endless", "", "a", Run(endless))))
    assert result.failed == (("a", "a command did not end within 0.3 seconds"),)
    pid = int(scene.room("a").at("/run/pid").read_text())
    stat = Path(f"/proc/{pid}/stat")
    assert not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] in "ZX"


def test_a_file_is_fetched_into_the_clusters_folder_and_no_further(scene: Scene) -> None:
    scene.room("a").at("/run/some").write_bytes(b"content")
    fetch = Step("a/fetch", "", "a", Fetch("/run/some", "backups/some"))
    outside = Step("a/outside", "", "a", Fetch("/run/some", "../outside"))
    result = scene.run(stage("one", fetch, outside))
    path = scene.folder / "fetched/backups/some"
    assert path.read_bytes() == b"content"
    assert path.stat().st_mode & 0o777 == 0o600
    assert "not a name inside" in result.failed[0][1]
    assert not (scene.folder / "outside").exists()


def test_a_fault_of_ours_still_ends_the_run_in_order(scene: Scene) -> None:
    step = Step("a/put", "", "a", PutText("/run/x", (SecretRef("no such"),)))
    with pytest.raises(KeyError):
        scene.run(stage("one", step))
    assert isinstance(scene.events[-1], RunFinished)
    assert scene.events[-1].outcome is Outcome.FAILED
    assert scene.outcomes() == {"a/put": Outcome.FAILED}
    assert not scene.leased("a")
