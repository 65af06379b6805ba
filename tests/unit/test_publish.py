"""From an image to a delivery and back out of it."""

from __future__ import annotations

import dataclasses
import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from support.images import SPEC, fake_pythons, put_image
from support.signing import DAY, NOW, At, Vendor

from appliance.bundle.layout import ALIGNMENT, LIMITS
from appliance.bundle.pyruntime.sourcecode import Collected
from appliance.digest import Digest
from appliance.errors import BundleError, RecipeError, StateError, VerificationError
from appliance.image.reference import Reference
from appliance.image.store import Store
from appliance.operations import deliver, publish, verification
from appliance.operations.fitting import check_method
from appliance.operations.publish import Published, PublishRequest
from appliance.plan.runtime import TextFile
from appliance.trust import certificates, dsse, policy

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from appliance.bundle.pyruntime.runtime import Runtime
    from appliance.bundle.verify import VerifiedBundle
    from appliance.trust.keys import Signer

LAYERS: tuple[dict[str, bytes | None], ...] = (
    {
        "bin/etcd": b"\x7fELF" + bytes(5000),
        "etc/etcd.conf": b"old",
        "etc/gone.conf": b"gone",
        "services/all/etcd.service": b"[Unit]\n",
    },
    {
        "etc/etcd.conf": b"new",
        "etc/gone.conf": None,
        "etc/binary": b"\xff\xfe",
        "etc/check.sh": b"#!/bin/sh\n",
        "manifests/a.yaml": b"{}",
    },
)


@dataclass(frozen=True)
class Site:
    """Where a test's packager works."""

    root: Path
    store: Store
    vendor: Vendor
    signer: Signer

    def publish(
        self,
        *,
        signers: Sequence[Signer] = (),
        folder: str = "out",
        created: int = 0,
        cache: Path | None = None,
        sources: publish.Sources | None = None,
        swarm: bool = False,
    ) -> Published:
        request = PublishRequest(
            Reference.parse("demo:1.2.0"), self.root / folder, tuple(signers) or (self.signer,), created, cache
        )
        pythons = fake_pythons(self.root, swarm=swarm)
        return publish.publish(request, store=self.store, pythons=pythons, clock=At(), sources=sources)

    def open(self, published: Published) -> VerifiedBundle:
        return deliver.open_delivery(published.files[0].path, self.vendor.trust(), now=NOW)


@pytest.fixture(scope="module")
def vendor() -> Vendor:
    return Vendor.create()


@pytest.fixture
def site(tmp_path: Path, vendor: Vendor) -> Site:
    store = Store(tmp_path / "store")
    put_image(store, tmp_path / "scratch", LAYERS)
    return Site(tmp_path, store, vendor, vendor.signer())


def test_a_delivery_names_its_files_and_they_are_what_it_says(site: Site) -> None:
    published = site.publish()
    name = "demo-1.2.0-linux-amd64"
    assert [file.path.name for file in published.files] == [
        f"{name}.run",
        f"{name}.run.manifest.json",
        f"{name}.run.p7s",
        f"{name}.run.cosign.sig",
        f"{name}.run.sig",
        f"{name}.run.sshsig",
        f"{name}.sbom.cdx.json",
        f"{name}.provenance.dsse.json",
        f"{name}.SHA256SUMS",
        f"{name}.SHA256SUMS.p7s",
    ]
    for file in published.files:
        data = file.path.read_bytes()
        assert (len(data), Digest.of(data)) == (file.size, file.sha256)
    assert sorted(path.name for path in (site.root / "out").iterdir()) == sorted(f.path.name for f in published.files)


def test_a_delivery_opens_and_says_what_the_recipe_said(site: Site) -> None:
    published = site.publish(created=86_400)
    with site.open(published) as bundle:
        manifest = bundle.manifest
        assert (manifest.name, manifest.version, manifest.epoch) == ("demo", "1.2.0", 3)
        assert (manifest.vendor, manifest.description) == ("Vendor", "one two")
        assert (manifest.arch, manifest.created) == (("amd64",), 86_400)
        assert bundle.manifest_digest == published.manifest_digest
        assert manifest.minimums.installer == "0.1"
        assert [runtime.kind for runtime in manifest.runtimes] == ["operator", "host"]
        assert bundle.check_all().bad == ()


