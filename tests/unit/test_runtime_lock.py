from __future__ import annotations

import json

import pytest

from appliance.bundle.pyruntime import lock
from appliance.bundle.pyruntime.lock import ARCHITECTURES, Kind, Lock, Pin
from appliance.bundle.pyruntime.project import from_checkout, this_project
from appliance.bundle.pyruntime.selection import DEBS
from appliance.bundle.pyruntime.thirdparty import LOCK_FILE
from appliance.errors import StateError

GLIBC = Pin("x86_64", Kind.DEB, "libc6", "2.41-12", "ab" * 32, "glibc=2.41-12")
CLICK = Pin("aarch64", Kind.WHEEL, "click", "8.5.1", "cd" * 32, "click-8.5.1-py3-none-any.whl")


def test_a_lock_reads_as_it_was_written() -> None:
    wanted = Lock((CLICK, GLIBC))
    assert lock.parse(lock.dump(Lock((GLIBC, CLICK))), where="x") == wanted


def test_the_lock_that_we_carry_names_every_package_for_every_architecture() -> None:
    carried = lock.parse(LOCK_FILE.read_bytes(), where="lock.json")
    for arch in ARCHITECTURES:
        pins = carried.of(arch).pins
        assert {pin.name for pin in pins if pin.kind is Kind.DEB} == set(DEBS)
        wheels = {lock.normalised(pin.name) for pin in pins if pin.kind is Kind.WHEEL}
        assert {lock.normalised(name) for name in this_project().requirement_names} <= wheels
    assert lock.dump(carried) == LOCK_FILE.read_bytes()


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ((), (GLIBC,), "libc6 2.41-12 (deb, x86_64) is not in the lock"),
        ((CLICK,), (), "click 8.5.1 (wheel, aarch64) is locked, and not used"),
        (
            (GLIBC,),
            (Pin("x86_64", Kind.DEB, "libc6", "2.41-13", "ab" * 32, "glibc=2.41-13"),),
            "libc6 2.41-13 (deb, x86_64) is used, the lock has 2.41-12",
        ),
        (
            (GLIBC,),
            (Pin("x86_64", Kind.DEB, "libc6", "2.41-12", "ef" * 32, "glibc=2.41-12"),),
            "libc6 2.41-12 (deb, x86_64) has another content than the lock says",
        ),
    ],
)
def test_a_difference_is_a_sentence(old: tuple[Pin, ...], new: tuple[Pin, ...], sentence: str) -> None:
    assert lock.differences(Lock((*old,)), Lock((*new,))) == (sentence,)


def test_equal_locks_differ_in_nothing() -> None:
    assert lock.differences(Lock((GLIBC, CLICK)), Lock((CLICK, GLIBC))) == ()


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[]",
        b"{}",
        b'{"format": 1}',
        b'{"format": 1, "packages": [{"arch": "x86_64"}]}',
        lock.dump(Lock((GLIBC,))).replace(b"x86_64", b"riscv64"),
        lock.dump(Lock((GLIBC,))).replace(b"abab", b"xxxx", 1),
        lock.dump(Lock((GLIBC,))).replace(b'"deb"', b'"rpm"'),
    ],
)
def test_what_is_not_a_lock_is_refused(document: bytes) -> None:
    with pytest.raises(StateError, match=r"lock\.json: not a lock"):
        lock.parse(document, where="lock.json")


def test_a_newer_lock_is_refused() -> None:
    with pytest.raises(StateError, match="has format 2"):
        lock.parse(json.dumps({"format": 2}).encode(), where="lock.json")


def test_a_checkout_says_what_an_installation_would() -> None:
    project = from_checkout(
        """
        [project]
        name = "appliance"
        version = "1.2"
        dependencies = ["click>=8.1", "backports.zstd; python_version < '3.14'"]
        [project.scripts]
        appliance = "appliance.__main__:main"
        [project.entry-points."appliance.runtimes"]
        systemd = "a.b:C"
        """
    )
    assert project.requirement_names == ("click", "backports.zstd")
    assert project.entry_points == (
        "[appliance.runtimes]\nsystemd = a.b:C\n\n[console_scripts]\nappliance = appliance.__main__:main\n"
    )
    assert "\nName: appliance\nVersion: 1.2\nRequires-Dist: click>=8.1\n" in project.metadata
