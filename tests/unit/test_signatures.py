from __future__ import annotations

import base64
import dataclasses
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes, serialization
from support.signing import DAY, NOW, At, Vendor

from appliance import canonical
from appliance.digest import Digest
from appliance.errors import RecipeError, VerificationError
from appliance.trust import certificates, cms, envelope, formats, judgement, signeddata, sshsig
from appliance.trust.envelope import Signature
from appliance.trust.formats import Form
from appliance.trust.policy import Anchors, Pin, Trust
from appliance.trust.rules import VENDOR, Policy, Threshold

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec

    from appliance.trust.keys import Signer

DATA = b'{"name":"etcd"}'


@pytest.fixture(scope="module")
def vendor() -> Vendor:
    return Vendor.create()


@pytest.fixture(scope="module")
def signer(vendor: Vendor) -> Signer:
    return vendor.signer("Release 2026")


def pinned(signer: Signer, **fields: object) -> Trust:
    pin = Pin(signer.keyid, "signer.pub", key=signer.key.public_key())
    return Trust(Anchors(pins=(dataclasses.replace(pin, **fields),)))  # type: ignore[arg-type]


def two_keys() -> Policy:
    return Policy(thresholds=(Threshold(VENDOR, 2),))


def test_a_verdict_names_the_signer_and_the_way_to_the_root(vendor: Vendor, signer: Signer) -> None:
    verdict = judgement.check(DATA, envelope.sign(DATA, [signer], At()), vendor.trust(), now=NOW)

    assert verdict.accepted
    assert not verdict.findings
    cms = verdict.signers[0]
    assert [signer.form for signer in verdict.signers] == list(Form)
    assert {signer.role for signer in verdict.signers} == {VENDOR}
    assert verdict.met == ("vendor: 1 of 1 trusted keys signed",)
    assert cms.name == "Release 2026"
    assert cms.fingerprint == str(signer.keyid)
    assert cms.chain == ("Release 2026", "Vendor CA", "Vendor root")
    assert cms.signing_time == NOW


def test_signed_by_nobody_trusted_is_refused_with_a_reason_and_the_way_to_trust(signer: Signer) -> None:
    verdict = judgement.check(DATA, envelope.sign(DATA, [signer], At()), Trust(), now=NOW)

    assert not verdict.accepted
    assert all(s.valid and not s.trusted and s.reason for s in verdict.signers)
    assert "Release 2026" in verdict.findings[0]
    assert "--trust" in verdict.hint
    with pytest.raises(VerificationError, match="not verified: 0 of 1 trusted keys"):
        verdict.require()


def test_unsigned_is_refused(vendor: Vendor) -> None:
    assert judgement.check(DATA, (), vendor.trust(), now=NOW).findings == ("it is not signed",)


@pytest.mark.parametrize("form", list(Form))
def test_every_form_binds_the_same_bytes(vendor: Vendor, signer: Signer, form: Form) -> None:
    good = {s.form: s for s in envelope.sign(DATA, [signer], At())}
    other = {s.form: s for s in envelope.sign(DATA + b" ", [signer], At())}
    mixed = [other[form] if f is form else good[f] for f in Form]

    verdict = judgement.check(DATA, mixed, vendor.trust(), now=NOW)

    assert not verdict.accepted
    assert [s.valid for s in verdict.signers] == [f is not form for f in Form]
    assert [s.trusted for s in verdict.signers] == [f is not form for f in Form]


@pytest.mark.parametrize(
    ("fields", "forms", "accepted"),
    [
        ({}, [Form.CMS, Form.RAW], True),
        ({}, [Form.RAW], True),
        ({"key": None}, [Form.CMS, Form.RAW], True),
        ({"key": None}, [Form.RAW], False),
        ({"keyid": Digest.of(b"other")}, [Form.CMS, Form.RAW], False),
    ],
    ids=["key", "key, raw alone", "fingerprint", "fingerprint, raw alone", "another key"],
)
def test_a_pinned_key_is_believed_whoever_certified_it(
    signer: Signer, fields: dict[str, object], forms: list[Form], accepted: bool
) -> None:
    signatures = [s for s in envelope.sign(DATA, [signer], At()) if s.form in forms]

    assert judgement.check(DATA, signatures, pinned(signer, **fields), now=NOW).accepted is accepted


