"""What a benchmark found: as a table for people and as JSON for those who compare."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.sides import Series


@dataclass(frozen=True, slots=True)
class Target:
    """What is to be reached, what was measured for it, and whether that is enough; None where nothing was measured."""

    what: str
    measured: str
    reached: bool | None


@dataclass(frozen=True, slots=True)
class Result:
    """A benchmark's outcome: the work with its sizes, what each side took, and the targets."""

    name: str
    work: str
    series: tuple[Series, ...]
    targets: tuple[Target, ...]
    notes: tuple[str, ...] = ()


def at_least(what: str, value: float, least: float, unit: str = "×") -> Target:
    """A target that larger values reach."""
    return Target(what, f"{value:.2f} {unit}", value >= least)


def at_most(what: str, value: float, most: float, unit: str = "×") -> Target:
    """A target that smaller values reach."""
    return Target(what, f"{value:.2f} {unit}", value <= most)


def table(result: Result, *, load: tuple[float, float]) -> str:
    """The result for people; `load` is the machine's load average before and after."""
    width = max([28, *(len(series.name) for series in result.series), *(len(t.what) for t in result.targets)])
    lines = [f"{result.name}: {result.work}", f"load average {load[0]:.1f} before, {load[1]:.1f} after", ""]
    if result.series:
        lines.append(f"  {'':<{width}}  {'median':>9}  {'processor':>9}  runs")
    lines += [f"  {s.name:<{width}}  {s.seconds:>7.3f} s  {s.cpu_seconds:>7.3f} s  {_runs(s)}" for s in result.series]
    lines += ["", f"  {'to reach':<{width}}  {'measured':>20}  reached"]
    lines += [f"  {t.what:<{width}}  {t.measured:>20}  {_REACHED[t.reached]}" for t in result.targets]
    return "\n".join([*lines, *(f"  {note}" for note in result.notes)])


_REACHED = {True: "yes", False: "NO", None: "not measured"}


def _runs(series: Series) -> str:
    seconds = sorted(sample.seconds for sample in series.samples)
    return f"{len(seconds)}, {seconds[0]:.3f} to {seconds[-1]:.3f}"


def document(result: Result, *, load: tuple[float, float]) -> dict[str, Any]:
    """The result for machines; seconds."""
    return {
        "name": result.name,
        "work": result.work,
        "load": list(load),
        "series": [
            {
                "name": series.name,
                "command": series.command,
                "median_seconds": series.seconds,
                "median_cpu_seconds": series.cpu_seconds,
                "seconds": [sample.seconds for sample in series.samples],
                "cpu_seconds": [sample.cpu_seconds for sample in series.samples],
            }
            for series in result.series
        ],
        "targets": [{"what": t.what, "measured": t.measured, "reached": t.reached} for t in result.targets],
        "notes": list(result.notes),
    }
