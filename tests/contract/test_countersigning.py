"""What comes to a delivery after it was made: signatures from elsewhere, countersignatures, stamps, lists, permits."""

from __future__ import annotations

import dataclasses
import json
import subprocess
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from support.bundles import write_bundle
from support.signing import DAY, NOW, At, Vendor
from support.stamping import stamp, stamper
from support.stocktools import stock_tools

from appliance.bundle import sidecars
from appliance.bundle.layout import MANIFEST_OFFSET
from appliance.digest import Digest
from appliance.errors import RecipeError, StateError, VerificationError
from appliance.files import write_bytes
from appliance.operations import signing, verification
from appliance.trust import certificates, cms, envelope, store, upkeep
from appliance.trust.floors import Floor, Permit
from appliance.trust.policy import Trust
from appliance.trust.rules import VENDOR, Policy, SelfRun, Threshold

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from support.bundles import Written

NAME = "demo-1.0.0-linux-amd64.run"


@pytest.fixture(scope="module")
def vendor() -> Vendor:
    return Vendor.create()


@pytest.fixture(scope="module")
def customer() -> Vendor:
    return Vendor.create("Customer")


@pytest.fixture
def delivery(tmp_path: Path, vendor: Vendor) -> Written:
    (tmp_path / "delivery").mkdir()
    return write_bundle(tmp_path / "delivery", b"payload", vendor=vendor, exports=True)


def keyid(root: x509.Certificate) -> Digest:
    return certificates.certificate_keyid(root)


def both(vendor: Vendor, customer: Vendor) -> Trust:
    anchors = vendor.trust().anchors.merged(customer.trust().anchors)
    roles = (
        Threshold(VENDOR, 1, frozenset({keyid(vendor.root)})),
        Threshold("customer", 1, frozenset({keyid(customer.root)})),
    )
    return Trust(anchors, Policy(roles), policy_source="policy.json")


def findings(path: Path, trust: Trust, *, now: datetime = NOW) -> tuple[str, ...]:
    report = verification.verify(path, trust, now=now)
    assert report.verified is not bool(report.findings)
    return report.findings


def test_a_countersignature_lies_beside_and_the_bundle_stays_as_it_was(
    delivery: Written, vendor: Vendor, customer: Vendor
) -> None:
    trust, before = both(vendor, customer), delivery.path.read_bytes()
    assert "0 of 1 trusted keys signed it as customer" in findings(delivery.path, trust)[0]

    officer = customer.signer("Officer")
    signed = signing.countersign(delivery.path, officer, "customer", clock=At())

    assert [path.name for path in signed.files] == [f"{officer.keyid.hex}.p7s", f"{officer.keyid.hex}.sshsig"]
    assert delivery.path.read_bytes() == before
    assert findings(delivery.path, trust) == ()
    with pytest.raises(StateError, match="exists and is not overwritten"):
        signing.countersign(delivery.path, officer, "customer", clock=At())


def test_on_a_medium_that_is_read_only_it_lies_in_a_folder_of_its_own(
    delivery: Written, vendor: Vendor, customer: Vendor, tmp_path: Path
) -> None:
    trust, desk = both(vendor, customer), tmp_path / "desk"
    signing.countersign(delivery.path, customer.signer(), "customer", clock=At(), folder=desk)

    assert sorted(path.name for path in delivery.path.parent.iterdir() if path.is_dir()) == []
    assert findings(delivery.path, trust) != ()
    assert findings(delivery.path, dataclasses.replace(trust, beside=(desk,))) == ()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        ("another bundle", "does not hold"),
        ("renamed", "by another key than its name says"),
        ("garbage", "is no countersignature"),
        ("vendor's own", "does not say in which role"),
    ],
)
def test_what_calls_itself_a_countersignature_and_is_none_is_a_finding(
    delivery: Written, vendor: Vendor, customer: Vendor, spoil: str, said: str
) -> None:
    officer = customer.signer()
    data = delivery.manifest + b" " if spoil == "another bundle" else delivery.manifest
    value = envelope.countersign(data, officer, "customer", At())[0].value
    if spoil == "vendor's own":
        value = envelope.sign(delivery.manifest, [officer], At())[0].value
    name = Digest.of(b"x").hex if spoil == "renamed" else officer.keyid.hex
    write_bytes(delivery.path.parent / f"{NAME}.sigs" / f"{name}.p7s", b"garbage" if spoil == "garbage" else value)

    assert any(said in finding for finding in findings(delivery.path, vendor.trust()))


