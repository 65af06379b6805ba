"""Bad days of one site, in order: killed in the middle of things, drift, lost terminals, two operators, a cut reset.

A small delivery on three hosts; the third is entered over a slow link, and the run can do without it. Every command is
the command line's own, in a process of its own.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.doomed import doomed
from support.lab import lab_of
from support.operators import Operator, deliver, heard, steps_of, write_clusterfile
from support.traces import differences, trace

from appliance.events import Event, StepFinished, StepProgress, StepStarted
from appliance.execute import launch
from appliance.lab import host as machines
from appliance.lab.spec import HostSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


pytestmark = pytest.mark.hosts

RECIPE = Path(__file__).parents[1] / "data" / "recipes" / "beacon"
NAMES = ("one", "two", "three")
NOISE_BYTES, ZERO_BYTES = 12 << 20, 256 << 20
GATE = "/run/go"


@pytest.fixture(scope="module")
def ann(swept: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """The first operator, with the delivery and three hosts that were never touched."""
    folder = tmp_path_factory.mktemp("beacon")
    recipe = shutil.copytree(RECIPE, folder / "recipe")
    (recipe / "noise").write_bytes(os.urandom(NOISE_BYTES))
    with (recipe / "zeros").open("wb") as zeros:
        zeros.truncate(ZERO_BYTES)
    bundle, root = deliver(folder, recipe)
    with lab_of(HostSpec("one"), HostSpec("two"), HostSpec("three", bandwidth=60_000_000)) as lab:
        addresses = [lab.host(name).address for name in NAMES]
        clusterfile = write_clusterfile(folder / "cluster.yaml", addresses, "beacon")
        yield Operator(lab, folder / "ann", bundle, root, clusterfile)


@pytest.fixture(scope="module", autouse=True)
def before(ann: Operator) -> dict[str, dict[str, frozenset[str]]]:
    """The hosts as they were."""
    return {name: trace(ann.lab.host(name)) for name in NAMES}


def inside(ann: Operator, name: str, script: str) -> str:
    """What a shell script says in a host."""
    return machines.run_inside(ann.lab.host(name), ("sh", "-c", script)).stdout


def everywhere(ann: Operator, script: str) -> list[str]:
    return [inside(ann, name, script) for name in NAMES]


def midway(step: str) -> Callable[[Event], bool]:
    """Whether some of a step's bytes are through, and some are not."""
    return lambda event: isinstance(event, StepProgress) and event.step == step and 0 < event.done < event.total


def begun(step: str) -> Callable[[Event], bool]:
    return lambda event: isinstance(event, StepStarted) and event.step == step


def ended(step: str) -> Callable[[Event], bool]:
    return lambda event: isinstance(event, StepFinished) and event.step == step


def require_as_before(ann: Operator, before: dict[str, dict[str, frozenset[str]]]) -> None:
    for name in NAMES:
        assert differences(before[name], trace(ann.lab.host(name))) == [], name


def test_a_worker_killed_during_a_transfer_leaves_no_half_blob_and_what_arrived_is_not_sent_again(
    ann: Operator,
) -> None:
    run = ann.killed("apply", when=midway("beacon-3/image"))
    blobs = "find /var/lib/appliance/node/blobs/sha256 -type f ! -name '.*' -printf '%f %i %T@\\n' | sort"
    arrived = inside(ann, "three", blobs)
    left = ann.plan()
    assert "beacon-3/image" in left
    assert not {"beacon-3/helper-blob", "beacon-3/helper", "beacon-3/claim", "beacon-3/stamp"} & {*left}
    assert {*left} < {*steps_of(run)}
    killed = ann.killed("apply", when=ended("beacon-3/image"))
    assert steps_of(killed) == left
    assert {*arrived.splitlines()} < {*inside(ann, "three", blobs).splitlines()}
    whole = (
        'cd /var/lib/appliance/node/blobs/sha256 && for f in *; do echo "$f  $f"; done | sha256sum -c --quiet && ls -A'
    )
    assert "part" not in inside(ann, "three", whole)


def test_a_worker_killed_during_unpacking_leaves_no_half_tree(ann: Operator) -> None:
    half = (
        "cd /var/lib/appliance/node; until [ -n \"$(find layers -name '.*.part' 2>/dev/null)\" ]; do sleep 0.05; done"
    )
    inside(ann, "one", "rm -rf /var/lib/appliance/node/layers/*")  # they stood while the blobs came
    ann.killed("apply", when=begun("beacon-1/unpack"), then=lambda: inside(ann, "one", half))
    run = ann.killed("apply", when=ended("beacon-1/write:/etc/beacon/word"))
    assert not any(step.endswith(("/image", "/helper", "/keep")) for step in steps_of(run))
    found = "cd /var/lib/appliance/node && find layers images -maxdepth 1 -mindepth 1 -name '.*'"
    assert everywhere(ann, found) == [""] * 3


