"""Fuzz one target, or each in turn: ``python -m fuzz [all|TARGET] [SECONDS]``. Ends with 1 when a law was broken.

What broke it is kept in ``fuzz-results/``.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from fuzz.targets import NAMES

RESULTS = Path(__file__).parents[2] / "fuzz-results"
MEMORY = Path("/dev/shm")


def main(arguments: list[str]) -> int:
    """Fuzz as the arguments say."""
    name, seconds = [*arguments, *("all", "60")[len(arguments) :]][:2]
    if len(arguments) > 2 or name not in ("all", *NAMES) or not seconds.isdecimal():
        print(f"usage: scripts/fuzz [all|{'|'.join(NAMES)}] [SECONDS]", file=sys.stderr)
        return 2
    broken = [one for one in (NAMES if name == "all" else (name,)) if not fuzz(one, seconds)]
    if broken:
        print(f"a law was broken: {', '.join(broken)}; see {RESULTS}", file=sys.stderr)
    return bool(broken)


def fuzz(name: str, seconds: str) -> bool:
    """Fuzz one target in a process of its own; whether nothing was found. What it unpacks lies in memory."""
    RESULTS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=MEMORY if MEMORY.is_dir() else None) as folder:
        print(f"{name}:", file=sys.stderr, flush=True)
        command = [sys.executable, "-m", "fuzz.once", name, seconds, folder, str(RESULTS)]
        return subprocess.run(command, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
