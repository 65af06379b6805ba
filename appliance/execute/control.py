"""What a person says to a run underway: pause, go on, cancel, stop now, retry a host."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Control:
    """Shared by those who command a run and its lanes; every method may be called from any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._paused = False
        self._cancelled = False
        self._stopped = False
        self._held: Callable[[], None] | None = None
        self._retry: Callable[[str], None] | None = None
        self._stop: Callable[[], None] | None = None

    def attach(self, *, held: Callable[[], None], retry: Callable[[str], None], stop: Callable[[], None]) -> None:
        """Let the executor hear of `retry`, of `stop`, also an earlier one, and by `held` when `paused` changes."""
        with self._changed:
            self._held, self._retry, self._stop = held, retry, stop
            stopped = self._stopped
        if stopped:
            stop()

    def pause(self) -> None:
        """Begin no further step until `resume`."""
        self._set(paused=True)

    def resume(self) -> None:
        """Go on after `pause`."""
        self._set(paused=False)

    def cancel(self) -> None:
        """Finish the steps underway, begin no other."""
        self._set(cancelled=True)

    def stop(self) -> None:
        """Let go of everything now; steps underway end as cancelled."""
        self._set(cancelled=True, stopped=True)
        if self._stop:
            self._stop()

    def retry(self, host: str) -> None:
        """Let a failed host try its failed step, and those after it, again; `StateError` when there is no such host."""
        if self._retry:
            self._retry(host)

    def _set(self, *, paused: bool | None = None, cancelled: bool = False, stopped: bool = False) -> None:
        with self._changed:
            before = self.paused
            self._paused = self._paused if paused is None else paused
            self._cancelled |= cancelled
            self._stopped |= stopped
            if self._held and self.paused != before:
                self._held()
            self._changed.notify_all()

    @property
    def paused(self) -> bool:
        """Whether no step may begin."""
        return self._paused and not self._cancelled

    @property
    def cancelled(self) -> bool:
        """Whether the run is to end before its plan does."""
        return self._cancelled

    @property
    def stopped(self) -> bool:
        """Whether it is to end at once."""
        return self._stopped

    def may_begin(self) -> bool:
        """Wait while paused; whether another step may begin."""
        with self._changed:
            self._changed.wait_for(lambda: not self.paused)
            return not self._cancelled
