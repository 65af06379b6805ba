"""The SBOM of a delivery: what stands in its layers is found, once, and CycloneDX's own validator takes it."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from support.images import fake_pythons, put_image
from support.publishers import carry, put_container, put_layer, rpm_database, tar
from test_package_databases import APK, CONTROL, DEP5, STATUS, deb

from appliance.bundle.inventory import cyclonedx, found, layer, tree
from appliance.bundle.inventory.parts import FoundFile
from appliance.digest import Digest
from appliance.errors import BundleError
from appliance.image import oci
from appliance.image.store import Store
from appliance.operations import stock

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from appliance.bundle.inventory.tree import TreeFound
    from appliance.image.reference import Reference

DEBIAN = b'ID=debian\nVERSION_ID="12"\n'
MEDIA_TAR = "application/vnd.oci.image.layer.v1.tar"


def look(*layers: bytes, files: bool = False) -> TreeFound:
    """What is in these tars over each other."""
    return tree.over_each_other(layer.read(io.BytesIO(data), MEDIA_TAR, files=files) for data in layers)


def names(what: TreeFound) -> list[str]:
    return [package.name for package in what.packages]


def test_a_debian_layer_says_packages_release_and_licences() -> None:
    data = tar(
        {
            "usr/lib/os-release": DEBIAN,
            "var/lib/dpkg/status": STATUS.encode(),
            "usr/share/doc/libc6/copyright": DEP5.encode(),
        },
        links={"usr/share/doc/libstdc++6": "libc6", "etc/os-release": "../usr/lib/os-release"},
    )
    libc, libstdcxx = look(data).packages
    assert libc.purl == "pkg:deb/debian/libc6@2.36-9%2Bdeb12u9?arch=amd64&distro=debian-12"
    assert libc.licences == libstdcxx.licences == ("Apache-2.0", "GPL-2.0-or-later OR MIT")


def test_an_upper_layer_replaces_and_removes_what_lower_ones_say() -> None:
    lower = tar(
        {"lib/apk/db/installed": APK.encode(), "opt/a.deb": deb(control=CONTROL, copyright_file=b""), "a/b": b"1"}
    )
    assert names(look(lower)) == ["busybox-binsh", "musl", "demo"]
    assert names(look(lower, tar({"lib/apk/db/installed": APK.split("\n\n")[1].encode()}))) == ["busybox-binsh", "demo"]
    assert names(look(lower, tar({"opt/a.deb": None}))) == ["busybox-binsh", "musl"]
    assert names(look(lower, tar({"lib": None}))) == ["demo"]
    assert names(look(lower, tar({"lib/.wh..wh..opq": b""}))) == ["demo"]
    assert names(look(lower, tar({"lib": b"a file now"}, links={"opt": "elsewhere"}), files=True)) == []
    assert [f.path for f in look(lower, tar({"a": None, "a/c": b"2"}), files=True).files if f.path[0] == "a"] == ["a/c"]


def test_a_nested_tree_is_of_its_own_release() -> None:
    data = tar(
        {
            "etc/os-release": b"ID=alpine\n",
            "opt/root/etc/os-release": DEBIAN,
            "opt/root/var/lib/dpkg/status.d/tzdata": b"Package: tzdata\nVersion: 1\n",
            "opt/root/var/lib/dpkg/status.d/tzdata.md5sums": b"Package: no\nVersion: 1\n",
        }
    )
    what = look(data)
    assert [package.purl for package in what.packages] == ["pkg:deb/debian/tzdata@1?distro=debian-12"]
    assert what.release.distro == "alpine"


def test_what_may_hold_packages_and_is_not_read_is_said() -> None:
    what = look(
        tar(
            {
                "var/lib/rpm/Packages": b"\0\0\0\0\x61\x15\x06",
                "usr/lib/sysimage/rpm/Packages.db": b"RpmP",
                "usr/lib/sysimage/rpm/rpmdb.sqlite": rpm_database()[:9000],
                "srv/a.whl": b"PK",
                "srv/Packages": b"not a database",
            }
        )
    )
    assert [path for path, _ in what.unread] == [
        "srv/a.whl",
        "usr/lib/sysimage/rpm/Packages.db",
        "usr/lib/sysimage/rpm/rpmdb.sqlite",
        "var/lib/rpm/Packages",
    ]
    assert what.packages == ()


def test_files_are_listed_with_digests_where_that_is_asked_for() -> None:
    data = tar({"bin/a": b"one", "bin/b.deb": b"two"})
    assert look(data, files=True).files == (
        FoundFile("bin/a", 0o644, 3, Digest.of(b"one")),
        FoundFile("bin/b.deb", 0o644, 3, Digest.of(b"two")),
    )
    assert look(data).files == ()


def test_what_was_found_is_the_same_when_it_was_kept() -> None:
    contents = {"lib/apk/db/installed": APK.encode(), "a.deb": deb(control=CONTROL, copyright_file=b""), "x": None}
    contents |= {"etc/os-release": DEBIAN, "b.whl": b"PK", "usr/share/doc/a/copyright": DEP5.encode()}
    made = layer.read(io.BytesIO(tar(contents, links={"l": "x"})), MEDIA_TAR, files=True)
    assert found.parse(found.dump(made)) == made
    for broken in (b"", b"{}", b'{"format":2}', found.dump(made)[:-9]):
        with pytest.raises(ValueError, match=r"."):
            found.parse(broken)


@pytest.mark.parametrize("media_type", [MEDIA_TAR, f"{MEDIA_TAR}+gzip", f"{MEDIA_TAR}+zstd", "text/plain"])
def test_a_damaged_layer_is_refused_in_words(media_type: str) -> None:
    for data in (b"x" * 2000, tar({"a": b"1"})[:700], b"\x1f\x8b" + b"x" * 90, b"\x28\xb5\x2f\xfd" + b"x" * 90):
        with pytest.raises(BundleError, match="damaged|not read"):
            layer.read(io.BytesIO(data), media_type, files=True)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def image(store: Store, tmp_path: Path) -> Reference:
    """A cluster image for two platforms that carries a Debian, an Alpine and a Fedora."""
    rootfs: list[Mapping[str, bytes | None]] = [
        {"scripts/a.sh": b"#!/bin/sh\n", "debs/demo.deb": deb(control=CONTROL, copyright_file=DEP5.encode())},
        {"scripts/b.sh": b"#!/bin/sh\necho\n"},
    ]
    reference = put_image(store, tmp_path / "scratch", rootfs, architectures=("amd64", "arm64"))
    debian = put_layer(store, tar({"etc/os-release": DEBIAN, "var/lib/dpkg/status": STATUS.encode()}))
    alpine = put_layer(store, tar({"lib/apk/db/installed": APK.encode(), "etc/os-release": b"ID=alpine\n"}))
    fedora = put_layer(store, tar({"usr/lib/sysimage/rpm/rpmdb.sqlite": rpm_database()}), MEDIA_TAR)
    old = put_layer(store, tar({"var/lib/rpm/Packages": b"bdb"}))
    strange = put_layer(store, b"not a tar at all")
    carry(
        store,
        reference,
        {
            "docker.io/library/debian:12": put_container(store, [debian]),
            "quay.io:443/x/Alpine@sha256:" + "a" * 64: put_container(store, [alpine]),
            "registry.fedoraproject.org/fedora": put_container(store, [fedora]),
            "centos:7": put_container(store, [old, strange]),
            "debian:12": put_container(store, [debian]),
        },
    )
    return reference


def sbom_of(store: Store, reference: Reference, folder: Path, *, cache: Path | None = None) -> bytes:
    index = store.get(store.resolve(reference))
    runtimes = fake_pythons(folder)("amd64")
    return cyclonedx.sbom(stock.take(store, index, runtimes, created=1_700_000_000, cache=cache))


def test_the_sbom_is_valid_and_names_all_that_travels(store: Store, image: Reference, tmp_path: Path) -> None:
    data = sbom_of(store, image, tmp_path)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(data.decode()) is None
    document = json.loads(data)
    purls = {component["purl"] for component in components(document) if component["type"] == "library"}
    assert purls == {
        "pkg:deb/debian/demo@1:2.0-1?arch=all",
        "pkg:deb/debian/libc6@2.36-9%2Bdeb12u9?arch=amd64&distro=debian-12",
        "pkg:deb/debian/libstdc%2B%2B6@12.2.0-14%2Bb1?arch=amd64&distro=debian-12",
        "pkg:apk/alpine/musl@1.2.4-r2?arch=x86_64&distro=alpine",
        "pkg:apk/alpine/busybox-binsh@1.36.1-r5?arch=x86_64&distro=alpine",
        "pkg:rpm/demo-lib@1.4-2?arch=noarch&epoch=1",
        "pkg:rpm/other@1.4-2?arch=noarch&epoch=1",
        "pkg:deb/debian/libc6@2.41-12?arch=amd64",
        "pkg:pypi/click@8.1.8?file_name=click-8.1.8-py3-none-any.whl",
    }
    files = {component["name"] for component in components(document) if component["type"] == "file"}
    assert {"scripts/a.sh", "scripts/b.sh", "debs/demo.deb"} <= files
    assert document["metadata"]["timestamp"] == "2023-11-14T22:13:20Z"


def test_an_image_under_two_names_is_one_component_with_both(store: Store, image: Reference, tmp_path: Path) -> None:
    document = json.loads(sbom_of(store, image, tmp_path))
    (debian,) = [c for c in document["components"] if c.get("purl", "").startswith("pkg:oci/debian@")]
    called = [entry["value"] for entry in debian["properties"] if entry["name"] == "appliance:reference"]
    assert called == ["debian:12", "docker.io/library/debian:12"]
    assert debian["purl"].endswith("?repository_url=debian&tag=12")


def test_what_could_not_be_read_makes_a_component_incomplete_and_says_why(
    store: Store, image: Reference, tmp_path: Path
) -> None:
    document = json.loads(sbom_of(store, image, tmp_path))
    (centos,) = [c for c in document["components"] if c["name"] == "centos:7"]
    said = [c for c in document["compositions"] if c["assemblies"] == [centos["bom-ref"]]]
    assert {entry["aggregate"] for entry in said} == {"incomplete"}
    reasons = sorted(entry["bom-ref"] for entry in said)
    assert "Berkeley DB" in reasons[1]
    assert "damaged layer" in reasons[0]
    assert {ref for entry in document["compositions"] for ref in entry["assemblies"]} == {centos["bom-ref"]}


def test_every_component_has_a_reference_of_its_own_and_dependencies_name_them(
    store: Store, image: Reference, tmp_path: Path
) -> None:
    document = json.loads(sbom_of(store, image, tmp_path))
    references = [component["bom-ref"] for component in components(document)]
    assert len(set(references)) == len(references)
    named = {ref for entry in document["dependencies"] for ref in (entry["ref"], *entry["dependsOn"])}
    assert named <= {"bundle", *references}


def test_the_same_image_gives_the_same_sbom_whether_layers_were_read_before_or_not(
    store: Store, image: Reference, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    first = sbom_of(store, image, tmp_path, cache=cache)
    assert len(list((cache / "inventory").iterdir())) == 7
    assert sbom_of(store, image, tmp_path, cache=cache) == first == sbom_of(store, image, tmp_path)
    for kept in (cache / "inventory").iterdir():
        kept.write_bytes(b"half of a")
    assert sbom_of(store, image, tmp_path, cache=cache) == first


def test_a_layer_that_was_read_before_is_not_read_again(store: Store, image: Reference, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    stock.read_ahead(store, store.resolve(image), cache=cache)
    first = sbom_of(store, image, tmp_path, cache=cache)
    for child in oci.index_from_json(store.get(store.resolve(image))).manifests:
        for blob in oci.manifest_from_json(store.get(child)).layers:
            (store.root / "blobs/sha256" / blob.digest.hex).unlink(missing_ok=True)
    assert sbom_of(store, image, tmp_path, cache=cache) == first


def components(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """All components, nested ones too."""
    own = document.get("components", [])
    return [*own, *(part for component in own for part in components(component))]
