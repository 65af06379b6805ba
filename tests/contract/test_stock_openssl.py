"""Ours and the stock tool say the same of every signature, good or bad; where they differ, it is ours that refuses."""

from __future__ import annotations

import dataclasses
import subprocess
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from support.signing import DAY, NOW, At, Vendor, openssl_cms_accepts, openssl_dgst_accepts

from appliance.clock import SystemClock
from appliance.errors import VerificationError
from appliance.trust import certificates, cms, envelope, formats, judgement, keys
from appliance.trust.formats import Form
from appliance.trust.policy import Trust, from_arguments
from appliance.trust.rules import Policy

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from cryptography import x509

DATA = b'{"name":"etcd"}'


@pytest.fixture(scope="module")
def vendor() -> Vendor:
    return Vendor.create()


def ours(data: bytes, p7s: bytes, trust: Trust, *, at: datetime = NOW) -> bool:
    try:
        return judgement.check_detached(data, p7s, trust, now=at).accepted
    except VerificationError:
        return False


def both(
    folder: Path,
    vendor: Vendor,
    p7s: bytes,
    *,
    data: bytes = DATA,
    root: x509.Certificate | None = None,
    at: datetime = NOW,
) -> tuple[bool, bool]:
    return ours(data, p7s, vendor.trust(), at=at), openssl_cms_accepts(folder, data, p7s, root or vendor.root, at=at)


def test_a_good_signature_passes_both(vendor: Vendor, tmp_path: Path) -> None:
    p7s = formats.cms_detached(vendor.signer(), DATA, signing_time=NOW)

    assert both(tmp_path, vendor, p7s) == (True, True)


def test_altered_content_passes_neither(vendor: Vendor, tmp_path: Path) -> None:
    p7s = formats.cms_detached(vendor.signer(), DATA, signing_time=NOW)

    assert both(tmp_path, vendor, p7s, data=DATA + b"\n") == (False, False)


def test_a_signature_of_another_vendor_passes_neither(vendor: Vendor, tmp_path: Path) -> None:
    p7s = formats.cms_detached(Vendor.create().signer(), DATA, signing_time=NOW)

    assert both(tmp_path, vendor, p7s) == (False, False)


def test_a_signature_by_another_key_than_the_certificate_passes_neither(vendor: Vendor, tmp_path: Path) -> None:
    signer = dataclasses.replace(vendor.signer(), key=ec.generate_private_key(ec.SECP384R1()))
    p7s = formats.cms_detached(signer, DATA, signing_time=NOW)

    assert both(tmp_path, vendor, p7s) == (False, False)


def test_without_the_intermediate_it_passes_neither(vendor: Vendor, tmp_path: Path) -> None:
    p7s = formats.cms_detached(dataclasses.replace(vendor.signer(), issuers=()), DATA, signing_time=NOW)

    assert both(tmp_path, vendor, p7s) == (False, False)


@pytest.mark.parametrize("at", [NOW - 2 * DAY, NOW + 401 * DAY], ids=["not yet valid", "expired"])
def test_outside_its_certificates_dates_it_passes_neither(vendor: Vendor, tmp_path: Path, at: datetime) -> None:
    p7s = formats.cms_detached(vendor.signer(), DATA, signing_time=NOW)

    assert both(tmp_path, vendor, p7s, at=at) == (False, False)


def test_an_expired_intermediate_passes_neither(tmp_path: Path) -> None:
    vendor = Vendor.create(ca_ends=NOW + DAY)
    p7s = formats.cms_detached(vendor.signer(), DATA, signing_time=NOW)

    assert both(tmp_path, vendor, p7s) == (True, True)
    assert both(tmp_path, vendor, p7s, at=NOW + 2 * DAY) == (False, False)


@pytest.mark.parametrize("keep", [0, 1, 100, -1])
def test_what_is_cut_short_passes_neither(vendor: Vendor, tmp_path: Path, keep: int) -> None:
    p7s = formats.cms_detached(vendor.signer(), DATA, signing_time=NOW)

    assert both(tmp_path, vendor, p7s[:keep]) == (False, False)


def test_a_late_install_that_the_policy_allows_passes_openssl_at_the_signing_time(
    vendor: Vendor, tmp_path: Path
) -> None:
    p7s = formats.cms_detached(vendor.signer(), DATA, signing_time=NOW)
    late = NOW + 420 * DAY
    allows, forbids = vendor.trust(Policy(max_unstamped_days=30)), vendor.trust(Policy(max_unstamped_days=19))

    assert ours(DATA, p7s, allows, at=late)
    assert not ours(DATA, p7s, forbids, at=late)
    assert openssl_cms_accepts(tmp_path, DATA, p7s, vendor.root, at=cms.read(p7s).signing_time)


