"""The stub where only root can put it: file systems that forbid something, and machines with nearly nothing on them."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from support.bareplaces import bare, in_own_mounts
from support.travelling import false_python, real_pythons, write_run

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.hosts


def test_a_stick_that_is_read_only_and_noexec_serves(tmp_path: Path) -> None:
    run = write_run(tmp_path / "x.run", false_python(tmp_path))
    stick = tmp_path / "stick"
    stick.mkdir()
    script = """
        mount -t tmpfs -o noexec tmpfs "$1"; cp "$2" "$1"; mount -o remount,ro,noexec "$1"; cd "$1"
        APPLIANCE_TMPDIR=$3 sh x.run show
    """
    done = in_own_mounts(script, stick, run, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("started\n")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("noexec", "programs may not be started there (noexec)"),
        ("size=1m", "KiB free, "),
        ("ro", "for ourselves"),
    ],
)
def test_a_place_that_will_not_do_says_why(tmp_path: Path, options: str, reason: str) -> None:
    run = write_run(tmp_path / "x.run", false_python(tmp_path))
    place = tmp_path / "place"
    place.mkdir()
    done = in_own_mounts('mount -t tmpfs -o "$1" tmpfs "$2"; APPLIANCE_TMPDIR=$2 sh "$3"', options, place, run)
    assert done.returncode == 10
    assert f"\n  {place}: " in done.stderr
    assert reason in done.stderr


@pytest.fixture
def bare_root(tmp_path: Path) -> Path:
    """A machine with busybox and nothing else: no libc, no Python, no /proc."""
    return bare(tmp_path / "root")


def test_the_real_installer_starts_on_a_machine_with_busybox_alone(bare_root: Path) -> None:
    write_run(bare_root / "stick" / "x.run", real_pythons().operator)
    for _ in range(2):
        done = subprocess.run(
            ["chroot", bare_root, "/bin/sh", "/stick/x.run", "--version"],
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": "/bin:/usr/sbin:/usr/bin:/sbin"},
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert "0." in done.stdout
    assert [path.name for path in (bare_root / "var/tmp").iterdir()] == ["appliance-0"]


def test_nobodys_start_does_not_go_where_another_user_could_interfere(tmp_path: Path) -> None:
    run = write_run(tmp_path / "x.run", false_python(tmp_path))
    script = """
        mount -t tmpfs tmpfs "$1"; mkdir "$1/home" "$1/home/.cache"; chown 1000 "$1/home" "$1/home/.cache"
        chmod 755 "$1"; cp "$2" "$1/x.run"; cd /
        HOME=$1/home APPLIANCE_TMPDIR=$1/home/.cache setpriv --reuid 65533 --clear-groups sh "$1/x.run" || echo "$?"
    """
    done = in_own_mounts(script, "/mnt", run)
    assert done.stdout == "10\n"
    assert "/mnt/home/.cache: others may change what stands there" in done.stderr
