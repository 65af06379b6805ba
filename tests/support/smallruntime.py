"""A runtime of a few kilobytes, laid out as real ones are: for tests of its ways and places."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from appliance.bundle.pyruntime.archive import Packed, pack
from appliance.files import write_bytes

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = b"a program".ljust(4096, b".")
NAMES = ("lib/ld.so", "lib/libc.so", "site/a.py", "site/b/c.py")


def content(name: str) -> bytes:
    """What a file of `NAMES` holds."""
    return name.encode() * 1000


def small_runtime(folder: Path, tar: Path) -> Packed:
    """Write it to `tar`; its files lie in `folder`."""
    files = {name: folder / name for name in (*NAMES, "bin/python", "loader")}
    for name in NAMES:
        write_bytes(files[name], content(name), mode=0o644)
    write_bytes(files["bin/python"], PROGRAM + bytes(512), mode=0o755)
    write_bytes(files["loader"], f"4096 {hashlib.sha256(PROGRAM).hexdigest()}\n".encode())
    return pack(files, tar)
