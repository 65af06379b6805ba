"""Paths as an operator types them, of which any may be none."""

from __future__ import annotations

from pathlib import Path


def path(text: str) -> Path:
    """`text` as a path, with a home for its ``~``; that of somebody unknown stays as it is, and names no file."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)


def is_file(named: Path) -> bool:
    """Whether it is a file that can be reached; what is too long for a path, such as many addresses, is none."""
    try:
        return named.is_file()
    except OSError:
        return False
