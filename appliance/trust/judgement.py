"""Whose signatures over a manifest are good, whom of them this site believes, and whether that is enough.

`check` does this, in this order:

1. Every entry is read: a `.p7s` has the one shape of `appliance.trust.cms`, an `.sshsig` that of
   `appliance.trust.sshsig`, and the key in it is the one that the entry's key id names. In the bundle itself none says
   a role; countersignatures do.
2. Every entry must hold over the manifest's bytes, by the key that its key id names: its own, or that of a pin.
3. A signer's name must be printable.
4. A key is believed when it is pinned (and the pinned certificate is valid now), or when its `.p7s` leads to a trusted
   root now; an expired certificate is excused by a time stamp, or as far as the policy says (`chain.verify_late`). Not
   believed is who was revoked, here or by an issuer, and whose key or issuer's key is of a kind that the policy
   excludes.
5. The policy's thresholds count distinct believed keys, not signatures, certificates or names, each for the role in
   which it signed and only where an anchor of that role vouches for it. Where the policy asks for hybrid signatures,
   each is met by ML-DSA keys and by others.
6. The newest signature that counts is not older than the policy allows.
7. It is accepted when 5 and 6 hold and steps 1 to 3 left no finding: a signature that cannot be checked or does not
   hold refuses the whole, whoever else signed; that of a stranger, if it holds, is only not counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from appliance.errors import VerificationError
from appliance.trust import algorithms, certificates, cms, formats, sshsig
from appliance.trust.belief import Belief, believe, pinned_key
from appliance.trust.envelope import Signature
from appliance.trust.formats import Form

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from appliance.digest import Digest
    from appliance.trust.algorithms import KeyType, PublicKey
    from appliance.trust.policy import Trust
    from appliance.trust.rules import Threshold


@dataclass(frozen=True, slots=True)
class SignerResult:
    """One signature judged. `name` and `chain` are escaped; `chain` goes from the signer to the root, if it was walked.

    `valid`: it holds over the manifest. `trusted`: and its key is believed, because of `anchors`. `reason` says why, or
    why not. `stamped`: the signing time is a stamper's word, not the signer's. `notes`: what could not be asked.
    """

    name: str
    fingerprint: str
    form: Form
    valid: bool
    trusted: bool
    reason: str
    role: str
    type: KeyType | None = None
    signing_time: datetime | None = None
    stamped: bool = False
    chain: tuple[str, ...] = ()
    anchors: frozenset[Digest] = frozenset()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `check` found: `accepted` is the answer, `findings` why not, one sentence each, `hint` what to do.

    `met`: a sentence for each demand of the policy that was met.
    """

    signers: tuple[SignerResult, ...]
    accepted: bool
    findings: tuple[str, ...] = ()
    hint: str = ""
    met: tuple[str, ...] = ()

    def require(self) -> None:
        """Raise `VerificationError` with all findings unless accepted."""
        if not self.accepted:
            raise VerificationError(f"not verified: {'; '.join(self.findings)}", hint=self.hint)

    def anchors_of(self, role: str) -> frozenset[Digest]:
        """The anchors that vouch for those who signed in a role."""
        return frozenset(anchor for s in self.signers if s.trusted and s.role == role for anchor in s.anchors)


@dataclass(frozen=True, slots=True)
class _Read:
    """An entry after steps 1 to 3; `fault` is empty when it holds."""

    signature: Signature
    key: PublicKey | None = None
    statement: cms.Statement | None = None
    fault: str = ""


def check(
    manifest: bytes, signatures: Sequence[Signature], trust: Trust, *, now: datetime, stamps: Sequence[bytes] = ()
) -> Verdict:
    """Judge the signatures over `manifest` as the module's list says; `stamps` are RFC 3161 tokens over `.p7s` files.

    Never raises for what the signatures are.
    """
    opened = tuple(_open(signature) for signature in signatures)
    known = {entry.signature.keyid: entry.key for entry in opened if entry.key is not None}
    read = tuple(_judged(entry, manifest, known, trust) for entry in opened)
    statements = {_identity(e.signature): e.statement for e in read if e.statement is not None}
    beliefs = {
        identity: believe(identity[0], known.get(identity[0]), statements.get(identity), trust, now=now, stamps=stamps)
        for identity in {_identity(entry.signature) for entry in read}
    }
    results = tuple(_result(entry, beliefs[_identity(entry.signature)], statements) for entry in read)
    return _verdict(results, trust, now)


def check_detached(data: bytes, p7s: bytes, trust: Trust, *, now: datetime) -> Verdict:
    """Judge one `.p7s` beside a file, such as that of SHA256SUMS, as `check` does; unreadable: `VerificationError`."""
    keyid = certificates.certificate_keyid(cms.read(p7s).certificate)
    return check(data, [Signature(keyid, Form.CMS, p7s)], trust, now=now)


def _identity(signature: Signature) -> tuple[Digest, str]:
    return signature.keyid, signature.role


def _open(signature: Signature) -> _Read:
    """Step 1."""
    try:
        match signature.form:
            case Form.CMS:
                statement = cms.read(signature.value)
                entry, role = _Read(signature, statement.key, statement), statement.role
            case Form.SSHSIG:
                entry = _Read(signature, sshsig.read(signature.value).key)
                role = formats.role_of(Form.SSHSIG, signature.value)
            case Form.RAW | Form.COSIGN:
                return _Read(signature)
            case _:
                assert_never(signature.form)
    except VerificationError as error:
        return _Read(signature, fault=f"cannot be read: {error.message}")
    if entry.key is None or certificates.keyid(entry.key) != signature.keyid:
        what = "the certificate of another key" if signature.form is Form.CMS else "another key"
        return _Read(signature, fault=f"holds {what}")
    if role != signature.role:
        return _Read(signature, fault="was made in another role")
    return entry


