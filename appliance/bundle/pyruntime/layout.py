"""What stands where in a travelling Python, and the shell that sets one up; pure facts and texts.

::

    bin/python       a real ELF program; its last bytes are zeros until it is unpacked, then its loader and library path
    lib/             the loader as ld.so, shared libraries, python3.13/ (the standard library, compiled)
    site/            third-party packages, compiled; ours, with their sources
    boot.py          where an operator's runtime starts
    loader           offset of those last bytes, and the SHA-256 of what stands before them
    files.sha256     every file but itself and bin/python, as sha256sum writes it

A runtime is moved by unpacking it again: its own path is written into ``bin/python``.
"""

from __future__ import annotations

from pathlib import Path

PYTHON = "3.13"
FILE_LIST = "files.sha256"
LOADER_FACTS = "loader"
LONGEST_ROOT = 240
"""Bytes that the absolute path of an unpacked runtime may have; its loader's path has a field of 256."""

FLAGS = ("-I", "-B", "-X", "utf8")

BOOT = '''\
"""The start of an operator's runtime: python -I -B -X utf8 boot.py BUNDLE ARGUMENT..."""
import sys
from pathlib import Path

from appliance.__main__ import main

sys.exit(main(sys.argv[2:], bundle=Path(sys.argv[1])))
'''

SITE = '''\
"""Packages lie in site/, and nothing of the machine is added."""
import sys

sys.path[:] = [entry for entry in sys.path if not entry.endswith(".zip")] + [sys.prefix + "/site"]
'''


def host_python(root: str) -> tuple[str, ...]:
    """The beginning of a command for the runtime unpacked at `root`: add ``-m module`` or a script, and arguments."""
    return (f"{root}/bin/python", *FLAGS)


def shell_functions() -> str:
    """POSIX shell functions that hash, unpack, settle and check a runtime; see ``unpack.sh``."""
    return _shell("unpack.sh")


def install_script() -> str:
    """A POSIX shell script that installs a runtime on a host, with the arguments ``TAR SHA256 ROOT``.

    `ROOT` is absolute and at most `LONGEST_ROOT` bytes. A runtime that stands there whole is kept. Exit 1 and one
    sentence on standard error otherwise.
    """
    return shell_functions() + _shell("install.sh")


STANDS = """
cd "$1" 2>/dev/null && [ "$(cat .ok 2>/dev/null)" = "$2" ] && [ -x bin/python ] || exit 1
while read -r _ name; do [ -f "$name" ] || exit 1; done <files.sha256
"""
"""A POSIX shell script that asks whether a runtime stands, with the arguments ``ROOT SHA256``: no file is missing."""


def _shell(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")
