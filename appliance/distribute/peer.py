"""A host as a peer: it takes blobs from the operator or from another peer, checks each unit, and gives them away.

The operator says over the host's own connection what is right (hashes of units) and from whom to take; see `words`. A
thread hears it, one takes blobs, one brings them to the disk, one says how far they are, and each peer that takes from
here has one.
"""

from __future__ import annotations

import contextlib
import os
import queue
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING, BinaryIO

from appliance.digest import Digest
from appliance.distribute import words
from appliance.distribute.keypair import KeyPair
from appliance.distribute.listener import Listener, own_address
from appliance.distribute.node import make_home
from appliance.distribute.pace import Pace
from appliance.distribute.partial import Partial, sweep
from appliance.distribute.standing import Standing
from appliance.distribute.words import (
    Data,
    End,
    Hashes,
    Identity,
    Leave,
    Lost,
    Moved,
    Ping,
    Ready,
    Request,
    Start,
    Take,
    Want,
)
from appliance.errors import ApplianceError, TransferFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from appliance.distribute.node import Node

CONNECT_SECONDS = 5.0
REPORT_SECONDS = 0.5
SETTLE_SECONDS = 1.0
"""Between two times that what has come is brought to the disk."""
SILENCE_SECONDS = 45.0
"""An operator that is not heard for so long is gone, though nobody closed its connection."""


class _Left(Exception):
    """The operator said to take from another."""


class _Lied(Exception):
    """A unit was not what it should be."""


