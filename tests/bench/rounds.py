"""What several sides took, where each side prepares its own hosts: samples by name, and what a command used."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.sides import Sample, Series

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from bench.result import Target


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a benchmark."""

    series: tuple[Series, ...]
    targets: tuple[Target, ...]
    notes: tuple[str, ...]


class Rounds:
    """Samples by the names of sides, in the order in which they first came."""

    def __init__(self) -> None:
        self._samples: dict[str, list[Sample]] = {}

    def add(self, name: str, sample: Sample) -> None:
        """One more run of a side; it is told."""
        print(f"    {name}: {sample.seconds:.2f} s", file=sys.stderr, flush=True)
        self._samples.setdefault(name, []).append(sample)

    def series(self) -> dict[str, Series]:
        """All of them."""
        return {name: Series(name, name, tuple(samples)) for name, samples in self._samples.items()}


def timed(argv: Sequence[str | Path], *, env: Mapping[str, str] | None = None) -> tuple[Sample, str]:
    """What a command that must succeed took, and said."""
    before, started = _processor_seconds(), time.monotonic()
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=env)
    sample = Sample(time.monotonic() - started, _processor_seconds() - before)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, argv))}\nended with {done.returncode}:\n{done.stderr or done.stdout}")
    return sample, done.stdout


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