def test_a_pinned_certificate_counts_only_while_it_is_valid(signer: Signer) -> None:
    signatures = envelope.sign(DATA, [signer], At())
    trust = pinned(signer, certificate=signer.certificate)

    assert judgement.check(DATA, signatures, trust, now=NOW).accepted
    assert not judgement.check(DATA, signatures, trust, now=NOW + 500 * DAY).accepted


def test_thresholds_count_keys_not_certificates_or_forms(vendor: Vendor, signer: Signer) -> None:
    again = vendor.signer("Another name", key=signer.key)
    once = envelope.sign(DATA, [signer], At())
    renamed = [*once, Signature(again.keyid, Form.CMS, formats.cms_detached(again, DATA, signing_time=NOW))]
    by_two = envelope.sign(DATA, [signer, vendor.signer("Second")], At())

    assert not judgement.check(DATA, once, vendor.trust(two_keys()), now=NOW).accepted
    assert not judgement.check(DATA, renamed, vendor.trust(two_keys()), now=NOW).accepted
    assert judgement.check(DATA, by_two, vendor.trust(two_keys()), now=NOW).accepted


def test_a_stranger_who_signs_too_is_shown_and_not_counted(vendor: Vendor, signer: Signer) -> None:
    both = envelope.sign(DATA, [signer, Vendor.create("Stranger").signer("Stranger")], At())

    verdict = judgement.check(DATA, both, vendor.trust(), now=NOW)

    assert verdict.accepted
    assert {s.name: s.trusted for s in verdict.signers} == {"Release 2026": True, "Stranger": False}
    assert not judgement.check(DATA, both, vendor.trust(two_keys()), now=NOW).accepted


def test_a_signature_that_does_not_hold_refuses_all(vendor: Vendor, signer: Signer) -> None:
    good = envelope.sign(DATA, [signer], At())
    bad = envelope.sign(DATA + b" ", [Vendor.create().signer()], At())

    assert not judgement.check(DATA, [*good, *bad], vendor.trust(), now=NOW).accepted


def test_a_certificate_of_another_key_does_not_speak_for_a_key_id(vendor: Vendor, signer: Signer) -> None:
    value = formats.cms_detached(vendor.signer(), DATA, signing_time=NOW)

    verdict = judgement.check(DATA, [Signature(signer.keyid, Form.CMS, value)], vendor.trust(), now=NOW)

    assert not verdict.accepted
    assert verdict.signers[0].reason == "holds the certificate of another key"


