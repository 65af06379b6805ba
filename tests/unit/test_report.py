"""The one fold of a run's events, and what is rendered from it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest

from appliance.errors import StateError
from appliance.events import (
    Event,
    Outcome,
    RunFinished,
    RunPaused,
    RunResumed,
    RunStarted,
    StageOutline,
    StageStarted,
    Stamped,
    StepFinished,
    StepOutput,
    StepProgress,
    StepStarted,
    TaskStarted,
)
from appliance.operations.carry_out import require_done
from appliance.report.document import to_document
from appliance.report.html import to_html
from appliance.report.result import report_of
from appliance.report.text import WIDTH, duration, to_text
from appliance.report.view import OUTPUT_LINES, RunView, fold, view_of

AT = datetime(2026, 11, 23, 6, tzinfo=UTC)
EVIL = '<script>alert("x")</script>\x1b[31m\u202e'
START = RunStarted(
    run="20261123T060000.000Z-apply",
    operation="apply",
    cluster="site-a",
    image="sha256:0f",
    operator="ann@desk",
    hosts=("etcd-1", "etcd-2"),
    stages=(
        StageOutline("Send", (("etcd-1", 1), ("etcd-2", 1))),
        StageOutline("Start", (("etcd-1", 1), ("etcd-2", 1)), destructive=True),
    ),
)
MIDDLE: tuple[Event, ...] = (
    START,
    StageStarted(0, "Send", ("etcd-1", "etcd-2")),
    StepStarted(0, "etcd-1", "etcd-1/send", "Send the layers"),
    StepStarted(0, "etcd-2", "etcd-2/send", "Send the layers"),
    StepProgress(0, "etcd-1", "etcd-1/send", 0, 1000),
    StepProgress(0, "etcd-1", "etcd-1/send", 250, 1000),
    StepFinished(0, "etcd-2", "etcd-2/send", Outcome.SKIPPED, 1.5),
    StepOutput(0, "etcd-1", "etcd-1/send", "one\ntwo"),
)
END: tuple[Event, ...] = (
    StepFinished(0, "etcd-1", "etcd-1/send", Outcome.OK, 6.0),
    StageStarted(1, "Start", ("etcd-1", "etcd-2")),
    StepStarted(1, "etcd-1", "etcd-1/start", "Start etcd"),
    StepStarted(1, "etcd-2", "etcd-2/start", "Start etcd"),
    StepFinished(1, "etcd-1", "etcd-1/start", Outcome.OK, 1.0),
    StepFinished(1, "etcd-2", "etcd-2/start", Outcome.FAILED, 3.0, f"status 1: {EVIL}", "look at the journal"),
    RunFinished(Outcome.FAILED, 16.0, (("etcd-2", f"status 1: {EVIL}"),)),
)


def stamped(*events: Event) -> list[Stamped]:
    return [Stamped(number, AT + timedelta(seconds=number - 1), event) for number, event in enumerate(events, 1)]


def view(*events: Event) -> RunView:
    return view_of(stamped(*events))


def test_a_view_tells_whether_the_run_is_paused() -> None:
    assert not view(*MIDDLE).paused
    assert view(*MIDDLE, RunPaused()).paused
    assert not view(*MIDDLE, RunPaused(), RunResumed()).paused
    assert not view(*MIDDLE, RunPaused(), *END).paused


def test_a_view_tells_what_is_underway_how_fast_and_how_long_still() -> None:
    seen = view(*MIDDLE)
    host = seen.host("etcd-1")
    assert host.current is not None
    assert (host.current.title, host.current.done, host.current.total) == ("Send the layers", 250, 1000)
    assert host.current.rate == 250.0
    assert host.current.seconds_left == 3.0
    assert host.output == ("one", "two")
    assert seen.host("etcd-2").current is None
    assert (seen.done, seen.total) == (1, 4)
    assert seen.stage is not None
    assert seen.stage.title == "Send"
    assert seen.outcome is None
    assert seen.seconds == 7.0


def test_a_view_tells_how_it_ended_and_why() -> None:
    seen = view(*MIDDLE, *END)
    assert seen.outcome is Outcome.FAILED
    failure = seen.host("etcd-2").failure
    assert failure is not None
    assert (failure.title, failure.hint) == ("Start etcd", "look at the journal")
    assert seen.host("etcd-1").failure is None
    assert seen.done == 3


def test_a_retried_step_counts_once_and_forgets_its_failure() -> None:
    again = (
        StepStarted(1, "etcd-2", "etcd-2/start", "Start etcd"),
        StepFinished(1, "etcd-2", "etcd-2/start", Outcome.OK, 1.0),
    )
    seen = view(*MIDDLE, *END[:-1], *again)
    assert seen.host("etcd-2").failure is None
    assert seen.done == seen.total == 4
    assert len(seen.host("etcd-2").steps) == 3


def test_an_event_that_was_seen_already_and_one_of_a_stranger_change_nothing() -> None:
    seen = view(*MIDDLE)
    assert fold(seen, stamped(*MIDDLE)[2]) is seen
    stranger = StepStarted(0, "nobody", "nobody/x", "x")
    assert fold(seen, Stamped(99, AT, stranger)).hosts == seen.hosts
    assert fold(seen, Stamped(99, AT, TaskStarted("t", "T"))).hosts == seen.hosts


def test_a_view_remembers_only_the_end_of_a_hosts_output() -> None:
    lines = [StepOutput(0, "etcd-1", "etcd-1/send", f"line {number}") for number in range(100)]
    assert view(*MIDDLE, *lines).host("etcd-1").output == tuple(f"line {n}" for n in range(100 - OUTPUT_LINES, 100))


def test_folding_leaves_the_former_view_as_it_was() -> None:
    first = view(*MIDDLE)
    before = repr(first)
    for each in stamped(*MIDDLE, *END)[len(MIDDLE) :]:
        fold(first, each)
    assert repr(first) == before


TEXT = """\
apply of site-a: FAILED, 1 of 2 hosts in 14 s

  Send                                                 2 of 2 steps       7.0 s
  Start                                                1 of 2 steps       5.0 s

  etcd-1  ok      2 of 2 steps        7.0 s
  etcd-2  FAILED  1 of 2 steps        4.5 s

  etcd-2 at “Start etcd”: status 1: <script>alert("x")</script> [31m
    next: look at the journal

run 20261123T060000.000Z-apply by ann@desk, begun 2026-11-23T06:00:00.000Z
journal /runs/x/journal.jsonl
"""


def test_the_report_as_text() -> None:
    assert to_text(report_of(view(*MIDDLE, *END), journal=Path("/runs/x/journal.jsonl"))) == TEXT


def test_what_should_be_known_of_a_step_that_went_well_is_in_all_reports() -> None:
    known = f"doubtful: {EVIL}"
    noted = StepFinished(0, "etcd-1", "etcd-1/send", Outcome.OK, 6.0, known)
    report = report_of(view(*MIDDLE, noted))
    assert "  etcd-1 at “Send the layers”: doubtful: <script>" in to_text(report)
    assert "at “Send the layers”: doubtful: &lt;script&gt;" in to_html(report)
    assert to_document(report)["hosts"][0]["steps"][0]["detail"] == known


def test_no_report_is_wider_than_a_terminal() -> None:
    long = StepFinished(1, "etcd-2", "etcd-2/start", Outcome.FAILED, 3.0, "word " * 100, "next " * 50)
    wide = RunStarted(**{**_fields(START), "stages": (StageOutline("Title " * 30, (("etcd-1", 1000),)),)})
    text = to_text(report_of(view(wide, *MIDDLE[1:], *END[:-2], long, END[-1])))
    assert max(len(line) for line in text.splitlines()) <= WIDTH


def _fields(event: RunStarted) -> dict[str, object]:
    return {name: getattr(event, name) for name in event.__dataclass_fields__}


def test_a_run_without_an_end_is_told_as_such() -> None:
    text = to_text(report_of(view(*MIDDLE)))
    assert text.startswith("apply of site-a: not finished, 0 of 2 hosts in 7.0 s\n")
    assert "not begun" in text


def test_a_run_that_was_refused_ends_as_state_of_others_and_says_who() -> None:
    why = "leased by eva@desk for run r1"
    refused = (
        StepStarted(-1, "etcd-2", "etcd-2/connect", "Connect"),
        StepFinished(-1, "etcd-2", "etcd-2/connect", Outcome.FAILED, 0.1, why, "wait for that run"),
        RunFinished(Outcome.REFUSED, 0.2, (("etcd-2", why),)),
    )
    report = report_of(view(START, *refused))
    assert to_text(report).startswith("apply of site-a: refused, nothing was changed, 0 of 2 hosts")
    with pytest.raises(StateError) as caught:
        require_done(report)
    assert caught.value.message == f"apply of site-a did not begin: etcd-2: {why}"
    assert caught.value.hint == "wait for that run"


def test_the_report_as_json_can_be_read_by_machines() -> None:
    document = json.loads(json.dumps(to_document(report_of(view(*MIDDLE, *END)))))
    assert document["outcome"] == "failed"
    assert document["started"] == "2026-11-23T06:00:00.000Z"
    assert [host["outcome"] for host in document["hosts"]] == ["ok", "failed"]
    assert document["hosts"][0]["steps"][0] == {
        "stage": 0,
        "id": "etcd-1/send",
        "title": "Send the layers",
        "started": "2026-11-23T06:00:02.000Z",
        "outcome": "ok",
        "seconds": 6.0,
        "detail": "",
        "hint": "",
    }
    assert document["stages"][1]["destructive"] is True


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_the_page_needs_nothing_else_and_runs_nothing() -> None:
    text = to_html(report_of(view(*MIDDLE, *END), journal=Path("/runs/x/journal.jsonl")))
    page = Page(text)
    names = {tag for tag, _ in page.tags}
    assert names.isdisjoint({"script", "link", "img", "iframe", "object", "a"})
    assert not any(name in ("src", "href") or name.startswith("on") for _, attrs in page.tags for name in attrs)
    assert "url(" not in text
    assert "&lt;script&gt;" in text
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e]", text)
    assert sum(tag == "rect" for tag, _ in page.tags) == 4
    assert "prefers-color-scheme: dark" in text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0 s"), (0.44, "0.4 s"), (12.4, "12 s"), (59.7, "1 min 00 s"), (185, "3 min 05 s"), (7620, "2 h 07 min")],
)
def test_durations_are_written_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text