def test_members_stand_in_the_order_of_use_and_runtimes_are_aligned(site: Site) -> None:
    with site.open(site.publish()) as bundle:
        names = [entry.name for entry in bundle.manifest.files]
        image = deliver.platform_image(bundle, "amd64")
        blobs = [bundle.manifest.image, image.rootfs, image.manifest.config.digest]
        blobs += [layer.digest for layer in image.manifest.layers]
        assert names == [
            "runtime/operator-amd64.tar",
            "runtime/host-amd64.tar",
            "META/sbom.cdx.json",
            "META/provenance.intoto.json",
            "META/sources.txt",
            *(f"blobs/sha256/{digest.hex}" for digest in blobs),
        ]
        assert [entry.offset % ALIGNMENT for entry in bundle.manifest.files[:2]] == [0, 0]


def test_the_stub_says_where_the_operators_python_is(site: Site) -> None:
    published = site.publish()
    with site.open(published) as bundle:
        entry = bundle.manifest.files[0]
    stub = published.files[0].path.read_bytes()[:65536].decode()
    assert f"x86_64) first={entry.offset // ALIGNMENT} blocks={entry.length // ALIGNMENT}" in stub
    assert entry.sha256.hex in stub


def test_several_platforms_make_one_bundle_without_an_architecture_in_its_name(tmp_path: Path, vendor: Vendor) -> None:
    store = Store(tmp_path / "store")
    put_image(store, tmp_path / "scratch", LAYERS[:1], architectures=("arm64", "amd64"))
    site = Site(tmp_path, store, vendor, vendor.signer())
    published = site.publish()
    assert published.files[0].path.name == "demo-1.2.0-linux.run"
    with site.open(published) as bundle:
        assert bundle.manifest.arch == ("amd64", "arm64")
        assert deliver.image_part(bundle, "arm64").runtime.digest == bundle.manifest.runtime("arm64", "host").digest


def test_the_same_image_gives_the_same_delivery_but_for_signatures(site: Site) -> None:
    one, two = site.publish(folder="one"), site.publish(folder="two")
    assert one.manifest_digest == two.manifest_digest
    signed = (".run", ".p7s", ".sig", ".sshsig", ".dsse.json", ".SHA256SUMS")
    assert [f.sha256 for f in one.files if not f.path.name.endswith(signed)] == [
        f.sha256 for f in two.files if not f.path.name.endswith(signed)
    ]


def test_publishing_again_replaces_all_of_the_delivery(site: Site) -> None:
    before = site.publish(signers=[site.signer, site.vendor.signer("Second")])
    after = site.publish()
    assert len(before.files) == len(after.files) + 5
    assert set((site.root / "out").iterdir()) == {file.path for file in after.files}
    site.open(after).close()


def test_an_image_that_is_not_there_is_said(site: Site) -> None:
    request = PublishRequest(Reference.parse("other:1"), site.root / "out", (site.signer,))
    with pytest.raises(RecipeError, match="no image other:1"):
        publish.publish(request, store=site.store, pythons=fake_pythons(site.root), clock=At())


def test_a_signer_that_is_not_valid_now_is_refused_before_anything_is_made(site: Site) -> None:
    asked: list[str] = []

    def pythons(architecture: str) -> tuple[Runtime, ...]:
        asked.append(architecture)
        return fake_pythons(site.root)(architecture)

    request = PublishRequest(Reference.parse("demo:1.2.0"), site.root / "out", (site.signer,))
    with pytest.raises(RecipeError, match="not now"):
        publish.publish(request, store=site.store, pythons=pythons, clock=At(NOW + 500 * DAY))
    assert asked == []
    assert not (site.root / "out").exists()


def test_a_blob_that_rotted_in_the_store_is_not_signed(site: Site) -> None:
    layer = next(p for p in (site.root / "store/blobs/sha256").iterdir() if p.read_bytes()[:4] == b"\x28\xb5\x2f\xfd")
    layer.chmod(0o644)
    with layer.open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x01")
    with pytest.raises(BundleError, match="damaged"):
        site.publish()
    assert not (site.root / "out").exists()


def test_a_blob_that_rotted_after_it_was_looked_at_is_not_signed(site: Site) -> None:
    site.publish(cache=site.root / "cache")
    layer = next(p for p in (site.root / "store/blobs/sha256").iterdir() if p.read_bytes()[:4] == b"\x28\xb5\x2f\xfd")
    layer.chmod(0o644)
    with layer.open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x01")
    with pytest.raises(StateError, match="other content"):
        site.publish(cache=site.root / "cache", folder="again")
    assert list((site.root / "again").iterdir()) == []