def test_every_signed_attribute_stands_once(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two signing times in one signature, both signed: which would count is anybody's guess."""
    signer, single = vendor.signer(), asn1.SetOf
    again = cms._attribute(cms._SIGNING_TIME, cms._time_der(NOW + DAY))

    def with_another_time(values: list[object]) -> object:
        return single([*values, again] if isinstance(values[0], signeddata.Attribute) else values)

    monkeypatch.setattr(asn1, "SetOf", with_another_time)
    p7s = formats.cms_detached(signer, DATA, signing_time=NOW)

    with pytest.raises(VerificationError, match="exactly one value"):
        cms.read(p7s)


def test_an_algorithm_of_ecdsa_has_no_parameters(signer: Signer) -> None:
    info = asn1.decode_der(cms._ContentInfo, formats.cms_detached(signer, DATA, signing_time=NOW))
    (signer_info,) = info.content.signers.as_list()
    signer_info.signature_algorithm.parameters = asn1.Null()
    info.content.signers = asn1.SetOf([signer_info])

    with pytest.raises(VerificationError, match="not the one that goes with a key of type ecdsa-p384"):
        cms.read(asn1.encode_der(info))


def test_the_certificates_stand_in_the_order_of_der(vendor: Vendor, signer: Signer) -> None:
    p7s = formats.cms_detached(signer, DATA, signing_time=NOW)
    one, two = (c.public_bytes(serialization.Encoding.DER) for c in (signer.certificate, vendor.ca))
    swapped = p7s.replace(one + two, two + one) if one + two in p7s else p7s.replace(two + one, one + two)

    assert swapped != p7s
    with pytest.raises(VerificationError):
        cms.read(swapped)


@pytest.mark.parametrize("name", ["Vendor\x1b[2J", "Vendor\nok", "rodneV\u202e", "x\u200by"])
def test_names_that_do_not_print_are_refused_and_escaped(vendor: Vendor, name: str) -> None:
    verdict = judgement.check(DATA, envelope.sign(DATA, [vendor.signer(name)], At()), vendor.trust(), now=NOW)

    assert not verdict.accepted
    assert all(s.name.isprintable() and s.name != name for s in verdict.signers)
    assert all(finding.isprintable() for finding in verdict.findings)


def test_certificates_that_lead_nowhere_are_refused(vendor: Vendor, signer: Signer) -> None:
    crowded = dataclasses.replace(signer, issuers=(vendor.ca, Vendor.create().ca))

    verdict = judgement.check(DATA, envelope.sign(DATA, [crowded], At()), vendor.trust(), now=NOW)

    assert "not on the way to the root" in verdict.findings[0]


@pytest.mark.parametrize(
    ("days_late", "ca_days", "allowed", "accepted"),
    [(10, 1825, 30, True), (10, 1825, 0, False), (31, 1825, 30, False), (10, 405, 30, False)],
    ids=["within", "not allowed", "too late", "issuer expired too"],
)
def test_the_signers_word_excuses_an_expired_certificate_only_so_far(
    days_late: int, ca_days: int, allowed: int, accepted: bool
) -> None:
    vendor = Vendor.create(ca_ends=NOW + ca_days * DAY)
    signatures = envelope.sign(DATA, [vendor.signer()], At())
    trust = vendor.trust(Policy(max_unstamped_days=allowed))

    verdict = judgement.check(DATA, signatures, trust, now=NOW + (400 + days_late) * DAY)

    assert verdict.accepted is accepted
    assert "expired" in verdict.signers[0].reason


def test_a_signing_time_outside_the_certificates_dates_excuses_nothing(vendor: Vendor, signer: Signer) -> None:
    p7s = formats.cms_detached(signer, DATA, signing_time=NOW + 401 * DAY)

    verdict = judgement.check_detached(DATA, p7s, vendor.trust(Policy(max_unstamped_days=30)), now=NOW + 402 * DAY)

    assert not verdict.accepted


@pytest.mark.parametrize("moment", [NOW - 2 * DAY, NOW + 401 * DAY])
def test_nobody_signs_outside_the_dates_of_the_certificate(signer: Signer, moment: object) -> None:
    with pytest.raises(RecipeError, match="not now"):
        envelope.sign(DATA, [signer], At(moment))  # type: ignore[arg-type]


def test_nobody_signs_twice_or_not_at_all(vendor: Vendor, signer: Signer) -> None:
    for signers in ([], [signer, signer], [signer] * 9):
        with pytest.raises(RecipeError):
            envelope.sign(DATA, signers, At())


def test_the_signature_area_is_in_the_order_of_key_ids_and_comes_back(vendor: Vendor, signer: Signer) -> None:
    signatures = envelope.sign(DATA, [vendor.signer(), signer, vendor.signer()], At())
    order = [(s.keyid.hex, s.form.value) for s in signatures]

    assert order == sorted(order)
    assert envelope.unpack(envelope.pack(signatures)) == signatures
    assert envelope.pack(tuple(reversed(signatures))) == envelope.pack(signatures)


def entry(**fields: object) -> dict[str, object]:
    return {"bytes": base64.b64encode(b"x").decode(), "form": "raw", "keyid": "0" * 64, **fields}


@pytest.mark.parametrize(
    "area",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"[" * 100_000,
        b'{"format":1}',
        b'{"format":1,"signatures":[]} ',
        b'{"format": 1,"signatures":[]}',
        b'{"format":1,"signatures":[],"signatures":[]}',
        b'{"format":1.0,"signatures":[]}',
        b"\xff",
        canonical.dumps({"format": 2, "signatures": []}),
        canonical.dumps({"format": 0, "signatures": []}),
        canonical.dumps({"format": 1, "signatures": {}}),
        canonical.dumps({"format": 1, "signatures": [1]}),
        canonical.dumps({"format": 1, "signatures": [entry(form="pgp")]}),
        canonical.dumps({"format": 1, "signatures": [entry(form=[])]}),
        canonical.dumps({"format": 1, "signatures": [entry(keyid="0")]}),
        canonical.dumps({"format": 1, "signatures": [entry(keyid=7)]}),
        canonical.dumps({"format": 1, "signatures": [entry(bytes="eA")]}),
        canonical.dumps({"format": 1, "signatures": [entry(bytes="eB==")]}),
        canonical.dumps({"format": 1, "signatures": [entry(bytes="é")]}),
        canonical.dumps({"format": 1, "signatures": [entry(more=1)]}),
        canonical.dumps({"format": 1, "signatures": [entry(), entry()]}),
        canonical.dumps({"format": 1, "signatures": [entry(keyid="1" * 64), entry()]}),
        canonical.dumps({"format": 1, "signatures": [entry(keyid=f"{i:064x}") for i in range(17)]}),
        canonical.dumps({"format": 1, "signatures": [entry(bytes="A" * 65536)]}),
        b" " * (envelope.MAX_AREA_BYTES + 1),
    ],
)
def test_a_signature_area_that_pack_would_not_write_is_refused(area: bytes) -> None:
    with pytest.raises(VerificationError):
        envelope.unpack(area)


