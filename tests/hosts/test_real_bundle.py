"""A real bundle with the real Python in it, started where sites start it: any shell, old systems, odd media."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from support.bareplaces import bare, in_own_mounts
from support.travelling import Delivery, real_delivery

from appliance.bundle.layout import MANIFEST_OFFSET, STUB_BYTES
from appliance.bundle.manifestjson import from_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from appliance.bundle.manifest import BundleManifest

pytestmark = pytest.mark.hosts

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
SHELLS = (("dash",), ("bash",), ("busybox", "ash"), ("mksh",), ("yash",))
every_shell = pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[-1])
VERIFY = ("verify", "-q", "-o", "json")
OWN_CODE = "integrity: intact; origin: checked by this bundle's own code"


@pytest.fixture(scope="module")
def delivery(tmp_path_factory: pytest.TempPathFactory) -> Delivery:
    return real_delivery(tmp_path_factory.mktemp("delivery"))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the Python is unpacked once for all tests that don't ask how."""
    return tmp_path_factory.mktemp("place")


@pytest.fixture(scope="module")
def manifest(delivery: Delivery) -> BundleManifest:
    return from_bytes(delivery.bundle.with_name(delivery.bundle.name + ".manifest.json").read_bytes())


def start(
    bundle: Path, *arguments: str | Path, place: Path, shell: tuple[str, ...] = ("sh",), **environment: str
) -> subprocess.CompletedProcess[str]:
    env = {"PATH": PATH, "APPLIANCE_TMPDIR": str(place), **environment}
    return subprocess.run([*shell, bundle, *arguments], env=env, capture_output=True, text=True, check=False)


@every_shell
def test_it_checks_itself_under_every_shell(delivery: Delivery, place: Path, shell: tuple[str, ...]) -> None:
    done = start(delivery.bundle, *VERIFY, "--trust", delivery.root, place=place, shell=shell)
    assert (done.returncode, done.stderr) == (0, "")
    assert OWN_CODE in done.stdout


@pytest.mark.slow
@every_shell
def test_it_unpacks_its_python_under_every_shell(delivery: Delivery, tmp_path: Path, shell: tuple[str, ...]) -> None:
    done = start(delivery.bundle, "--version", place=tmp_path, shell=shell)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture
def touched(delivery: Delivery, tmp_path: Path) -> Path:
    """A copy of the bundle, alone, to be touched."""
    return shutil.copy(delivery.bundle, tmp_path / "touched.run")


def test_one_byte_short_is_said_before_anything_is_unpacked(touched: Path, tmp_path: Path) -> None:
    size = touched.stat().st_size
    os.truncate(touched, size - 1)
    done = start(touched, "--version", place=tmp_path)
    assert done.returncode == 3
    assert f"the file is truncated: {size - 1} of {size} bytes" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == [touched.name]


def flipped(file: Path, offset: int) -> None:
    with file.open("r+b") as out:
        out.seek(offset)
        byte = out.read(1)
        out.seek(offset)
        out.write(bytes([byte[0] ^ 1]))


def places(manifest: BundleManifest) -> dict[str, int]:
    """Offsets by the words that are said of damage there."""
    return {
        "the installer in this file is damaged": manifest.files[0].offset + manifest.files[0].length // 2,
        "the stub (bytes 0 to 65535) is not what was signed": STUB_BYTES - 1,
        "the manifest or the signature was altered": MANIFEST_OFFSET + 9,
        "are not zeros": manifest.base - 1,
        "runtime/host-": manifest.files[1].offset,
        "blobs/sha256/": manifest.files[-1].offset,
        "the 7z header": manifest.size - 1,
    }


@pytest.mark.parametrize("number", range(7))
def test_damage_anywhere_ends_with_3_and_is_named(
    touched: Path, delivery: Delivery, manifest: BundleManifest, place: Path, number: int
) -> None:
    words, offset = list(places(manifest).items())[number]
    flipped(touched, offset)
    fresh = touched.parent if number == 0 else place
    done = start(touched, *VERIFY, "--trust", delivery.root, place=fresh)
    assert done.returncode == 3
    assert words in done.stdout + done.stderr


