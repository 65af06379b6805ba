"""What a host answers to guards, asked of real files by the shells and tools that hosts have."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from support.rooms import Break, Room, busybox_path

from appliance.digest import Digest
from appliance.distribute.node import Node
from appliance.errors import TransferFailed
from appliance.execute import guards
from appliance.image.blobs import Blob
from appliance.plan.steps import Action, Fetch, PutText, Receive, Run, SecretRef, Step, Unpack, WaitFor
from appliance.transport.base import Command

if TYPE_CHECKING:
    from pathlib import Path

SECRETS = {"password": b'it\'s "hard" $HOME `id` \\ \xc3\xa4\n\n', "word": b"swordfish"}
IMAGE = Digest.of(b"image")
TRUE = Command(("true",))
FALSE = Command(("false",))


@pytest.fixture(params=["coreutils", "busybox"])
def room(request: pytest.FixtureRequest, tmp_path: Path) -> Room:
    path = busybox_path(tmp_path / "busybox") if request.param == "busybox" else ""
    return Room(tmp_path / "host", path)


def ask(room: Room, *actions: Action | Step, limit: float = 20.0) -> list[bool]:
    steps = [a if isinstance(a, Step) else Step(f"host/{n}", "", "host", a) for n, a in enumerate(actions)]
    held = guards.held(room.transport(), steps, resolve=SECRETS.__getitem__, limit=limit)
    return [step.id in held for step in steps]


def written(tmp_path: Path, content: bytes, mode: int = 0o640) -> PutText:
    path = tmp_path / "a file's name"
    path.write_bytes(content)
    path.chmod(mode)
    owner = f"{path.owner()}:{path.group()}"
    return PutText(str(path), ("one\n", SecretRef("password"), "end without newline"), mode, owner)


WHOLE = b"one\n" + SECRETS["password"] + b"end without newline"


def test_a_text_holds_only_with_its_content_mode_and_owner(room: Room, tmp_path: Path) -> None:
    there = written(tmp_path, WHOLE)
    other = PutText(there.path, there.parts, there.mode, "daemon:daemon")
    numbers = PutText(there.path, there.parts, there.mode, f"{os.getuid()}:{os.getgid()}")
    executable = PutText(there.path, there.parts, 0o750, there.owner)
    missing = PutText(there.path + "x", there.parts, there.mode, there.owner)
    assert ask(room, there, other, numbers, executable, missing) == [True, False, True, False, False]


@pytest.mark.parametrize("content", [WHOLE + b"\n", WHOLE[:-1], WHOLE.replace(b"hard", b"lard"), b""])
def test_a_text_with_any_other_content_does_not_hold(room: Room, tmp_path: Path, content: bytes) -> None:
    assert ask(room, written(tmp_path, content)) == [False]


def test_an_empty_text_and_a_link_to_the_right_text_are_told_apart(room: Room, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch(0o600)
    link = tmp_path / "link"
    link.symlink_to(empty)
    owner = f"{empty.owner()}:{empty.group()}"
    assert ask(room, PutText(str(empty), (), 0o600, owner), PutText(str(link), (), 0o600, owner)) == [True, False]


def test_blobs_hold_when_all_are_there_in_full_size(room: Room) -> None:
    one, two = Blob(Digest.of(b"1"), 1), Blob(Digest.of(b"22"), 2)
    folder = room.at("/var/lib/appliance/node/blobs/sha256")
    assert ask(room, Receive((one,), None)) == [False]
    folder.mkdir(parents=True)
    (folder / one.digest.hex).write_bytes(b"1")
    (folder / two.digest.hex).write_bytes(b"2")
    assert ask(room, Receive((one,), None), Receive((one, two), None)) == [True, False]
    (folder / two.digest.hex).write_bytes(b"22")
    assert ask(room, Receive((one, two), None)) == [True]


@pytest.fixture
def unpacked(room: Room) -> Path:
    node = Node(room.root)
    tree = node.programs("site", IMAGE)
    (tree / "bin").mkdir(parents=True)
    (tree / "bin/run me").write_text("#!/bin/sh\n")
    (tree / "bin/link").symlink_to("nowhere")
    node.image(IMAGE).mkdir(parents=True)
    listed = node.program_list("site", IMAGE)
    listed.parent.mkdir(parents=True)
    listed.write_text("./bin/link\n./bin/run me\n")
    return tree


UNPACK = Unpack("site", IMAGE, (), ("bin",), Digest.of(b"runtime"))


def edit(path: Path, *, after: Path) -> None:
    """Write as an editor would, a minute after `after` was written (busybox's find knows whole seconds only)."""
    listed = after.stat().st_mtime_ns
    while path.stat().st_ctime_ns <= listed:
        path.write_text("changed")
    os.utime(path, ns=(listed + 60_000_000_000, listed + 60_000_000_000))


def test_programs_hold_until_one_is_changed_or_gone(room: Room, unpacked: Path) -> None:
    assert ask(room, UNPACK) == [True]
    (unpacked / "bin/a new file that nobody listed").touch()
    assert ask(room, UNPACK) == [True]
    edit(unpacked / "bin/run me", after=Node(room.root).program_list("site", IMAGE))
    assert ask(room, UNPACK) == [False]


def test_a_missing_link_is_noticed(room: Room, unpacked: Path) -> None:
    (unpacked / "bin/link").unlink()
    assert ask(room, UNPACK) == [False]


def test_an_unpacked_image_that_is_gone_is_noticed(room: Room, unpacked: Path) -> None:
    assert ask(room, UNPACK) == [True]
    Node(room.root).image(IMAGE).rmdir()
    assert ask(room, UNPACK) == [False]


def test_a_changed_mode_is_noticed_where_find_can_tell(tmp_path: Path) -> None:
    room = Room(tmp_path / "host")
    node = Node(room.root)
    program = node.programs("site", IMAGE) / "program"
    program.parent.mkdir(parents=True)
    program.touch()
    node.image(IMAGE).mkdir(parents=True)
    listed = node.program_list("site", IMAGE)
    listed.parent.mkdir(parents=True)
    listed.write_text("./program\n")
    assert ask(room, UNPACK) == [True]
    while program.stat().st_ctime_ns <= listed.stat().st_mtime_ns:
        program.chmod(0o4755)
    assert ask(room, UNPACK) == [False]


def test_a_command_holds_when_its_question_is_answered_with_yes(room: Room) -> None:
    run = Run(FALSE)
    asked = Command(
        ("sh", "-c", 'read -r word; [ "$word" = swordfish ] && [ "$1" = "$2" ]', "sh", "a b\n'", "a b\n'"), ("word",)
    )
    steps = [
        Step("yes", "", "host", run, unless=TRUE),
        Step("no", "", "host", run, unless=FALSE),
        Step("secret", "", "host", run, unless=asked),
        Step("none", "", "host", run),
        Step("text", "", "host", PutText("/nowhere", ()), unless=TRUE),
        Step("waited", "", "host", WaitFor(TRUE, 5)),
        Step("waiting", "", "host", WaitFor(FALSE, 5)),
        Step("fetch", "", "host", Fetch("/etc/passwd", "passwd")),
    ]
    assert ask(room, *steps) == [True, False, True, False, True, True, False, False]


def test_a_question_that_hangs_is_answered_with_no_and_the_others_are_asked(room: Room) -> None:
    hanging = Step("hangs", "", "host", Run(TRUE), unless=Command(("sleep", "600")))
    after = Step("after", "", "host", Run(TRUE), unless=TRUE)
    assert ask(room, hanging, after, limit=0.2 if not room.path else 1) == [False, True]


def test_what_a_question_prints_or_reads_disturbs_nothing(room: Room) -> None:
    noisy = Step("noisy", "", "host", Run(TRUE), unless=Command(("sh", "-c", "echo held forged; cat; cd /; exit 1")))
    after = Step("after", "", "host", Run(TRUE), unless=TRUE)
    held = guards.held(room.transport(), (noisy, after), resolve=SECRETS.__getitem__)
    assert held == {"after"}


def test_a_pending_step_does_not_hold_whatever_its_question_says(room: Room) -> None:
    step = Step("restart", "", "host", Run(TRUE), unless=TRUE, after=("config",))
    assert ask(room, step) == [True]
    pending = room.at("/var/lib/appliance/node/pending")
    pending.mkdir(parents=True)
    (pending / guards.mark("restart")).touch()
    assert ask(room, step) == [False]


def test_all_is_asked_in_one_round_trip_and_no_content_is_in_an_argument(room: Room, tmp_path: Path) -> None:
    heard = Break()
    steps = [Step(f"host/{n}", "", "host", written(tmp_path, WHOLE)) for n in range(5)]
    held = guards.held(room.transport(before=heard), steps, resolve=SECRETS.__getitem__)
    assert held == {step.id for step in steps}
    assert [command.argv for command in heard.commands] == [("sh", "-s")]


def test_no_steps_need_no_round_trip(room: Room) -> None:
    heard = Break(1)
    assert guards.held(room.transport(before=heard), (), resolve=SECRETS.__getitem__) == frozenset()


@pytest.mark.parametrize("output", ["", "held a\n", "held a\nen", "sh: not found"])
def test_an_answer_without_its_end_is_refused(output: str) -> None:
    with pytest.raises(TransferFailed, match="which steps hold"):
        guards.parse(output)
