"""Bursts of events thinned out, by a clock that the test turns."""

from __future__ import annotations

from appliance.events import Event, StepOutput, StepProgress
from appliance.execute.coalesce import MOST_TEXT, PERIOD, Coalescer


class Bench:
    def __init__(self) -> None:
        self.now = 100.0
        self.said: list[Event] = []
        self.coalescer = Coalescer(self.said.append, stage=1, host="a", step="a/x", monotonic=lambda: self.now)


def test_at_most_four_events_a_second_leave_and_the_last_progress_is_the_true_one() -> None:
    bench = Bench()
    for tick in range(1000):
        bench.now = 100.0 + tick / 1000
        bench.coalescer.progress(tick, 1000)
        bench.coalescer.output(f"line {tick}")
    assert len(bench.said) <= 4
    bench.coalescer.flush()
    assert bench.said[-1] == StepProgress(1, "a", "a/x", 999, 1000)


def test_no_line_is_lost_and_order_is_kept() -> None:
    bench = Bench()
    for number in range(100):
        bench.now += 0.03
        bench.coalescer.output(f"line {number}")
    bench.coalescer.flush()
    text = "\n".join(event.text for event in bench.said if isinstance(event, StepOutput))
    assert text.split("\n") == [f"line {number}" for number in range(100)]


def test_what_is_held_back_comes_when_it_is_due_though_nothing_new_does() -> None:
    bench = Bench()
    bench.coalescer.output("first")
    bench.coalescer.output("second")
    bench.coalescer.tick()
    assert [event.text for event in bench.said if isinstance(event, StepOutput)] == ["first"]
    bench.now += PERIOD
    bench.coalescer.tick()
    assert [event.text for event in bench.said if isinstance(event, StepOutput)] == ["first", "second"]
    bench.coalescer.tick()
    assert len(bench.said) == 2


def test_a_flood_is_cut_to_its_end_and_says_so() -> None:
    bench = Bench()
    bench.coalescer.output("x" * MOST_TEXT + "the end")
    event = bench.said[0]
    assert isinstance(event, StepOutput)
    assert event.text.startswith("… 7 characters left out\n")
    assert event.text.endswith("the end")
    assert len(event.text) < MOST_TEXT + 40
