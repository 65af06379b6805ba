"""A key or certificate, for people."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.trust import algorithms, certificates
from appliance.trust.chain import may_sign_code
from appliance.trust.words import words

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography import x509

    from appliance.digest import Digest
    from appliance.trust.algorithms import KeyType


class Kind(enum.StrEnum):
    """What a file shown by `keys.show` holds."""

    AUTHORITY = "certificate authority"
    SIGNER = "signing certificate"
    CERTIFICATE = "certificate"
    PUBLIC_KEY = "public key"
    PRIVATE_KEY = "private key"
    REQUEST = "certificate request"


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """One key or certificate: names escaped; `fingerprint` is ``sha256:`` of the public key (SPKI).

    `type` is None where only the fingerprint is known, or where the key is of a kind that does not sign here.
    """

    kind: Kind
    fingerprint: str
    words: str
    type: KeyType | None = None
    subject: str = ""
    issuer: str = ""
    not_before: datetime | None = None
    not_after: datetime | None = None


def describe(certificate: x509.Certificate) -> KeyInfo:
    """A certificate."""
    if certificates.is_authority(certificate):
        kind = Kind.AUTHORITY
    else:
        kind = Kind.SIGNER if may_sign_code(certificate) else Kind.CERTIFICATE
    fingerprint = certificates.certificate_keyid(certificate)
    return KeyInfo(
        kind=kind,
        fingerprint=str(fingerprint),
        words=words(fingerprint),
        type=_type(certificate.public_key()),
        subject=certificates.printable(certificates.common_name(certificate.subject)),
        issuer=certificates.printable(certificates.common_name(certificate.issuer)),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
    )


def describe_key(kind: Kind, fingerprint: Digest, *, key: object = None) -> KeyInfo:
    """A key without a certificate; `key` where more than its fingerprint is known."""
    return KeyInfo(kind=kind, fingerprint=str(fingerprint), words=words(fingerprint), type=_type(key))


def _type(key: object) -> KeyType | None:
    try:
        return algorithms.type_of(key)
    except ValueError:
        return None
