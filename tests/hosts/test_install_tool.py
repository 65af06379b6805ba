"""`install-tool`: a bundle that was checked leaves a program behind, which judges later ones by its own code."""

from __future__ import annotations

import shutil
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest
from support.travelling import Delivery, real_delivery

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.hosts

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
OWN_CODE = "checked by this bundle's own code"
NOBODY = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")


@pytest.fixture(scope="module")
def delivery(tmp_path_factory: pytest.TempPathFactory) -> Delivery:
    return real_delivery(tmp_path_factory.mktemp("delivery"))


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("unpacked")


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """A place with a name that a shell could take for more than one word, which everybody may enter."""
    for folder in (tmp_path, *tmp_path.parents):
        mode = stat.S_IMODE(folder.stat().st_mode)
        if mode & 0o055 != 0o055:
            folder.chmod(mode | 0o055)
    return tmp_path / "it's here"


def run(*command: str | Path, unpacked: Path) -> subprocess.CompletedProcess[str]:
    env = {"PATH": PATH, "APPLIANCE_TMPDIR": str(unpacked)}
    return subprocess.run(command, env=env, cwd="/", capture_output=True, text=True, check=False)


def install(bundle: Path, prefix: Path, *more: str | Path, unpacked: Path) -> subprocess.CompletedProcess[str]:
    return run("sh", bundle, "install-tool", "--prefix", prefix, *more, unpacked=unpacked)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_it_puts_a_program_and_its_python_below_the_prefix_and_rm_takes_them_away(
    delivery: Delivery, prefix: Path, unpacked: Path
) -> None:
    for _ in range(2):  # the second time finds all that it would put there
        done = install(delivery.bundle, prefix, "--trust", delivery.root, unpacked=unpacked)
        assert done.returncode == 0, done.stderr
        program, python, digest = done.stdout.split("\n")[:3]
        assert program == str(prefix / "bin" / "appliance")
        assert python.strip() == str(prefix / "lib" / "appliance" / digest.strip()[7:23])
    assert (names(prefix), names(prefix / "bin"), names(prefix / "lib")) == (
        ["bin", "lib"],
        ["appliance"],
        ["appliance"],
    )
    assert names(prefix / "lib" / "appliance") == [digest.strip()[7:23]]

    version = run(*NOBODY, program, "--version", unpacked=unpacked)
    assert (version.returncode, version.stdout.split()[0]) == (0, "appliance")
    judged = run(program, "verify", delivery.bundle, "--trust", delivery.root, unpacked=unpacked)
    assert judged.returncode == 0, judged.stderr
    assert judged.stdout.startswith("VERIFIED")
    assert OWN_CODE not in judged.stdout

    shutil.rmtree(prefix / "lib" / "appliance")
    (prefix / "bin" / "appliance").unlink()
    assert (names(prefix / "bin"), names(prefix / "lib")) == ([], [])


def test_a_bundle_that_nobody_here_trusts_puts_nothing_anywhere(
    delivery: Delivery, prefix: Path, unpacked: Path
) -> None:
    done = install(delivery.bundle, prefix, unpacked=unpacked)
    assert (done.returncode, "no root is trusted here" in done.stderr) == (3, True), done.stderr
    assert not prefix.exists()


def test_another_program_of_that_name_stays(delivery: Delivery, prefix: Path, unpacked: Path) -> None:
    (prefix / "bin").mkdir(parents=True)
    (prefix / "bin" / "appliance").write_text("#!/bin/sh\n")
    done = install(delivery.bundle, prefix, "--trust", delivery.root, unpacked=unpacked)
    assert done.returncode == 8
    assert "is another program" in done.stderr
    assert "--prefix" in done.stderr
    assert (prefix / "bin" / "appliance").read_text() == "#!/bin/sh\n"
    assert names(prefix) == ["bin"]


def test_a_place_that_cannot_be_written_is_said(delivery: Delivery, prefix: Path, unpacked: Path) -> None:
    prefix.mkdir()
    (prefix / "lib").write_text("a file")
    done = install(delivery.bundle, prefix, "--trust", delivery.root, unpacked=unpacked)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert f"cannot write {prefix}/lib/appliance" in done.stderr
    assert names(prefix) == ["lib"]
