"""Folders that can be made again, of which the last used are kept."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

KEEP = 4


def used(folder: Path) -> None:
    """Note that `folder` is in use now, and remove its older siblings of the same stem (up to the last ``-``).

    The `KEEP` that were used last stay, so one that another process was just given does not go away.
    """
    os.utime(folder)
    stem = folder.name.rpartition("-")[0]
    siblings = sorted(folder.parent.glob(f"{stem}-*"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for old in siblings[KEEP:]:
        shutil.rmtree(old, ignore_errors=True)
