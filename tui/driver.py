"""The terminal's driver: an Escape is never lost, and what is written to a terminal that is gone stops nothing."""

from __future__ import annotations

import os
import select
from codecs import getincrementaldecoder
from typing import TYPE_CHECKING, cast

from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver
from textual.events import Key

if TYPE_CHECKING:
    from collections.abc import Iterable
    from io import TextIOWrapper

    from textual.app import App
    from textual.message import Message

_ESCAPE = "\x1b"
_KEY_AND_ESCAPE = 2
_BEGINNINGS = "[OP]X^_"
"""What comes after an Escape in longer codes, of keys and of a terminal's answers (ECMA-48, 5.3 and 5.6)."""
_KEYS_OF_TWO = "\t\x7f"
"""Shift-Tab on a Linux console, and Alt-Backspace, which deletes a word."""

_READ_BYTES = 4096
_TICK_SECONDS = 0.1


class TerminalDriver(LinuxDriver):
    """Textual's driver, with a reader that tells Escape from Alt, and a writer that outlives the terminal.

    Textual writes in a thread, behind a queue of thirty, and the thread ends with the first error. Then nobody empties
    the queue, and the screen waits for room in it for ever: no signal is heard any more, and the process stays.
    """

    def __init__(
        self, app: App[object], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self._file = cast("TextIOWrapper", _Lasting(cast("TextIOWrapper", self._file)))

    def run_input_thread(self) -> None:
        """Read keys until there shall be no more, or the terminal is gone; a thread of its own runs this."""
        parser, decoder = KeyParser(), getincrementaldecoder("utf-8")(errors="replace")
        while not self.exit_event.is_set():
            ready, _, _ = select.select([self.fileno], [], [], _TICK_SECONDS)
            data = self._read() if ready else None
            if data == b"":
                return
            if text := decoder.decode(data or b""):
                self._tell(parser.feed(text))
            self._tell(parser.tick())

    def _read(self) -> bytes | None:
        """What was typed; None where another program took it first, nothing from a terminal that is gone."""
        try:
            return os.read(self.fileno, _READ_BYTES)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def _tell(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self.process_message(message)


class KeyParser(XTermParser):
    """Textual's parser, for which an Escape and a key are these two, however close they come.

    A terminal says the same for Alt with a key, but nothing here has Alt. Textual drops the Alt, and so the Escape, of
    what is no letter.
    """

    def _sequence_to_key_events(self, sequence: str, alt: bool = False) -> Iterable[Key]:  # noqa: FBT001, FBT002
        key = sequence.removeprefix(_ESCAPE)
        two = len(sequence) == _KEY_AND_ESCAPE and len(key) == 1 and key not in _BEGINNINGS + _KEYS_OF_TWO
        if two or alt:
            yield Key("escape", _ESCAPE)
            sequence = key
        yield from super()._sequence_to_key_events(sequence)


class _Lasting:
    """What the writer uses of a text stream. From the stream's first error on, all is thrown away."""

    def __init__(self, stream: TextIOWrapper) -> None:
        self._stream = stream
        self._gone = False

    def write(self, text: str) -> None:
        if not self._gone:
            try:
                self._stream.write(text)
            except OSError:
                self._gone = True

    def flush(self) -> None:
        if not self._gone:
            try:
                self._stream.flush()
            except OSError:
                self._gone = True

    def fileno(self) -> int:
        return self._stream.fileno()
