"""Looks for marked secrets where they must not be: in processes while they run, in files and texts afterwards."""

from __future__ import annotations

import os
import stat
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from appliance.vault import Mask

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_MOST_BYTES = 64 << 20
_PAUSE_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Needles:
    """Secrets by what they are called, and the forms in which each would be recognised (see `Mask`)."""

    forms: Mapping[str, tuple[bytes, ...]] = field(repr=False)

    @classmethod
    def of(cls, secrets: Mapping[str, str]) -> Needles:
        return cls({name: tuple(form.encode() for form in Mask([text])._needles) for name, text in secrets.items()})

    def found(self, data: bytes) -> set[str]:
        """The secrets that stand in `data`."""
        return {name for name, forms in self.forms.items() if any(form in data for form in forms)}

    def in_files(self, *folders: Path) -> set[tuple[str, str]]:
        """(secret, path below its folder) for each file that holds one."""
        return {
            (name, f"/{path.relative_to(folder)}")
            for folder in folders
            for path in _files(folder)
            for name in self.found(path.read_bytes())
        }


def _files(folder: Path) -> Iterator[Path]:
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            status = path.lstat()
            if stat.S_ISREG(status.st_mode) and status.st_size <= _MOST_BYTES:
                yield path


def _program(pid: str) -> str:
    try:
        return os.fsdecode(Path("/proc", pid, "cmdline").read_bytes().replace(b"\0", b" ")[:200])
    except OSError:
        return f"process {pid}"


@dataclass(slots=True)
class Watch:
    """Samples the arguments and environments of all processes of this machine, lab hosts' among them, all the time."""

    needles: Needles
    found: set[tuple[str, str, str]] = field(default_factory=set)
    programs: set[str] = field(default_factory=set)
    rounds: int = 0
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Look no more."""
        self._over.set()
        assert self._thread
        self._thread.join()

    def _sample(self) -> None:
        while not self._over.wait(_PAUSE_SECONDS):
            self.rounds += 1
            for pid in filter(str.isdecimal, os.listdir("/proc")):
                for what in ("cmdline", "environ"):
                    self._look(pid, what)

    def _look(self, pid: str, what: str) -> None:
        try:
            data = Path("/proc", pid, what).read_bytes()
        except OSError:
            return
        if what == "cmdline":
            self.programs.add(os.fsdecode(data.split(b"\0")[0]))
        for name in self.needles.found(data):
            self.found.add((name, what, _program(pid)))
