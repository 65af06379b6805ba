"""What a policy asks for, over the same manifest signed in many ways."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import pytest
from support.signing import DAY, NOW, At, Vendor

from appliance.digest import Digest
from appliance.errors import RecipeError, StateError, VerificationError
from appliance.trust import algorithms, certificates, envelope, floors, judgement
from appliance.trust.algorithms import KeyType
from appliance.trust.floors import MAX_RISE, Floor, Permit, Seen
from appliance.trust.keys import Signer
from appliance.trust.policy import Anchors, Pin, Trust
from appliance.trust.rules import VENDOR, Policy, Threshold, parse

DATA = b'{"name":"etcd"}'
VENDORS = Vendor.create("Vendor")
CUSTOMERS = Vendor.create("Customer")
STRONG = Vendor.create("Strong", kind=KeyType.ML_DSA_87)
BY = {
    "one": VENDORS.signer("One"),
    "two": VENDORS.signer("Two"),
    "strong": STRONG.signer("Strong"),
    "rsa": Vendor.create("Rsa", kind=KeyType.RSA_3072).signer("Rsa"),
    "officer": CUSTOMERS.signer("Officer"),
    "deputy": CUSTOMERS.signer("Deputy"),
}
ALL = Anchors(tuple(root for vendor in (VENDORS, CUSTOMERS, STRONG) for root in vendor.trust().anchors.roots))


def root_of(vendor: Vendor) -> frozenset[Digest]:
    return frozenset({certificates.certificate_keyid(vendor.root)})


BOTH = (Threshold(VENDOR, 1, root_of(VENDORS)), Threshold("customer", 1, root_of(CUSTOMERS)))
TWO_OFFICERS = (Threshold(VENDOR, 1, root_of(VENDORS)), Threshold("customer", 2, root_of(CUSTOMERS)))


def signatures(vendors: str, *later: str) -> tuple[envelope.Signature, ...]:
    """By the vendors in the bundle, and later by ``NAME:ROLE``."""
    mine = envelope.sign(DATA, [BY[name] for name in vendors.split()], At())
    pairs = (each.split(":") for each in later)
    return (*mine, *(s for name, role in pairs for s in envelope.countersign(DATA, BY[name], role, At())))


@pytest.mark.parametrize(
    ("policy", "made", "accepted"),
    [
        (Policy(BOTH), signatures("one", "officer:customer"), True),
        (Policy(BOTH), signatures("one"), False),
        (Policy(BOTH), signatures("one", "two:customer"), False),
        (Policy(BOTH), signatures("one", "officer:auditor"), False),
        (Policy(BOTH), signatures("one", "officer:vendor"), False),
        (Policy(BOTH), signatures("officer", "officer:customer"), False),
        (Policy(TWO_OFFICERS), signatures("one", "officer:customer"), False),
        (Policy(TWO_OFFICERS), signatures("one", "officer:customer", "deputy:customer"), True),
        (Policy((Threshold(VENDOR, 2),)), signatures("one two"), True),
        (Policy((Threshold(VENDOR, 2),)), signatures("one", "two:vendor"), True),
        (Policy((Threshold(VENDOR, 2),)), signatures("one", "one:vendor"), False),
        (Policy(hybrid=True), signatures("one strong"), True),
        (Policy(hybrid=True), signatures("one two"), False),
        (Policy(hybrid=True), signatures("strong"), False),
        (Policy((Threshold(VENDOR, 2),), hybrid=True), signatures("one two strong"), False),
        (Policy(algorithms=frozenset({KeyType.ML_DSA_87})), signatures("one"), False),
        (Policy(algorithms=frozenset({KeyType.ML_DSA_87})), signatures("one strong"), True),
        (Policy(fail_after_days=10), signatures("one"), True),
    ],
)
def test_thresholds_count_distinct_keys_in_their_role_under_their_anchors(
    policy: Policy, made: tuple[envelope.Signature, ...], accepted: bool
) -> None:
    verdict = judgement.check(DATA, made, Trust(ALL, policy), now=NOW)

    assert verdict.accepted is accepted, verdict.findings
    assert bool(verdict.hint) is not accepted


def test_an_old_signature_is_refused_once_the_policy_says_so() -> None:
    trust = Trust(ALL, Policy(fail_after_days=10))

    assert judgement.check(DATA, signatures("one"), trust, now=NOW + 10 * DAY).accepted
    refused = judgement.check(DATA, signatures("one"), trust, now=NOW + 12 * DAY)
    assert "over the 10 days ago" in refused.findings[0]


def test_an_issuer_of_a_kind_that_the_policy_excludes_vouches_for_nobody() -> None:
    trust = Trust(ALL, Policy(algorithms=frozenset({KeyType.ECDSA_P384})))
    mixed = dataclasses.replace(CUSTOMERS, kind=KeyType.ECDSA_P256).signer("Weaker")

    assert not judgement.check(DATA, envelope.sign(DATA, [mixed], At()), trust, now=NOW).accepted


@pytest.mark.parametrize("who", ["one", "ca", "root"])
def test_what_was_revoked_here_is_believed_no_more_whoever_certified_it(who: str) -> None:
    keyids = {
        "one": BY["one"].keyid,
        "ca": certificates.certificate_keyid(VENDORS.ca),
        "root": certificates.certificate_keyid(VENDORS.root),
    }
    trust = Trust(ALL, revoked=frozenset({keyids[who]}))

    assert judgement.check(DATA, signatures("one"), Trust(ALL), now=NOW).accepted
    assert "revoked here" in judgement.check(DATA, signatures("one"), trust, now=NOW).findings[0]


def test_a_revocation_list_stays_in_force_when_it_expired_and_says_so() -> None:
    good, late = VENDORS.revocations(until=NOW - DAY), VENDORS.revocations(by_root=True)
    bad = VENDORS.revocations(BY["one"].certificate, number=2, until=NOW - DAY)  # type: ignore[arg-type]

    fine = judgement.check(DATA, signatures("one"), Trust(ALL, lists=(good, late)), now=NOW)
    refused = judgement.check(DATA, signatures("one"), Trust(ALL, lists=(good, bad, late)), now=NOW)

    assert fine.accepted
    assert any("when its list 1 expired" in note for note in fine.signers[0].notes)
    assert not refused.accepted
    assert "revoked the certificate of One on" in refused.findings[0]


def test_a_list_by_somebody_else_revokes_nothing() -> None:
    forged = dataclasses.replace(VENDORS, ca_key=CUSTOMERS.ca_key).revocations(BY["one"].certificate)  # type: ignore[arg-type]

    assert judgement.check(DATA, signatures("one"), Trust(ALL, lists=(forged,)), now=NOW).accepted


def test_a_key_without_a_certificate_is_believed_by_its_pin() -> None:
    signer = Signer(algorithms.generate(KeyType.ED25519))
    made = envelope.sign(DATA, [BY["one"], signer], At())
    trust = Trust(Anchors(pins=(Pin(signer.keyid, "ed.pub", key=signer.key.public_key()),)))

    assert judgement.check(DATA, made, trust, now=NOW).accepted
    stranger = judgement.check(DATA, made, Trust(ALL), now=NOW)
    assert {s.trusted for s in stranger.signers if s.fingerprint == str(signer.keyid)} == {False}
    with pytest.raises(RecipeError, match="openssl alone"):
        envelope.sign(DATA, [signer], At())


def test_a_countersignature_in_the_bundle_or_without_a_role_is_refused() -> None:
    (p7s, _) = envelope.countersign(DATA, BY["officer"], "customer", At())
    moved = dataclasses.replace(p7s, role="")
    vendors_own = envelope.sign(DATA, [BY["one"]], At())[0]

    with pytest.raises(ValueError, match="countersignature"):
        envelope.pack([p7s])
    assert judgement.check(DATA, [*signatures("one"), moved], Trust(ALL), now=NOW).findings[0].endswith("another role")
    with pytest.raises(VerificationError, match="in which role"):
        envelope.countersignature(vendors_own.form, vendors_own.value)


def test_nobody_countersigns_in_what_is_no_role() -> None:
    for role in ("", "Customer", "a b", "x" * 33, "../up"):
        with pytest.raises(RecipeError, match="not a role"):
            envelope.countersign(DATA, BY["officer"], role, At())


def test_a_policy_is_read_whole() -> None:
    anchor = "sha256:" + "1" * 64
    text = f"""{{"format": 1, "roles": {{"vendor": {{"threshold": 1, "anchors": ["{anchor}"]}},
      "customer": {{"threshold": 2, "anchors": ["{anchor}"]}}}}, "algorithms": ["ecdsa-p384", "ml-dsa-87"], "hybrid":
      true, "minimum_epoch": {{"etcd": 3}}, "self_run": "refuse", "max_unstamped_days": 9, "warn_after_days": 30,
      "fail_after_days": 60, "expires": "2027-01-01T00:00:00Z"}}"""

    policy = parse(text.encode(), source="policy.json")

    assert [t.role for t in policy.thresholds] == ["vendor", "customer"]
    assert (policy.hybrid, policy.minimum_epoch("etcd"), policy.minimum_epoch("other")) == (True, 3, 0)
    assert policy.expires == datetime(2027, 1, 1, tzinfo=UTC)
    assert (policy.warn_after_days, policy.fail_after_days, policy.self_run.value) == (30, 60, "refuse")


A, B = Digest.of(b"anchor"), Digest.of(b"other anchor")
NEW, OLD = Digest.of(b"new"), Digest.of(b"old")


@pytest.mark.parametrize(
    ("seen", "below"),
    [
        (Seen("etcd", 4, OLD, frozenset({A})), True),
        (Seen("etcd", 5, NEW, frozenset({A})), False),
        (Seen("etcd", 4, OLD, frozenset({B})), False),
        (Seen("other", 4, OLD, frozenset({A})), False),
        (Seen("etcd", 4, OLD, frozenset({A, B})), True),
    ],
)
def test_a_floor_is_for_a_product_under_an_anchor(seen: Seen, below: bool) -> None:
    assert bool(floors.below((Floor("etcd", A, 5, NEW),), seen)) is below


def test_floors_rise_by_so_much_at_once_and_sink_only_by_permit() -> None:
    before = (Floor("etcd", A, 5, NEW),)

    assert floors.raised(before, Seen("etcd", 4, OLD, frozenset({A}))) == before
    assert floors.raised(before, Seen("etcd", 4, OLD, frozenset({A})), lower=True) == (Floor("etcd", A, 4, OLD),)
    highest = Seen("etcd", 5 + MAX_RISE, OLD, frozenset({A}))
    assert floors.raised(before, highest)[0].epoch == 5 + MAX_RISE
    with pytest.raises(StateError, match="would rise from 5 to"):
        floors.raised(before, dataclasses.replace(highest, epoch=6 + MAX_RISE))


def test_permits_come_back_and_nothing_else_is_one() -> None:
    permit = Permit("etcd", NEW, OLD)

    assert floors.read_permit(permit.to_bytes()) == permit
    for data in (b"", b"{}", permit.to_bytes() + b" ", permit.to_bytes().replace(b"downgrade", b"upgrade")):
        with pytest.raises(RecipeError, match="permit"):
            floors.read_permit(data)
