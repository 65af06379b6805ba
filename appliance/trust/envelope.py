"""Sign a manifest, and carry the signatures.

The signature area of a `.run` is canonical JSON (UTF-8, sorted keys, no spaces, no newline at the end)::

    {"format":1,"signatures":[{"bytes":BASE64,"form":FORM,"keyid":HEX}, …]}

in ascending order of key id and form, each pair once, at most `MAX_SIGNATURES` entries of at most `MAX_ENTRY_BYTES` and
`MAX_AREA_BYTES` in all. `keyid` is the SHA-256 of the signer's SubjectPublicKeyInfo in hexadecimal, `bytes` what the
form's stock tool checks (see `appliance.trust.formats`). Only these very bytes are accepted: what `unpack` reads,
`pack` would write.

Countersignatures are never in the area: each is a file of its own (`countersignature`), over the same manifest, and
says in what is signed in which role it is made. Who believes what of all this stands in `appliance.trust.judgement`.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from appliance import canonical
from appliance.digest import Digest
from appliance.errors import RecipeError, VerificationError
from appliance.trust import certificates, cms, formats, rules, sshsig
from appliance.trust.formats import Form

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from appliance.clock import Clock
    from appliance.trust.keys import Signer

FORMAT = 1
MAX_SIGNATURES = 16
MAX_ENTRY_BYTES = cms.MAX_BYTES
MAX_AREA_BYTES = 768 * 1024


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature in one form; `value` is the exported file's bytes.

    `role` is empty for what stands in the bundle itself, which is the vendor's; a countersignature says its own.
    """

    keyid: Digest
    form: Form
    value: bytes
    role: str = ""

    @property
    def acts_as(self) -> str:
        """The role in which it counts."""
        return self.role or rules.VENDOR


def sign(manifest: bytes, signers: Sequence[Signer], clock: Clock) -> tuple[Signature, ...]:
    """Sign `manifest` with every signer in every form, in the order of the signature area.

    `RecipeError` when there is no signer, too many, the same key twice, or a certificate that is not valid now.
    """
    now = clock.now()
    require_able(signers, now=now)
    made = [signature for signer in signers for signature in _all_forms(signer, manifest, now=now)]
    return tuple(sorted(made, key=_order))


def countersign(data: bytes, signer: Signer, role: str, clock: Clock) -> tuple[Signature, ...]:
    """Sign a manifest, or another document, in a role, in the forms that can say so; raises as `sign` does.

    `RecipeError` also when `role` cannot be one, or the key has no such form.
    """
    try:
        rules.require_role(role)
    except ValueError as error:
        raise RecipeError(str(error), hint="--role customer") from error
    _check_dates(signer, clock.now())
    made = _all_forms(signer, data, now=clock.now(), role=role)
    if not made:
        raise RecipeError(f"a key of type {signer.type} without a certificate cannot countersign", hint="--cert")
    return made


def _all_forms(signer: Signer, data: bytes, *, now: datetime, role: str = "") -> tuple[Signature, ...]:
    return tuple(
        Signature(signer.keyid, form, formats.make(signer, form, data, signing_time=now, role=role), role)
        for form in forms_of(signer, role)
    )


def forms_of(signer: Signer, role: str = "") -> tuple[Form, ...]:
    """The forms in which somebody signs."""
    return formats.forms_of(signer.type, certified=signer.certificate is not None, role=role)


def countersignature(form: Form, value: bytes) -> Signature:
    """A countersignature in a file of its own, read and not believed; `VerificationError` when it says no role."""
    role = formats.role_of(form, value)
    if not rules.ROLE.fullmatch(role):
        raise VerificationError("it does not say in which role it is made")
    key = sshsig.read(value).key if form is Form.SSHSIG else cms.read(value).key
    return Signature(certificates.keyid(key), form, value, role)


def require_able(signers: Sequence[Signer], *, now: datetime) -> None:
    """Raise what `sign` would raise for these signers at `now`."""
    count = sum(len(forms_of(signer)) for signer in signers)
    if not signers or count > MAX_SIGNATURES:
        raise RecipeError(
            f"{len(signers)} keys make {count} signatures where 1 to {MAX_SIGNATURES} are possible", hint="--key"
        )
    if not any(Form.CMS in forms_of(signer) for signer in signers):
        raise RecipeError(
            "none of the keys has a certificate, and openssl alone could not check the delivery",
            hint="sign with a key that has one, too: appliance key generate",
        )
    if len({signer.keyid for signer in signers}) != len(signers):
        raise RecipeError("two of the signers have the same key", hint="name each key once")
    for signer in signers:
        _check_dates(signer, now)


def _check_dates(signer: Signer, now: datetime) -> None:
    for certificate in filter(None, (signer.certificate, *signer.issuers)):
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
    if any(len(s.value) > MAX_ENTRY_BYTES or s.role for s in ordered):
        raise ValueError(f"a signature of more than {MAX_ENTRY_BYTES} bytes, or a countersignature")
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
