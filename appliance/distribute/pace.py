"""How fast bytes may leave."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Pace:
    """Shared by all that send over one link; `bandwidth` is in bits a second, 0 for no limit."""

    def __init__(
        self,
        bandwidth: int,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._bytes_a_second = bandwidth / 8
        self._monotonic = monotonic
        self._sleep = sleep
        self._lock = threading.Lock()
        self._free = 0.0

    def wait(self, size: int) -> None:
        """Return when `size` bytes more may go; who asks first goes first."""
        if not self._bytes_a_second:
            return
        with self._lock:
            now = self._monotonic()
            start = max(self._free, now)
            self._free = start + size / self._bytes_a_second
        if start > now:
            self._sleep(start - now)
