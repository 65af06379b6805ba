"""Whether this machine runs programs of a platform: its own, and what binfmt_misc hands to an emulator.

Source: Linux, Documentation/admin-guide/binfmt-misc.rst; ELF gABI, § ELF Header (``e_machine``).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.image.oci import Platform

if TYPE_CHECKING:
    from collections.abc import Mapping

REGISTERED = Path("/proc/sys/fs/binfmt_misc")
_ELF = "7f454c46"
_MACHINE = slice(36, 40)
_MACHINES: Mapping[str, str] = {"amd64": "3e00", "arm64": "b700"}


def host_platform() -> Platform:
    """The platform of this machine; `RecipeError` for one that no cluster image is built for."""
    return Platform.parse(f"linux/{os.uname().machine}")


def runs(platform: Platform, *, registered: Path | None = None) -> bool:
    """Whether a program of `platform` starts here; `registered` is where binfmt_misc is mounted, if not as usual."""
    folder = registered or REGISTERED
    return platform == host_platform() or any(
        _takes(entry, _MACHINES[platform.architecture])
        for entry in (sorted(folder.iterdir()) if folder.is_dir() else ())
        if entry.name not in ("register", "status")
    )


def _takes(entry: Path, machine: str) -> bool:
    """Whether a registered format is enabled and takes ELF programs of a machine."""
    try:
        lines = entry.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return False
    magic = next((line.removeprefix("magic ") for line in lines if line.startswith("magic ")), "")
    return lines[:1] == ["enabled"] and magic.startswith(_ELF) and magic[_MACHINE] == machine