def test_a_tls_certificate_of_the_same_root_passes_openssl_with_purpose_any_but_not_ours(
    vendor: Vendor, tmp_path: Path
) -> None:
    signer = vendor.signer(usage=ExtendedKeyUsageOID.SERVER_AUTH)
    p7s = formats.cms_detached(signer, DATA, signing_time=NOW)

    assert both(tmp_path, vendor, p7s) == (False, True)


def test_raw_signatures_pass_openssl_dgst_and_only_for_their_content_and_key(vendor: Vendor, tmp_path: Path) -> None:
    signer = vendor.signer()
    public = signer.key.public_key()
    signature = formats.raw(signer, DATA)
    other = vendor.signer().key.public_key()
    cases = [(DATA, signature, public, True), (DATA + b"x", signature, public, False), (DATA, signature, other, False)]
    cases += [(DATA, signature[:-1], public, False), (DATA, b"", public, False)]

    for data, value, key, expected in cases:
        assert formats.raw_holds(key, value, data) is expected
        assert openssl_dgst_accepts(tmp_path, data, value, certificates.public_pem(key)) is expected


def test_generated_keys_sign_what_openssl_and_we_accept(tmp_path: Path) -> None:
    made = keys.generate(tmp_path / "keys", name="Example", clock=SystemClock())
    signer = keys.load_signer(tmp_path / "keys" / "signer-key.pem")
    root = certificates.read_certificates((tmp_path / "keys" / "root.pem").read_bytes())[0]
    now = SystemClock().now()

    by_form = {s.form: s for s in envelope.sign(DATA, [signer], SystemClock())}

    assert openssl_cms_accepts(tmp_path, DATA, by_form[Form.CMS].value, root, at=now)
    assert openssl_dgst_accepts(
        tmp_path, DATA, by_form[Form.RAW].value, (tmp_path / "keys" / "signer.pub").read_bytes()
    )
    verdict = judgement.check(
        DATA, tuple(by_form.values()), Trust(from_arguments((str(tmp_path / "keys" / "root.pem"),))), now=now
    )
    assert verdict.accepted
    assert {s.fingerprint for s in verdict.signers} == {made.fingerprint}


@pytest.fixture
def openssl_signs(vendor: Vendor, tmp_path: Path) -> OpensslSigns:
    for number in ("", "2"):
        signer = vendor.signer()
        (tmp_path / f"key{number}.pem").write_bytes(certificates.private_pem(signer.key))
        (tmp_path / f"leaf{number}.pem").write_bytes(certificates.certificate_pem(signer.certificate))
    (tmp_path / "ca.pem").write_bytes(certificates.certificate_pem(vendor.ca))
    (tmp_path / "F").write_bytes(DATA)
    return OpensslSigns(tmp_path)


@dataclasses.dataclass
class OpensslSigns:
    """``openssl cms -sign`` as a vendor would call it, with further options."""

    folder: Path

    def __call__(self, options: str) -> bytes:
        command = (
            "openssl cms -sign -binary -in F -signer leaf.pem -inkey key.pem -certfile ca.pem -outform DER -out y.p7s"
        )
        subprocess.run([*command.split(), *options.split()], cwd=self.folder, check=True, capture_output=True)
        return (self.folder / "y.p7s").read_bytes()


@pytest.mark.parametrize("options", ["-md sha384", "-md sha384 -nosmimecap"])
def test_what_openssl_signs_in_our_shape_is_read(vendor: Vendor, openssl_signs: OpensslSigns, options: str) -> None:
    assert ours(DATA, openssl_signs(options), vendor.trust())


@pytest.mark.parametrize(
    "options",
    [
        "-md sha256",
        "-md sha384 -nodetach",
        "-md sha384 -noattr",
        "-md sha384 -nocerts",
        "-md sha384 -keyid",
        "-md sha384 -stream",
        "-md sha384 -signer leaf2.pem -inkey key2.pem",
    ],
)
def test_what_openssl_signs_in_another_shape_is_refused(
    vendor: Vendor, openssl_signs: OpensslSigns, options: str
) -> None:
    with pytest.raises(VerificationError, match="cannot|CMS"):
        cms.read(openssl_signs(options))


def test_the_clock_of_the_signature_is_the_given_one(vendor: Vendor) -> None:
    signature = envelope.sign(DATA, [vendor.signer()], At(NOW))[0]

    assert signature.form is Form.CMS
    assert cms.read(signature.value).signing_time == NOW