def openssl_signs(folder: Path, vendor: Vendor, content: Path, *, out: str) -> Path:
    """As a person with a key in another place would."""
    signer = vendor.signer("In an HSM")
    assert signer.certificate
    (folder / "key.pem").write_bytes(certificates.private_pem(signer.key))
    (folder / "leaf.pem").write_bytes(certificates.certificate_pem(signer.certificate))
    (folder / "ca.pem").write_bytes(certificates.certificate_pem(vendor.ca))
    command = "openssl cms -sign -binary -md sha384 -signer leaf.pem -inkey key.pem -certfile ca.pem -outform DER"
    subprocess.run([*command.split(), "-in", content, "-out", out], cwd=folder, check=True, capture_output=True)
    return folder / out


def test_keys_stay_where_they_are_what_they_sign_is_attached(tmp_path: Path, vendor: Vendor) -> None:
    unsigned = write_bundle(tmp_path, b"payload", vendor=vendor, exports=True, unsigned=True)
    trust, at = vendor.trust(), datetime.now(UTC)
    assert findings(unsigned.path, trust, now=NOW) == ("it is not signed",)

    p7s = openssl_signs(tmp_path, vendor, tmp_path / f"{NAME}.manifest.json", out=f"{NAME}.p7s")
    first = signing.attach(unsigned.path, [p7s])
    sums = tmp_path / sidecars.sums_name(NAME)
    over_sums = openssl_signs(tmp_path, vendor, sums, out="sums.p7s")
    second = signing.attach(unsigned.path, [over_sums])

    assert unsigned.path in first.files
    assert [path.name for path in second.files] == [f"{sums.name}.p7s"]
    assert findings(unsigned.path, trust, now=max(at, NOW)) == ()
    subprocess.run(["sha256sum", "-c", sums.name], cwd=tmp_path, check=True, capture_output=True)


def test_an_attached_signature_must_be_over_this_bundle(delivery: Written, vendor: Vendor, tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(delivery.manifest + b"\n")
    before = delivery.path.read_bytes()
    p7s = openssl_signs(tmp_path, vendor, tmp_path / "other", out="x.p7s")

    with pytest.raises(VerificationError, match="neither over"):
        signing.attach(delivery.path, [p7s])
    (tmp_path / "x.sig").write_bytes(b"x")
    with pytest.raises(RecipeError, match="does not say whose it is"):
        signing.attach(delivery.path, [tmp_path / "x.sig"])
    with pytest.raises(VerificationError, match="neither over"):
        signing.attach(delivery.path, [tmp_path / "x.sig"], key=vendor.ca_key.public_key())
    with pytest.raises(RecipeError, match="does not say what signature"):
        signing.attach(delivery.path, [tmp_path / "other"])
    assert delivery.path.read_bytes() == before


def test_a_further_vendor_cosigns_by_ssh_keygen_and_the_rest_stays(delivery: Written, vendor: Vendor) -> None:
    folder, before = delivery.path.parent, delivery.path.read_bytes()
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "k"], cwd=folder, check=True)
    manifest = f"{NAME}.manifest.json"
    for namespace in ("appliance-bundle", "appliance-bundle-customer"):
        command = ["ssh-keygen", "-q", "-Y", "sign", "-f", "k", "-n", namespace, manifest]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        (folder / f"{manifest}.sig").rename(folder / "made.sshsig")
        signed = signing.attach(delivery.path, [folder / "made.sshsig"])
        (folder / "made.sshsig").unlink()
        assert signed.signatures[0].acts_as == ("customer" if namespace.endswith("customer") else "vendor")
    after = delivery.path.read_bytes()

    assert after[:MANIFEST_OFFSET][:-16] == before[:MANIFEST_OFFSET][:-16]
    assert after[2**20 :] == before[2**20 :]
    report = verification.verify(delivery.path, vendor.trust(), now=NOW)
    assert (report.findings, len({s.fingerprint for s in report.signers})) == ((), 2)


