"""What is asked of a person: passwords, passphrases, yes or no. Without a terminal nothing is asked."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from appliance.errors import RecipeError


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
    """A password: from `file` (``-`` is stdin), else from ``$VARIABLE``, else, if `ask`, from the terminal; or None.

    One newline at the end is dropped. Raises `RecipeError` for a file that cannot be read.
    """
    if file == "-":
        return sys.stdin.readline().removesuffix("\n")
    if file:
        try:
            return Path(file).read_text().removesuffix("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise RecipeError(f"cannot read a password from {file}", hint="name a readable text file") from error
    if variable in os.environ:
        return os.environ[variable]
    if ask and interactive():
        answer: str = click.prompt(prompt, hide_input=True, err=True)
        return answer
    return None
