"""Who answers by SSH in a range of addresses, and with which host keys; nobody logs in.

All addresses are knocked at together by one thread; those that answer are asked for their keys meanwhile, a few at a
time.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import resource
import selectors
import socket
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from appliance import events
from appliance.errors import Unreachable
from appliance.transport.ssh.handshake import Patience, fetch_host_keys, open_socket
from appliance.transport.ssh.way import Way

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from appliance.events import Sink
    from appliance.transport.base import Endpoint
    from appliance.transport.ssh.hostkeys import HostKey, HostKeys

_ASK_AT_ONCE = 16
_SPARE_DESCRIPTORS = 128


@dataclass(frozen=True, slots=True)
class Scanned:
    """A host that speaks SSH: its version line, the keys that it proved, and how many seconds a connection took."""

    address: str
    port: int
    banner: str
    keys: tuple[HostKey, ...]
    latency: float


def _nobody(_: Scanned) -> None:
    """Hear of no host."""


def scan(
    addresses: Iterable[str],
    *,
    hear: Callable[[Scanned], None] = _nobody,
    port: int = 22,
    timeout: float = 2.0,
    key_timeout: float = 5.0,
    at_once: int = 1024,
    sink: Sink = events.silent,
) -> tuple[Scanned, ...]:
    """Find the hosts that speak SSH on `port` of `addresses` (IP addresses), in their order, each once.

    An address that does not answer within `timeout` seconds is left out, and so is one that does not speak SSH, or
    takes more than `key_timeout` seconds for a key exchange.
    At most `at_once` sockets are open, fewer if this process may not have as many. `hear` gets each host when it is
    found, in the same order.
    """
    wanted = list(dict.fromkeys(addresses))
    asked: dict[str, Future[Scanned | None]] = {}

    def ask(address: str, latency: float) -> Scanned | None:
        with contextlib.suppress(Unreachable):
            banner, keys = _keys(address, port, Patience(connect=key_timeout))
            return Scanned(address, port, banner, keys, latency)
        return None

    with ThreadPoolExecutor(max_workers=_ASK_AT_ONCE) as pool:
        with events.task(sink, "scan", f"Look for SSH on port {port}", total=len(wanted), unit="hosts") as count:
            for address, latency in _knock(wanted, port, timeout=timeout, at_once=_allowed(at_once), count=count):
                asked[address] = pool.submit(ask, address, latency)
        with events.task(sink, "host-keys", "Ask for host keys", total=len(asked), unit="hosts") as count:
            return tuple(_heard([asked[each] for each in wanted if each in asked], hear, count))


def _heard(
    asked: Iterable[Future[Scanned | None]], hear: Callable[[Scanned], None], count: Callable[[int], None]
) -> Iterator[Scanned]:
    for answer in asked:
        if scanned := answer.result():
            hear(scanned)
            yield scanned
        count(1)


def _keys(address: str, port: int, patience: Patience) -> tuple[str, tuple[HostKey, ...]]:
    def dial() -> socket.socket:
        return open_socket(address, port, patience=patience)

    return fetch_host_keys(dial, patience=patience, where=f"{address}:{port}")


def keys_of(
    endpoints: Iterable[Endpoint], host_keys: HostKeys, *, timeout: float = 5.0, sink: Sink = events.silent
) -> tuple[tuple[Endpoint, tuple[HostKey, ...]], ...]:
    """The keys that hosts prove, each asked over its own way; jump hosts on it are entered, and must be believed.

    A host that does not answer is left out. Raises what entering a jump host raises, but `Unreachable`.
    """
    wanted = list(endpoints)
    way = Way(host_keys, patience=Patience(connect=timeout))
    with (
        events.task(sink, "host-keys", "Ask for host keys", total=len(wanted), unit="hosts") as count,
        ThreadPoolExecutor(max_workers=_ASK_AT_ONCE) as pool,
    ):

        def ask(endpoint: Endpoint) -> tuple[HostKey, ...]:
            keys: tuple[HostKey, ...] = ()
            with contextlib.suppress(Unreachable):
                keys = way.shown_keys(endpoint)
            count(1)
            return keys

        found = tuple(zip(wanted, pool.map(ask, wanted), strict=True))
    return tuple((endpoint, keys) for endpoint, keys in found if keys)


def _allowed(at_once: int) -> int:
    """How many sockets may be open; as many as asked for, where this process may allow itself that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = at_once + _SPARE_DESCRIPTORS
    if resource.RLIM_INFINITY != soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(1, min(at_once, soft - _SPARE_DESCRIPTORS)) if soft != resource.RLIM_INFINITY else at_once


@dataclass(frozen=True, slots=True)
class _Knock:
    """A connection on its way: to where, and since when."""

    address: str
    since: float


def _knock(
    addresses: list[str], port: int, *, timeout: float, at_once: int, count: Callable[[int], None]
) -> Iterator[tuple[str, float]]:
    """The addresses where a connection to `port` is made, with the seconds that it takes."""
    waiting = deque(addresses)
    with selectors.DefaultSelector() as doors:
        try:
            while waiting or doors.get_map():
                _begin(doors, waiting, port=port, at_once=at_once)
                for key in _settled(doors, timeout):
                    doors.unregister(key.fileobj)
                    with cast("socket.socket", key.fileobj) as link:
                        if _connected(link):
                            yield key.data.address, time.monotonic() - key.data.since
                    count(1)
        finally:
            for key in doors.get_map().values():
                cast("socket.socket", key.fileobj).close()


def _begin(doors: selectors.BaseSelector, waiting: deque[str], *, port: int, at_once: int) -> None:
    """Begin as many connections as there may be. One that fails at once counts as begun: it settles at once."""
    while waiting and len(doors.get_map()) < at_once:
        address = waiting.popleft()
        link = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        link.setblocking(False)  # noqa: FBT003  (the socket module's way)
        try:
            full = link.connect_ex((address, port)) == errno.ENOBUFS
        except OSError:  # a name without an address
            full = False
        if full and doors.get_map():  # the kernel's table of neighbours: some must give up first
            link.close()
            waiting.appendleft(address)
            return
        doors.register(link, selectors.EVENT_WRITE, _Knock(address, time.monotonic()))


def _settled(doors: selectors.BaseSelector, timeout: float) -> list[selectors.SelectorKey]:
    """Connections that were made or refused, and those that have had their time; waits until there is one."""
    oldest = next(iter(doors.get_map().values())).data.since
    ready = {key.fd: key for key, _ in doors.select(max(0.0, oldest + timeout - time.monotonic()))}
    late = itertools.takewhile(lambda key: key.data.since + timeout <= time.monotonic(), doors.get_map().values())
    return list((ready | {key.fd: key for key in late}).values())


def _connected(link: socket.socket) -> bool:
    try:
        link.getpeername()
    except OSError:
        return False
    return True