def test_lists_on_the_medium_revoke(delivery: Written, vendor: Vendor) -> None:
    with delivery.open() as bundle:
        revoked = x509.load_der_x509_certificate(leaf(bundle.verdict.signers[0].fingerprint, delivery))
    for name, made in (("a", vendor.revocations(revoked)), ("b", vendor.revocations(by_root=True))):
        der = made.crl.public_bytes(serialization.Encoding.DER)
        (delivery.path.parent / f"{name}.crl").write_bytes(der)

    assert "revoked the certificate of Signer" in findings(delivery.path, vendor.trust())[0]


def leaf(fingerprint: str, delivery: Written) -> bytes:
    statement = cms.read((delivery.path.parent / f"{NAME}.p7s").read_bytes())
    assert str(certificates.certificate_keyid(statement.certificate)) == fingerprint
    return statement.certificate.public_bytes(serialization.Encoding.DER)


def test_lists_are_kept_by_number_and_only_of_authorities_that_are_believed(tmp_path: Path, vendor: Vendor) -> None:
    site = tmp_path / "site"
    (tmp_path / "root.pem").write_bytes(certificates.certificate_pem(vendor.root))
    (tmp_path / "ca.pem").write_bytes(certificates.certificate_pem(vendor.ca))
    store.add(tmp_path / "root.pem", folder=site)

    def saved(number: int, by: Vendor = vendor) -> Path:
        path = tmp_path / f"{number}.crl"
        path.write_bytes(by.revocations(number=number).crl.public_bytes(serialization.Encoding.PEM))
        return path

    with pytest.raises(VerificationError, match="not signed by an authority"):
        upkeep.install_list(saved(5), folder=site)
    upkeep.install_list(saved(5), issuer=tmp_path / "ca.pem", folder=site)
    with pytest.raises(VerificationError, match="not signed by an authority"):
        upkeep.install_list(saved(9, Vendor.create()), issuer=tmp_path / "ca.pem", folder=site)
    with pytest.raises(StateError, match="list 4 of Vendor CA is older than list 5"):
        upkeep.install_list(saved(4), issuer=tmp_path / "ca.pem", folder=site)
    upkeep.install_list(saved(6), issuer=tmp_path / "ca.pem", folder=site)

    assert [each.number for each in store.load_store(site).lists] == [6]


def test_a_key_is_revoked_by_its_fingerprint(tmp_path: Path, delivery: Written, vendor: Vendor) -> None:
    (tmp_path / "root.pem").write_bytes(certificates.certificate_pem(vendor.root))
    store.add(tmp_path / "root.pem", folder=tmp_path / "site")
    assert findings(delivery.path, store.load_store(tmp_path / "site")) == ()

    upkeep.revoke_key(str(keyid(vendor.ca)), now=NOW, folder=tmp_path / "site")

    assert "was revoked here" in findings(delivery.path, store.load_store(tmp_path / "site"))[0]
    with pytest.raises(RecipeError, match="not a fingerprint"):
        upkeep.revoke_key("sha256:12", now=NOW, folder=tmp_path / "site")


def policy(*roles: tuple[str, Vendor], threshold: int = 1, **more: object) -> bytes:
    named = {role: {"threshold": threshold, "anchors": [str(keyid(by.root))]} for role, by in roles}
    return json.dumps({"format": 1, "roles": named, **more}).encode()


def test_another_policy_satisfies_the_old_and_the_new_one(tmp_path: Path, vendor: Vendor, customer: Vendor) -> None:
    site, file = tmp_path / "site", tmp_path / "policy.json"
    for number, by in enumerate((vendor, customer)):
        (tmp_path / f"{number}.pem").write_bytes(certificates.certificate_pem(by.root))
        store.add(tmp_path / f"{number}.pem", folder=site)

    def install(data: bytes, *by: tuple[Vendor, str], now: datetime = NOW) -> None:
        file.write_bytes(data)
        made = [s for who, role in by for s in envelope.countersign(data, who.signer(), role, At())]
        upkeep.install_policy(file, made, now=now, folder=site)

    install(policy(("vendor", vendor), expires="2026-12-01T00:00:00Z"))
    both_roles = policy(("vendor", vendor), ("customer", customer))
    with pytest.raises(VerificationError, match="the policy in force is not satisfied"):
        install(both_roles)
    with pytest.raises(VerificationError, match="the policy in force is not satisfied"):
        install(both_roles, (customer, "customer"))
    with pytest.raises(VerificationError, match="the new policy is not satisfied"):
        install(both_roles, (vendor, "vendor"))
    assert [t.role for t in store.load_store(site).policy.thresholds] == ["vendor"]

    install(both_roles, (vendor, "vendor"), (customer, "customer"), now=NOW + 60 * DAY)
    assert [t.role for t in store.load_store(site).policy.thresholds] == ["vendor", "customer"]


