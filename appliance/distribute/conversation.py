"""How the operator's side talks with `hostside`: bytes go in on its standard input, JSON lines come back."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance import errors
from appliance.distribute import words
from appliance.errors import ApplianceError, TransferFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from _typeshed import WriteableBuffer

    from appliance.transport.base import Command, Transport


@dataclass(frozen=True, slots=True)
class Ack:
    """What the host says underway: bytes `done` of all, and what it is at."""

    done: int
    detail: str = ""


def _unexpected(message: object) -> None:
    raise TypeError(f"nobody asked for {message}")


def converse(
    transport: Transport,
    command: Command,
    stdin: bytes | PieceStream,
    *,
    heard: Callable[[Ack], None] = _unexpected,
    spoken: Callable[[words.Report], None] = _unexpected,
) -> None:
    """Run a `hostside` command to its good end; `heard` gets how far it is, `spoken` what a peer says.

    Raises the error that the host names, `TransferFailed` when it ends without a word, and what reading `stdin` raises.
    """
    lines = _Lines(heard, spoken)
    result = transport.run(command, stdin=stdin, output=lines.feed)  # type: ignore[arg-type]
    if lines.error:
        raise lines.error
    if not (result.ok and lines.ended):
        last = result.stderr.strip().splitlines()[-1:] or [f"status {result.status}"]
        raise TransferFailed(f"the helper on the host did not finish: {last[0]}", hint="run the command again")


class PieceStream(io.RawIOBase):
    """An iterator of bytes as a stream; what the iterator raises, reading raises."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        super().__init__()
        self._pieces = pieces
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """See `io.RawIOBase`."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """See `io.RawIOBase`."""
        view = memoryview(buffer).cast("B")
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        count = min(len(view), len(self._rest))
        view[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


class _Lines:
    """Cuts the host's output into lines and reads them."""

    def __init__(self, heard: Callable[[Ack], None], spoken: Callable[[words.Report], None]) -> None:
        self._heard = heard
        self._spoken = spoken
        self._partial = b""
        self.ended = False
        self.error: ApplianceError | None = None

    def feed(self, data: bytes) -> None:
        *lines, self._partial = (self._partial + data).split(b"\n")
        if len(self._partial) > words.LONGEST_LINE:
            raise TransferFailed("the helper on the host answers with something else than its messages")
        for line in lines:
            self._line(line)

    def _line(self, line: bytes) -> None:
        try:
            message = json.loads(line)
            if "error" in message:
                self.error = _restored(message["error"])
            elif "end" in message:
                self.ended = True
            elif "word" in message:
                self._spoken(words.report(message))
            else:
                self._heard(Ack(int(message["done"]), str(message.get("detail", ""))))
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            text = line[:80].decode(errors="replace")
            raise TransferFailed(f"the helper on the host says something unknown: {text!r}") from error


_KINDS = {
    kind.__name__: kind
    for kind in (ApplianceError, errors.BundleError, errors.VerificationError, TransferFailed, errors.StateError)
}


def _restored(error: dict[str, str]) -> ApplianceError:
    kind = _KINDS.get(error["kind"], ApplianceError)
    return kind(error["message"], hint=error.get("hint", ""))
