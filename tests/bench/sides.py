"""Commands that do the same work, run in turns so that a busy machine is busy for all of them."""

from __future__ import annotations

import contextlib
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


def _nothing() -> None:
    """Nothing to prepare."""


@dataclass(frozen=True, slots=True)
class Side:
    """A command as a user types it.

    `prepare` runs before it, untimed; `first_output` stops the clock at the first byte that it writes.
    """

    name: str
    argv: tuple[str, ...]
    prepare: Callable[[], None] = _nothing
    env: Mapping[str, str] = field(default_factory=dict)
    first_output: bool = False


@dataclass(frozen=True, slots=True)
class Sample:
    """One run: seconds on the clock, and seconds of processor time of the command and all that it waited for."""

    seconds: float
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class Series:
    """All runs of one side."""

    name: str
    command: str
    samples: tuple[Sample, ...]

    @property
    def seconds(self) -> float:
        """The median on the clock."""
        return statistics.median(sample.seconds for sample in self.samples)

    @property
    def cpu_seconds(self) -> float:
        """The median of processor time."""
        return statistics.median(sample.cpu_seconds for sample in self.samples)


def shell(name: str, text: str, *, prepare: Callable[[], None] = _nothing) -> Side:
    """A side that is a line of shell; any of its commands that fails, fails it."""
    return Side(name, ("bash", "-euo", "pipefail", "-c", text), prepare)


def interleaved(sides: Sequence[Side], *, rounds: int) -> dict[str, Series]:
    """Run each side once a round; what each took, by its name."""
    samples: dict[str, list[Sample]] = {side.name: [] for side in sides}
    for number in range(1, rounds + 1):
        for side in sides:
            print(f"  {number}/{rounds} {side.name} …", end="", file=sys.stderr, flush=True)
            side.prepare()
            samples[side.name].append(sample := _run(side))
            print(f" {sample.seconds:.2f} s", file=sys.stderr)
    return {side.name: Series(side.name, _written(side), tuple(samples[side.name])) for side in sides}


def _written(side: Side) -> str:
    return side.argv[-1] if side.argv[0] == "bash" else shlex.join(side.argv)


def _run(side: Side) -> Sample:
    with tempfile.TemporaryFile() as errors:
        started = time.monotonic()
        process = subprocess.Popen(
            side.argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if side.first_output else subprocess.DEVNULL,
            stderr=errors,
            env={**os.environ, **side.env},
        )
        first = _until_first_byte(process) if side.first_output else None
        _, status, usage = os.wait4(process.pid, 0)
        ended = time.monotonic()
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            sys.exit(f"{_written(side)}\nended with {process.returncode}:\n{errors.read().decode(errors='replace')}")
    return Sample((first or ended) - started, usage.ru_utime + usage.ru_stime)


def _until_first_byte(process: subprocess.Popen[bytes]) -> float | None:
    """When its first output came; reads on to the end."""
    if process.stdout is None:
        return None
    with contextlib.closing(process.stdout) as out:
        first = time.monotonic() if os.read(out.fileno(), 1) else None
        while os.read(out.fileno(), 1 << 16):
            pass
    return first
