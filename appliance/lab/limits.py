"""A limit of this machine's kernel that several hosts at once would meet."""

from __future__ import annotations

import contextlib
from pathlib import Path

_WATCHERS = Path("/proc/sys/fs/inotify/max_user_instances")
_ENOUGH = 8192


def raise_watchers() -> None:
    """Let root have enough inotify instances for every host's systemd; the value stays raised until a restart.

    Debian's 128 are used up by some sixteen hosts: then systemd no longer sees when units end.
    """
    with contextlib.suppress(OSError, ValueError):  # where it may not be raised, few hosts do all the same
        if int(_WATCHERS.read_text()) < _ENOUGH:
            _WATCHERS.write_text(f"{_ENOUGH}\n")
