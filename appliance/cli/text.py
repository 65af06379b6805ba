"""Text for people: nothing in it drives a terminal, columns align, and it stays readable where there is only ASCII."""

from __future__ import annotations

import codecs
import io
import os
import sys
import textwrap
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

WIDTH = 80

_ASCII = {"…": "~", "“": '"', "”": '"', "–": "-", "×": "x", "·": ".", "✓": "+", "✗": "x", "→": ">"}
"""One column for one, so that what was cut to a width stays within it."""
_POOR_FONTS = ("linux", "vt100", "vt102", "vt220", "dumb")


def printable(text: str) -> str:
    """`text` with every control character but newline and tab escaped: a bundle's words must not drive a terminal."""
    return "".join(c if c in "\n\t" or c.isprintable() else f"\\x{ord(c):02x}" for c in text)


def one_line(text: str, most: int = 0) -> str:
    """The first line of `text`, printable, cut to `most` columns (0: whole); what is left out is marked."""
    first, *more = text.strip().splitlines() or [""]
    line = printable(" ".join(first.split())) + " …" * bool(more)
    if most and width(line) > most:
        while width(line) > most - 1:
            line = line[:-1]
        line = f"{line.rstrip()}…"
    return line


def width(text: str) -> int:
    """The columns that `text` takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF") for c in text)


def table(rows: Iterable[Sequence[str]], *, heads: Sequence[str] = (), right: Sequence[int] = ()) -> list[str]:
    """Rows as lines with aligned columns, those numbered in `right` to the right; nothing when there is no row."""
    cells = [[printable(cell) for cell in row] for row in rows]
    if not cells:
        return []
    cells = [list(heads), *cells] if heads else cells
    widths = [max(map(width, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(_padded(row, widths, right)).rstrip() for row in cells]


def _padded(row: Sequence[str], widths: Sequence[int], right: Sequence[int]) -> Iterable[str]:
    for number, (cell, wide) in enumerate(zip(row, widths, strict=True)):
        space = " " * (wide - width(cell))
        yield space + cell if number in right else cell + space


def wrapped(text: str, *, first: str, rest: str = "") -> list[str]:
    """`text`, printable, as lines of at most 80 columns that begin with `first` and go on below it."""
    return textwrap.wrap(
        printable(text),
        WIDTH,
        initial_indent=first,
        subsequent_indent=rest or " " * len(first),
        break_long_words=False,
        break_on_hyphens=False,
    )


def plural(count: int, what: str) -> str:
    """``1 host``, ``3 hosts``."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def fit_streams() -> None:
    """Make stdout and stderr take every text: a file gets UTF-8, a terminal what it can show."""
    codecs.register_error("appliance.ascii", _in_ascii)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever started us
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115  (to the end)
        _fit(getattr(sys, name))


def _fit(stream: TextIO) -> None:
    if not isinstance(stream, io.TextIOWrapper):
        return
    if stream.isatty() and not _terminal_has_utf8():
        stream.reconfigure(encoding="ascii", errors="appliance.ascii")
    else:
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def _terminal_has_utf8() -> bool:
    """Whether the locale says UTF-8 and the terminal is not one that is known for a poor font."""
    if os.environ.get("TERM", "dumb") in _POOR_FONTS:
        return False
    names = (os.environ.get("LC_ALL"), _own_choice(os.environ.get("LC_CTYPE")), os.environ.get("LANG"))
    name = next((name for name in names if name), "C")
    return "utf8" in name.lower().replace("-", "")


def _own_choice(name: str | None) -> str | None:
    """``$LC_CTYPE``, unless it may be what Python itself puts there where the locale is C (PEP 538)."""
    return None if name in ("C.UTF-8", "C.utf8", "UTF-8") else name


def abandon(*streams: TextIO) -> None:
    """Let go of streams that take no more: what is left in them goes nowhere, without a word at the end."""
    for stream in streams:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    found = error.object[error.start : error.end]
    return "".join(_ASCII.get(c, c.encode("ascii", "backslashreplace").decode()) for c in found), error.end