class Peer:
    """One host's part in one distribution; `say` may be called by any of its threads."""

    def __init__(self, node: Node, start: Start, *, say: Callable[[words.Report], None]) -> None:
        make_home(node)
        sweep(node.blobs, {name for name, _ in start.blobs})
        self._say = say
        self._partials = {name: Partial(node.blobs, Digest(name), size) for name, size in start.blobs}
        self._wanted = [partial for partial in self._partials.values() if not partial.complete]
        self._standing = Standing(node, dict(start.layers))
        self._start = start
        self._keys = KeyPair()
        self._client: ssl.SSLContext | None = None
        self._takes: queue.SimpleQueue[tuple[int, Take]] = queue.SimpleQueue()
        self._over: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        self._changed = threading.Condition()
        self._leaves = 0
        self._line: socket.socket | None = None
        self._at: Partial | None = None
        self._twice = 0
        self._ended = False
        self._heard = time.monotonic()
        self._listener, self._deaf = _listener(start)

    def run(self, source: BinaryIO) -> None:
        """Be a peer until the operator says that it is over. Raises what kept it from having all blobs."""
        has = tuple(name for name, partial in self._partials.items() if partial.complete)
        self._say(Ready(self._keys.request, self._deaf, has, own_address(self._start.address)))
        for work in (lambda: self._hear(source), self._take_all, self._settle, self._report):
            threading.Thread(target=self._guarded, args=(work,), daemon=True).start()
        if error := self._over.get():
            raise error
        self._standing.finish()
        self._say(self._moved())

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except (ApplianceError, OSError, ValueError, KeyError, TypeError) as error:
            self._over.put(error)

    # What the operator says

    def _hear(self, source: BinaryIO) -> None:
        while line := source.readline(words.LONGEST_LINE):
            self._heard = time.monotonic()
            match words.parse(line):
                case End():
                    self._over.put(None)
                    return
                case Identity() as identity:
                    self._identify(identity)
                case Hashes(blob, first, hashes):
                    self._partials[blob].learn(first, bytes.fromhex(hashes))
                case Take() as take:
                    self._takes.put((self._leaves, take))
                case Leave():
                    self._leave()
                case Data(blob, offset, size):
                    self._data(self._partials[blob], offset, source.read(size))
                case Ping():
                    pass
                case word:
                    raise ValueError(f"not an order: {type(word).__name__}")
        raise TransferFailed("the connection ended before all blobs had come", hint="run the command again")

    def _identify(self, identity: Identity) -> None:
        def context(purpose: ssl.Purpose) -> ssl.SSLContext:
            return self._keys.context(purpose, certificate=identity.certificate, authority=identity.authority)

        self._client = context(ssl.Purpose.SERVER_AUTH)
        if self._listener:
            serving = context(ssl.Purpose.CLIENT_AUTH)
            self._listener.serve(serving, self._partials, Pace(self._start.bandwidth))

    def _leave(self) -> None:
        with self._changed:
            self._leaves += 1
            if self._line:
                _cut(self._line)
            self._changed.notify_all()

    def _data(self, partial: Partial, offset: int, data: bytes) -> None:
        if offset != partial.verified or not partial.accept(data):
            raise TransferFailed(
                f"bytes of blob {partial.digest.short} arrived that are not the named ones",
                hint="run the command again",
            )
        with self._changed:
            self._changed.notify_all()

    # Taking

    def _take_all(self) -> None:
        for partial in self._wanted:
            self._at = partial
            partial.recheck()
            self._standing.follow(partial)
            while partial.verified < partial.size:
                self._say(Want(partial.digest.hex, partial.verified))
                self._take(partial)
            partial.finish()
        self._ended = True
        self._say(self._moved())

    def _take(self, partial: Partial) -> None:
        leaves, take = self._takes.get()
        try:
            if take.name:
                self._pull(partial, take, leaves)
            else:
                self._await_operator(partial, leaves)
        except _Left:
            return
        except _Lied:
            self._say(Lost(take.name, "it sent other bytes than it should", lied=True))
        except OSError as error:
            if self._leaves == leaves:
                self._say(Lost(take.name, _reason(error)))

    def _await_operator(self, partial: Partial, leaves: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: partial.verified == partial.size or self._leaves != leaves)

    def _pull(self, partial: Partial, take: Take, leaves: int) -> None:
        if self._client is None:
            raise ValueError("an order to take from a peer came before a certificate")
        with (
            socket.create_connection((take.address, take.port), timeout=CONNECT_SECONDS) as plain,
            self._client.wrap_socket(plain, server_hostname=take.name) as line,
        ):
            line.sendall(words.line(Request(partial.digest.hex, partial.verified)))
            line.settimeout(None)  # what it has to give may be long in coming; the operator sees to that
            self._hold(line, leaves)
            try:
                self._units(line, partial)
            finally:
                self._hold(None, self._leaves)

    def _hold(self, line: socket.socket | None, leaves: int) -> None:
        """Make `line` the one that `Leave` cuts."""
        with self._changed:
            if leaves != self._leaves:
                raise _Left
            self._line = line

    def _units(self, line: ssl.SSLSocket, partial: Partial) -> None:
        buffer = bytearray(words.UNIT_BYTES)
        while size := partial.next_bytes():
            unit, came = memoryview(buffer)[:size], 0
            try:
                while came < size:
                    more = line.recv_into(unit[came:])
                    if not more:
                        raise ConnectionError("it closed the connection")
                    came += more
            except OSError:
                self._twice += came
                raise
            if not partial.accept(unit):
                self._twice += size
                raise _Lied

    def _settle(self) -> None:
        """Keep the disk up with what comes, on a thread of its own: a slow disk holds up no byte for others."""
        while not self._ended:
            time.sleep(SETTLE_SECONDS)
            if self._at:
                self._at.settle()

    # Saying how far it is

    def _report(self) -> None:
        while True:
            time.sleep(REPORT_SECONDS)
            self._say(self._moved())
            if time.monotonic() - self._heard > SILENCE_SECONDS:
                raise TransferFailed("the operator is not heard any more", hint="run the command again")

    def _moved(self) -> Moved:
        at = self._at
        return Moved(
            done=sum(partial.verified for partial in self._wanted),
            blob=at.digest.hex if at else "",
            offset=at.verified if at else 0,
            sent=self._listener.sent if self._listener else 0,
            twice=self._twice,
            ended=self._ended,
        )


def _listener(start: Start) -> tuple[Listener | None, str]:
    """What listens, or why nothing does: such a peer takes, and gives nothing."""
    try:
        return Listener(start.address, start.port), ""
    except OSError as error:
        return None, f"port {start.port}: {_reason(error)}"


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is refused: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return "no answer"
    return os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)


def _cut(line: socket.socket) -> None:
    """End what waits on `line` in another thread; `ssl.SSLSocket.shutdown` would pull its TLS from under it."""
    with contextlib.suppress(OSError):
        socket.socket.shutdown(line, socket.SHUT_RDWR)
