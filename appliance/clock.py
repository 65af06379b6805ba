"""Time and chance, injected, so that no test ever sleeps."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What the engine asks of time."""

    def now(self) -> datetime:
        """Wall-clock time, aware, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...

    def jitter(self, seconds: float) -> float:
        """`seconds`, spread by up to a quarter either way."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """See `Clock.now`."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """See `Clock.sleep`."""
        time.sleep(seconds)

    def jitter(self, seconds: float) -> float:
        """See `Clock.jitter`."""
        return seconds * random.uniform(0.75, 1.25)  # noqa: S311  (spreads retries; no secret)


def timestamp(moment: datetime) -> str:
    """An aware time as RFC 3339 in UTC with milliseconds: ``2026-01-31T10:00:00.000Z``."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
