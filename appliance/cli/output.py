"""The only place that prints: results on stdout, everything for people on stderr."""

from __future__ import annotations

import enum
import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import click

    from appliance.errors import ApplianceError
    from appliance.events import Sink, Stamped


class Format(enum.StrEnum):
    """What stdout is."""

    TEXT = "text"
    JSON = "json"
    JSONL = "jsonl"


@dataclass(frozen=True, slots=True)
class Output:
    """How this command line speaks."""

    format: Format = Format.TEXT
    quiet: bool = False
    verbose: bool = False
    color: bool = True

    @property
    def for_people(self) -> bool:
        """Whether stdout is text."""
        return self.format is Format.TEXT

    def result(self, document: object, text: str | Callable[[], str]) -> None:
        """Print the one result: `document` for machines, `text` for people."""
        if self.format is Format.TEXT:
            rendered = text if isinstance(text, str) else text()
            if rendered:
                print(rendered)
        else:
            print(json.dumps(document, indent=2 if self.format is Format.JSON else None, ensure_ascii=False))
        sys.stdout.flush()

    def say(self, text: str) -> None:
        """Tell people something, on stderr."""
        if not self.quiet:
            print(printable(text), file=sys.stderr, flush=True)

    def warn(self, text: str) -> None:
        """Tell people something that they must see even when quiet."""
        print(f"warning: {printable(text)}", file=sys.stderr, flush=True)

    def sink(self) -> Sink:
        """Where a long function's events go: JSON lines on stdout, or progress on stderr."""
        if self.format is Format.JSONL:
            from appliance.clock import SystemClock  # noqa: PLC0415  (not needed for help)
            from appliance.events import Stream  # noqa: PLC0415

            return Stream(SystemClock(), _print_event)
        if self.quiet:
            return _nothing
        from appliance.cli.progress import Progress  # noqa: PLC0415  (rich is slow to import)

        return Progress(color=self.color, verbose=self.verbose)

    def stamped(self) -> Callable[[Stamped], None]:
        """Where the events of a journal go: JSON lines on stdout as they were written, or nowhere."""
        return _print_event if self.format is Format.JSONL else _nothing

    def fail(self, error: ApplianceError) -> int:
        """Say what failed, where, and what to do next; the exit code."""
        if self.format is Format.TEXT:
            print(f"error: {printable(str(error))}", file=sys.stderr)
            if error.hint:
                print(f"  hint: {printable(error.hint)}", file=sys.stderr)
        else:
            print(json.dumps({"error": error_document(error)}, ensure_ascii=False))
        sys.stderr.flush()
        sys.stdout.flush()
        return error.exit_code

    def usage(self, error: click.UsageError) -> int:
        """Say what was wrong with the command line; 2."""
        message = error.format_message()
        command = error.ctx.command_path if error.ctx else "appliance"
        hint = f"see {command} --help"
        if self.format is Format.TEXT:
            print(f"error: {printable(message)}\n  hint: {hint}", file=sys.stderr)
        else:
            print(json.dumps({"error": {"kind": "UsageError", "message": message, "hint": hint, "where": command}}))
        return 2


def error_document(error: ApplianceError) -> Mapping[str, Any]:
    """An error as machines get it."""
    return {"kind": error.kind, "message": error.message, "hint": error.hint, "where": error.where}


def printable(text: str) -> str:
    """`text` with every control character but newline and tab escaped: a bundle's words must not drive a terminal."""
    return "".join(c if c in "\n\t" or c.isprintable() else f"\\x{ord(c):02x}" for c in text)


def _print_event(stamped: Stamped) -> None:
    from appliance.events import to_json  # noqa: PLC0415  (not needed for help)

    print(json.dumps(to_json(stamped), ensure_ascii=False), flush=True)


def _nothing(event: object) -> None:
    """Quiet."""
