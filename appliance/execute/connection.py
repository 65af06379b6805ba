"""A lane's line to its host: opened when it is needed, leased, and opened again when it broke."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from appliance.errors import ApplianceError, Unreachable
from appliance.execute import lease
from appliance.execute.lease import Leased, Owner, never
from appliance.transport.base import Command

if TYPE_CHECKING:
    from collections.abc import Callable

    from appliance.clock import Clock
    from appliance.transport.base import Connect, Endpoint, Transport

BACK_OFF = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Seconds before each further attempt to reach a host that was reached before: a reboot fits in."""

_GOING_DOWN = """
command -v systemctl >/dev/null 2>&1 || exit 1
case $(systemctl is-system-running 2>/dev/null) in stopping | unknown | '') ;; *) exit 1 ;; esac
"""
_LEAVING_SECONDS = 120.0
"""How long a host may take to go down: systemd gives each of its services 90 seconds."""


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms hosts are leased: to whom, whose lease may be resumed, and whether any other is taken over."""

    owner: Owner
    may_resume: Callable[[Owner], bool] = field(default=never)
    seize: bool = False


class Connection:
    """Belongs to one lane; only `break_off` may be called from another thread."""

    def __init__(
        self, endpoint: Endpoint, *, connect: Connect, terms: Terms, clock: Clock, stopped: Callable[[], bool]
    ) -> None:
        self._endpoint = endpoint
        self._connect = connect
        self._terms = terms
        self._clock = clock
        self._stopped = stopped
        self._lock = threading.Lock()
        self._open: contextlib.ExitStack | None = None
        self._transport: Transport | None = None
        self._leased_before = False

    def transport(self) -> Transport:
        """The open, leased line. A host reached before is tried again for a while.

        Raises `Unreachable`, `AuthRefused`, `HostKeyChanged`, or `StateError` when another run leases the host.
        """
        if self._transport is not None:
            return self._transport
        delays = BACK_OFF if self._leased_before else ()
        for delay in delays:
            try:
                return self._enter()
            except Unreachable:
                self._nap(delay)
        return self._enter()

    def _enter(self) -> Transport:
        if self._stopped():
            raise Unreachable("the run was stopped")
        with contextlib.ExitStack() as stack:
            transport = stack.enter_context(self._connect(self._endpoint))
            with self._lock:
                self._open = stack.pop_all()  # from now on it can be broken off, also while an old command is awaited
        try:
            lease.take(
                transport,
                self._terms.owner,
                clock=self._clock,
                may_resume=self._terms.may_resume,
                seize=self._terms.seize and not self._leased_before,
            )
        except BaseException:
            self.break_off()
            raise
        self._transport = transport
        self._leased_before = True
        return transport

    def _nap(self, seconds: float) -> None:
        """Wait, in pieces that let a stop through."""
        until = self._clock.monotonic() + self._clock.jitter(seconds)
        while not self._stopped() and (left := until - self._clock.monotonic()) > 0:
            self._clock.sleep(min(left, 0.5))

    def leased(self, *, pending: str, marks: tuple[str, ...] = (), done: str = "") -> Leased:
        """The line as what changes the host must use: every command recorded. See `Leased` for `marks` and `done`."""
        return Leased(self.transport(), self._terms.owner.run, pending, marks, done)

    def end_command(self) -> None:
        """End the command that runs on the host, if the host can be reached."""
        with contextlib.suppress(ApplianceError):
            lease.settle(self.transport(), patience=0)

    def left(self) -> bool:
        """Whether the host is going down, so that what failed there says nothing; then it has gone on return.

        A connection may outlive the file systems: programs and data are missing then that will be back.
        """
        until = self._clock.monotonic() + _LEAVING_SECONDS
        try:
            while self._transport is not None and self._transport.run(Command.shell(_GOING_DOWN)).ok:
                if self._stopped() or self._clock.monotonic() > until:
                    return False
                self._nap(1.0)
        except Unreachable:
            return True
        except ApplianceError:
            return False
        return False

    def drop(self) -> None:
        """Let go of a line that broke."""
        self._transport = None
        self.break_off()

    def break_off(self) -> None:
        """Cut the line, from any thread: what waits on it raises `Unreachable`."""
        with self._lock:
            stack, self._open = self._open, None
        if stack:
            with contextlib.suppress(ApplianceError, OSError):
                stack.close()

    def leave(self) -> None:
        """Give the lease back and close. A host that cannot be reached keeps it; a later run of ours resumes it."""
        if self._transport is not None:
            with contextlib.suppress(ApplianceError):
                lease.release(self._transport, self._terms.owner.run)
        self.drop()
