"""The lease on a host: one run at a time, no command twice side by side, and a dead run's work is found."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from pathlib import Path

import pytest
from support.rooms import Break, Room, busybox_path

from appliance.clock import SystemClock
from appliance.errors import StateError
from appliance.execute import lease
from appliance.execute.lease import Leased, Owner
from appliance.transport.base import Command

CLOCK = SystemClock()
MINE = Owner("run-1", "ann@desk", "site", "2026-11-23T06:00:00.000Z", "home-a")
NEXT = Owner("run-2", "ann@desk", "site", "2026-11-23T07:00:00.000Z", "home-a")
OTHER = Owner("run-9", "bob@laptop", "site", "2026-11-23T06:30:00.000Z", "home-b")
PENDING = "/var/lib/appliance/node/pending"


@pytest.fixture(params=["coreutils", "busybox"])
def room(request: pytest.FixtureRequest, tmp_path: Path) -> Room:
    path = busybox_path(tmp_path / "busybox") if request.param == "busybox" else ""
    return Room(tmp_path / "host", path)


def leased(room: Room, owner: Owner = MINE, marks: tuple[str, ...] = ()) -> Leased:
    return Leased(room.transport(), owner.run, PENDING, marks)


def same_home(owner: Owner) -> bool:
    return owner.home == MINE.home


def test_a_free_host_is_leased_and_given_back(room: Room) -> None:
    line = room.transport()
    assert lease.inspect(line) is None
    lease.take(line, MINE, clock=CLOCK)
    assert lease.inspect(line) == MINE
    lease.release(line, MINE.run)
    assert lease.inspect(line) is None
    assert not room.at("/run/appliance").exists()


def test_another_operators_run_is_refused_and_named(room: Room) -> None:
    line = room.transport()
    lease.take(line, OTHER, clock=CLOCK)
    with pytest.raises(StateError, match=r"bob@laptop for run run-9 of cluster site") as refused:
        lease.take(line, MINE, clock=CLOCK, may_resume=same_home)
    assert "--take-over" in refused.value.hint
    lease.release(line, MINE.run)
    assert lease.inspect(line) == OTHER


def test_the_same_run_a_dead_predecessor_and_a_seizure_take_a_lease_over(room: Room) -> None:
    line = room.transport()
    lease.take(line, MINE, clock=CLOCK)
    lease.take(line, MINE, clock=CLOCK)
    lease.take(line, NEXT, clock=CLOCK, may_resume=same_home)
    assert lease.inspect(line) == NEXT
    lease.take(line, OTHER, clock=CLOCK, seize=True)
    assert lease.inspect(line) == OTHER


def test_of_many_that_want_a_lease_at_once_one_gets_it(room: Room) -> None:
    owners = [Owner(f"run-{n}", "ann", "site", "", f"home-{n}") for n in range(8)]
    refused: list[str] = []

    def want(owner: Owner) -> None:
        try:
            lease.take(room.transport(), owner, clock=CLOCK)
        except StateError as error:
            refused.append(error.message)

    threads = [threading.Thread(target=want, args=(owner,)) for owner in owners]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    holder = lease.inspect(room.transport())
    assert holder in owners
    assert len(refused) == 7


def test_a_lease_whose_maker_died_before_it_had_a_name_is_taken(room: Room) -> None:
    room.at(lease.FOLDER).mkdir(parents=True)
    lease.take(room.transport(), MINE, clock=Impatient())
    assert lease.inspect(room.transport()) == MINE


class Impatient(SystemClock):
    def sleep(self, seconds: float) -> None:
        """Time passes in no time."""


def test_a_lease_that_cannot_be_read_is_refused_with_words(room: Room) -> None:
    room.at(lease.FOLDER).mkdir(parents=True)
    room.at(lease.FOLDER).joinpath("owner").write_text("{not json\n")
    with pytest.raises(StateError, match="cannot be read"):
        lease.take(room.transport(), MINE, clock=CLOCK)


def test_a_command_under_the_lease_is_recorded_and_otherwise_untouched(room: Room) -> None:
    lease.take(room.transport(), MINE, clock=CLOCK)
    script = 'read -r pid began mark </run/appliance/lease/process; echo "$pid $$"; cat; printf "%s|" "$@"; exit 7'
    awkward = ("", "a b", "it's", "$HOME", "\n", "-n", "*")
    result = leased(room).run(Command(("sh", "-c", script, "sh", *awkward)), stdin=b"in\0put\n")
    recorded, rest = result.stdout.split("\n", 1)
    assert len(set(recorded.split())) == 1
    assert rest == "in\0put\n" + "".join(f"{word}|" for word in awkward)
    assert result.status == 7


def test_nothing_is_run_once_the_lease_is_anothers_or_gone(room: Room) -> None:
    line = room.transport()
    lease.take(line, MINE, clock=CLOCK)
    lease.take(line, OTHER, clock=CLOCK, seize=True)
    witness = room.at("/run/witness")
    with pytest.raises(StateError, match="bob@laptop"):
        leased(room).run(Command(("touch", "/run/witness")))
    with pytest.raises(StateError, match="bob@laptop"):
        leased(room).put(b"text", "/run/witness")
    lease.release(line, OTHER.run)
    with pytest.raises(StateError, match="the lease is gone"):
        leased(room).run(Command(("touch", "/run/witness")))
    assert not witness.exists()


def test_a_commands_own_status_75_is_a_result(room: Room) -> None:
    lease.take(room.transport(), MINE, clock=CLOCK)
    assert leased(room).run(Command(("sh", "-c", "exit 75"))).status == 75


def test_marks_are_there_before_the_command_begins(room: Room) -> None:
    lease.take(room.transport(), MINE, clock=CLOCK)
    result = leased(room, marks=("aa", "bb")).run(Command(("ls", PENDING)))
    assert result.stdout.split() == ["aa", "bb"]


def test_the_mark_of_what_is_done_goes_with_the_very_command_that_succeeds(room: Room) -> None:
    lease.take(room.transport(), MINE, clock=CLOCK)
    leased(room, marks=("aa", "bb")).run(Command(("true",)))
    done = Leased(room.transport(), MINE.run, PENDING, done="aa")
    failed = done.run(Command(("sh", "-c", "cat; exit 3")), stdin=b"in")
    assert (failed.status, failed.stdout) == (3, "in")
    assert {path.name for path in room.at(PENDING).iterdir()} == {"aa", "bb"}
    assert done.run(Command(("cat",)), stdin=b"in").stdout == "in"
    assert [path.name for path in room.at(PENDING).iterdir()] == ["bb"]


def test_a_file_is_put_under_the_lease(room: Room) -> None:
    lease.take(room.transport(), MINE, clock=CLOCK)
    owner = f"{os.getuid()}:{os.getgid()}" if os.getuid() else "root:root"
    leased(room).put(b"secret", "/var/lib/a/b", mode=0o600, owner=owner)
    assert room.at("/var/lib/a/b").read_bytes() == b"secret"
    assert leased(room).get("/var/lib/a/b", limit=6) == b"secret"


class Left:
    """A command that goes on under the lease of `MINE`, with a child, as if its operator had died."""

    def __init__(self, room: Room, script: str) -> None:
        lease.take(room.transport(), MINE, clock=CLOCK)
        fifo = room.root / "started"
        os.mkfifo(fifo)
        command = Command(("sh", "-c", f"sleep 600 & echo $! >{fifo}; {script}"))
        self._thread = threading.Thread(target=leased(room).run, args=(command,))
        self._thread.start()
        self.child = int(fifo.read_text())
        self.pid = int(room.at(lease.FOLDER).joinpath("process").read_text().split()[0])

    def ended(self) -> bool:
        return not any(Path(f"/proc/{pid}/cmdline").exists() and _runs(pid) for pid in (self.pid, self.child))

    def join(self) -> None:
        if _runs(self.child):
            os.kill(self.child, signal.SIGKILL)
        self._thread.join()


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_a_command_left_behind_is_ended_with_its_children_when_patience_is_over(room: Room) -> None:
    left = Left(room, "wait")
    lease.take(room.transport(), NEXT, clock=CLOCK, may_resume=same_home, patience=0.2)
    assert left.ended()
    left.join()


def test_a_command_left_behind_that_ends_in_time_is_left_to_end(room: Room) -> None:
    go = room.root / "go"
    left = Left(room, f"while [ ! -e {go} ]; do sleep 0.05; done; echo done >{room.root}/witness")
    taking = threading.Thread(
        target=lambda: lease.take(room.transport(), NEXT, clock=CLOCK, may_resume=same_home, patience=60)
    )
    taking.start()
    go.touch()
    taking.join()
    assert (room.root / "witness").read_text() == "done\n"
    assert _runs(left.child)
    left.join()


def test_a_process_that_merely_has_the_recorded_pid_is_left_alone(room: Room) -> None:
    lease.take(room.transport(), MINE, clock=CLOCK)
    with subprocess.Popen(["sleep", "600"]) as stranger:
        room.at(lease.FOLDER).joinpath("process").write_text(f"{stranger.pid} 12345 mark\n")
        lease.settle(room.transport(), patience=0)
        assert stranger.poll() is None
        stranger.kill()


def test_taking_a_free_host_is_one_round_trip(room: Room) -> None:
    heard = Break()
    lease.take(room.transport(before=heard), MINE, clock=CLOCK)
    assert len(heard.commands) == 1
