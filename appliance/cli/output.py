"""The only place that prints: results on stdout, everything for people on stderr."""

from __future__ import annotations

import enum
import re
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from appliance.cli.text import abandon, printable
from appliance.errors import ApplianceError

if TYPE_CHECKING:
    from collections.abc import Callable

    import click

    from appliance.events import Event, Sink, Stamped, Stream


class Format(enum.StrEnum):
    """What stdout is."""

    TEXT = "text"
    JSON = "json"
    JSONL = "jsonl"


class _Lines:
    """A `Sink` that prints events as JSON lines, numbered through the whole command."""

    def __init__(self) -> None:
        self._stream: Stream | None = None

    def __call__(self, event: Event) -> None:
        if self._stream is None:
            from appliance.clock import SystemClock  # noqa: PLC0415  (not needed for help)
            from appliance.events import Stream  # noqa: PLC0415

            self._stream = Stream(SystemClock(), _print_event)
        self._stream(event)


@dataclass(frozen=True, slots=True)
class Output:
    """How this command line speaks; `program` is what people type to start it."""

    format: Format = Format.TEXT
    quiet: bool = False
    verbose: bool = False
    color: bool = True
    program: str = "appliance"
    _lines: _Lines = field(default_factory=_Lines, repr=False)
    _displays: ExitStack = field(default_factory=ExitStack, repr=False)

    @property
    def for_people(self) -> bool:
        """Whether stdout is text."""
        return self.format is Format.TEXT

    def result(self, document: object, text: str | Callable[[], str]) -> None:
        """Print the one result: `document` for machines, `text` for people. `ApplianceError` when it cannot be."""
        rendered = self._rendered(document, text)
        try:
            if rendered:
                print(rendered, flush=True)
        except BrokenPipeError:
            raise
        except OSError as error:
            abandon(sys.stdout)
            raise ApplianceError(f"cannot write the result: {error.strerror}") from error

    def _rendered(self, document: object, text: str | Callable[[], str]) -> str:
        if self.for_people:
            return text if isinstance(text, str) else text()
        return _as_json(document, indent=2 if self.format is Format.JSON else None)

    def say(self, text: str) -> None:
        """Tell people something, on stderr."""
        if not self.quiet:
            print(printable(text), file=sys.stderr, flush=True)

    def warn(self, text: str) -> None:
        """Tell people something that they must see even when quiet."""
        print(self._said("warning", text, _YELLOW), file=sys.stderr, flush=True)

    def sink(self) -> Sink:
        """Where a long function's events go: JSON lines on stdout, or progress on stderr."""
        if self.format is Format.JSONL:
            return self._lines
        if self.quiet:
            return _nothing
        from appliance.cli.progress import Progress  # noqa: PLC0415  (not needed for help)

        progress = Progress(color=self.color, verbose=self.verbose)
        self._displays.callback(progress.close)
        return progress

    def close(self) -> None:
        """Take down what is still drawn: a command that was interrupted leaves the terminal as it was."""
        self._displays.close()

    def stamped(self) -> Callable[[Stamped], None]:
        """Where the events of a journal go: JSON lines on stdout as they were written, or nowhere."""
        return _print_event if self.format is Format.JSONL else _nothing

    def fail(self, error: ApplianceError) -> int:
        """Say what failed, where, and what to do next; the exit code."""
        self._error(error.kind, error.message, hint=error.hint, where=error.where)
        return error.exit_code

    def usage(self, error: click.UsageError) -> int:
        """Say what was wrong with the command line; 2."""
        command = error.ctx.command_path if error.ctx else self.program
        message = error.format_message().removesuffix(".")
        self._error("UsageError", message, hint=f"see {command} --help", where="" if self.for_people else command)
        return 2

    def _error(self, kind: str, message: str, *, hint: str, where: str) -> None:
        self.close()
        hint = re.sub(_COMMAND, rf"\g<1>{self.program} ", hint)
        if self.for_people:
            print(self._said("error", f"{where}: {message}" if where else message, _RED), file=sys.stderr)
            if hint:
                print(f"  hint: {printable(hint)}", file=sys.stderr, flush=True)
        else:
            error = {"kind": kind, "message": message, "hint": hint, "where": where}
            print(self._rendered({"error": error}, ""), flush=True)

    def _said(self, word: str, text: str, color: str) -> str:
        marked = f"{color}{word}:{_PLAIN}" if self.color and sys.stderr.isatty() else f"{word}:"
        return f"{marked} {printable(text)}"


_RED, _YELLOW, _PLAIN = "\x1b[31m", "\x1b[33m", "\x1b[0m"
_COMMAND = "(^|[`':] ?)appliance (?=[a-z])"


def _print_event(stamped: Stamped) -> None:
    from appliance.events import to_json  # noqa: PLC0415  (not needed for help)

    print(_as_json(to_json(stamped)), flush=True)


def _as_json(document: object, indent: int | None = None) -> str:
    import json  # noqa: PLC0415  (not needed for help)

    return json.dumps(document, indent=indent, ensure_ascii=sys.stdout.encoding == "ascii")


def _nothing(event: object) -> None:
    """Quiet."""
