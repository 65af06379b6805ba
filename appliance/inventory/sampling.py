"""How fast bytes reach a host from here: random bytes over the connection that is there, kept nowhere.

The host counts what it reads, and says so piece by piece; each piece waits for that. What counts is how long the
largest took, less what one byte takes; but no less than half of it: on a busy machine one byte may take as long.
"""

from __future__ import annotations

import io
import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.transport.base import Command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from _typeshed import WriteableBuffer

    from appliance.clock import Clock
    from appliance.transport.base import Transport

MOST_BYTES = 4 << 20
"""Of a sample, all in all."""
_FIRST_BYTES = 1 << 16
_GROWTH = 4
_LONG_ENOUGH_SECONDS = 0.25
_PATIENCE_SECONDS = 20.0
_BLOCK = 1 << 16
_LEAST_SECONDS = 1e-4

_COUNT = """
PATH=$PATH:/usr/sbin:/usr/bin:/sbin:/bin
while read -r size && [ "$size" -gt 0 ]; do head -c "$size" | wc -c; done
"""


def _unpaced(size: int) -> None:
    """Hold nothing back."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece that arrived: its bytes, and when it went and was confirmed, in the clock's seconds."""

    size: int
    began: float
    ended: float

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended - self.began


def alone(transport: Transport, *, clock: Clock, pace: Callable[[int], None] = _unpaced) -> float:
    """Bytes a second to a host to which nobody else sends; 0 if it cannot be told.

    `pace` returns when so many bytes more may leave. Raises what `Transport.run` raises.
    """

    def sizes(done: list[Piece]) -> int:
        if len(done) < 2:  # noqa: PLR2004  (one byte, then the first piece)
            return _FIRST_BYTES if done else 1
        left = MOST_BYTES - sum(piece.size for piece in done)
        enough = done[-1].seconds - done[0].seconds >= _LONG_ENOUGH_SECONDS
        return 0 if enough else max(0, min(left, _GROWTH * done[-1].size))

    return rate(_send(transport, sizes, clock=clock, pace=pace))


def together(
    transport: Transport, size: int, *, clock: Clock, start: threading.Barrier, pace: Callable[[int], None] = _unpaced
) -> tuple[Piece, ...]:
    """Send `size` bytes when all that share `start` are ready; the pieces, of which the first is one byte.

    Raises what `Transport.run` raises.
    """

    def sizes(done: list[Piece]) -> int:
        if len(done) == 1:
            try:
                start.wait(_PATIENCE_SECONDS)
            except threading.BrokenBarrierError:
                return 0
            return size
        return 0 if done else 1

    return tuple(_send(transport, sizes, clock=clock, pace=pace))


def rate(pieces: Sequence[Piece]) -> float:
    """Bytes a second by the best of the large pieces, as what else goes on only slows them down.

    The first of `pieces` is one byte; 0 if there is no other.
    """
    if len(pieces) < 2:  # noqa: PLR2004  (one byte, and another piece)
        return 0.0
    first, *rest = pieces
    large = [piece for piece in rest if _GROWTH * piece.size >= max(one.size for one in rest)]
    return max(piece.size / _without(first.seconds, piece.seconds) for piece in large)


def joint_rate(sent: Sequence[Sequence[Piece]]) -> float:
    """Bytes a second that went over several lines at once; 0 unless all pieces of all lines arrived."""
    if not sent or any(len(pieces) < 2 for pieces in sent):  # noqa: PLR2004  (one byte, and another piece)
        return 0.0
    last = [pieces[-1] for pieces in sent]
    seconds = max(piece.ended for piece in last) - min(piece.began for piece in last)
    return sum(piece.size for piece in last) / _without(min(each[0].seconds for each in sent), seconds)


def _without(waiting: float, seconds: float) -> float:
    return max(_LEAST_SECONDS, seconds / 2, seconds - waiting)


def _send(
    transport: Transport, sizes: Callable[[list[Piece]], int], *, clock: Clock, pace: Callable[[int], None]
) -> list[Piece]:
    stream = _Pieces(sizes, clock, pace)
    transport.run(Command.shell(_COUNT), stdin=stream, output=stream.heard)  # type: ignore[arg-type]
    return stream.done


class _Pieces(io.RawIOBase):
    """What is sent: a line with a size, so many bytes, and nothing more until the host has counted them."""

    def __init__(self, sizes: Callable[[list[Piece]], int], clock: Clock, pace: Callable[[int], None]) -> None:
        super().__init__()
        self._sizes, self._clock, self._pace = sizes, clock, pace
        self._counted = threading.Semaphore(0)
        self._blocks = self._sending()
        self._said = b""
        self._began = 0.0
        self._size = 0
        self.done: list[Piece] = []

    def readable(self) -> bool:
        """See `io.RawIOBase`."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """See `io.RawIOBase`."""
        block = next(self._blocks, b"")
        memoryview(buffer).cast("B")[: len(block)] = block
        return len(block)

    def heard(self, data: bytes) -> None:
        """Take what the host says: how many bytes it has counted, a line for each piece."""
        *lines, self._said = (self._said + data).split(b"\n")
        for line in lines:
            if line.strip() == str(self._size).encode():
                self.done.append(Piece(self._size, self._began, self._clock.monotonic()))
                self._counted.release()

    def _sending(self) -> Iterator[bytes]:
        noise = os.urandom(_BLOCK)
        while size := self._sizes(self.done):
            self._size, self._began = size, self._clock.monotonic()
            yield b"%d\n" % size
            for start in range(0, size, _BLOCK):
                self._pace(min(_BLOCK, size - start))
                yield noise[: size - start]
            if not self._counted.acquire(timeout=_PATIENCE_SECONDS):
                return
