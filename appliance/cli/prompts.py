"""What is asked of a person: passwords, passphrases, yes or no. Without a terminal nothing is asked."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from appliance.errors import RecipeError, StateError

_MOST_BYTES = 1 << 20


def interactive() -> bool:
    """Whether there is a person at a terminal who can answer."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def confirm(question: str, *, yes: bool, refusal: str) -> None:
    """Go on if `yes` or the person says so; else `click.Abort`. Without a terminal: a usage error with `refusal`."""
    if yes:
        return
    if not interactive():
        raise click.UsageError(f"{refusal}; say --yes to do it without asking")
    click.confirm(question, abort=True, err=True)


def secret(file: str | None, variable: str, prompt: str, *, ask: bool = False) -> str | None:
    """A password: from `file`, else from ``$VARIABLE``, else, if `ask`, from the terminal, once; or None.

    ``-`` is the next line of stdin. One newline at the end is dropped. The variable is taken out of the environment, so
    that no process that we start inherits it. Raises `RecipeError` for a file that cannot be read, or holds nothing.
    """
    told = os.environ.pop(variable, None)
    if file:
        text = text_of(file, line=True)
        if not text or "\n" in text:
            what = "there is more than one line" if text else "there is no password"
            where = "stdin" if file == "-" else file
            raise RecipeError(what, where=where, hint="write the password there, on one line")
        return text
    if told is None and ask and interactive():
        answer: str = click.prompt(prompt, hide_input=True, err=True)
        return answer
    return told


def text_of(file: str, *, line: bool = False) -> str:
    """The text in `file`, without one newline at its end; ``-`` is stdin to its end, or only its next `line`.

    Raises `RecipeError` when it cannot be read.
    """
    from appliance.files import read_bounded  # noqa: PLC0415  (not needed for help)

    stdin = sys.stdin.buffer
    try:
        if file == "-":
            data = stdin.readline(_MOST_BYTES) if line else stdin.read(_MOST_BYTES)
        else:
            data = read_bounded(Path(file), _MOST_BYTES)
        return data.decode().removesuffix("\n").removesuffix("\r")
    except (OSError, UnicodeDecodeError, StateError) as error:
        why = "not UTF-8 text" if isinstance(error, UnicodeDecodeError) else getattr(error, "strerror", "too large")
        hint = f"name a readable text file of at most {_MOST_BYTES >> 10} KiB"
        raise RecipeError(f"cannot be read: {why}", where=file, hint=hint) from error
