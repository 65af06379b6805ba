"""The small parts that a travelling Python is put together with."""

from __future__ import annotations

import os
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

import pytest

from appliance.bundle.pyruntime import archive, debian, shelf, wheels
from appliance.bundle.pyruntime.lock import Kind, Pin
from appliance.bundle.pyruntime.ours import our_files
from appliance.bundle.pyruntime.packages import Packages
from appliance.bundle.pyruntime.selection import SELECTIONS, RuntimeKind, keeps_site
from appliance.digest import Digest
from appliance.errors import ApplianceError


def make_wheel(path: Path, *names: str) -> Path:
    with zipfile.ZipFile(path, "w") as wheel:
        for name in names:
            wheel.writestr(name, name)
    return path


def test_a_wheel_gives_packages_and_libraries_and_no_scripts(tmp_path: Path) -> None:
    wheel = make_wheel(
        tmp_path / "a.whl",
        "a/__init__.py",
        "a-1.data/purelib/b.py",
        "a-1.data/platlib/c/d.so",
        "a-1.data/scripts/run",
        "a-1.dist-info/METADATA",
    )
    names = [str(name) for name, _ in wheels.contents(wheel)]
    assert names == ["a/__init__.py", "b.py", "c/d.so", "a-1.dist-info/METADATA"]


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "a-1.data/purelib/../../x"])
def test_a_wheel_that_climbs_out_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ApplianceError, match="a wheel holds the name"):
        list(wheels.contents(make_wheel(tmp_path / "a.whl", name)))


def test_what_is_no_archive_is_no_wheel(tmp_path: Path) -> None:
    (tmp_path / "a.whl").write_bytes(b"text")
    with pytest.raises(ApplianceError, match="is not a wheel"):
        list(wheels.contents(tmp_path / "a.whl"))


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("a/__init__.py", True),
        ("a/style.tcss", True),
        ("a/tests/test_a.py", False),
        ("a/a.pyi", False),
        ("a-1.dist-info/METADATA", True),
        ("a-1.dist-info/licenses/LICENSE", True),
        ("a-1.dist-info/RECORD", False),
    ],
)
def test_code_data_and_licences_of_a_wheel_go_along(name: str, kept: bool) -> None:
    assert keeps_site(PurePosixPath(name)) is kept


@pytest.mark.parametrize(
    ("name", "operator", "host"),
    [
        ("os.py", True, True),
        ("encodings/utf_8.py", True, True),
        ("asyncio/tasks.py", True, False),
        ("unittest/mock.py", False, False),
        ("lib-dynload/_hashlib.cpython-313-x86_64-linux-gnu.so", True, True),
        ("lib-dynload/_ssl.cpython-313-x86_64-linux-gnu.so", True, True),
        ("lib-dynload/_sqlite3.cpython-313-x86_64-linux-gnu.so", False, False),
    ],
)
def test_a_host_gets_less_of_the_standard_library(name: str, operator: bool, host: bool) -> None:
    path = PurePosixPath(name)
    assert SELECTIONS[RuntimeKind.OPERATOR].keeps_stdlib(path) is operator
    assert SELECTIONS[RuntimeKind.HOST].keeps_stdlib(path) is host


def test_a_host_gets_what_its_side_imports_and_nothing_of_the_operators() -> None:
    names = {str(name) for name in our_files(RuntimeKind.HOST)}
    assert {"appliance/__init__.py", "appliance/distribute/__init__.py", "appliance/distribute/hostside.py"} <= names
    assert "appliance/image/layers.py" in names
    assert not [name for name in names if "/bundle/" in name or "/cli/" in name or "/transport/" in name]
    assert names < {str(name) for name in our_files(RuntimeKind.OPERATOR)}


def test_the_same_files_make_the_same_tar_wherever_and_whenever(tmp_path: Path) -> None:
    packed = []
    for attempt in ("first", "second"):
        tree = tmp_path / attempt
        for name in sorted(("b/x", "a", "bin/python"), reverse=attempt == "second"):
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_bytes(name.encode() * 1000)
            os.utime(tree / name, (1, len(attempt)))
        (tree / "bin/python").chmod(0o755 if attempt == "first" else 0o700)
        packed.append(archive.pack(archive.collect(tree), tmp_path / f"{attempt}.tar"))
    assert packed[0] == packed[1]
    data = (tmp_path / "first.tar").read_bytes()
    assert Digest.of(data) == packed[0].digest
    assert len(data) == packed[0].size
    assert len(data) % archive.ALIGN == 0


def test_the_file_list_names_all_but_itself_and_the_program(tmp_path: Path) -> None:
    for name in ("lib/a", "bin/python", "z"):
        (tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / name).write_bytes(b"")
    packed = archive.pack(archive.collect(tmp_path / "tree"), tmp_path / "x.tar")
    with tarfile.open(tmp_path / "x.tar") as tar:
        member = tar.extractfile("files.sha256")
        assert member is not None
        listing = member.read()
        assert {entry.uid for entry in tar} == {0}
    empty = Digest.of(b"").hex
    assert listing.decode() == f"{empty}  lib/a\n{empty}  z\n"
    assert packed.file_list == Digest.of(listing)


def test_the_last_used_folders_are_kept_of_each_stem(tmp_path: Path) -> None:
    for number in range(6):
        folder = tmp_path / f"host-x86_64-{number}"
        folder.mkdir()
        os.utime(folder, (number, number))
    (tmp_path / "operator-x86_64-0").mkdir()
    shelf.used(tmp_path / "host-x86_64-1")
    assert {path.name for path in tmp_path.iterdir()} == {
        "operator-x86_64-0",
        *(f"host-x86_64-{number}" for number in (1, 3, 4, 5)),
    }


def test_a_kept_package_that_changed_is_removed_and_said(tmp_path: Path) -> None:
    packages = Packages(tmp_path)
    pin = Pin("x86_64", Kind.DEB, "libc6", "1", Digest.of(b"good").hex, "glibc=1")
    with packages.incoming() as folder:
        (folder / "any name.deb").write_bytes(b"good")
        packages.take(folder, [pin])
    assert packages.checked(pin).read_bytes() == b"good"
    packages.path(pin).write_bytes(b"evil")
    with pytest.raises(ApplianceError, match="was damaged and is removed"):
        packages.checked(pin)
    assert not packages.has(pin)


def test_a_package_of_another_content_is_not_taken(tmp_path: Path) -> None:
    packages = Packages(tmp_path)
    pin = Pin("x86_64", Kind.DEB, "libc6", "1", Digest.of(b"good").hex, "glibc=1")
    with packages.incoming() as folder:
        (folder / "libc6.deb").write_bytes(b"evil")
        with pytest.raises(ApplianceError, match="another content"):
            packages.take(folder, [pin])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("stanza", "source"),
    [
        ("Package: zlib1g\nVersion: 1:1.3-1\nSource: zlib\nSHA256: {hash}\nDescription: x\n y: z", "zlib=1:1.3-1"),
        ("Package: libgcc-s1\nSource: gcc-14 (14.2)\nVersion: 14.2-19\nSHA256: {hash}", "gcc-14=14.2"),
        ("Package: dash\nVersion: 0.5\nSHA256: {hash}", "dash=0.5"),
    ],
)
def test_a_package_names_its_exact_source(stanza: str, source: str) -> None:
    digest = "ab" * 32
    assert debian.read_stanza(stanza.format(hash=digest), "x86_64").source == source
