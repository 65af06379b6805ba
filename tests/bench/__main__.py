"""Run benchmarks by their names, print a table for each, and keep what was found as JSON."""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from bench import result
from bench.machine import machine
from bench.material import Material

BENCHMARKS = (
    "build",
    "bundle",
    "verify",
    "start",
    "guide",
    "memory",
    "distribute",
    "install",
    "reapply",
    "scale-out",
    "discover",
    "registry",
    "scan",
)
RESULTS = Path(__file__).parents[2] / "bench" / "results"
BUNDLE_MIB = int(os.environ.get("APPLIANCE_BENCH_BUNDLE_MIB", "1024"))
ROOM_BYTES = (20 << 30) + 6 * (max(0, BUNDLE_MIB - 1024) << 20)


def main(names: list[str]) -> int:
    """Run the named benchmarks, or all, in one folder that goes at the end."""
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"usage: scripts/bench [{'|'.join(BENCHMARKS)}]…", file=sys.stderr)
        return 2
    facts = machine()
    print("\n".join(f"{name:<17}{value}" for name, value in facts.items()), flush=True)
    with tempfile.TemporaryDirectory(prefix="appliance-bench.", dir=_place()) as folder:
        material = Material(Path(folder))
        for name in names or BENCHMARKS:
            _measure(name, material, facts)
    return 0


def _place() -> str:
    """Where the data go: one disk for all sides, with room enough."""
    place = os.environ.get("APPLIANCE_BENCH_DIR", "/var/tmp")
    room = os.statvfs(place)
    if room.f_bavail * room.f_frsize < ROOM_BYTES:
        sys.exit(f"{place} has no room for {ROOM_BYTES >> 30} GiB; name a folder in APPLIANCE_BENCH_DIR")
    return place


def _measure(name: str, material: Material, facts: dict[str, str]) -> None:
    print(f"{name}:", file=sys.stderr, flush=True)
    began, before = datetime.now(UTC), os.getloadavg()[0]
    found = importlib.import_module(f"bench.{name.replace('-', '_')}").measure(material)
    load = (before, os.getloadavg()[0])
    print(f"\n{result.table(found, load=load)}\n", flush=True)
    RESULTS.mkdir(parents=True, exist_ok=True)
    document = {"began": began.isoformat(timespec="seconds"), "machine": facts, **result.document(found, load=load)}
    path = RESULTS / f"{name}-{began:%Y%m%dT%H%M%SZ}.json"
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