def test_the_same_command_ends_right_and_then_has_nothing_to_do(ann: Operator) -> None:
    done = ann.appliance("apply")
    assert done.returncode == 0, done.stderr
    assert everywhere(ann, "cat /run/beacon.log; systemctl is-active beacon") == ["start\nactive\n"] * 3
    again = ann.appliance("apply")
    assert again.returncode == 0, again.stderr
    assert "nothing to do" in again.stdout
    assert ann.plan() == []


def test_drift_gives_a_plan_with_just_that_and_the_next_apply_repairs_it(ann: Operator) -> None:
    inside(ann, "one", "systemctl stop beacon")
    inside(ann, "two", "echo colour=red >/etc/beacon/colour")
    inside(
        ann,
        "three",
        f"find /var/lib/appliance/node/blobs -size +{NOISE_BYTES >> 10}k -size -{(NOISE_BYTES >> 10) + 99}k -delete",
    )
    assert set(ann.plan()) == {
        *restarted("beacon-1"),
        "beacon-2/write:/etc/beacon/colour",
        *restarted("beacon-2"),
        "beacon-3/image",
    }
    assert ann.appliance("apply").returncode == 0
    inside(ann, "one", "rm /opt/appliance/site/*/bin/beacon")
    assert set(ann.plan()) == {"beacon-1/unpack", *restarted("beacon-1")}
    assert ann.appliance("apply").returncode == 0
    assert everywhere(ann, "systemctl is-active beacon; cat /etc/beacon/colour") == ["active\ncolour=white\n"] * 3
    assert ann.plan() == []


def restarted(host: str) -> set[str]:
    return {f"{host}/start:beacon.service", f"{host}/active:beacon.service", f"{host}/health:the gate is open"}


CHANGED = ("--set", f"gate={GATE}", "--set", "colour=green")
"""An apply that has something to do on every host, and whose last stage waits until the gate is there."""


def test_a_lost_terminal_does_not_end_a_run_and_another_process_follows_it_to_its_end(ann: Operator) -> None:
    runs = ann.runs
    with ann.terminal("apply", *CHANGED, "--yes") as terminal:
        run = ann.next_run(runs)
        heard(run, begun("beacon-1/health:the gate is open"))
        terminal.lose()
        assert terminal.wait() != 0
    assert launch.alive(run)
    with ann.terminal("attach") as terminal:
        terminal.until(run.name)
        everywhere(ann, f"touch {GATE}")
        assert terminal.end() == 0
    assert "done, 3 of 3 hosts" in terminal.said
    everywhere(ann, f"rm {GATE}")


def test_one_interrupt_finishes_the_steps_underway_and_the_same_command_goes_on(ann: Operator) -> None:
    runs = ann.runs
    words = (*CHANGED[:-1], "colour=blue")
    with ann.terminal("apply", *words, "--yes") as terminal:
        run = ann.next_run(runs)
        heard(run, begun("beacon-3/health:the gate is open"))
        terminal.type("\x03")
        terminal.until("finishing the steps underway")
        everywhere(ann, f"touch {GATE}")
        terminal.end()
    assert ann.appliance("apply", *words).returncode == 0
    everywhere(ann, f"rm {GATE}")


def test_two_interrupts_stop_now_and_the_same_command_goes_on(ann: Operator) -> None:
    runs = ann.runs
    words = (*CHANGED[:-1], "colour=black")
    with ann.terminal("apply", *words, "--yes") as terminal:
        run = ann.next_run(runs)
        heard(run, begun("beacon-2/health:the gate is open"))
        terminal.type("\x03")
        terminal.until("finishing the steps underway")
        terminal.type("\x03")
        assert terminal.end() == 130
    everywhere(ann, f"touch {GATE}")
    done = ann.appliance("apply", *words)
    assert done.returncode == 0, done.stderr
    everywhere(ann, f"rm {GATE}")


def test_a_second_operator_is_refused_with_the_first_ones_run_named_and_takes_over_only_when_that_is_confirmed(
    ann: Operator,
) -> None:
    bob = replace(ann, home=ann.home.with_name("bob"))
    shutil.copytree(ann.home, bob.home, ignore=shutil.ignore_patterns("identity", "runs", "control"))
    runs = ann.runs
    words = (*CHANGED[:-1], "colour=brown")
    with ann.start("apply", *words) as first:
        run = ann.next_run(runs)
        heard(run, begun("beacon-1/health:the gate is open"))
        refused = bob.appliance("apply", *words)
        assert refused.returncode == 8
        assert run.name in refused.stderr
        assert "--take-over" in refused.stderr
        again = ann.appliance("apply", *words)
        assert again.returncode == 8
        assert run.name in again.stderr
        with bob.terminal("apply", *words, "--take-over") as terminal:
            terminal.until("Do this?")
            terminal.type("y\n")
            terminal.until("Go on?")
            assert run.name in terminal.said
            terminal.type("n\n")
            assert terminal.end() == 130
        with bob.start("apply", *words, "--take-over") as second:
            taken = bob.next_run(())
            heard(taken, begun("beacon-1/health:the gate is open"))
            assert first.wait() == 6
            everywhere(ann, f"touch {GATE}")
            assert second.wait() == 0
    everywhere(ann, f"rm {GATE}")


