"""The way to a host and in: straight or through jump hosts, its key checked before anything is said about us.

A connection to a jump host is shared by all hosts behind it, so that many hosts at once are one login there. It is
open as long as one of them is reached through it, and opened anew when it broke.
"""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from appliance.clock import SystemClock
from appliance.errors import TransportError, Unreachable
from appliance.transport.ssh.auth import log_in
from appliance.transport.ssh.channels import settle
from appliance.transport.ssh.handshake import (
    HungUp,
    Patience,
    fetch_host_keys,
    handshake,
    host_key_kinds,
    open_socket,
    shown_key,
)
from appliance.transport.ssh.through import Through, watched

if TYPE_CHECKING:
    from collections.abc import Iterator

    import paramiko

    from appliance.clock import Clock
    from appliance.transport.base import Endpoint
    from appliance.transport.ssh.handshake import Link
    from appliance.transport.ssh.hostkeys import HostKey, HostKeys

_PAUSES = (0.5, 1.0, 2.0)
"""Seconds before each further attempt at an sshd that hung up without a word: it has too many guests (MaxStartups)."""


@dataclass(slots=True)
class _Held:
    """An open connection to a jump host, and how many use it."""

    connection: paramiko.Transport
    stack: contextlib.ExitStack
    users: int = 0


@dataclass(slots=True)
class _Gate:
    """A jump host: who opens it, and how it went."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    held: _Held | None = None
    failures: int = 0
    failure: TransportError | None = None


class Way:
    """How hosts are reached and entered; any number of threads may use one."""

    def __init__(self, known_hosts: HostKeys, *, patience: Patience, clock: Clock | None = None) -> None:
        self._known_hosts = known_hosts
        self._patience = patience
        self._clock = clock or SystemClock()
        self._gates: dict[Endpoint, _Gate] = {}
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def entered(self, endpoint: Endpoint) -> Iterator[paramiko.Transport]:
        """A logged-in connection. Raises what `connect` raises."""
        with contextlib.ExitStack() as stack:
            if endpoint.jumps:
                jump = stack.enter_context(self._shared(endpoint))
                link = Through.dial(jump, endpoint, patience=self._patience)
                transport = stack.enter_context(self._shaken(link, endpoint))
                log_in(transport, endpoint)
                settle(transport, where=endpoint.place)  # until then silence is no sign
                stack.enter_context(watched(transport, link, patience=self._patience))
            else:
                transport = self._patiently(endpoint, stack)
                log_in(transport, endpoint)
            yield transport

    def shown_keys(self, endpoint: Endpoint) -> tuple[HostKey, ...]:
        """All keys that the host proves; nobody logs in there, but at its jump hosts. Raises what `connect` raises."""
        with contextlib.ExitStack() as stack:
            jump = stack.enter_context(self._shared(endpoint)) if endpoint.jumps else None

            def dial() -> Link:
                return Through.dial(jump, endpoint, patience=self._patience) if jump else self._dial(endpoint)

            legacy = endpoint.unsafe_legacy_algorithms
            _, keys = fetch_host_keys(dial, patience=self._patience, where=endpoint.place, unsafe_legacy=legacy)
            return keys

    def _dial(self, endpoint: Endpoint) -> Link:
        return open_socket(endpoint.reach or endpoint.address, endpoint.port, patience=self._patience)

    def _patiently(self, endpoint: Endpoint, stack: contextlib.ExitStack) -> paramiko.Transport:
        for pause in _PAUSES:
            try:
                return stack.enter_context(self._shaken(self._dial(endpoint), endpoint))
            except HungUp:
                self._clock.sleep(self._clock.jitter(pause))
        return stack.enter_context(self._shaken(self._dial(endpoint), endpoint))

    @contextlib.contextmanager
    def _shaken(self, link: Link, endpoint: Endpoint) -> Iterator[paramiko.Transport]:
        """Keys are exchanged, and the host's is believed."""
        address, port = endpoint.address, endpoint.port
        known = self._known_hosts
        kinds = host_key_kinds(known.pinned(address, port), certified=bool(known.authorities(address, port)))
        legacy = endpoint.unsafe_legacy_algorithms
        with handshake(link, kinds, patience=self._patience, where=endpoint.place, unsafe_legacy=legacy) as transport:
            known.check(address, port, shown_key(transport), carried=endpoint.fingerprints)
            yield transport

    @contextlib.contextmanager
    def _shared(self, endpoint: Endpoint) -> Iterator[paramiko.Transport]:
        """The connection to the last jump host before `endpoint`."""
        jump = replace(endpoint.jumps[-1], jumps=endpoint.jumps[:-1])
        with self._lock:
            gate = self._gates.setdefault(jump, _Gate())
        held = self._take(gate, jump)
        try:
            yield held.connection
        finally:
            with gate.lock:
                held.users -= 1
                if not held.users:
                    gate.held = None if gate.held is held else gate.held
                    held.stack.close()

    def _take(self, gate: _Gate, jump: Endpoint) -> _Held:
        failures = gate.failures
        with gate.lock:
            if gate.failure and gate.failures > failures:  # while we waited: once is enough
                raise type(gate.failure)(gate.failure.message, hint=gate.failure.hint, where=gate.failure.where)
            if gate.held is None or not gate.held.connection.is_active():
                gate.held = self._open(gate, jump)
            gate.held.users += 1
            return gate.held

    def _open(self, gate: _Gate, jump: Endpoint) -> _Held:
        try:
            with contextlib.ExitStack() as stack:
                connection = stack.enter_context(self.entered(jump))
                settle(connection, where=jump.place)
                return _Held(connection, stack.pop_all())
        except TransportError as error:
            if isinstance(error, Unreachable):
                error = Unreachable(f"the jump host: {error.message}", hint=error.hint, where=error.where)
            gate.failures, gate.failure = gate.failures + 1, error
            raise error from error.__cause__