def _judged(entry: _Read, manifest: bytes, known: Mapping[Digest, PublicKey | None], trust: Trust) -> _Read:
    """Steps 2 and 3."""
    signature = entry.signature
    if entry.fault:
        return entry
    key = entry.key or known.get(signature.keyid) or pinned_key(signature.keyid, trust)
    if key is None:
        fault = "cannot be checked: neither a certificate nor a pin says what its key is"
    elif not _holds(entry, key, manifest):
        fault = "does not hold: the manifest or the signature was altered"
    elif (
        entry.statement is not None and not certificates.common_name(entry.statement.certificate.subject).isprintable()
    ):
        fault = "is refused: its certificate's name holds characters that do not print"
    else:
        fault = ""
    return _Read(signature, key, entry.statement, fault)


def _holds(entry: _Read, key: PublicKey, manifest: bytes) -> bool:
    """The one place where a signature of any form is compared with the manifest."""
    value = entry.signature.value
    match entry.signature.form:
        case Form.CMS:
            return entry.statement is not None and entry.statement.holds(manifest)
        case Form.COSIGN:
            return formats.cosign_holds(key, value, manifest)
        case Form.RAW:
            return formats.raw_holds(key, value, manifest)
        case Form.SSHSIG:
            found = sshsig.read(value)
            return found.namespace == formats.namespace(entry.signature.role) and found.holds(manifest)
        case _:
            assert_never(entry.signature.form)


def _result(entry: _Read, belief: Belief, statements: Mapping[tuple[Digest, str], cms.Statement]) -> SignerResult:
    signature = entry.signature
    statement = statements.get(_identity(signature))
    valid = not entry.fault
    timed = statement is not None and signature.form is Form.CMS
    return SignerResult(
        name=certificates.printable(certificates.common_name(statement.certificate.subject)) if statement else "",
        fingerprint=str(signature.keyid),
        form=signature.form,
        valid=valid,
        trusted=valid and bool(belief.anchors),
        reason=entry.fault or belief.reason,
        role=signature.acts_as,
        type=algorithms.type_of(entry.key) if entry.key is not None else None,
        signing_time=(belief.signed or (statement.signing_time if statement else None)) if timed else None,
        stamped=timed and belief.stamped,
        chain=belief.path if valid else (),
        anchors=belief.anchors if valid else frozenset(),
        notes=belief.notes if valid else (),
    )


def _verdict(results: tuple[SignerResult, ...], trust: Trust, now: datetime) -> Verdict:
    """Steps 5 to 7."""
    findings = [f"the {r.form} signature of {r.fingerprint[:19]}… {r.reason}" for r in results if not r.valid]
    met = []
    for threshold in trust.policy.thresholds:
        count, of_what = _count(threshold, results, hybrid=trust.policy.hybrid)
        if count >= threshold.at_least:
            met.append(f"{threshold.role}: {count} of {threshold.at_least} {of_what} signed")
        elif not results or any(r.valid for r in results):
            findings.append(_unmet(count, threshold, of_what, results))
    signed = max((r.signing_time for r in results if r.trusted and r.signing_time), default=None)
    if signed is not None and trust.policy.too_old(signed, now):
        days = trust.policy.fail_after_days
        findings.append(f"it was signed on {signed:%Y-%m-%d}, over the {days} days ago that the policy allows")
    hint = "" if not findings else _hint(results, trust)
    return Verdict(results, not findings, tuple(dict.fromkeys(findings)), hint, tuple(met))


def _count(threshold: Threshold, results: Sequence[SignerResult], *, hybrid: bool) -> tuple[int, str]:
    """How many keys count for a threshold, and of what kind they must be."""
    counting = {r.fingerprint: r.type for r in results if r.trusted and threshold.counts(r.role, r.anchors)}
    if not hybrid:
        return len(counting), "trusted keys"
    strong = sum(1 for kind in counting.values() if kind is not None and kind.post_quantum)
    return min(strong, len(counting) - strong), "trusted pairs of keys, one of them ML-DSA,"


def _unmet(count: int, threshold: Threshold, of_what: str, results: Sequence[SignerResult]) -> str:
    if not results:
        return "it is not signed"
    reasons = dict.fromkeys(f"{r.name or r.fingerprint[:19]}: {r.reason}" for r in results if r.valid and not r.trusted)
    why = f" ({'; '.join(reasons)})" if reasons else ""
    return f"{count} of {threshold.at_least} {of_what} signed it as {threshold.role}{why}"


def _hint(results: Sequence[SignerResult], trust: Trust) -> str:
    if any(not r.valid for r in results) or not results:
        return "get it again from the vendor, by another way"
    if not trust.anchors:
        return "say whom you trust: --trust root.pem, which the vendor gave you by another way than this medium"
    if any(r.type and trust.policy.algorithms and r.type not in trust.policy.algorithms for r in results):
        return f"the policy allows {', '.join(sorted(trust.policy.algorithms))}: have it signed with such a key, too"
    if all(r.trusted for r in results):
        return "the policy asks for more signatures: somebody must countersign: appliance sign --role ROLE"
    return "compare the fingerprint with the vendor's, then name the root or key with --trust"