def test_sbom_provenance_and_sources_travel_in_the_bundle(site: Site) -> None:
    published = site.publish()
    with site.open(published) as bundle:
        sbom = json.loads(bundle.read(bundle.manifest.sbom))
        statement = json.loads(bundle.read(bundle.manifest.provenance))
        (sources,) = [e for e in bundle.manifest.files if e.name == "META/sources.txt"]
        text = bundle.read(sources.sha256).decode()
    assert [sbom["bomFormat"], sbom["specVersion"]] == ["CycloneDX", "1.6"]
    pythons = ["Python that travels, operator", "Python that travels, host"]
    assert [component["name"] for component in sbom["components"]] == ["demo", *pythons, "libc6", "click"]
    assert statement["subject"][0]["digest"]["sha256"] == bundle.manifest.image.hex
    assert "glibc=2.41-12\n" in text
    assert "click==8.1.8\n" in text
    assert bundle.manifest.sbom in [file.sha256 for file in published.files]


def test_the_provenance_lies_beside_the_bundle_in_an_envelope_of_its_own(site: Site) -> None:
    published = site.publish()
    sealed = next(file.path for file in published.files if file.path.name.endswith(".provenance.dsse.json"))
    with site.open(published) as bundle:
        stated = bundle.read(bundle.manifest.provenance)
    assert dsse.statement(sealed.read_bytes(), site.signer.key.public_key()) == stated


def test_the_sources_travel_where_that_is_asked_for(site: Site) -> None:
    archive = site.root / "sources.tar"
    archive.write_bytes(b"a tar of sources")
    collected = Collected(archive, {"bzip2=0.1": "nobody gives the source of bzip2 0.1"})
    with site.open(site.publish(sources=lambda runtimes, _: collected if runtimes else Collected(site.root))) as bundle:
        members = {entry.name: entry.sha256 for entry in bundle.manifest.files}
        assert bundle.read(members["META/sources.tar"]) == b"a tar of sources"
        said = bundle.read(members["META/sources.txt"]).decode()
    assert "# In this bundle, as META/sources.tar: those of the Pythons" in said
    assert "# Not in it: bzip2=0.1\n" in said


def test_an_image_part_has_layers_texts_and_the_host_runtime(site: Site) -> None:
    with site.open(site.publish()) as bundle:
        part = deliver.image_part(bundle, "amd64")
        image = deliver.platform_image(bundle, "amd64")
    assert [layer.diff_id for layer in part.layers] == [record.diff_id for record in image.config.layers]
    assert part.texts == (
        TextFile("etc/check.sh", "#!/bin/sh\n", 0o755),
        TextFile("etc/etcd.conf", "new", 0o644),
        TextFile("manifests/a.yaml", "{}", 0o644),
        TextFile("services/all/etcd.service", "[Unit]\n", 0o644),
    )
    assert (part.runtime.size, part.runtime.unpacked_bytes) == (8192, 20_000)


def test_what_hosts_swarm_with_is_carried_if_it_is_asked_for_and_only_then(site: Site) -> None:
    with site.open(site.publish()) as bundle:
        assert deliver.image_part(bundle, "amd64").swarm is None
        with pytest.raises(BundleError, match="no swarm runtime for amd64"):
            deliver.image_part(bundle, "amd64", swarm=True)
        with pytest.raises(RecipeError, match="nothing that hosts can swarm with"):
            check_method("swarm", bundle.manifest)
        check_method("chain", bundle.manifest)
    with site.open(site.publish(swarm=True)) as bundle:
        check_method("swarm", bundle.manifest)
        part = deliver.image_part(bundle, "amd64", swarm=True).swarm
        assert part
        entry = next(one for one in bundle.manifest.files if one.name == "runtime/swarm-amd64.tar.zst")
        assert (part.layer.blob.digest, part.unpacked_bytes) == (entry.sha256, 20_000)
        assert bundle.check_all().bad == ()


def test_an_architecture_that_is_not_carried_is_said(site: Site) -> None:
    with site.open(site.publish()) as bundle, pytest.raises(BundleError, match="no image for linux/arm64") as caught:
        deliver.image_part(bundle, "arm64")
    assert "amd64" in caught.value.hint


def test_blobs_are_taken_out_once(site: Site) -> None:
    with site.open(site.publish()) as bundle:
        digests = [entry.sha256 for entry in bundle.manifest.files]
        first = deliver.take_out(bundle, site.root / "blobs", [*digests[:4], digests[0]])
        again = deliver.take_out(bundle, site.root / "blobs", digests)
    assert (first.blobs, first.held) == (4, 0)
    assert (again.blobs, again.held) == (len(digests) - 4, 4)
    assert {Digest.of(path.read_bytes()).hex for path in (site.root / "blobs").iterdir()} == {d.hex for d in digests}


