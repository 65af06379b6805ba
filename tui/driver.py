"""The terminal's driver: what is written to a terminal that is gone goes to nobody, and stops nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from textual.drivers.linux_driver import LinuxDriver

if TYPE_CHECKING:
    from io import TextIOWrapper

    from textual.app import App


class TerminalDriver(LinuxDriver):
    """Textual's driver, whose writer outlives the terminal.

    Textual writes in a thread, behind a queue of thirty, and the thread ends with the first error. Then nobody empties
    the queue, and the screen waits for room in it for ever: no signal is heard any more, and the process stays.
    """

    def __init__(
        self, app: App[object], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self._file = cast("TextIOWrapper", _Lasting(cast("TextIOWrapper", self._file)))


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
