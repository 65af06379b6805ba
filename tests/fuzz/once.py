"""Fuzz one target in this process, which libFuzzer ends: ``python -m fuzz.once TARGET SECONDS FOLDER RESULTS``."""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["appliance", "tarfile"]):
    from fuzz import targets

LONGEST_INPUT = 64 << 10
LONGEST_SECONDS = 10
MEGABYTES = 2048  # the peak of the process that starts the fuzzer counts, too: exec does not reset it


def main(name: str, seconds: str, folder: Path, results: Path) -> None:
    """Fuzz; an input takes `LONGEST_SECONDS` and the process `MEGABYTES` at most."""
    target = targets.Targets(folder).named(name)
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(target.seeds):
        (corpus / str(number)).write_bytes(seed)
    options = {
        "max_total_time": seconds,
        "max_len": LONGEST_INPUT,
        "timeout": LONGEST_SECONDS,
        "rss_limit_mb": MEGABYTES,
        "artifact_prefix": f"{results}/{name}-",
    }
    atheris.Setup(["fuzz", *(f"-{key}={value}" for key, value in options.items()), str(corpus)], target.run)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))
