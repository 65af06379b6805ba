"""The terminal: whether the guide can be drawn on it, which characters it can show, and what is said afterwards."""

from __future__ import annotations

import codecs
import os
import sys
import unicodedata
from typing import TYPE_CHECKING

from appliance.errors import ApplianceError
from appliance.report.text import plain
from tui import calls, texts

if TYPE_CHECKING:
    from tui.engine import Engine

_POOR = ("linux", "vt100", "vt102", "vt220")
_COLOURLESS = ("vt100", "vt102", "vt220")
_FAULT = 1
_ONE_FOR_ONE = {
    "…": "~",
    "“": '"',
    "”": '"',
    "–": "-",
    "—": "-",
    "×": "x",
    "·": ".",
    "→": ">",
    "‹": "<",
    "›": ">",
    "≥": ">",
    "≤": "<",
    "•": "*",
    "●": "*",
    "○": "o",
    "▶": ">",
    "▼": "v",
    "▲": "^",
    "◀": "<",
    "⏎": "<",
}


def start(engine: Engine) -> int:
    """Run the guide on this process's terminal; the exit code. `ApplianceError` when the terminal cannot show it."""
    term = os.environ.get("TERM", "dumb")
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise ApplianceError(texts.NO_TERMINAL, hint="the commands do the same without one: --help")
    if term in ("dumb", "unknown", ""):
        raise ApplianceError(texts.DUMB_TERMINAL.format(term=term), hint="set TERM to what it is, such as vt100")
    if poor(term, next(filter(None, map(os.environ.get, ("LC_ALL", "LC_CTYPE", "LANG"))), "")):
        _fit()
    if term in _COLOURLESS:
        os.environ["NO_COLOR"] = "1"
    from tui.app import Guide  # noqa: PLC0415  (reads from the environment what the terminal can do)

    guide = Guide(engine, terminal=sys.stdin.fileno())
    status = guide.run(mouse=term not in _POOR)
    if guide.crash is not None:
        _say_crash(engine, guide.crash)
        return _FAULT
    if status == guide.SIGNALLED:
        _last_word(texts.ENDED)
    return status or 0


def poor(term: str, locale: str) -> bool:
    """Whether a terminal shows nothing but ASCII: by its kind, or because the locale does not say UTF-8."""
    return term in _POOR or "utf8" not in locale.lower().replace("-", "")


def in_ascii(text: str) -> str:
    """`text` with one ASCII character for each column that it takes."""
    return "".join(letter if letter.isascii() else _ascii(letter) for letter in text)


def _ascii(letter: str) -> str:
    if letter in _ONE_FOR_ONE:
        return _ONE_FOR_ONE[letter]
    name = unicodedata.name(letter, "")
    if name.startswith("BOX DRAWINGS"):
        words = set(name.split())
        if "HORIZONTAL" in words and not words & {"VERTICAL", "UP", "DOWN"}:
            return "-"
        return "|" if "VERTICAL" in words and not words & {"HORIZONTAL", "LEFT", "RIGHT"} else "+"
    if "BLOCK" in name or "SHADE" in name or "QUADRANT" in name:
        return "#" if "LIGHT" not in name else " "
    if unicodedata.combining(letter):
        return ""
    base = unicodedata.normalize("NFKD", letter)[0]
    shown = base if base.isascii() else "?"
    return shown * (2 if unicodedata.east_asian_width(letter) in "WF" else 1)


def _fit() -> None:
    """Write to the terminal in ASCII, whatever is drawn."""
    codecs.register_error("appliance.guide", _replaced)
    stream = sys.__stderr__
    if stream is not None and hasattr(stream, "reconfigure"):
        stream.reconfigure(encoding="ascii", errors="appliance.guide")


def _replaced(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return in_ascii(error.object[error.start : error.end]), error.end


def _say_crash(engine: Engine, crash: Exception) -> None:
    if os.environ.get("APPLIANCE_DEBUG"):
        raise crash
    journal = calls.runs.last_journal(engine)
    where = texts.CRASHED_JOURNAL.format(journal=journal) if journal else ""
    said = texts.CRASHED.format(error=plain(f"{type(crash).__name__}: {crash}"), where=where)
    _last_word(said)


def _last_word(text: str) -> None:
    """Say something to whoever is still there."""
    try:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
    except OSError:  # the terminal is gone; so that Python, too, writes to nobody when it ends
        nobody = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nobody, 1)
        os.dup2(nobody, 2)
