"""From a signer's certificate to a root that this site trusts (RFC 5280, section 6)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID

from appliance.clock import timestamp
from appliance.errors import VerificationError
from appliance.trust import certificates

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

MAX_ISSUERS = 4


def verify(
    leaf: x509.Certificate, others: Sequence[x509.Certificate], *, roots: Sequence[x509.Certificate], at: datetime
) -> tuple[x509.Certificate, ...]:
    """The path from `leaf` to one of `roots`, both included, all valid at `at`.

    The leaf may sign code and is no authority; each issuer is an authority that may issue, within its path length; and
    every certificate of `others` is on the path, so that none travels unchecked. `VerificationError` says what fails.
    """
    _check_leaf(leaf, at=at)
    return _walk(leaf, others, roots=roots, at=at, leaf_policy=_signers(_for_code))


def verify_stamper(
    leaf: x509.Certificate, others: Sequence[x509.Certificate], *, roots: Sequence[x509.Certificate], at: datetime
) -> tuple[x509.Certificate, ...]:
    """`verify`, of one whose only and critical purpose is to stamp times (RFC 3161, 2.3)."""
    return _walk(
        leaf, others, roots=roots, at=at, leaf_policy=_signers(_for_stamping, verification.Criticality.CRITICAL)
    )


def _walk(
    leaf: x509.Certificate,
    others: Sequence[x509.Certificate],
    *,
    roots: Sequence[x509.Certificate],
    at: datetime,
    leaf_policy: verification.ExtensionPolicy,
) -> tuple[x509.Certificate, ...]:
    if not roots:
        raise VerificationError("no root is trusted here")
    try:
        verifier = (
            verification.PolicyBuilder()
            .store(verification.Store(list(roots)))
            .time(at)
            .max_chain_depth(MAX_ISSUERS)
            .extension_policies(ca_policy=_authorities(), ee_policy=leaf_policy)
            .build_client_verifier()
        )
        path = tuple(verifier.verify(leaf, list(others)).chain)
    except (verification.VerificationError, *certificates.UNREADABLE) as error:
        raise VerificationError(f"its certificate leads to no trusted root: {_reason(others, roots, at)}") from error
    if any(other not in path for other in others):
        raise VerificationError("it carries certificates that are not on the way to the root")
    return path


def verify_late(
    leaf: x509.Certificate,
    others: Sequence[x509.Certificate],
    *,
    roots: Sequence[x509.Certificate],
    signed: datetime,
    now: datetime,
    days: int,
    stamped: bool = False,
) -> tuple[x509.Certificate, ...]:
    """`verify`, but a leaf that expired at most `days` ago is excused when it was valid at `signed`.

    `signed` is the signer's own word, so all issuers must still be valid `now`; if a believed stamper said it
    (`stamped`), it is enough that all were valid then. `VerificationError` otherwise.
    """
    expired = leaf.not_valid_after_utc
    if stamped and expired < now:
        return verify(leaf, others, roots=roots, at=signed)
    if now <= expired or days == 0:
        return verify(leaf, others, roots=roots, at=now)
    if now - expired > timedelta(days=days):
        raise VerificationError(f"its certificate expired on {_day(expired)}, more than {days} days ago")
    path = verify(leaf, others, roots=roots, at=signed)
    for issuer in path[1:]:
        if not issuer.not_valid_before_utc <= now <= issuer.not_valid_after_utc:
            raise VerificationError(f"its certificate expired on {_day(expired)}, and so did an issuer's since")
    return path


def _check_leaf(leaf: x509.Certificate, *, at: datetime) -> None:
    if at < leaf.not_valid_before_utc:
        raise VerificationError(f"its certificate is not valid before {timestamp(leaf.not_valid_before_utc)}")
    if at > leaf.not_valid_after_utc:
        raise VerificationError(f"its certificate expired on {_day(leaf.not_valid_after_utc)}")
    if not may_sign_code(leaf):
        raise VerificationError("its certificate is not one for signing code (extended key usage codeSigning)")


def may_sign_code(certificate: x509.Certificate) -> bool:
    """Whether the certificate's extended key usage says codeSigning."""
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return False
    return ExtendedKeyUsageOID.CODE_SIGNING in usage


def _authorities() -> verification.ExtensionPolicy:
    return (
        verification.ExtensionPolicy.permit_all()
        .require_present(x509.BasicConstraints, verification.Criticality.CRITICAL, None)
        .require_present(x509.KeyUsage, verification.Criticality.AGNOSTIC, _may_issue)
    )


def _signers(
    purpose: Callable[[verification.Policy, x509.Certificate, x509.ExtendedKeyUsage], None],
    criticality: verification.Criticality = verification.Criticality.AGNOSTIC,
) -> verification.ExtensionPolicy:
    return (
        verification.ExtensionPolicy.permit_all()
        .require_present(x509.ExtendedKeyUsage, criticality, purpose)
        .require_present(x509.KeyUsage, verification.Criticality.AGNOSTIC, _may_sign)
        .may_be_present(x509.BasicConstraints, verification.Criticality.AGNOSTIC, _no_authority)
    )


def _may_issue(_policy: verification.Policy, _certificate: x509.Certificate, usage: x509.KeyUsage) -> None:
    if not usage.key_cert_sign:
        raise ValueError("an issuer may not issue certificates")


def _may_sign(_policy: verification.Policy, _certificate: x509.Certificate, usage: x509.KeyUsage) -> None:
    if not usage.digital_signature:
        raise ValueError("the signer's key usage is not digital signature")


def _for_code(_policy: verification.Policy, _certificate: x509.Certificate, usage: x509.ExtendedKeyUsage) -> None:
    if ExtendedKeyUsageOID.CODE_SIGNING not in usage:
        raise ValueError("the signer's extended key usage is not code signing")


def _for_stamping(_policy: verification.Policy, _certificate: x509.Certificate, usage: x509.ExtendedKeyUsage) -> None:
    if list(usage) != [ExtendedKeyUsageOID.TIME_STAMPING]:
        raise ValueError("the stamper's only purpose is not time stamping")


def _no_authority(
    _policy: verification.Policy, _certificate: x509.Certificate, constraints: x509.BasicConstraints | None
) -> None:
    if constraints is not None and constraints.ca:
        raise ValueError("the signer is a certificate authority")


def _reason(others: Sequence[x509.Certificate], roots: Sequence[x509.Certificate], at: datetime) -> str:
    """What most likely ails the path, for people; the verdict does not depend on it."""
    for certificate in (*others, *roots):
        if at > certificate.not_valid_after_utc:
            return f"an issuer expired on {_day(certificate.not_valid_after_utc)}"
    return "it comes from someone else, or a certificate between is missing"


def _day(moment: datetime) -> str:
    return moment.date().isoformat()
