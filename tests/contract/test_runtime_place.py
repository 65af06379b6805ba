"""A runtime's place on a host, and an installation that ends at any of its commands, as by a cut of the power."""

from __future__ import annotations

import os
import subprocess
from itertools import count
from typing import TYPE_CHECKING

import pytest
from support.smallruntime import NAMES, content, small_runtime

from appliance.bundle.pyruntime.layout import STANDS, install_script
from appliance.files import write_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from appliance.bundle.pyruntime.archive import Packed

# Stands for a program of PATH. At the call of number $CUT the power goes; what was to be removed then is half removed.
CUTTER = """#!/bin/sh
echo >>"$CALLS"
if [ "$(wc -l <"$CALLS")" -eq "$CUT" ]; then
    for last; do :; done
    [ "${0##*/}" != rm ] || rm -rf "$last/bin" "$last/site/b"
    kill -KILL 0
fi
PATH=$REST exec "${0##*/}" "$@"
"""


@pytest.fixture
def tar(tmp_path: Path) -> Path:
    return tmp_path / "tar"


@pytest.fixture
def packed(tmp_path: Path, tar: Path) -> Packed:
    return small_runtime(tmp_path / "files", tar)


@pytest.fixture
def cutters(tmp_path: Path) -> Path:
    folder = tmp_path / "programs"
    for name in ("cat", "dd", "mkdir", "mv", "rm", "sync", "tar"):
        write_bytes(folder / name, CUTTER.encode(), mode=0o755)
    return folder


def install(tar: Path, packed: Packed, root: Path, **more: str) -> int:
    command = ["sh", "-c", install_script(), "sh", tar, packed.digest.hex, root]
    return subprocess.run(command, env=os.environ | more, start_new_session=True, check=False).returncode


def stands(packed: Packed, root: Path) -> bool:
    return subprocess.run(["sh", "-c", STANDS, "sh", root, packed.digest.hex], check=False).returncode == 0


def test_whenever_it_is_cut_short_a_runtime_that_is_taken_for_whole_is_whole(
    tar: Path, packed: Packed, cutters: Path, tmp_path: Path
) -> None:
    """The one that stood there before was changed, so that it is replaced; what is left over goes the next time."""
    for number in count(1):
        place = tmp_path / f"place-{number}"
        root = place / "runtime"
        assert install(tar, packed, root) == 0
        (root / "site/a.py").write_text("changed")
        marks = {"PATH": f"{cutters}:{os.environ['PATH']}", "REST": os.environ["PATH"]}
        ended = install(tar, packed, root, CUT=str(number), CALLS=str(tmp_path / f"calls-{number}"), **marks)
        found = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
        assert not (root / ".ok").exists() or found >= {*NAMES, "bin/python", "loader", "files.sha256"}, number
        assert stands(packed, root) == (root / ".ok").exists(), number
        assert install(tar, packed, root) == 0
        assert (root / "site/a.py").read_bytes() == content("site/a.py"), number
        assert [path.name for path in place.iterdir()] == ["runtime"], number
        if ended == 0:
            break
    assert number > 10


@pytest.mark.parametrize("name", ["bin/python", "site/b/c.py", ".ok", "files.sha256"])
def test_a_runtime_of_which_a_file_is_missing_does_not_stand_and_is_made_whole(
    tar: Path, packed: Packed, tmp_path: Path, name: str
) -> None:
    root = tmp_path / "runtime"
    assert install(tar, packed, root) == 0
    assert stands(packed, root)
    (root / name).unlink()
    assert not stands(packed, root)
    assert install(tar, packed, root) == 0
    assert stands(packed, root)