def test_an_authority_may_not_sign_itself(vendor: Vendor) -> None:
    signer = dataclasses.replace(vendor.signer(), key=vendor.ca_key, certificate=vendor.ca, issuers=())
    keyid = certificates.certificate_keyid(vendor.ca)

    value = formats.cms_detached(signer, DATA, signing_time=NOW)

    assert not judgement.check(DATA, [Signature(keyid, Form.CMS, value)], vendor.trust(), now=NOW).accepted


@pytest.mark.parametrize(
    ("wrong", "accepted"), [(None, True), ("issuer", False), ("signer", False), ("authority", False)]
)
def test_issuers_may_issue_and_signers_may_sign_and_none_does_both(wrong: str | None, accepted: bool) -> None:
    """Certificates of the right names and dates whose extensions say something else are not believed."""
    vendor = Vendor.create()
    issuer_usage = "digitalSignature" if wrong == "issuer" else "keyCertSign"
    signer_usage = "keyAgreement" if wrong == "signer" else "digitalSignature"
    ca = reissued(vendor.ca, vendor.root_key, usage=issuer_usage, authority=True)
    signer = vendor.signer()
    leaf = reissued(signer.certificate, vendor.ca_key, usage=signer_usage, authority=wrong == "authority")

    signatures = envelope.sign(DATA, [dataclasses.replace(signer, certificate=leaf, issuers=(ca,))], At())

    assert judgement.check(DATA, signatures, vendor.trust(), now=NOW).accepted is accepted


def reissued(
    certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey, *, usage: str, authority: bool
) -> x509.Certificate:
    """The same certificate with one key usage only, as an authority or not."""
    builder = (
        x509.CertificateBuilder(certificate.issuer, certificate.subject, certificate.public_key())
        .serial_number(certificate.serial_number)
        .not_valid_before(certificate.not_valid_before_utc)
        .not_valid_after(certificate.not_valid_after_utc)
    )
    for extension in certificate.extensions:
        if extension.oid not in (x509.KeyUsage.oid, x509.BasicConstraints.oid):
            builder = builder.add_extension(extension.value, critical=extension.critical)
    builder = builder.add_extension(x509.BasicConstraints(authority, 0 if authority else None), critical=True)
    names = ("digitalSignature", "nonRepudiation", "keyEncipherment", "dataEncipherment", "keyAgreement", "keyCertSign")
    flags = [name == usage for name in names]
    return builder.add_extension(x509.KeyUsage(*flags, False, False, False), critical=True).sign(key, hashes.SHA384())


def test_an_sshsig_whose_key_is_written_in_another_way_is_refused_in_words(signer: Signer) -> None:
    """A compressed point, which the library below does not read, and says so by an error of its own kind."""
    text = formats.make(signer, Form.SSHSIG, DATA, signing_time=NOW)
    blob = base64.b64decode(b"".join(text.splitlines()[1:-1]))
    point = blob.index(b"nistp384\0\0\0\x61\x04") + 12
    body = base64.b64encode(blob[:point] + b"\x02" + blob[point + 1 :]).decode()
    lines = [body[start : start + 70] for start in range(0, len(body), 70)]
    compressed = "\n".join(["-----BEGIN SSH SIGNATURE-----", *lines, "-----END SSH SIGNATURE-----", ""]).encode()

    with pytest.raises(VerificationError, match="not a signature of ssh-keygen that can be checked"):
        sshsig.read(compressed)
