"""Sign a manifest, carry the signatures, and say whose they are and whether that is enough.

The signature area of a `.run` is canonical JSON (UTF-8, sorted keys, no spaces, no newline at the end)::

    {"format":1,"signatures":[{"bytes":BASE64,"form":"cms"|"raw","keyid":HEX}, …]}

in ascending order of key id and form, each pair once, at most `MAX_SIGNATURES` entries of at most `MAX_ENTRY_BYTES` and
`MAX_AREA_BYTES` in all. `keyid` is the SHA-256 of the signer's SubjectPublicKeyInfo in hexadecimal, `bytes` what the
form's stock tool checks (see `appliance.trust.formats`). Only these very bytes are accepted: what `unpack` reads,
`pack` would write.

`check` does this, in this order:

1. Every entry is read: a `.p7s` has the one shape of `appliance.trust.cms`, its certificate the entry's key id.
2. Every entry must hold over the manifest's bytes, by the key that its key id names: that of its `.p7s`, or of a pin.
3. A signer's name must be printable.
4. A key is believed when it is pinned (and the pinned certificate is valid now), or when its `.p7s` leads to a trusted
   root now; an expired certificate is excused as far as the policy says (see `chain.verify_late`).
5. The policy's thresholds count distinct believed keys, not signatures, certificates or names.
6. It is accepted when the thresholds are met and steps 1 to 3 left no finding: a signature that cannot be checked or
   does not hold refuses the whole, whoever else signed; that of a stranger, if it holds, is only not counted.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, assert_never

from appliance import canonical
from appliance.digest import Digest
from appliance.errors import RecipeError, VerificationError
from appliance.trust import certificates, chain, cms, formats
from appliance.trust.formats import Form

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from cryptography.hazmat.primitives.asymmetric import ec

    from appliance.clock import Clock
    from appliance.trust.keys import Signer
    from appliance.trust.policy import Pin, Trust

FORMAT = 1
MAX_SIGNATURES = 16
MAX_ENTRY_BYTES = cms.MAX_BYTES
MAX_AREA_BYTES = 768 * 1024


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature in one form; `value` is the exported file's bytes."""

    keyid: Digest
    form: Form
    value: bytes


@dataclass(frozen=True, slots=True)
class SignerResult:
    """One signature judged. `name` and `chain` are escaped; `chain` goes from the signer to the root, if it was walked.

    `valid`: it holds over the manifest. `trusted`: and its key is believed. `reason` says why, or why not.
    """

    name: str
    fingerprint: str
    form: Form
    valid: bool
    trusted: bool
    reason: str
    signing_time: datetime | None = None
    chain: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `check` found: `accepted` is the answer, `findings` why not, one sentence each, `hint` what to do."""

    signers: tuple[SignerResult, ...]
    accepted: bool
    findings: tuple[str, ...] = ()
    hint: str = ""

    def require(self) -> None:
        """Raise `VerificationError` with all findings unless accepted."""
        if not self.accepted:
            raise VerificationError(f"not verified: {'; '.join(self.findings)}", hint=self.hint)


def sign(manifest: bytes, signers: Sequence[Signer], clock: Clock) -> tuple[Signature, ...]:
    """Sign `manifest` with every signer in every form, in the order of the signature area.

    `RecipeError` when there is no signer, too many, the same key twice, or a certificate that is not valid now.
    """
    now = clock.now()
    require_able(signers, now=now)
    made = [
        Signature(signer.keyid, form, _made(signer, form, manifest, now=now)) for signer in signers for form in Form
    ]
    return tuple(sorted(made, key=_order))


def require_able(signers: Sequence[Signer], *, now: datetime) -> None:
    """Raise what `sign` would raise for these signers at `now`."""
    if not signers or len(signers) * len(Form) > MAX_SIGNATURES:
        raise RecipeError(f"{len(signers)} signers where 1 to {MAX_SIGNATURES // len(Form)} are possible", hint="--key")
    if len({signer.keyid for signer in signers}) != len(signers):
        raise RecipeError("two of the signers have the same key", hint="name each key once")
    for signer in signers:
        _check_dates(signer, now)


def _made(signer: Signer, form: Form, data: bytes, *, now: datetime) -> bytes:
    match form:
        case Form.CMS:
            return formats.cms_detached(signer, data, signing_time=now)
        case Form.RAW:
            return formats.raw(signer, data)
        case _:
            assert_never(form)


def _check_dates(signer: Signer, now: datetime) -> None:
    for certificate in (signer.certificate, *signer.issuers):
        start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        if not start <= now <= end:
            name = certificates.printable(certificates.common_name(certificate.subject))
            raise RecipeError(
                f"the certificate of {name} is valid from {start:%Y-%m-%d} to {end:%Y-%m-%d}, not now",
                hint="issue a new signer, or set the clock",
            )


def pack(signatures: Sequence[Signature]) -> bytes:
    """The signature area's bytes; `ValueError` for more than it may hold, or for a pair that occurs twice."""
    ordered = sorted(signatures, key=_order)
    if len(ordered) > MAX_SIGNATURES or len({_order(s) for s in ordered}) != len(ordered):
        raise ValueError(f"more than {MAX_SIGNATURES} signatures, or one twice")
    if any(len(s.value) > MAX_ENTRY_BYTES for s in ordered):
        raise ValueError(f"a signature of more than {MAX_ENTRY_BYTES} bytes")
    entries = [
        {"bytes": base64.b64encode(s.value).decode(), "form": s.form.value, "keyid": s.keyid.hex} for s in ordered
    ]
    area = {"format": FORMAT, "signatures": entries}
    return canonical.dumps(area)


