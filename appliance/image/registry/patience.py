"""What passes with time, and how long we wait for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from appliance.clock import Clock
    from appliance.errors import ApplianceError

ATTEMPTS = 6
_FIRST_WAIT = 0.5
_LONGEST_WAIT = 30.0


class PassingFault(Exception):
    """It did not work this time; `error` is what to say when it never does, `after` how long to wait (seconds)."""

    def __init__(self, error: ApplianceError, *, after: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.after = after


class Patience:
    """Waits between the attempts of one piece of work, longer each time; after `ATTEMPTS` it is at an end."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._faults = 0

    def wait(self, fault: PassingFault) -> None:
        """Wait before the next attempt, or raise what the fault stands for."""
        self._faults += 1
        if self._faults >= ATTEMPTS:
            raise fault.error from fault
        grown = self._clock.jitter(_FIRST_WAIT * 2 ** (self._faults - 1))
        self._clock.sleep(min(max(grown, fault.after or 0.0), _LONGEST_WAIT))

    def renew(self) -> None:
        """Count from the start again: it went on."""
        self._faults = 0
