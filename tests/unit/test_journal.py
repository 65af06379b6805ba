"""The journal on disk: appended, read, followed, torn by a power cut, damaged by others."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from appliance.clock import SystemClock
from appliance.errors import StateError
from appliance.events import Event, Outcome, RunFinished, Stamped, StepFinished, StepOutput, StepStarted
from appliance.execute import journal
from appliance.execute.journal import Journal

if TYPE_CHECKING:
    from pathlib import Path

AT = datetime(2026, 11, 23, 6, tzinfo=UTC)
EVENTS: tuple[Event, ...] = (
    StepStarted(0, "a", "a/1", "Write “ä”\nand more"),
    StepOutput(0, "a", "a/1", "line\u2028 \x00"),
    StepFinished(0, "a", "a/1", Outcome.OK, 0.25),
    RunFinished(Outcome.OK, 1.5, (("a", "why"),)),
)
STAMPED = tuple(Stamped(number, AT, event) for number, event in enumerate(EVENTS, 1))


def write(path: Path, *stamped: Stamped) -> None:
    with Journal(path) as opened:
        for each in stamped:
            opened.write(each)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    write(path, *STAMPED)
    assert tuple(journal.read(path)) == STAMPED
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_bytes().count(b"\n") == len(STAMPED)


def test_a_journal_torn_at_any_byte_gives_its_whole_lines_and_can_be_continued(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    write(whole, *STAMPED)
    data = whole.read_bytes()
    for cut in range(len(data) + 1):
        path = tmp_path / "torn"
        path.write_bytes(data[:cut])
        lines = data[:cut].count(b"\n")
        assert tuple(journal.read(path)) == STAMPED[:lines]
        with Journal(path) as opened:
            assert opened.next_number == lines + 1
            opened.write(Stamped(opened.next_number, AT, EVENTS[0]))
        assert [stamped.number for stamped in journal.read(path)] == list(range(1, lines + 2))


def test_there_is_nothing_to_read_where_there_is_no_journal(tmp_path: Path) -> None:
    assert list(journal.read(tmp_path / "none")) == []


@pytest.mark.parametrize("line", [b"{}\n", b"[]\n", b"x\n", b'{"n":1,"at":"never","event":"RunFinished"}\n', b"\xff\n"])
def test_a_line_that_is_no_event_is_refused_with_its_place(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "journal.jsonl"
    write(path, STAMPED[0])
    path.write_bytes(path.read_bytes() + line)
    with pytest.raises(StateError, match=r"journal\.jsonl before byte \d+"):
        list(journal.read(path))
    with pytest.raises(StateError):
        Journal(path)


class Script(SystemClock):
    """Each time somebody waits, the next thing happens."""

    def __init__(self, *happenings: object) -> None:
        self.happenings = list(happenings)

    def sleep(self, seconds: float) -> None:
        happening = self.happenings.pop(0)
        if callable(happening):
            happening()


def test_a_follower_sees_what_comes_and_ends_with_the_run(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    clock = Script(
        lambda: write(path, STAMPED[0]),
        None,
        lambda: path.write_bytes(path.read_bytes() + b'{"n":2,'),
        lambda: write(path, STAMPED[1]),
        lambda: write(path, *STAMPED[2:]),
    )
    assert tuple(journal.follow(path, alive=lambda: True, clock=clock)) == STAMPED
    assert clock.happenings == []


def test_a_follower_ends_when_the_worker_is_dead_having_read_its_last_words(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    write(path, STAMPED[0])
    lives = [True, False]

    def alive() -> bool:
        living = lives.pop(0)
        if not living:
            write(path, STAMPED[1])
        return living

    assert tuple(journal.follow(path, alive=alive, clock=Script(None))) == STAMPED[:2]
