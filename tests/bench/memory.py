"""How much memory a command and all that it starts need, whatever the size of what they work on."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from bench.result import Result, Target
from bench.sites import lab_site

if TYPE_CHECKING:
    from bench.material import Material

SMALL_MIB = 256
LARGE_MIB = int(os.environ.get("APPLIANCE_BENCH_MEMORY_MIB", "4096"))
APPLIED_MIB = 1024
LIMIT_MIB = 150
EVERY_SECONDS = 0.01


def measure(material: Material) -> Result:
    """Peaks of each command at both sizes; build caches nothing, so that it works."""
    small, large = _peaks(material, SMALL_MIB), _peaks(material, LARGE_MIB)
    return Result(
        "memory",
        f"peak anonymous memory of the process tree, at {SMALL_MIB} MiB and {LARGE_MIB} MiB that do not compress"
        f" (apply: {APPLIED_MIB} MiB)",
        (),
        (
            *(_target(name, small[name], large[name]) for name in small),
            _target("apply", *_applied(material)),
        ),
        (
            f"RssAnon of all processes together, looked at every {EVERY_SECONDS * 1000:.0f} ms",
            "apply: the operator's command and its worker, to one new lab host each time; what runs there is not in it",
        ),
    )


def _target(name: str, small: float, large: float) -> Target:
    return Target(
        f"{name}: ≤ {LIMIT_MIB} MiB at both sizes", f"{small:.0f} and {large:.0f} MiB", max(small, large) <= LIMIT_MIB
    )


def _peaks(material: Material, mib: int) -> dict[str, float]:
    context = material.context(mib, compressible=False)
    reference = f"bench-{mib}:1.0.0"
    material.say(f"build, bundle and verify {mib} MiB")
    build = _peak((*material.build(context, reference), "--no-cache"))
    shutil.rmtree(context)
    out = material.folder / f"memory-{mib}"
    bundle = _peak(material.bundle_command(reference, out))
    (path,) = out.glob("*.run")
    root = str(material.keys / "root.pem")
    verify = _peak((material.appliance, "verify", str(path), "--trust", root))
    shutil.rmtree(out)
    return {"build": build, "bundle": bundle, "verify": verify}


def _applied(material: Material) -> tuple[float, float]:
    """Peaks of a first `apply` at the small size and at `APPLIED_MIB`."""
    return _apply(material, SMALL_MIB), _apply(material, APPLIED_MIB)


def _apply(material: Material, mib: int) -> float:
    bundle = material.bundle(mib)
    with lab_site(material, "node") as site:
        material.say(f"apply {mib} MiB")
        return _peak(site.apply(material, bundle))


def _peak(argv: tuple[str, ...]) -> float:
    """MiB at the most while `argv` runs."""
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak, ended = 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not ended.wait(EVERY_SECONDS):
            peak = max(peak, sum(map(_anonymous_kib, _tree(process.pid))))

    watcher = threading.Thread(target=watch)
    watcher.start()
    status = process.wait()
    ended.set()
    watcher.join()
    if status:
        sys.exit(f"{' '.join(argv)}\nended with {status}")
    return peak / 1024


def _tree(pid: int) -> list[int]:
    found = [pid]
    for parent in found:
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{parent}/task"):
                children = Path(f"/proc/{parent}/task/{task}/children").read_text(encoding="ascii")
                found += map(int, children.split())
    return found


def _anonymous_kib(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1])
    return 0
