"""What goes into a travelling Python of each kind, and what of it stays at home; pure.

Libraries are not listed: those that the chosen programs and modules need come along, and nothing else does.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from appliance.bundle.pyruntime.lock import Kind, Lock, normalised

if TYPE_CHECKING:
    from pathlib import PurePosixPath

    from appliance.bundle.pyruntime.lock import Pin

DEBS = (
    "libbz2-1.0",
    "libc6",
    "libexpat1",
    "libffi8",
    "libgcc-s1",
    "liblzma5",
    "libpython3.13-minimal",
    "libpython3.13-stdlib",
    "libssl3t64",
    "libstdc++6",
    "libzstd1",
    "python3.13-minimal",
    "zlib1g",
)

LOADED_BY_NAME = ("libgcc_s.so.1",)
"""Libraries that are opened by name when a thread ends, without being linked."""


SWARM_REQUIREMENTS = ("libtorrent>=2.1",)
"""What hosts need to swarm (PEP 508); no Python carries it."""
_SWARM_WHEELS = frozenset({"libtorrent"})
_SWARM_DEBS = frozenset({"libstdc++6"})
_SHARED_DEBS = frozenset({"libc6"})


class RuntimeKind(StrEnum):
    """Who runs it: the operator's machine everything, a target host only what receives and unpacks.

    The last one is no Python, but a part for that of hosts, by which they swarm; a bundle has it if it is asked for.
    """

    OPERATOR = "operator"
    HOST = "host"
    SWARM = "swarm"


PYTHONS = (RuntimeKind.OPERATOR, RuntimeKind.HOST)


@dataclass(frozen=True, slots=True)
class Selection:
    """One kind's choice.

    `wheels` by normalised name (None: all); `drop`: top-level names of the standard library; `debs` by name.
    """

    wheels: frozenset[str] | None
    drop: frozenset[str]
    debs: frozenset[str] = frozenset(DEBS) - _SWARM_DEBS

    def pins(self, lock: Lock) -> Lock:
        """What of the lock this kind uses."""
        return Lock(tuple(pin for pin in lock.pins if self._uses(pin)))

    def _uses(self, pin: Pin) -> bool:
        if pin.kind is Kind.DEB:
            return pin.name in self.debs
        name = normalised(pin.name)
        return name not in _SWARM_WHEELS if self.wheels is None else name in self.wheels

    def keeps_stdlib(self, path: PurePosixPath) -> bool:
        """Whether a file of the standard library, relative to its folder, goes along."""
        if path.parts[0] == "lib-dynload":
            return path.suffix == ".so" and path.name.split(".")[0] not in self.drop
        return path.suffix == ".py" and path.parts[0].removesuffix(".py") not in self.drop and "tests" not in path.parts


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NOBODY = _words("""
    EXTERNALLY-MANAGED __hello__ __phello__ _aix_support _android_support _apple_support _distutils_system_mod
    _ios_support _osx_support _pyrepl _sysconfigdata__linux_x86_64-linux-gnu _sysconfigdata__linux_aarch64-linux-gnu
    _sysconfigdata__x86_64-linux-gnu _sysconfigdata__aarch64-linux-gnu antigravity curses dbm doctest ensurepip idlelib
    lib2to3 modulefinder nturl2path pydoc pydoc_data rlcompleter sitecustomize sqlite3 test this tkinter turtle
    turtledemo unittest venv wsgiref xmlrpc
    _ctypes_test _curses _curses_panel _dbm _sqlite3 _testbuffer _testcapi _testclinic _testclinic_limited
    _testexternalinspection _testimportmultiple _testinternalcapi _testlimitedcapi _testmultiphase _testsinglephase
    _uuid _xxtestfuzz readline xxlimited xxlimited_35 xxsubtype
""")
_HOSTS_NEITHER = _words("""
    _codecs_cn _codecs_hk _codecs_iso2022 _codecs_jp _codecs_kr _codecs_tw _multibytecodec _pydatetime _pydecimal _pyio
    asyncio cProfile cmd code codeop configparser difflib email fileinput ftplib html http imaplib mailbox
    mimetypes multiprocessing netrc optparse pdb pickletools plistlib poplib profile pstats pyclbr smtplib socketserver
    statistics symtable sysconfig tabnanny timeit tomllib trace tracemalloc wave webbrowser xml zipapp zoneinfo
    _asyncio _decimal _interpchannels _interpqueues _interpreters _lsprof _multiprocessing _zoneinfo
    bz2 lzma _bz2 _lzma decimal fractions pty tty
""")
SELECTIONS = {
    RuntimeKind.OPERATOR: Selection(None, _NOBODY),
    RuntimeKind.HOST: Selection(frozenset({"backports-zstd"}), _NOBODY | _HOSTS_NEITHER),
    RuntimeKind.SWARM: Selection(_SWARM_WHEELS, frozenset(), _SWARM_DEBS | _SHARED_DEBS),
}


def keeps_site(path: PurePosixPath) -> bool:
    """Whether a file of a wheel goes along: code and data, what says who wrote it, nothing for compilers or tests."""
    parts = path.parts
    if parts[0].endswith(".dist-info"):
        return path.name in {"METADATA", "entry_points.txt"} or "licenses" in parts or path.name.startswith("LICENSE")
    return not (
        path.suffix in {".pyi", ".pyx", ".pxd", ".c", ".h", ".rst"}
        or {"tests", "benchmarks"} & {*parts}
        or "__pycache__" in parts
    )