def test_a_run_is_told_to_pause_to_go_on_to_cancel_and_to_stop_from_another_process(ann: Operator) -> None:
    runs = ann.runs
    words = (*CHANGED[:-1], "colour=grey")
    with ann.start("apply", *words) as process:
        run = ann.next_run(runs)
        heard(run, begun("beacon-1/health:the gate is open"))
        assert ann.appliance("attach", run.name, "retry", "nobody").returncode == 8
        assert ann.appliance("attach", run.name, "retry").returncode == 2
        assert ann.appliance("attach", run.name, "pause").returncode == 0
        everywhere(ann, f"touch {GATE}")
        heard(run, ended("beacon-1/health:the gate is open"))
        assert launch.alive(run)
        assert ann.appliance("attach", run.name, "resume").returncode == 0
        assert process.wait() == 0
    assert ann.appliance("attach", run.name, "cancel").returncode == 8
    everywhere(ann, f"rm {GATE}")


def test_a_remote_command_that_outlives_its_killed_worker_is_waited_for_and_never_run_beside_itself(
    ann: Operator,
) -> None:
    everywhere(ann, "touch /run/hold; rm /run/beacon.log")
    run = ann.killed(
        "reset",
        when=begun("beacon-3/stop:beacon.service"),
        then=lambda: everywhere(ann, "while [ ! -e /run/beacon.busy ]; do sleep 0.1; done"),
    )
    runs = ann.runs
    with ann.start("reset") as process:
        again = ann.next_run(runs)
        assert "beacon-3/stop:beacon.service" in steps_of(again)
        inside(ann, "three", f"while grep -q {run.name} /run/appliance/lease/owner; do sleep 0.1; done")
        everywhere(ann, "rm /run/hold")
        assert process.wait() == 0
    assert everywhere(ann, "cat /run/beacon.log") == ["stop\n"] * 3


def test_reset_leaves_the_hosts_as_they_were_and_a_second_one_has_nothing_to_do(
    ann: Operator, before: dict[str, dict[str, frozenset[str]]]
) -> None:
    everywhere(ann, "rm /run/beacon.log")
    require_as_before(ann, before)
    again = ann.appliance("reset")
    assert again.returncode == 0, again.stderr
    assert "nothing to do" in again.stdout


LOSSES = {
    "one": "rm -rf /var/lib/appliance/node",
    "two": "rm -rf /opt/appliance /etc/beacon",
    "three": "rm -f /etc/systemd/system/beacon.service /var/lib/appliance/node/clusters/site/before/seen",
}


SLOW = [pytest.param(steps, marks=pytest.mark.slow) for steps in (2, 7, 11, 28, 34)]


@pytest.mark.parametrize("steps", [22, *SLOW])
def test_reset_after_a_half_done_installation_with_files_missing_leaves_the_hosts_as_they_were(
    ann: Operator, before: dict[str, dict[str, frozenset[str]]], steps: int
) -> None:
    killed = ann.appliance("apply", program=doomed("finished", steps))
    assert killed.returncode == 6, killed.stderr
    assert "ended without a word" in killed.stderr
    for name, script in LOSSES.items():
        inside(ann, name, script)
    done = ann.appliance("reset", program=doomed("finished", 2))
    assert done.returncode == 6, done.stderr
    done = ann.appliance("reset")
    assert done.returncode == 0, done.stderr
    everywhere(ann, "rm -f /run/beacon.log")
    require_as_before(ann, before)


@pytest.mark.slow
def test_a_host_that_lost_its_stamp_is_not_left_behind_in_silence(
    ann: Operator, before: dict[str, dict[str, frozenset[str]]]
) -> None:
    assert ann.appliance("apply").returncode == 0
    inside(ann, "two", "rm /etc/appliance/node.json")
    refused = ann.appliance("reset")
    assert refused.returncode == 5
    assert "beacon-2" in refused.stderr
    assert "appliance apply" in refused.stderr
    assert {"beacon-2/claim", "beacon-2/stamp"} >= {*ann.plan()}
    assert ann.appliance("apply").returncode == 0
    assert ann.appliance("reset").returncode == 0
    everywhere(ann, "rm -f /run/beacon.log")
    require_as_before(ann, before)
