"""Changes of the trust store that are judged before they are made: revocation, and another policy.

What is refused leaves the store untouched.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from appliance import canonical
from appliance.clock import timestamp
from appliance.digest import Digest
from appliance.errors import RecipeError, StateError, VerificationError
from appliance.files import write_bytes
from appliance.trust import certificates, judgement, revocation, rules, store
from appliance.trust.policy import STORE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from cryptography import x509

    from appliance.trust.envelope import Signature
    from appliance.trust.judgement import Verdict
    from appliance.trust.revocation import RevocationList
    from appliance.trust.rules import Policy

FORMAT = 1


def revoke_key(fingerprint: str, *, now: datetime, folder: Path = STORE) -> Digest:
    """Believe a key no more, whoever vouches for it: a signer's, or an authority's and so all whom it certified.

    `RecipeError` for what is no whole fingerprint.
    """
    try:
        keyid = Digest.parse(fingerprint.lower())
    except ValueError as error:
        raise RecipeError(
            f"{fingerprint[:90]!r} is not a fingerprint", hint="sha256: and 64 digits, as `key show` prints it"
        ) from error
    note = canonical.dumps({"format": FORMAT, "key": str(keyid), "revoked": timestamp(now)})
    write_bytes(folder / store.REVOKED / f"{keyid.hex}.json", note)
    return keyid


def install_list(path: Path, *, issuer: Path | None = None, folder: Path = STORE) -> RevocationList:
    """Keep a revocation list, in place of an older one of the same issuer.

    Its issuer is a trusted root, or the authority in `issuer`, which a trusted root certified. `VerificationError` when
    it is by neither; `StateError` when its number is lower than that of the one that is here.
    """
    found = revocation.read(path)
    trust = store.load_store(folder)
    roots = [root.certificate for root in trust.anchors.roots]
    authority = next((each for each in (*roots, *_certified(issuer, roots)) if found.issued_by(each)), None)
    if authority is None:
        raise VerificationError(
            f"this list, of {found.issuer}, is not signed by an authority that is believed here",
            where=str(path),
            hint="name the certificate of its issuer with --issuer release-ca.pem",
        )
    held = revocation.newest(trust.lists, authority)
    if held is not None and found.number < held.number:
        raise StateError(
            f"list {found.number} of {found.issuer} is older than list {held.number}, which is here",
            where=str(path),
            hint="get the newest list",
        )
    readable = re.sub(r"[^a-z0-9]+", "-", found.issuer.lower()).strip("-")[:40]
    name = f"{readable}-{certificates.certificate_keyid(authority).short}.crl"
    write_bytes(folder / store.LISTS / name, certificates.read_file(path, "a revocation list"))
    return replace(found, source=str(folder / store.LISTS / name))


def _certified(path: Path | None, roots: Sequence[x509.Certificate]) -> list[x509.Certificate]:
    """The authorities in a file that a root issued directly."""
    if path is None:
        return []
    try:
        found = certificates.read_certificates(certificates.read_file(path, "an authority's certificate"))
    except ValueError as error:
        raise RecipeError("a certificate in it is damaged", where=str(path)) from error
    return [each for each in found if certificates.is_authority(each) and any(_issued(each, root) for root in roots)]


def _issued(certificate: x509.Certificate, root: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(root)
    except certificates.DISPROVED:
        return False
    return True


def install_policy(
    path: Path, signatures: Sequence[Signature], *, now: datetime, folder: Path = STORE
) -> tuple[Policy, Verdict | None]:
    """Put a policy in force; the verdict on its signatures, None where it is the first: the installer's word.

    A later one is countersigned by those whom the policy in force *and* the new one demand, each in its role.
    `StateError` when it cannot be used, `VerificationError` when the signatures are not enough.
    """
    data = certificates.read_file(path, "a policy")
    policy = rules.parse(data, source=str(path))
    trust = store.load_store(folder)
    if policy.expires is not None and policy.expires < now:
        raise StateError(f"this policy expired on {policy.expires:%Y-%m-%d}", where=str(path), hint="sign a new one")
    verdict = None
    if trust.policy_source:
        for which, rule in (("the policy in force", trust.policy), ("the new policy", policy)):
            verdict = judgement.check(data, signatures, replace(trust, policy=rule), now=now)
            if not verdict.accepted:
                raise VerificationError(
                    f"{which} is not satisfied: {'; '.join(verdict.findings)}",
                    where=str(path),
                    hint="have it signed: appliance sign POLICY --key KEY --role ROLE",
                )
    write_bytes(folder / store.POLICY, data)
    return policy, verdict
