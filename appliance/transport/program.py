"""A program that runs somewhere, and the one way to talk with it: feed, listen, time out, collect how it ended.

SSH and this machine each bring a `Program`; `converse` does the rest, so that both behave alike.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Protocol

from appliance.errors import TimedOut
from appliance.transport.base import CommandResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from appliance.transport.base import Command
    from appliance.transport.talk import Talk

TAIL_BYTES = 1 << 20
PIECE_BYTES = 1 << 18
_LEAVE_READER_AFTER = 1.0


class Program(Protocol):
    """A started program. `write` may be called by one thread while another calls `read`."""

    def write(self, data: bytes | memoryview) -> None:
        """Write all of `data` to standard input, waiting for room; `OSError` when it takes no more."""
        ...

    def end_input(self) -> None:
        """Standard input ends here; `OSError` when it was closed already."""
        ...

    def read(self, seconds: float) -> tuple[bytes, bytes] | None:
        """What came on standard output and error, waiting up to `seconds` for something; None once both have ended."""
        ...

    def status(self, seconds: float) -> int:
        """How it ended, as in `CommandResult`. Raises `Unreachable` if it did not within `seconds`, or nobody knows."""
        ...

    def kill(self) -> None:
        """End it if it runs; any thread may ask, and `read` and `write` return."""
        ...

    def close(self) -> None:
        """End it if it runs, and let go of it."""
        ...


@dataclass(slots=True)
class Tail:
    """The last `TAIL_BYTES` of a stream, in pieces."""

    _pieces: deque[bytes] = field(default_factory=deque)
    _size: int = 0

    def add(self, data: bytes) -> None:
        """Take the next bytes of the stream."""
        if data:
            self._pieces.append(data)
            self._size += len(data)
        while self._pieces and self._size - len(self._pieces[0]) >= TAIL_BYTES:
            self._size -= len(self._pieces.popleft())

    def text(self) -> str:
        """The tail as UTF-8, with replacement."""
        return b"".join(self._pieces)[-TAIL_BYTES:].decode(errors="replace")


class _Feeder(threading.Thread):
    """Writes a source to a program's standard input while another thread takes its output."""

    def __init__(self, program: Program, source: bytes | BinaryIO) -> None:
        super().__init__(name="stdin", daemon=True)
        self._program = program
        self._source = source
        self.error: BaseException | None = None

    def run(self) -> None:
        """Feed all; a source that fails ends the program, one that the program no longer wants is left as it is."""
        try:
            pieces = self._pieces()
            while (piece := next(pieces, None)) is not None:
                try:
                    self._program.write(piece)
                except OSError:
                    return
            with contextlib.suppress(OSError):
                self._program.end_input()
        except BaseException as error:  # noqa: BLE001  (raised again by the thread that waits for the program)
            self.error = error
            self._program.kill()

    def _pieces(self) -> Iterator[bytes | memoryview]:
        if isinstance(self._source, bytes):
            whole = memoryview(self._source)
            for start in range(0, len(whole), PIECE_BYTES):
                yield whole[start : start + PIECE_BYTES]
        else:
            while piece := self._source.read(PIECE_BYTES):
                yield piece


def converse(
    program: Program,
    command: Command,
    *,
    stdin: bytes | BinaryIO,
    output: Callable[[bytes], None] | None,
    where: str,
    talk: Talk | None,
) -> CommandResult:
    """Feed `program`, take what it writes, and say how it ended, in its `command`'s times; it is closed in any case.

    With a `talk`, input begins and errors count only when it has begun the command. Raises `Unreachable` when the time
    is over or the connection breaks, `AuthRefused` from the talk, and whatever reading `stdin` or `output` raises.
    """
    output = output or _unheard
    waiting = _Waiting(command, where)
    feeder = _Feeder(program, stdin)
    stdout, stderr = Tail(), Tail()
    begun = talk is None
    if begun:
        feeder.start()
    try:
        while (heard := program.read(waiting.left(begun=begun))) is not None:
            out, err = heard
            if talk and not begun:
                err, begun = _answered(talk, program, err)
                if begun:
                    waiting.heard()
                    feeder.start()
            stdout.add(out)
            stderr.add(err)
            if out:
                waiting.heard()
                output(out)
        status = program.status(waiting.left())
    finally:
        program.kill()
        if begun:
            feeder.join(_LEAVE_READER_AFTER)
        program.close()
    if feeder.error:
        raise feeder.error
    if talk and not begun:
        raise talk.ended()
    return CommandResult(status, stdout.text(), stderr.text())


def _unheard(data: bytes) -> None:
    pass


def _answered(talk: Talk, program: Program, said: bytes) -> tuple[bytes, bool]:
    """What of `said` is the command's own, and whether it has begun; a question is answered."""
    turn = talk.hear(said)
    if turn.answer:
        with contextlib.suppress(OSError):  # gone: the next read says so
            program.write(turn.answer)
    return turn.rest, turn.begun


class _Waiting:
    """How long a program is waited for."""

    def __init__(self, command: Command, where: str) -> None:
        self._command = command
        self._where = where
        self._heard = time.monotonic()
        self._deadline = self._heard + command.timeout

    def heard(self) -> None:
        """Note that it said something."""
        self._heard = time.monotonic()

    def left(self, *, begun: bool = True) -> float:
        """Seconds until it is waited for no longer. Raises `TimedOut` when there are none."""
        now, timeout, silence = time.monotonic(), self._command.timeout, self._command.silence
        end = min(self._deadline, self._heard + silence) if begun else self._deadline
        if now < end:
            return end - now
        hint = "see what the host is busy with"
        if now < self._deadline:
            what = f"a command that should say how far it is said nothing for {silence:g} seconds"
        elif begun:
            what = f"a command did not end within {timeout:g} seconds"
        else:
            what = f"a command did not begin within {timeout:g} seconds: becoming root takes longer"
            hint += "; sudo and su may wait for systemd-logind, or for names to be resolved"
        raise TimedOut(what, where=self._where, hint=hint)