def test_damage_to_the_installer_is_noticed_by_one_that_was_unpacked_before(
    touched: Path, delivery: Delivery, manifest: BundleManifest, place: Path
) -> None:
    start(delivery.bundle, "--version", place=place)
    flipped(touched, manifest.files[0].offset + 5)
    done = start(touched, *VERIFY, "--trust", delivery.root, place=place)
    assert done.returncode == 3
    assert "runtime/operator-" in done.stdout


def test_another_machine_is_told_what_it_is_and_what_this_is_for(delivery: Delivery, tmp_path: Path) -> None:
    (tmp_path / "uname").write_text("#!/bin/sh\ncase $1 in -s) echo Linux ;; *) echo s390x ;; esac\n")
    (tmp_path / "uname").chmod(0o755)
    done = start(delivery.bundle, "--version", place=tmp_path, PATH=f"{tmp_path}:{PATH}")
    assert done.returncode == 10
    assert f"this is for Linux on {os.uname().machine}, this machine is s390x" in done.stderr


def test_a_stick_that_is_read_only_and_noexec_serves(delivery: Delivery, place: Path, tmp_path: Path) -> None:
    script = """
        mount --bind "$1" "$2"; mount -o remount,bind,ro,noexec,nodev,nosuid "$2"; cd "$2"
        HOME=/nonexistent APPLIANCE_TMPDIR=$3 sh ./*.run verify -q -o json --trust "$4"
    """
    done = in_own_mounts(script, delivery.bundle.parent, tmp_path, place, delivery.root)
    assert (done.returncode, done.stderr) == (0, "")
    assert OWN_CODE in done.stdout


def test_a_disk_that_fills_up_while_the_python_is_unpacked_is_left_for_another(
    delivery: Delivery, tmp_path: Path
) -> None:
    """`df` promises room that is not there, as one does that others write to."""
    large, programs = tmp_path / "large", tmp_path / "programs"
    large.mkdir(mode=0o700)
    programs.mkdir()
    (programs / "df").write_text("#!/bin/sh\necho F 1 1 A C M; echo tmpfs 99999999 0 99999999 0% /\n")
    (programs / "df").chmod(0o755)
    script = """
        mount -t tmpfs -o size=90m,mode=1777 tmpfs /var/tmp
        env -i PATH="$1:$PATH" XDG_CACHE_HOME="$2" sh "$3" --version
        find /var/tmp -mindepth 2; find "$2" -mindepth 2 -maxdepth 2
    """
    done = in_own_mounts(script, programs, large, delivery.bundle)
    assert (done.returncode, done.stderr) == (0, "")
    version, place = done.stdout.splitlines()
    assert version.startswith("appliance")
    assert place.startswith(f"{large}/appliance-{os.getuid()}/python-")


@pytest.fixture
def bare_root(tmp_path: Path) -> Path:
    """A machine with busybox and nothing else: no libc, no Python, no /proc."""
    return bare(tmp_path / "root")


def carried_in(delivery: Delivery, root: Path) -> list[str | Path]:
    """The beginning of a command that runs the bundle's `verify` in another root."""
    (root / "stick").mkdir(exist_ok=True)
    for path in (delivery.bundle, delivery.root):
        os.link(path, root / "stick" / path.name)
    return [shutil.which("chroot") or "", root, "/bin/sh", f"/stick/{delivery.bundle.name}"]


def test_it_checks_itself_on_busybox_alone_without_proc_or_home(delivery: Delivery, bare_root: Path) -> None:
    command = carried_in(delivery, bare_root)
    for _ in range(2):
        done = subprocess.run(
            [*command, *VERIFY, "--trust", f"/stick/{delivery.root.name}"],
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": "/bin"},
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert OWN_CODE in done.stdout
    assert [path.name for path in (bare_root / "var/tmp").iterdir()] == ["appliance-0"]


@pytest.mark.slow
def test_it_checks_itself_on_debian_11(delivery: Delivery, tmp_path: Path) -> None:
    root = tmp_path / "bullseye"
    make = ["mmdebstrap", "--quiet", "--mode=root", "--variant=essential", "bullseye", root]
    subprocess.run([*make, "http://deb.debian.org/debian"], check=True, capture_output=True)
    version = (root / "etc/debian_version").read_text()
    assert version.startswith("11.")
    done = subprocess.run(
        [*carried_in(delivery, root), *VERIFY, "--trust", f"/stick/{delivery.root.name}"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": PATH},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert OWN_CODE in done.stdout
