"""Files that call themselves a Debian source package are held against its own description."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from appliance.bundle.pyruntime import sourcepackage

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FILES = {"zlib_1.3.orig.tar.gz": b"original", "zlib_1.3-1.debian.tar.xz": b"of debian"}
DSC = "zlib_1.3-1.dsc"


def described(version: str = "1:1.3-1") -> str:
    sums = "".join(f"\n {hashlib.sha256(data).hexdigest()} {len(data)} {name}" for name, data in FILES.items())
    others = "".join(f"\n {hashlib.md5(data).hexdigest()} {len(data)} {name}" for name, data in FILES.items())
    return (
        "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nFormat: 3.0 (quilt)\nSource: zlib\n"
        f"Version: {version}\nChecksums-Sha256:{sums}\nFiles:{others}\n\n-----BEGIN PGP SIGNATURE-----\n\niIoE\n"
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, data in FILES.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / DSC).write_text(described())
    return tmp_path


def said(folder: Path) -> str:
    return sourcepackage.fault(folder, "zlib", "1:1.3-1")


def test_a_whole_source_package_has_no_fault(folder: Path) -> None:
    assert said(folder) == ""
    (folder / DSC).write_text(described().replace("\n", "\r\n"))
    assert said(folder) == ""


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: (folder / DSC).unlink(), "holds 0 .dsc files"),
        (lambda folder: (folder / "other.dsc").write_text(described()), "holds 2 .dsc files"),
        (lambda folder: (folder / DSC).write_text(described("1.3-1")), "is of zlib 1.3-1, not of zlib 1:1.3-1"),
        (lambda folder: (folder / DSC).write_bytes(b"\xff"), "is of nothing, not of zlib"),
        (lambda folder: (folder / "zlib_1.3.orig.tar.gz").write_bytes(b"Original"), "orig.tar.gz is not what the .dsc"),
        (lambda folder: (folder / "zlib_1.3.orig.tar.gz").unlink(), "zlib_1.3.orig.tar.gz is missing in the source"),
        (lambda folder: (folder / "evil.tar").write_bytes(b""), "evil.tar does not belong to the source package"),
    ],
    ids=["no description", "two", "another version", "no fields", "altered", "missing", "strange"],
)
def test_what_is_not_it_is_said_in_words(folder: Path, spoil: Callable[[Path], object], words: str) -> None:
    spoil(folder)

    assert words in said(folder)
