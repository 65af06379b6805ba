"""A permanent `appliance` on this machine, out of a bundle that was verified: what later bundles are judged by.

It is the bundle's own Python for operators, unpacked where root alone may write, and a program of one line that starts
it. What stands there under another digest stays; the program then starts the new one.
"""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from appliance import files
from appliance.bundle.pyruntime import layout
from appliance.bundle.pyruntime.lock import ARCHITECTURES
from appliance.bundle.pyruntime.selection import RuntimeKind
from appliance.errors import ApplianceError, StateError

if TYPE_CHECKING:
    from appliance.bundle.verify import VerifiedBundle
    from appliance.digest import Digest

PREFIX = Path("/usr/local")


@dataclass(frozen=True, slots=True)
class InstalledTool:
    """The program, the folder of its Python, and the digest of what that was unpacked from."""

    program: Path
    folder: Path
    digest: Digest


def install(bundle: VerifiedBundle, prefix: Path = PREFIX) -> InstalledTool:
    """Put ``bin/appliance`` and ``lib/appliance/<digest>/`` below `prefix`, an absolute path.

    `BundleError` when the bundle has no Python for this machine; `StateError` when another program is called so;
    `ApplianceError` when there is no room or no right to write.
    """
    machine = platform.machine()
    runtime = bundle.manifest.runtime(ARCHITECTURES.get(machine, machine), RuntimeKind.OPERATOR.value)
    folder = prefix / "lib" / "appliance" / runtime.digest.hex[:16]
    program = prefix / "bin" / "appliance"
    if program.exists() and _MARK not in program.read_bytes():
        raise StateError(f"{program} is another program", hint="name another place with --prefix")
    with files.disk_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".appliance-", dir=folder.parent) as name:
        tar = Path(name) / "tar"
        with bundle.open(runtime.digest) as source, files.new_file(tar) as out, files.disk_errors(tar):
            files.copy(cast("BinaryIO", source), out)
        _unpack(tar, runtime.digest, folder)
    words = shlex.join([*layout.host_python(str(folder)), "-m", "appliance"])
    files.write_bytes(program, b'#!/bin/sh\n%s\nexec %s "$@"\n' % (_MARK, os.fsencode(words)), mode=0o755)
    return InstalledTool(program, folder, runtime.digest)


_MARK = b"# appliance install-tool"


def _unpack(tar: Path, digest: Digest, folder: Path) -> None:
    command = ["sh", "-c", layout.install_script(), "install-tool", str(tar), digest.hex, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ApplianceError(
            f"the program cannot be installed: {done.stderr.strip() or 'the shell says no more'}", where=str(folder)
        )
