"""Events: what is written to a journal comes back as it was."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from appliance import events
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
    Stream,
    TaskFinished,
    TaskProgress,
    TaskStarted,
)

EVENTS: tuple[Event, ...] = (
    RunStarted(
        "r1", "install", "site-a", "etcd:1.0.0", "ops", ("a", "b"), (StageOutline("Send", (("a", 2), ("b", 1))),)
    ),
    StageStarted(0, "Send", ("a", "b")),
    StepStarted(0, "a", "a/send", "Send layers"),
    StepProgress(0, "a", "a/send", 5, 10),
    StepOutput(0, "a", "a/send", "grüße\n"),
    StepFinished(0, "a", "a/send", Outcome.FAILED, 1.25, "it broke", "mend it"),
    RunPaused(),
    RunResumed(),
    RunFinished(Outcome.FAILED, 2.5, (("a", "it broke"),)),
    TaskStarted("t", "Verify", 100),
    TaskProgress("t", 50, "chunk 3"),
    TaskFinished("t", Outcome.OK),
)


class _Clock:
    def now(self) -> datetime:
        return datetime(2026, 1, 31, 10, 0, 0, 123_000, tzinfo=UTC)

    def monotonic(self) -> float:
        return 0.0

    def sleep(self, seconds: float) -> None: ...

    def jitter(self, seconds: float) -> float:
        return seconds


@pytest.mark.parametrize("event", EVENTS, ids=lambda e: type(e).__name__)
def test_an_event_survives_json(event: Event) -> None:
    stamped = Stamped(7, _Clock().now(), event)
    assert events.from_json(json.loads(json.dumps(events.to_json(stamped)))) == stamped


def test_a_stream_numbers_from_one_and_hands_on_in_order() -> None:
    heard: list[Stamped] = []
    stream = Stream(_Clock(), heard.append)
    for event in EVENTS:
        stream(event)
    assert [(s.number, s.event) for s in heard] == list(enumerate(EVENTS, 1))


@pytest.mark.parametrize("document", [{}, {"event": "Nope", "n": 1, "at": ""}, {"event": "TaskFinished", "n": 1}])
def test_what_is_not_an_event_is_refused(document: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="not an event"):
        events.from_json(document)