def test_nothing_is_taken_out_of_a_damaged_chunk(site: Site) -> None:
    published = site.publish()
    with site.open(published) as bundle:
        entry = bundle.manifest.files[-1]
        with published.files[0].path.open("r+b") as file:
            file.seek(entry.offset)
            file.write(b"\0\0\0\0")
        with pytest.raises(VerificationError, match=r"chunk 0 \(bytes 1048544 to"):
            deliver.take_out(bundle, site.root / "blobs", [entry.sha256])
    assert list((site.root / "blobs").iterdir()) == []


def test_extracting_writes_every_member_and_the_manifest(site: Site) -> None:
    with site.open(site.publish()) as bundle:
        written = deliver.extract(bundle, site.root / "x")
        assert len(written) == len(bundle.manifest.files) + 1
        for entry in bundle.manifest.files:
            path = site.root / "x" / entry.name
            assert Digest.of(path.read_bytes()) == entry.sha256
            assert path.stat().st_mode & 0o777 == entry.mode
        with pytest.raises(StateError, match="is not empty"):
            deliver.extract(bundle, site.root / "x")


def test_a_sound_delivery_is_verified_and_the_report_says_what_it_does_not_prove(site: Site) -> None:
    published = site.publish()
    report = verification.verify(published.files[0].path, site.vendor.trust(), now=NOW)
    assert (report.verified, report.findings) == (True, ())
    assert report.manifest_digest == published.manifest_digest
    assert report.checked.bytes == published.files[0].size
    assert all(signer.trusted for signer in report.signers)
    assert any("signing is the signer's own word" in sentence for sentence in report.not_checked)
    assert not any("own code" in sentence for sentence in report.not_checked)


def test_a_bundle_that_checks_itself_says_so(site: Site) -> None:
    itself = dataclasses.replace(site.vendor.trust(), self_run=True)
    path = site.publish().files[0].path
    report = verification.verify(path, itself, now=NOW)
    assert report.not_checked[0] == "integrity: intact; origin: checked by this bundle's own code"
    with path.open("ab") as file:
        file.write(b"more")
    report = verification.verify(path, itself, now=NOW)
    assert report.not_checked[0] == "origin: checked by this bundle's own code"


def test_a_flipped_byte_is_a_finding_that_names_it(site: Site) -> None:
    path = site.publish().files[0].path
    with path.open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\xee")
    report = verification.verify(path, site.vendor.trust(), now=NOW)
    assert not report.verified
    assert len(report.findings) == 1
    assert "chunk 0" in report.findings[0]
    assert "the 7z header" in report.findings[0]


def test_a_stranger_is_a_finding_with_its_fingerprint(site: Site) -> None:
    report = verification.verify(site.publish().files[0].path, Vendor.create("Other").trust(), now=NOW)
    assert not report.verified
    assert report.findings
    assert {signer.fingerprint for signer in report.signers} == {f"sha256:{site.signer.keyid.hex}"}
    assert report.checked.bytes == 0


def test_a_truncated_file_and_another_file_are_findings(site: Site) -> None:
    path = site.publish().files[0].path
    short = site.root / "short.run"
    short.write_bytes(path.read_bytes()[:-1])
    assert "truncated" in verification.verify(short, site.vendor.trust(), now=NOW).findings[0]
    short.write_bytes(b"#!/bin/sh\n")
    report = verification.verify(short, site.vendor.trust(), now=NOW)
    assert (report.verified, report.manifest_digest) == (False, None)


def test_an_anchor_that_lies_beside_the_bundle_is_pointed_out(site: Site) -> None:
    path = site.publish().files[0].path
    root = path.with_name("root.pem")
    root.write_bytes(certificates.certificate_pem(site.vendor.root))
    trust = policy.Trust(policy.read_anchors(root))
    report = verification.verify(path, trust, now=NOW)
    assert report.verified
    assert any(f"{root} lies beside the bundle" in sentence for sentence in report.not_checked)


def test_a_delivery_copied_alone_is_whole(site: Site) -> None:
    path = shutil.copy(site.publish().files[0].path, site.root / "demo.run")
    with deliver.open_delivery(path, site.vendor.trust(), now=NOW) as bundle:
        assert bundle.manifest.volumes[0].name == "demo-1.2.0-linux-amd64.run"


def test_a_text_over_its_limit_is_refused(tmp_path: Path, vendor: Vendor) -> None:
    store = Store(tmp_path / "store")
    put_image(store, tmp_path / "scratch", [{"services/large": b"x" * (LIMITS.text + 1)}], spec=SPEC)
    site = Site(tmp_path, store, vendor, vendor.signer())
    with site.open(site.publish()) as bundle, pytest.raises(BundleError, match="services/large has 1048577 bytes"):
        deliver.image_part(bundle, "amd64")
