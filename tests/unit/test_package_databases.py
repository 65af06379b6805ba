"""What package databases and package files say of themselves: Debian's, Alpine's, rpm's, Python's."""

from __future__ import annotations

import io
import lzma
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest
from packageurl import PackageURL
from support.publishers import PACKAGES, rpm_database, tar

from appliance.bundle.inventory import apk, debs, dpkg, rpm, wheels
from appliance.bundle.inventory.parts import Package, PackageKind, Release
from appliance.digest import Digest

if TYPE_CHECKING:
    from pathlib import Path

STATUS = """\
Package: libc6
Status: install ok installed
Source: glibc
Version: 2.36-9+deb12u9
Architecture: amd64
Description: GNU C Library
 with a second line: and a colon

Package: gone
Status: deinstall ok config-files
Version: 1.0

Package: libstdc++6
Status: install ok installed
Architecture: amd64
Source: gcc-12 (12.2.0-14)
Version: 12.2.0-14+b1
"""
APK = """\
C:Q1qKcZ+j23xssAXmgQhkOO8dHnbWw=
P:musl
V:1.2.4-r2
A:x86_64
L:MIT
o:musl
F:lib
R:ld-musl-x86_64.so.1
a:0:0:755
Z:Q1

P:busybox-binsh
V:1.36.1-r5
A:x86_64
L:GPL-2.0-only
o:busybox
"""
METADATA = "Metadata-Version: 2.1\nName: Ruamel.Yaml\nVersion: 0.18\n{}\n\nLicense: not this, it is the description\n"


def test_dpkg_lists_what_is_installed_with_its_exact_source() -> None:
    assert dpkg.installed(STATUS) == (
        Package(PackageKind.DEB, "libc6", "2.36-9+deb12u9", "amd64", "glibc=2.36-9+deb12u9"),
        Package(PackageKind.DEB, "libstdc++6", "12.2.0-14+b1", "amd64", "gcc-12=12.2.0-14"),
    )


def test_a_distroless_image_says_no_status_and_means_installed() -> None:
    (found,) = dpkg.installed("Package: tzdata\nVersion: 2024a-0+deb12u1\nArchitecture: all\n")
    assert (found.name, found.arch) == ("tzdata", "all")


DEP5 = """\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
License: GPL-2+ or Expat

Files: debian/*
License: Apache-2.0
 the text of it

License: BSD-3-clause
 a text to which nothing in this package refers
"""


@pytest.mark.parametrize(
    ("text", "licences"),
    [
        (DEP5, ("Apache-2.0", "GPL-2.0-or-later OR MIT")),
        ("Parts are under /usr/share/common-licenses/GPL-2; the rest is not.", ()),
        ("Copyright 1990 somebody. All rights reserved.", ()),
        ("", ()),
    ],
)
def test_licences_come_from_what_a_copyright_file_says_by_rule(text: str, licences: tuple[str, ...]) -> None:
    assert dpkg.licences(text) == licences


@pytest.mark.parametrize(
    ("name", "expression"),
    [
        ("GPL-3", "GPL-3.0-only"),
        ("LGPL-2.1+", "LGPL-2.1-or-later"),
        ("GPL-2.0-or-later", "GPL-2.0-or-later"),
        ("BSD-3-Clause and Zlib", "BSD-3-Clause AND Zlib"),
        ("GPL-2+ with OpenSSL exception", "GPL-2+ with OpenSSL exception"),
        ("public-domain", "public-domain"),
    ],
)
def test_debians_licence_names_become_spdx_where_that_is_certain(name: str, expression: str) -> None:
    assert dpkg.spdx(name) == expression


def test_apk_lists_packages_and_not_their_files() -> None:
    assert apk.installed(APK) == (
        Package(PackageKind.APK, "musl", "1.2.4-r2", "x86_64", "musl=1.2.4-r2", ("MIT",)),
        Package(PackageKind.APK, "busybox-binsh", "1.36.1-r5", "x86_64", "busybox=1.36.1-r5", ("GPL-2.0-only",)),
    )


DEMO = Package(PackageKind.RPM, "demo-lib", "1:1.4-2", "noarch", "demo-lib-1.4-2.src.rpm", ("MIT and GPLv2+",))


def test_rpms_own_database_is_read(tmp_path: Path) -> None:
    """The file was written by rpm 4.18."""
    path = tmp_path / "a %?# b.sqlite"
    path.write_bytes(rpm_database())
    found = rpm.installed(path)
    assert found[0] == DEMO
    assert [package.name for package in found] == ["demo-lib", "other"]


def test_a_damaged_rpm_database_is_said_and_not_half_read(tmp_path: Path) -> None:
    path = tmp_path / "db"
    for damaged in (b"", b"not a database" * 500, rpm_database()[:8192], rpm_database()[:100_000]):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="rpm"):
            rpm.installed(path)


def test_an_rpm_file_is_read() -> None:
    """The file was made by rpmbuild 4.18."""
    data = (PACKAGES / "demo-lib-1.4-2.noarch.rpm").read_bytes()
    assert rpm.carried(io.BytesIO(data)) == DEMO
    for end in (0, 50, 100, 300):
        with pytest.raises(ValueError, match="rpm"):
            rpm.carried(io.BytesIO(data[:end]))