@pytest.mark.parametrize(
    ("rule", "fields", "said"),
    [
        (Policy(minimum_epochs=(("demo", 1),)), {}, "its epoch 0 is below 1"),
        (Policy(minimum_epochs=(("other", 1),)), {}, ""),
        (Policy(self_run=SelfRun.REFUSE), {"self_run": True}, "does not let a bundle judge itself"),
        (Policy(self_run=SelfRun.REFUSE), {}, ""),
        (Policy(), {"self_run": True}, ""),
        (Policy(expires=NOW - DAY), {}, "expired on 2026-10-31"),
        (Policy(expires=NOW + DAY), {}, ""),
    ],
)
def test_the_rules_of_the_site_hold_for_every_bundle(
    delivery: Written, vendor: Vendor, rule: Policy, fields: dict[str, bool], said: str
) -> None:
    trust = dataclasses.replace(vendor.trust(rule), **fields)  # type: ignore[arg-type]
    found = findings(delivery.path, trust)

    assert (found == ()) is (not said)
    assert said in "".join(found)


def test_an_older_epoch_needs_a_permit_of_those_whom_the_policy_names(
    delivery: Written, vendor: Vendor, customer: Vendor
) -> None:
    signing.countersign(delivery.path, customer.signer(), "customer", clock=At())
    with delivery.open() as bundle:
        older = bundle.manifest.image
    newer = Digest.of(b"newer image")
    floor = Floor("demo", keyid(vendor.root), 7, newer)
    trust = dataclasses.replace(both(vendor, customer), floors=(floor,))
    assert findings(delivery.path, trust)[0].startswith("its epoch 0 is lower than 7")

    file = delivery.path.with_name(f"{NAME}.permit.json")
    write_bytes(file, Permit("demo", newer, older).to_bytes())
    signing.countersign(file, vendor.signer(), "vendor", clock=At())
    assert findings(delivery.path, trust) != (), "the customer has not agreed"
    signing.countersign(file, customer.signer(), "customer", clock=At())

    assert findings(delivery.path, trust) == ()
    another = dataclasses.replace(floor, image=Digest.of(b"another image"))
    assert findings(delivery.path, dataclasses.replace(trust, floors=(another,))) != ()


def verdicts(delivery: Written, roots: Sequence[x509.Certificate], *, now: datetime) -> tuple[bool, bool]:
    """Accepted; and whether a time stamp counted."""
    trust = dataclasses.replace(delivery.vendor.trust(), stampers=tuple(roots))
    report = verification.verify(delivery.path, trust, now=now)
    return report.verified, any(signer.stamped for signer in report.signers)


def test_a_time_stamp_outlives_the_signers_certificate(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    vendor = Vendor.create()
    signer = vendor.signer(starts=now - DAY, ends=now + 30 * DAY)
    (tmp_path / "delivery").mkdir()
    delivery = write_bundle(
        tmp_path / "delivery", b"payload", vendor=vendor, signers=[signer], exports=True, clock=At(now)
    )
    late = now + 60 * DAY
    root = stamper(tmp_path)
    assert verdicts(delivery, [root], now=late) == (False, False)

    p7s = delivery.path.with_name(f"{NAME}.p7s")
    token = stamp(tmp_path, p7s)

    assert verdicts(delivery, [root], now=late) == (True, True)
    assert verdicts(delivery, [], now=late) == (False, False)
    assert verdicts(delivery, [Vendor.create().root], now=late) == (False, False)
    command = ["ts", "-verify", "-data", p7s, "-in", token, "-CAfile", "tsa-root.pem", "-untrusted", "chain.pem"]
    assert stock_tools().accepts(["openssl", *map(str, command)], tmp_path)
    (tmp_path / "other").write_bytes(b"other")
    stamp(tmp_path, tmp_path / "other").replace(token)
    assert verdicts(delivery, [root], now=late) == (False, False), "a token over something else"
    assert not stock_tools().accepts(["openssl", *map(str, command)], tmp_path)
