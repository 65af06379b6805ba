"""Runs the programs that assemble a runtime, and turns their failures into sentences."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from appliance.errors import ApplianceError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def run(
    argv: Sequence[str | Path],
    *,
    folder: Path | None = None,
    feed: str = "",
    environment: Mapping[str, str] | None = None,
) -> str:
    """What the program wrote on standard output. `ApplianceError` with its last words if it fails or is not there."""
    done = attempt(argv, folder=folder, feed=feed, environment=environment)
    if done.returncode != 0:
        raise failure(argv, done)
    return done.stdout


def attempt(
    argv: Sequence[str | Path],
    *,
    folder: Path | None = None,
    feed: str = "",
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Like `run`, for a caller that judges the failure itself."""
    try:
        return subprocess.run(
            argv, cwd=folder, input=feed, env=environment, capture_output=True, text=True, errors="replace", check=False
        )
    except FileNotFoundError as error:
        raise ApplianceError(f"{argv[0]} is not installed", hint=f"install {argv[0]}") from error


def failure(argv: Sequence[str | Path], done: subprocess.CompletedProcess[str]) -> ApplianceError:
    """The error for a program that failed."""
    words = [line for line in done.stderr.splitlines() if line.strip()] or ["it said nothing"]
    return ApplianceError(f"{argv[0]} failed ({done.returncode}): {words[-1]}", hint="\n".join(words[-8:-1]))