def unpack(area: bytes) -> tuple[Signature, ...]:
    """Read a signature area; `VerificationError` for anything that `pack` would not have written."""
    try:
        document = canonical.loads(area, limit=MAX_AREA_BYTES)
        if isinstance(number := document["format"], int) and number > FORMAT:
            raise VerificationError(
                f"the signature area is of format {number}, newer than this version reads", hint="update appliance"
            )
        signatures = tuple(_entry(entry) for entry in document["signatures"])
        stored = pack(signatures)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise VerificationError("the signature area is damaged, or of a newer version") from error
    if stored != area:
        raise VerificationError("the signature area is not in its canonical form")
    return signatures


def _entry(entry: Mapping[str, Any]) -> Signature:
    return Signature(
        Digest(entry["keyid"]), Form(entry["form"]), base64.b64decode(entry["bytes"].encode("ascii"), validate=True)
    )


def _order(signature: Signature) -> tuple[str, str]:
    return signature.keyid.hex, signature.form.value


@dataclass(frozen=True, slots=True)
class _Read:
    """An entry after steps 1 to 3; `fault` is empty when it holds."""

    signature: Signature
    fault: str = ""


def check(manifest: bytes, signatures: Sequence[Signature], trust: Trust, *, now: datetime) -> Verdict:
    """Judge the signatures over `manifest` as the module's list says. Never raises for what the signatures are."""
    statements, faults = _read_statements(signatures)
    read = tuple(_read(s, manifest, statements, faults, trust) for s in signatures)
    beliefs = {keyid: _believe(keyid, statements.get(keyid), trust, now=now) for keyid in {s.keyid for s in signatures}}
    results = tuple(_result(entry, beliefs[entry.signature.keyid], statements) for entry in read)
    findings = [f"the {r.form} signature of {r.fingerprint[:19]}… {r.reason}" for r in results if not r.valid]
    believed = {r.fingerprint for r in results if r.trusted}
    missing = [t for t in trust.policy.thresholds if len(believed) < t.at_least]
    if not results or any(r.valid for r in results):
        findings += [_unmet(len(believed), t.at_least, t.role.value, results) for t in missing]
    hint = "" if not findings else _hint(results, trust)
    return Verdict(results, accepted=not findings, findings=tuple(findings), hint=hint)


def check_detached(data: bytes, p7s: bytes, trust: Trust, *, now: datetime) -> Verdict:
    """Judge one `.p7s` beside a file, such as that of SHA256SUMS, as `check` does; unreadable: `VerificationError`."""
    keyid = certificates.certificate_keyid(cms.read(p7s).certificate)
    return check(data, [Signature(keyid, Form.CMS, p7s)], trust, now=now)


def _read_statements(signatures: Sequence[Signature]) -> tuple[dict[Digest, cms.Statement], dict[Digest, str]]:
    """The `.p7s` entries by key id, and why some cannot be read."""
    statements: dict[Digest, cms.Statement] = {}
    faults: dict[Digest, str] = {}
    for signature in signatures:
        if signature.form is Form.CMS:
            try:
                statement = cms.read(signature.value)
            except VerificationError as error:
                faults[signature.keyid] = f"cannot be read: {error.message}"
                continue
            if certificates.certificate_keyid(statement.certificate) == signature.keyid:
                statements[signature.keyid] = statement
            else:
                faults[signature.keyid] = "holds the certificate of another key"
    return statements, faults


