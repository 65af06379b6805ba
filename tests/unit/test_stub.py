"""The stub under every shell that we promise, with a false Python in a file that is otherwise real."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from support.travelling import OFFSET, false_python, write_run

from appliance.bundle.layout import STUB_BYTES
from appliance.bundle.stub import StubFacts, render
from appliance.errors import BundleError

if TYPE_CHECKING:
    from pathlib import Path

    from appliance.bundle.pyruntime.runtime import Runtime

SHELLS = (("dash",), ("bash",), ("busybox", "ash"), ("mksh",), ("yash",))
every_shell = pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[-1])


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Runtime:
    return false_python(tmp_path_factory.mktemp("python"))


@pytest.fixture
def run(tmp_path: Path, python: Runtime) -> Path:
    return write_run(tmp_path / "etcd 1.run", python)


def start(
    run: Path, *arguments: str, shell: tuple[str, ...] = ("dash",), **environment: str
) -> subprocess.CompletedProcess[str]:
    place = run.parent / "place"
    place.mkdir(exist_ok=True)
    env = {"PATH": "/usr/bin:/bin", "APPLIANCE_TMPDIR": str(place), **environment}
    return subprocess.run([*shell, str(run), *arguments], env=env, capture_output=True, text=True, check=False)


def unpacked(run: Path) -> Path:
    (place,) = (run.parent / "place").glob("appliance-*/python-*")
    return place


@every_shell
def test_the_installer_starts_with_the_arguments_as_they_were_given(run: Path, shell: tuple[str, ...]) -> None:
    done = start(run, "run", "two words", "", "*", "a\nb", shell=shell)
    place = unpacked(run)
    assert (done.returncode, done.stderr) == (0, "")
    assert (
        done.stdout.partition("\n")[2]
        .partition("\n")[2]
        .startswith(f"<-I>\n<-B>\n<-X>\n<utf8>\n<{place}/boot.py>\n<{run}>\n<run>\n<two words>\n<>\n<*>\n<a\nb>\n")
    )


@pytest.mark.parametrize("name", ["x.run", "./x.run", "../place/x.run"])
@every_shell
def test_the_file_finds_itself_however_it_is_named(run: Path, shell: tuple[str, ...], name: str) -> None:
    place = run.parent / "place"
    place.mkdir()
    run.rename(place / "x.run")
    env = {"PATH": "/usr/bin:/bin", "APPLIANCE_TMPDIR": str(place)}
    done = subprocess.run([*shell, name], cwd=place, env=env, capture_output=True, text=True, check=False)
    (bundle,) = (line for line in done.stdout.splitlines() if line.endswith("x.run>"))
    assert os.path.normpath(bundle[1:-1]) == str(place / "x.run")


def test_a_program_text_without_a_file_says_how_to_start_it(run: Path) -> None:
    with run.open("rb") as file:
        done = subprocess.run(["dash"], stdin=file, env={"PATH": "/usr/bin:/bin"}, capture_output=True, check=False)
    assert done.returncode == 10
    assert b"start it as: sh /path/to/bundle.run" in done.stderr


@every_shell
def test_the_second_start_uses_what_the_first_unpacked(run: Path, shell: tuple[str, ...]) -> None:
    start(run, shell=shell)
    before = unpacked(run).stat()
    assert start(run, shell=shell).returncode == 0
    assert unpacked(run).stat().st_ino == before.st_ino
    assert [path.name for path in unpacked(run).parent.iterdir()] == [unpacked(run).name]


@pytest.mark.parametrize(
    ("shell", "name"),
    [
        *((shell, "lib/ld.so") for shell in SHELLS),
        *((("dash",), name) for name in ("boot.py", "files.sha256", "loader")),
    ],
)
def test_an_unpacked_file_that_changed_is_not_used(run: Path, shell: tuple[str, ...], name: str) -> None:
    start(run, shell=shell)
    pristine = (unpacked(run) / name).read_bytes()
    (unpacked(run) / name).write_bytes(b"x" + pristine[1:])
    assert start(run, shell=shell).returncode == 0
    assert (unpacked(run) / name).read_bytes() == pristine


@pytest.mark.parametrize("at", [0, 5000])
def test_an_unpacked_program_that_changed_is_not_used(run: Path, at: int) -> None:
    start(run)
    program = unpacked(run) / "bin/python"
    pristine = program.read_bytes()
    assert pristine[4096:].replace(b"\0", b"").decode() == f"{unpacked(run)}/lib/ld.so{unpacked(run)}/lib"
    program.write_bytes(pristine[:at] + b"x" + pristine[at + 1 :])
    assert start(run).returncode == 0
    assert program.read_bytes() == pristine


@every_shell
def test_a_file_that_is_one_byte_short_says_so(run: Path, shell: tuple[str, ...]) -> None:
    whole = run.read_bytes()
    run.write_bytes(whole[:-1])
    done = start(run, shell=shell)
    assert done.returncode == 3
    assert f"the file is truncated: {len(whole) - 1} of {len(whole)} bytes" in done.stderr


@every_shell
def test_a_size_beyond_32_bits_is_compared_right(tmp_path: Path, python: Runtime, shell: tuple[str, ...]) -> None:
    run = write_run(tmp_path / "x.run", python)
    want = 5_000_000_000
    stub = render(StubFacts("etcd", "1.0.0", want, ()))
    with run.open("r+b") as file:
        file.write(stub.replace(b'constants "$machine"', b"true"))
        file.truncate(want - 1)
    assert f"truncated: {want - 1} of {want} bytes" in start(run, shell=shell).stderr
    with run.open("r+b") as file:
        file.truncate(want + 1)
    assert f"too long: {want + 1} bytes, built as {want}" in start(run, shell=shell).stderr


def test_a_file_cut_anywhere_in_its_stub_starts_nothing(run: Path) -> None:
    whole = run.read_bytes()
    end = len(whole[:STUB_BYTES].rstrip(b"\n"))
    for length in (*range(0, end, 397), end - 7, end - 1, end, end + 1, STUB_BYTES, OFFSET + 1):
        run.write_bytes(whole[:length])
        done = start(run)
        assert "started" not in done.stdout, length
        assert not list((run.parent / "place").iterdir()), length


@every_shell
@pytest.mark.parametrize("at", [0, 5000, -1])
def test_a_damaged_installer_is_refused(run: Path, python: Runtime, shell: tuple[str, ...], at: int) -> None:
    with run.open("r+b") as file:
        file.seek(OFFSET + at % python.size)
        byte = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte[0] ^ 1]))
    done = start(run, shell=shell)
    assert (done.returncode, done.stdout) == (3, "")
    assert "the installer in this file is damaged" in done.stderr
    assert not list((run.parent / "place").glob("*/*"))


FICKLE = """\
#!/bin/sh
# The stick holds something else by the time that what was copied from it is looked at.
{dd} if='{evil}' of='{run}' bs=4096 seek={block} conv=notrunc 2>/dev/null
exec {openssl} "$@"
"""


@every_shell
def test_what_starts_is_what_was_copied_and_checked_whatever_the_stick_holds_by_then(
    run: Path, tmp_path: Path, python: Runtime, shell: tuple[str, ...]
) -> None:
    evil = false_python(tmp_path / "evil", says="evil!!!")
    assert (evil.size, evil.digest == python.digest) == (python.size, False)
    programs = tmp_path / "programs"
    programs.mkdir()
    found = {name: shutil.which(name) for name in ("dd", "openssl")}
    (programs / "openssl").write_text(FICKLE.format(**found, evil=evil.path, run=run, block=OFFSET // 4096))
    (programs / "openssl").chmod(0o755)
    for _ in range(2):
        done = start(run, shell=shell, PATH=f"{programs}:/usr/bin:/bin")
        assert (done.returncode, done.stderr, done.stdout.splitlines()[0]) == (0, "", "started")
    assert evil.path.read_bytes() in run.read_bytes()
    shutil.rmtree(run.parent / "place")
    done = start(run, shell=shell)
    assert (done.returncode, done.stdout) == (3, "")


@every_shell
def test_another_architecture_is_refused_naming_both(tmp_path: Path, shell: tuple[str, ...]) -> None:
    python = false_python(tmp_path, arch="riscv64")
    done = start(write_run(tmp_path / "x.run", python), shell=shell)
    machine = subprocess.run(["uname", "-m"], capture_output=True, text=True, check=True).stdout.strip()
    assert done.returncode == 10
    assert f"this is for Linux on riscv64, this machine is {machine}" in done.stderr


@every_shell
def test_another_system_is_refused_naming_both(run: Path, shell: tuple[str, ...]) -> None:
    text = run.read_bytes().replace(b"system=$(uname -s)", b"system=OpenBSD    ")
    run.write_bytes(text)
    done = start(run, shell=shell)
    assert done.returncode == 10
    assert "this is for Linux (" in done.stderr
    assert "this machine runs OpenBSD" in done.stderr


def test_without_a_place_every_folder_has_its_reason(run: Path) -> None:
    shared = run.parent / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    odd = run.parent / "a:b"
    odd.mkdir()
    long = run.parent / ("x" * 200)
    long.mkdir()
    taken = run.parent / "taken"
    taken.mkdir()
    (taken / f"appliance-{os.getuid()}").symlink_to(shared)
    file = run.parent / "file"
    file.touch()
    reasons = {
        shared: "others may change what stands there",
        odd: "its name holds : or ; or $",
        long: "its name is too long",
        taken: f"cannot have the folder {taken}/appliance-{os.getuid()} for ourselves",
        file: "no such folder",
        run.parent / "missing": "no such folder",
    }
    for folder, reason in reasons.items():
        done = start(run, APPLIANCE_TMPDIR=str(folder))
        assert done.returncode == 10
        assert f"\n  {folder}: {reason}\n" in done.stderr
        assert "name one in APPLIANCE_TMPDIR" in done.stderr


@every_shell
def test_what_could_change_the_interpreter_is_taken_out_of_the_environment(run: Path, shell: tuple[str, ...]) -> None:
    kept = {
        "TERM": "xterm",
        "HOME": "/root",
        "LANG": "C.UTF-8",
        "NO_COLOR": "1",
        "SUDO_USER": "a b",
        "APPLIANCE_X": "y\nLD_Z=1",
    }
    gone = {
        "LD_DEBUG_OUTPUT": "/dev/null",
        "PYTHONPATH": "/tmp",
        "PYTHONHOME": "/tmp",
        "OPENSSL_CONF": "/dev/null",
        "ENV": "",
    }
    lines = start(run, shell=shell, **kept, **gone).stdout.splitlines()
    assert {f"{name}={value}".splitlines()[0] for name, value in kept.items()} <= set(lines)
    assert not [line for line in lines if line.partition("=")[0] in gone]
    assert [line for line in lines if line.startswith("PATH=/usr/bin:/bin:")]


def test_many_starts_at_once_all_succeed_and_leave_one_copy(run: Path) -> None:
    place = run.parent / "place"
    place.mkdir()
    env = {"PATH": "/usr/bin:/bin", "APPLIANCE_TMPDIR": str(place)}
    starts = [subprocess.Popen(["dash", str(run)], env=env, stdout=subprocess.PIPE, text=True) for _ in range(8)]
    assert [process.communicate()[0].splitlines()[0] for process in starts] == ["started"] * 8
    assert [path.name for path in unpacked(run).parent.iterdir()] == [unpacked(run).name]
    assert not (unpacked(run) / "tree").exists()


def test_what_a_killed_start_left_is_cleared_away(run: Path) -> None:
    left = run.parent / "place" / f"appliance-{os.getuid()}" / "new.4194999"
    left.mkdir(parents=True)
    left.parent.chmod(0o700)
    start(run)
    assert not left.exists()


def test_the_umask_is_the_callers_again(run: Path) -> None:
    mask = os.umask(0o026)
    try:
        done = start(run)
    finally:
        os.umask(mask)
    assert done.stdout.splitlines()[1] == "umask 0026"
    assert unpacked(run).parent.stat().st_mode & 0o077 == 0


def test_the_stub_is_clean_shell_and_fills_its_place(run: Path) -> None:
    stub = run.read_bytes()[:STUB_BYTES]
    assert not re.search(rb"@[A-Z]+@", stub)
    subprocess.run(["shellcheck", "-s", "sh", "-"], input=stub, check=True, capture_output=True)


@pytest.mark.parametrize("name", ["a'b", "a b", "", "-a", "$(x)", "a\nb", "ü"])
def test_a_name_that_a_shell_could_misread_is_refused(name: str) -> None:
    with pytest.raises(BundleError):
        render(StubFacts(name, "1", 1, ()))
    with pytest.raises(BundleError):
        render(StubFacts("etcd", name, 1, ()))
