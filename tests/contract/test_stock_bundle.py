"""What we publish, as stock 7-Zip, OpenSSL and coreutils see it: the path that needs none of our code."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from support.images import fake_pythons, put_image
from support.signing import NOW, At, Vendor

from appliance.image.reference import Reference
from appliance.image.store import Store
from appliance.operations import deliver, publish
from appliance.operations.publish import PublishRequest
from appliance.trust import certificates

if TYPE_CHECKING:
    from pathlib import Path

NAME = "demo-1.2.0-linux-amd64"


@pytest.fixture(scope="module")
def vendor() -> Vendor:
    return Vendor.create()


@pytest.fixture
def folder(tmp_path: Path, vendor: Vendor) -> Path:
    store = Store(tmp_path / "store")
    put_image(store, tmp_path / "scratch", [{"bin/etcd": bytes(3 << 20)}, {"etc/a.conf": b"a"}])
    signer = vendor.signer()
    request = PublishRequest(Reference.parse("demo:1.2.0"), tmp_path / "out", (signer,), 1_700_000_000)
    publish.publish(request, store=store, pythons=fake_pythons(tmp_path), clock=At())
    (tmp_path / "out/root.pem").write_bytes(certificates.certificate_pem(vendor.root))
    (tmp_path / "out/signer.pub").write_bytes(certificates.public_pem(signer.key.public_key()))
    return tmp_path / "out"


def run(folder: Path, command: str) -> str:
    done = subprocess.run(command.split(), cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_7zip_tests_it_without_a_warning(folder: Path) -> None:
    said = run(folder, f"7zz t {NAME}.run")
    assert "Everything is Ok" in said
    assert "WARNING" not in said.upper()
    assert "after the end" not in said.lower()


def test_7zip_lists_every_member_where_it_is_with_its_time(folder: Path, vendor: Vendor) -> None:
    said = run(folder, f"7zz l -slt {NAME}.run")
    with deliver.open_delivery(folder / f"{NAME}.run", vendor.trust(), now=NOW) as bundle:
        for entry in bundle.manifest.files:
            assert f"Path = {entry.name}\nSize = {entry.length}\n" in said
        assert f"Offset = {bundle.manifest.base}\n" in said
        assert said.count("Modified = 2023-11-14 22:13:20") == len(bundle.manifest.files)


def test_7zip_extracts_what_we_extract(folder: Path, vendor: Vendor, tmp_path: Path) -> None:
    run(folder, f"7zz x -o{tmp_path}/theirs {NAME}.run")
    with deliver.open_delivery(folder / f"{NAME}.run", vendor.trust(), now=NOW) as bundle:
        ours = deliver.extract(bundle, tmp_path / "ours")
    for path in ours[:-1]:
        other = tmp_path / "theirs" / path.relative_to(tmp_path / "ours")
        assert other.read_bytes() == path.read_bytes()
        assert other.stat().st_mode == path.stat().st_mode


def test_openssl_accepts_the_sums_and_sha256sum_the_files(folder: Path) -> None:
    sums = f"{NAME}.SHA256SUMS"
    verify = f"openssl cms -verify -binary -inform DER -in {sums}.p7s -content {sums} -CAfile root.pem -purpose any"
    run(folder, f"{verify} -attime {int(NOW.timestamp())} -out /dev/null")
    assert run(folder, f"sha256sum -c --strict {sums}").splitlines() == [
        f"{NAME}.run: OK",
        f"{NAME}.run.manifest.json: OK",
        f"{NAME}.sbom.cdx.json: OK",
    ]


def test_openssl_accepts_both_signatures_over_the_manifest(folder: Path) -> None:
    manifest = f"{NAME}.run.manifest.json"
    verify = f"openssl cms -verify -binary -inform DER -in {NAME}.run.p7s -content {manifest} -CAfile root.pem"
    run(folder, f"{verify} -purpose any -attime {int(NOW.timestamp())} -out /dev/null")
    assert "Verified OK" in run(folder, f"openssl dgst -sha384 -verify signer.pub -signature {NAME}.run.sig {manifest}")


def test_the_manifest_beside_the_bundle_is_cut_out_of_it_by_dd(folder: Path) -> None:
    manifest = (folder / f"{NAME}.run.manifest.json").read_bytes()
    cut = subprocess.run(
        ["tail", "-c", f"+{65536 + 16 + 1}", f"{NAME}.run"], cwd=folder, capture_output=True, check=True
    ).stdout
    assert cut.startswith(manifest)