@pytest.mark.parametrize(
    ("fields", "licences"),
    [
        ("License-Expression: MIT OR Apache-2.0\nLicense: other", ("MIT OR Apache-2.0",)),
        ("License: BSD-3-Clause", ("BSD-3-Clause",)),
        ("License: first line\n        of a whole text\nClassifier: License :: OSI Approved :: MIT License", ("MIT",)),
        ("License: UNKNOWN\nClassifier: Topic :: Security", ()),
    ],
)
def test_a_distributions_licence_is_its_expression_or_few_words(fields: str, licences: tuple[str, ...]) -> None:
    found = wheels.installed(METADATA.format(fields))
    assert (found.name, found.version, found.licences) == ("Ruamel.Yaml", "0.18", licences)


def test_metadata_without_a_name_is_refused() -> None:
    with pytest.raises(ValueError, match="without name or version"):
        wheels.installed("Metadata-Version: 2.1\n")


def test_a_wheel_is_read() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("demo/__init__.py", "")
        archive.writestr("demo-1.0.dist-info/METADATA", "Name: demo\nVersion: 1.0\nLicense: MIT\n")
    assert wheels.carried(io.BytesIO(file.getvalue())) == Package(PackageKind.PYTHON, "demo", "1.0", licences=("MIT",))
    with pytest.raises(ValueError, match="not a wheel"):
        wheels.carried(io.BytesIO(file.getvalue()[:-30]))


def deb(*, control: bytes, copyright_file: bytes, suffix: str = ".xz", data_suffix: str = "") -> bytes:
    """A ``.deb`` as dpkg-deb writes one."""
    data = tar({"./usr/share/doc/demo/copyright": copyright_file})
    members = [
        ("debian-binary", b"2.0\n"),
        (f"control.tar{suffix}", (lzma.compress if suffix == ".xz" else bytes)(tar({"./control": control}))),
        (f"data.tar{data_suffix}", data),
    ]
    head = "{:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n"
    return b"!<arch>\n" + b"".join(
        head.format(name, 0, 0, 0, "100644", len(body)).encode() + body + b"\n" * (len(body) % 2)
        for name, body in members
    )


CONTROL = b"Package: demo\nVersion: 1:2.0-1\nArchitecture: all\nSource: demo-src\n"


def test_a_deb_says_its_package_and_licences() -> None:
    found = debs.carried(io.BytesIO(deb(control=CONTROL, copyright_file=DEP5.encode())))
    licences = ("Apache-2.0", "GPL-2.0-or-later OR MIT")
    assert found == Package(PackageKind.DEB, "demo", "1:2.0-1", "all", "demo-src=1:2.0-1", licences)


def test_a_deb_whose_data_cannot_be_unpacked_is_still_a_package() -> None:
    found = debs.carried(io.BytesIO(deb(control=CONTROL, copyright_file=b"", data_suffix=".lz9")))
    assert (found.name, found.licences) == ("demo", ())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK\3\4",
        b"!<arch>\n",
        deb(control=CONTROL, copyright_file=b"")[:100],
        deb(control=b"Package: x\n", copyright_file=b""),
        deb(control=CONTROL, copyright_file=b"", suffix=".zst"),
        b"!<arch>\n" + b"control.tar".ljust(48) + b"-5".ljust(12),
    ],
)
def test_what_is_no_deb_is_refused_in_words(data: bytes) -> None:
    with pytest.raises(ValueError, match="deb|control"):
        debs.carried(io.BytesIO(data))


def test_packages_have_package_urls_that_other_tools_know() -> None:
    debian, fedora = Release("debian", "12"), Release("fedora", "41")
    sha = Digest.of(b"")
    made = {
        Package(
            PackageKind.DEB, "libc6", "2.41-12+deb13u4", "amd64"
        ): "pkg:deb/debian/libc6@2.41-12%2Bdeb13u4?arch=amd64",
        Package(PackageKind.DEB, "zlib1g", "1:1.2", release=debian): "pkg:deb/debian/zlib1g@1:1.2?distro=debian-12",
        Package(PackageKind.RPM, "bash", "1:5.2-1", "x86_64", release=fedora): (
            "pkg:rpm/fedora/bash@5.2-1?arch=x86_64&distro=fedora-41&epoch=1"
        ),
        Package(PackageKind.APK, "musl", "1.2", release=Release("alpine", "3.20")): (
            "pkg:apk/alpine/musl@1.2?distro=alpine-3.20"
        ),
        Package(PackageKind.PYTHON, "ruamel_yaml", "0.18", source="ruamel_yaml-0.18-py3-none-any.whl", digest=sha): (
            "pkg:pypi/ruamel-yaml@0.18?file_name=ruamel_yaml-0.18-py3-none-any.whl"
        ),
    }
    assert {package: package.purl for package in made} == made
    for purl in made.values():
        assert PackageURL.from_string(purl).to_string() == purl


def test_no_bytes_make_a_reader_of_packages_fail_in_another_way() -> None:
    for data in (
        b"\0" * 600,
        b"\xed\xab\xee\xdb" + b"\xff" * 400,
        b"!<arch>\n" + b"\xff" * 200,
        tarfile.RECORDSIZE * b"a",
    ):
        for read in (debs.carried, rpm.carried, wheels.carried):
            with pytest.raises(ValueError, match=r"."):
                read(io.BytesIO(data))
