"""From ten hosts to five hundred: what each costs."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from typing import TYPE_CHECKING

from bench.result import Result, Target, at_most
from bench.sides import Sample, Series
from bench.simulated import STAGES, STEPS

if TYPE_CHECKING:
    from bench.material import Material

COUNTS = (10, 100, 500)
ROUNDS = 5
MIB = 1 << 20


def measure(material: Material) -> Result:
    """Plan and carry out no-op steps on simulated hosts; each run in a process of its own, the sizes in turns."""
    runs: dict[int, list[dict[str, float]]] = {count: [] for count in COUNTS}
    for number in range(1, ROUNDS + 1):
        for count, found in runs.items():
            argv = (material.python, "-m", "bench.simulated", str(count))
            found.append(json.loads(subprocess.run(argv, check=True, stdout=subprocess.PIPE).stdout))
            print(f"  {number}/{ROUNDS} {count} hosts: {found[-1]['cpu_seconds']:.2f} s", file=sys.stderr, flush=True)
    each = {count: statistics.median(run["cpu_seconds"] for run in found) / count for count, found in runs.items()}
    peaks = {count: statistics.median(run["peak_bytes"] for run in found) for count, found in runs.items()}
    small, *_, large = COUNTS
    a_host = (peaks[large] - peaks[small]) / (large - small)
    spread = max(each.values()) / min(each.values())
    return Result(
        "scale-out",
        f"plan and carry out {STAGES * STEPS} no-op steps in {STAGES} stages on simulated hosts that answer at once",
        tuple(_series(count, found) for count, found in runs.items()),
        (
            at_most("processor time a host: constant within 1.5 ×", spread, 1.5),
            Target(f"≤ 2 MiB RSS a host, {small} → {large}", f"{a_host / MIB:.2f} MiB", a_host <= 2 * MIB),
        ),
        (
            "processor time a host: " + ", ".join(f"{1000 * each[count]:.1f} ms of {count}" for count in COUNTS),
            "peak RSS: " + ", ".join(f"{peaks[count] / MIB:.0f} MiB with {count}" for count in COUNTS),
            "the plan is the first part of it: "
            + ", ".join(f"{_median(found, 'plan_seconds'):.2f} s of {count}" for count, found in runs.items()),
            "survey, guards, plan, leases, lanes, events and journal are real, only the hosts are not",
        ),
    )


def _series(count: int, found: list[dict[str, float]]) -> Series:
    samples = (Sample(run["plan_seconds"] + run["run_seconds"], run["cpu_seconds"]) for run in found)
    return Series(f"{count} hosts", f"python -m bench.simulated {count}", tuple(samples))


def _median(found: list[dict[str, float]], name: str) -> float:
    return statistics.median(run[name] for run in found)