def _read(
    signature: Signature,
    manifest: bytes,
    statements: Mapping[Digest, cms.Statement],
    faults: Mapping[Digest, str],
    trust: Trust,
) -> _Read:
    statement = statements.get(signature.keyid)
    if signature.form is Form.CMS and statement is None:
        return _Read(signature, fault=faults[signature.keyid])
    key = _key(signature.keyid, statement, trust)
    if key is None:
        return _Read(signature, fault="cannot be checked: neither a certificate nor a pin says what its key is")
    if not _holds(signature, key, statement, manifest):
        return _Read(signature, fault="does not hold: the manifest or the signature was altered")
    if statement is not None and not certificates.common_name(statement.certificate.subject).isprintable():
        return _Read(signature, fault="is refused: its certificate's name holds characters that do not print")
    return _Read(signature)


def _key(keyid: Digest, statement: cms.Statement | None, trust: Trust) -> ec.EllipticCurvePublicKey | None:
    if statement is not None:
        return statement.key
    return next((pin.key for pin in trust.anchors.pins_of(keyid) if pin.key is not None), None)


def _holds(
    signature: Signature, key: ec.EllipticCurvePublicKey, statement: cms.Statement | None, manifest: bytes
) -> bool:
    """The one place where a signature of any form is compared with the manifest."""
    match signature.form:
        case Form.CMS:
            return statement is not None and statement.holds(manifest)
        case Form.RAW:
            return formats.raw_holds(key, signature.value, manifest)
        case _:
            assert_never(signature.form)


@dataclass(frozen=True, slots=True)
class _Belief:
    """Whether a key is believed, why, and by which path."""

    trusted: bool
    reason: str
    path: tuple[str, ...] = ()


def _believe(keyid: Digest, statement: cms.Statement | None, trust: Trust, *, now: datetime) -> _Belief:
    pins = trust.anchors.pins_of(keyid)
    if pin := next((p for p in pins if _is_current(p, now)), None):
        return _Belief(trusted=True, reason=f"its key is pinned by {pin.source}")
    if statement is None:
        return _Belief(trusted=False, reason="the certificate pinned for its key is not valid now")
    try:
        path = chain.verify_late(
            statement.certificate,
            statement.others,
            roots=[root.certificate for root in trust.anchors.roots],
            signed=statement.signing_time,
            now=now,
            days=trust.policy.max_unstamped_days,
        )
    except VerificationError as error:
        return _Belief(trusted=False, reason=error.message)
    names = tuple(certificates.printable(certificates.common_name(c.subject)) for c in path)
    late = (
        " (its certificate expired since: the time of signing is its own word)"
        if path[0].not_valid_after_utc < now
        else ""
    )
    return _Belief(trusted=True, reason=f"certified by the trusted root {names[-1]}{late}", path=names)


def _is_current(pin: Pin, now: datetime) -> bool:
    certificate = pin.certificate
    return certificate is None or certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc


def _result(entry: _Read, belief: _Belief, statements: Mapping[Digest, cms.Statement]) -> SignerResult:
    signature = entry.signature
    statement = statements.get(signature.keyid)
    valid = not entry.fault
    return SignerResult(
        name=certificates.printable(certificates.common_name(statement.certificate.subject)) if statement else "",
        fingerprint=str(signature.keyid),
        form=signature.form,
        valid=valid,
        trusted=valid and belief.trusted,
        reason=entry.fault or belief.reason,
        signing_time=statement.signing_time if statement and signature.form is Form.CMS else None,
        chain=belief.path if valid else (),
    )


def _unmet(count: int, at_least: int, role: str, results: Sequence[SignerResult]) -> str:
    if not results:
        return "it is not signed"
    reasons = dict.fromkeys(f"{r.name or r.fingerprint[:19]}: {r.reason}" for r in results if r.valid and not r.trusted)
    why = f" ({'; '.join(reasons)})" if reasons else ""
    return f"{count} of {at_least} trusted keys signed it as {role}{why}"


def _hint(results: Sequence[SignerResult], trust: Trust) -> str:
    if any(not r.valid for r in results) or not results:
        return "get it again from the vendor, by another way"
    if not trust.anchors:
        return "say whom you trust: --trust root.pem, which the vendor gave you by another way than this medium"
    return "compare the fingerprint with the vendor's, then name the root or key with --trust"
