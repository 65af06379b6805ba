"""What a bundle says it holds and was made from."""

from __future__ import annotations

import json

from appliance.bundle import inventory
from appliance.bundle.inventory import Inventory, Layer, Package
from appliance.digest import Digest

IMAGE = Digest.of(b"image")
DEB = Package("libc6", "2.41-12+deb13u4", "amd64", Digest.of(b"deb"), "glibc=2.41-12+deb13u4")
WHEEL = Package("ruamel_yaml", "0.18", "amd64", Digest.of(b"wheel"), "ruamel_yaml-0.18-py3-none-any.whl")
HOLDS = Inventory(
    name="demo",
    version="1.0.0",
    vendor="Vendor",
    image=IMAGE,
    created=1_700_000_000,
    layers=(Layer("COPY . /", "linux/amd64", Digest.of(b"layer"), 7), Layer("COPY . /", "linux/arm64", IMAGE, 8)),
    packages=(DEB, WHEEL, DEB),
    builder="0.1.0",
)


def test_packages_have_package_urls() -> None:
    assert DEB.purl == "pkg:deb/debian/libc6@2.41-12%2Bdeb13u4?arch=amd64"
    assert WHEEL.purl == "pkg:pypi/ruamel-yaml@0.18?file_name=ruamel_yaml-0.18-py3-none-any.whl"


def test_the_sbom_names_each_part_once_with_its_digest() -> None:
    document = json.loads(inventory.sbom(HOLDS))
    image, *packages = document["components"]
    assert image["version"] == str(IMAGE)
    assert [layer["hashes"][0]["content"] for layer in image["components"]] == [Digest.of(b"layer").hex, IMAGE.hex]
    assert [package["purl"] for package in packages] == [DEB.purl, WHEEL.purl]
    references = [image["bom-ref"], *(part["bom-ref"] for part in (*image["components"], *packages))]
    assert len(set(references)) == len(references)
    assert {ref for entry in document["dependencies"] for ref in entry.get("dependsOn", [])} <= set(references)
    assert document["metadata"]["timestamp"] == "2023-11-14T22:13:20Z"


def test_the_serial_number_follows_from_the_image_alone() -> None:
    first = json.loads(inventory.sbom(HOLDS))["serialNumber"]
    assert first == json.loads(inventory.sbom(HOLDS))["serialNumber"]
    assert first.startswith("urn:uuid:")


def test_the_statement_is_about_the_image_and_lists_recipe_and_inputs() -> None:
    statement = json.loads(inventory.provenance(HOLDS, reference="docker.io/library/demo:1.0.0"))
    definition = statement["predicate"]["buildDefinition"]
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["subject"] == [{"name": "demo", "digest": {"sha256": IMAGE.hex}}]
    assert [step["platform"] for step in definition["externalParameters"]["recipe"]] == ["linux/amd64", "linux/arm64"]
    assert [entry.get("uri") for entry in definition["resolvedDependencies"]] == [None, None, DEB.purl, WHEEL.purl]


def test_sources_name_exact_versions_once() -> None:
    lines = inventory.sources(HOLDS.packages).decode().splitlines()
    assert [line for line in lines if not line.startswith("#")] == ["glibc=2.41-12+deb13u4", "ruamel_yaml==0.18"]
