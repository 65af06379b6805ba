"""Bursts of progress and output thinned to what a reader can follow, with nothing lost but repetition. Pure."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from appliance.events import Sink, StepOutput, StepProgress

if TYPE_CHECKING:
    from collections.abc import Callable

PERIOD = 0.5
"""Seconds between two events of one kind of a host; there are two kinds."""

MOST_TEXT = 16_384
"""Characters of one `StepOutput`; what is more stands in the host's log only."""


class Coalescer:
    """Between a step and the sink: the latest progress, and output put together, each at most once a `PERIOD`."""

    def __init__(self, sink: Sink, *, stage: int, host: str, step: str, monotonic: Callable[[], float]) -> None:
        self._sink = sink
        self._place = (stage, host, step)
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._progress: tuple[int, int] | None = None
        self._lines: list[str] = []
        self._progress_due = self._output_due = 0.0

    def progress(self, done: int, total: int) -> None:
        """Bytes done of a total."""
        with self._lock:
            self._progress = (done, total)
            self._emit(force=False)

    def output(self, line: str) -> None:
        """A line, masked already."""
        with self._lock:
            self._lines.append(line)
            self._emit(force=False)

    def tick(self) -> None:
        """Say what has become due, though nothing new came."""
        with self._lock:
            self._emit(force=False)

    def flush(self) -> None:
        """Say all that is held back: the step ends."""
        with self._lock:
            self._emit(force=True)

    def _emit(self, *, force: bool) -> None:
        now = self._monotonic()
        if self._lines and (force or now >= self._output_due):
            text = "\n".join(self._lines)
            self._lines.clear()
            self._output_due = now + PERIOD
            self._sink(StepOutput(*self._place, _bounded(text)))
        if self._progress and (force or now >= self._progress_due):
            done, total = self._progress
            self._progress = None
            self._progress_due = now + PERIOD
            self._sink(StepProgress(*self._place, done, total))


def _bounded(text: str) -> str:
    if len(text) <= MOST_TEXT:
        return text
    return f"… {len(text) - MOST_TEXT} characters left out\n{text[-MOST_TEXT:]}"
