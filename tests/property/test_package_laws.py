"""Whatever bytes a package database, a package or an SBOM has, it is read, or refused in our own words."""

from __future__ import annotations

import io
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.publishers import PACKAGES, rpm_database, tar

from appliance.bundle.inventory import apk, debs, dpkg, found, layer, listing, rpm, tree, wheels
from appliance.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Callable

MEDIA_TAR = "application/vnd.oci.image.layer.v1.tar"
NAMES = (
    "var/lib/dpkg/status",
    "lib/apk/db/installed",
    "var/lib/rpm/rpmdb.sqlite",
    "a.whl",
    "a.deb",
    "b/os-release",
    "x",
)
RPM = (PACKAGES / "demo-lib-1.4-2.noarch.rpm").read_bytes()


@given(st.text())
def test_any_text_is_a_database_with_or_without_packages(text: str) -> None:
    for package in (*dpkg.installed(text), *apk.installed(text)):
        assert package.name
        assert package.purl.isascii()
    assert all(dpkg.licences(text))


@given(st.binary(), st.sampled_from([debs.carried, rpm.carried, wheels.carried]))
def test_any_bytes_are_a_package_or_refused(data: bytes, read: Callable[[Any], object]) -> None:
    with pytest.raises(ValueError, match="."):
        read(io.BytesIO(data))


@given(st.integers(0, len(RPM) - 1), st.binary(min_size=1, max_size=40))
def test_an_rpm_with_other_bytes_somewhere_is_read_or_refused(at: int, other: bytes) -> None:
    try:
        package = rpm.carried(io.BytesIO(RPM[:at] + other + RPM[at + len(other) :]))
    except ValueError:
        return
    assert package.name


@given(st.integers(0, 200_000), st.binary(min_size=1, max_size=40))
def test_a_database_with_other_bytes_somewhere_is_read_or_refused(at: int, other: bytes) -> None:
    data = rpm_database()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rpmdb.sqlite"
        path.write_bytes(data[:at] + other + data[at + len(other) :])
        try:
            packages = rpm.installed(path)
        except ValueError:
            return
    assert all(package.name for package in packages)


@given(st.dictionaries(st.sampled_from(NAMES), st.binary(max_size=300) | st.none()), st.booleans())
def test_any_files_at_these_names_make_a_layer_that_is_kept_and_joined(
    contents: dict[str, bytes | None], files: bool
) -> None:
    made = layer.read(io.BytesIO(tar(contents)), MEDIA_TAR, files=files)
    assert found.parse(found.dump(made)) == made
    assert tree.over_each_other([made, made]) == tree.over_each_other([made])


WORDS = st.sampled_from(
    ["components", "metadata", "type", "name", "bom-ref", "hashes", "licenses", "properties", "dependencies", "value"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=5),
    max_leaves=30,
)


@given(JSON, JSON)
def test_any_json_is_a_listing_or_refused(components: object, metadata: object) -> None:
    try:
        read = listing.read(json.dumps({"components": components, "metadata": metadata}).encode())
    except BundleError:
        return
    assert all(isinstance(one.name, str) for one in read.packages)
