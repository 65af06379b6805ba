"""A few seconds of fuzzing each time; `scripts/fuzz` goes on for as long as one likes."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
from fuzz.targets import NAMES

TESTS = Path(__file__).parents[1]
SECONDS = "1"

pytestmark = pytest.mark.skipif(
    (platform.system(), platform.machine()) != ("Linux", "x86_64"), reason="atheris is made for Linux on x86_64 alone"
)


@pytest.mark.parametrize("name", NAMES)
def test_hostile_bytes_are_refused_in_our_own_words_or_a_law_holds_of_them(name: str, tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    (tmp_path / "found").mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "fuzz.once", name, SECONDS, tmp_path / "scratch", tmp_path / "found"],
        cwd=TESTS,
        env={**os.environ, "PYTHONPATH": str(TESTS.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "DONE" in done.stderr
    assert list((tmp_path / "found").iterdir()) == []
