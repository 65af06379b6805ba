"""Looking into a delivery, and what changed since the last one."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import pytest
from support.images import SPEC, fake_pythons, put_image
from support.publishers import carry, put_container, put_layer, tar
from support.signing import NOW, At, Vendor
from test_package_databases import APK

from appliance.bundle.inventory import listing
from appliance.bundle.verify import VerifiedBundle
from appliance.digest import Digest
from appliance.errors import BundleError, VerificationError
from appliance.image import scripts
from appliance.image.difference import Change
from appliance.image.layers import TEXT_BYTES
from appliance.image.store import Store
from appliance.operations import against, contents, look, publish
from appliance.operations.against import Changed
from appliance.operations.look import Licences, Scripts, Topic
from appliance.report import officer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from appliance.image.scripts import Script

ALPINE = "docker.io/library/alpine:3.20"
WHERE = "docker.io/library/alpine"


@pytest.fixture(scope="module")
def vendor() -> Vendor:
    return Vendor.create()


def deliver(
    folder: Path,
    vendor: Vendor,
    layers: Sequence[Mapping[str, bytes | None]],
    *,
    version: str = "1.2.0",
    packages: str = APK,
    architectures: Sequence[str] = ("amd64",),
) -> Path:
    """A bundle of these layers that carries an Alpine with these packages."""
    store = Store(folder / "store")
    spec = dataclasses.replace(SPEC, version=version)
    image = put_image(store, folder / "scratch", layers, spec=spec, architectures=architectures)
    files = {"lib/apk/db/installed": packages.encode(), "etc/os-release": b"ID=alpine\n"}
    carry(store, image, {ALPINE: put_container(store, [put_layer(store, tar(files))])})
    request = publish.PublishRequest(image, folder / "out", (vendor.signer(),))
    published = publish.publish(request, store=store, pythons=fake_pythons(folder), clock=At())
    return published.files[0].path


OLD: tuple[Mapping[str, bytes | None], ...] = (
    {
        "bin/tool": b"#!/usr/bin/env python3\nprint(1)\n",
        "bin/program": b"\x7fELF",
        "scripts/plain": b"echo no mark\n",
        "services/all/a.service": b"[Unit]\n",
        "opt/gone.sh": b"#!/bin/sh\n",
        "opt/large.sh": b"#!/bin/sh\n" + b"x" * TEXT_BYTES,
        "opt/latin1.sh": b"#!/bin/sh\n# \xe9\n",
    },
    {"opt/gone.sh": None},
)


def shown(path: Path, vendor: Vendor) -> tuple[Script, ...]:
    with look.opened(path, vendor.trust(), now=NOW) as (bundle, _):
        found = look.show(bundle, Topic.SCRIPTS)
    assert isinstance(found, Scripts)
    ((platform, files),) = found.platforms
    assert platform == "linux/amd64"
    return files


def test_every_script_is_shown_wherever_it_stands_and_nothing_that_was_removed(tmp_path: Path, vendor: Vendor) -> None:
    found = {script.path: script for script in shown(deliver(tmp_path, vendor, OLD), vendor)}
    assert list(found) == [
        "bin/tool",
        "opt/large.sh",
        "opt/latin1.sh",
        "scripts/plain",
        "services/all/a.service",
    ]
    tool = OLD[0]["bin/tool"]
    assert tool is not None
    assert (found["bin/tool"].text, found["bin/tool"].digest) == (tool.decode(), Digest.of(tool))
    assert (found["bin/tool"].mode, found["scripts/plain"].mode) == (0o755, 0o644)


def test_a_script_without_a_text_keeps_its_digest(tmp_path: Path, vendor: Vendor) -> None:
    found = {script.path: script for script in shown(deliver(tmp_path, vendor, OLD), vendor)}
    for path in ("opt/large.sh", "opt/latin1.sh"):
        data = OLD[0][path]
        assert data is not None
        assert (found[path].text, found[path].size, found[path].digest) == (None, len(data), Digest.of(data))


def test_scripts_of_a_stranger_are_not_shown(tmp_path: Path, vendor: Vendor) -> None:
    path = deliver(tmp_path, vendor, OLD)
    with look.opened(path, Vendor.create("Other").trust(), now=NOW) as (bundle, refusal):
        assert refusal
        for topic in (Topic.SCRIPTS, Topic.DOCS):
            with pytest.raises(VerificationError, match="only of a bundle that is trusted"):
                look.show(bundle, topic)


def test_licences_name_the_packages_and_the_sources(tmp_path: Path, vendor: Vendor) -> None:
    with look.opened(deliver(tmp_path, vendor, OLD), vendor.trust(), now=NOW) as (bundle, _):
        found = look.show(bundle, Topic.LICENSES)
    assert isinstance(found, Licences)
    by_name = {package.name: package for package in found.listing.packages}
    assert (by_name["musl"].licences, by_name["musl"].where) == (("MIT",), ALPINE)
    assert by_name["libc6"].source == "glibc=2.41-12"
    assert "busybox=1.36.1-r5" in found.sources


def test_nothing_changed_between_a_delivery_and_itself(tmp_path: Path, vendor: Vendor) -> None:
    assert compare(deliver(tmp_path, vendor, OLD), deliver(tmp_path, vendor, OLD), vendor).nothing


def compare(old: Path, new: Path, vendor: Vendor) -> against.Difference:
    trust = vendor.trust()
    with look.opened(old, trust, now=NOW) as (before, _), look.opened(new, trust, now=NOW) as (after, _):
        return against.compare(before, after)


def test_a_newer_delivery_differs_in_packages_scripts_files_images_and_settings(tmp_path: Path, vendor: Vendor) -> None:
    new: list[Mapping[str, bytes | None]] = [
        {
            **OLD[0],
            "bin/tool": b"#!/usr/bin/env python3\nprint(2)\n",
            "bin/program": b"\x7fELF2",
            "bin/new.sh": b"#!/bin/sh\n",
        }
    ]
    packages = APK.replace("1.2.4-r2", "1.2.5-r0").replace("P:busybox-binsh", "P:dash-binsh")
    found = compare(
        deliver(tmp_path / "old", vendor, OLD),
        deliver(tmp_path / "new", vendor, new, version="1.3.0", packages=packages),
        vendor,
    )
    assert (found.before.version, found.after.version) == ("1.2.0", "1.3.0")
    signers, version = found.settings
    assert signers.name == "signers"
    assert (version.name, version.before, version.after) == ("spec.version", "1.2.0", "1.3.0")
    assert [(image.name, image.change) for image in found.images] == [(ALPINE, Change.CHANGED)]
    assert found.packages == (
        Changed(Change.REMOVED, WHERE, "busybox-binsh", "1.36.1-r5", ""),
        Changed(Change.ADDED, WHERE, "dash-binsh", "", "1.36.1-r5"),
        Changed(Change.CHANGED, WHERE, "musl", "1.2.4-r2", "1.2.5-r0"),
    )
    assert {(file.name, file.change) for file in found.files} == {
        ("bin/tool", Change.CHANGED),
        ("bin/program", Change.CHANGED),
        ("bin/new.sh", Change.ADDED),
        ("opt/gone.sh", Change.ADDED),
    }
    assert found.scripts is not None
    changed = {script.path: script for script in found.scripts}
    assert changed["bin/tool"].diff[-2:] == ("-print(1)", "+print(2)")
    assert (changed["opt/gone.sh"].change, changed["opt/gone.sh"].before) == (Change.ADDED, None)


def test_scripts_are_not_compared_with_those_of_a_stranger(tmp_path: Path, vendor: Vendor) -> None:
    old = deliver(tmp_path / "old", Vendor.create("Other"), OLD)
    found = compare(old, deliver(tmp_path / "new", vendor, OLD[:1]), vendor)
    assert found.scripts is None
    assert (found.before.verified, found.after.verified) == (False, True)
    assert [value.name for value in found.settings] == ["signers"]
    assert [file.name for file in found.files] == ["opt/gone.sh"]


def test_a_script_that_becomes_unreadable_text_has_no_diff(tmp_path: Path, vendor: Vendor) -> None:
    new = [{**OLD[0], "scripts/plain": b"echo \xff\n"}]
    found = compare(deliver(tmp_path / "a", vendor, OLD[:1]), deliver(tmp_path / "b", vendor, new), vendor)
    assert found.scripts is not None
    assert [(script.path, script.diff) for script in found.scripts] == [("scripts/plain", ())]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b'{"components":1,"metadata":{}}',
        b'{"components":[{"type":"library","bom-ref":"a","name":1}],"metadata":{}}',
        b'{"components":[{"type":"container","bom-ref":"a","name":"a","components":{"x":1}}],"metadata":{}}',
        json.dumps({"components": [], "metadata": {"properties": [{}]}}).encode(),
    ],
)
def test_what_is_no_sbom_of_ours_is_refused_in_words(data: bytes) -> None:
    with pytest.raises(BundleError, match="SBOM is none that can be read"):
        listing.read(data)


def test_reading_scripts_stops_at_no_layer() -> None:
    assert scripts.read((), lambda _: True) == ()


def page(path: Path, vendor: Vendor) -> str:
    with look.opened(path, vendor.trust(), now=NOW) as (bundle, _):
        assert isinstance(bundle, VerifiedBundle)
        found = contents.contents(bundle)
    return officer.to_html(
        officer.OfficerPage(
            file=path.name,
            verified=True,
            findings=(),
            checked="1 byte",
            made="2026-11-23",
            origin=officer.Origin(
                "sha256:ab",
                (officer.Signature("Vendor <script>", "vendor", "sha256:cd", "cms", trusted=True, reason="root"),),
            ),
            policy=officer.PolicyResult("no policy", ("vendor: 1 of 1",), ("the time of signing",)),
            contents=found,
        )
    )


def test_the_officers_page_shows_contents_origin_and_policy(tmp_path: Path, vendor: Vendor) -> None:
    html = page(deliver(tmp_path, vendor, OLD), vendor)
    assert html.startswith("<!doctype html>")
    for said in (ALPINE, "busybox-binsh", "bin/tool", "META/sbom.cdx.json", "vendor: 1 of 1", "the time of signing"):
        assert said in html


def test_nothing_of_a_bundle_gets_into_the_page_as_markup(tmp_path: Path, vendor: Vendor) -> None:
    hostile = APK.replace("P:musl", "P:<img src=x onerror=alert(1)>\x1b[2J")
    html = page(deliver(tmp_path, vendor, [{"scripts/<b>&.sh": b"#!/bin/sh\n"}], packages=hostile), vendor)
    assert "<img" not in html
    assert "<b>&" not in html
    assert "<script" not in html
    assert "\x1b" not in html
    assert "&lt;img src=x onerror=alert(1)&gt;" in html


def test_the_page_of_a_bundle_that_is_not_verified_lists_no_contents() -> None:
    html = officer.to_html(
        officer.OfficerPage(
            "x.run",
            verified=False,
            findings=("chunk 1 is not what was signed",),
            checked="",
            made="",
            origin=officer.Origin("", ()),
            policy=officer.PolicyResult("", (), ()),
        )
    )
    assert "NOT VERIFIED: x.run" in html
    assert "chunk 1 is not what was signed" in html
    assert "proves nothing" in html
