"""CMS signed data (RFC 5652): the one shape of it that a `.p7s` of ours has, written and read.

Detached, one signer, with the algorithms that go with its key (`_PROFILES`), the signer's certificate and those between
it and the root. The grammar
is declared once and both directions use it; the decoder takes DER only, so every byte of a `.p7s` has one meaning. What
a `.p7s` of ours never has (content, revocation lists, unsigned attributes, a second signer) has no place in the grammar
and is refused. What ``openssl cms -sign`` writes in this shape is read as well. A countersignature says in a signed
attribute of our own in which role it is made.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.x509.oid import SignatureAlgorithmOID

from appliance.errors import VerificationError
from appliance.trust import algorithms
from appliance.trust.algorithms import KeyType
from appliance.trust.certificates import UNREADABLE, whole
from appliance.trust.signeddata import Algorithm, Attribute, Attributes, IssuerAndSerial, SignerInfo

if TYPE_CHECKING:
    from collections.abc import Iterable

    from appliance.trust.algorithms import PrivateKey, PublicKey

MAX_BYTES = 32 * 1024
_MAX_CERTIFICATES = 8

_SIGNED_DATA = x509.ObjectIdentifier("1.2.840.113549.1.7.2")
_DATA = x509.ObjectIdentifier("1.2.840.113549.1.7.1")
_CONTENT_TYPE = x509.ObjectIdentifier("1.2.840.113549.1.9.3")
_MESSAGE_DIGEST = x509.ObjectIdentifier("1.2.840.113549.1.9.4")
_SIGNING_TIME = x509.ObjectIdentifier("1.2.840.113549.1.9.5")
_ROLE = x509.ObjectIdentifier("2.25.91692275813379390760167663247040163829")  # a UUID's arc (X.667): nobody else's


@dataclass(frozen=True, slots=True)
class _Profile:
    """How a CMS by one kind of key is made: its hash, by object identifier and by hashlib's name, and its signature."""

    digest: x509.ObjectIdentifier
    digest_name: str
    signature: x509.ObjectIdentifier
    null_parameters: bool = False

    def hashed(self, data: bytes) -> bytes:
        return hashlib.new(self.digest_name, data).digest()


_SHA256 = x509.ObjectIdentifier("2.16.840.1.101.3.4.2.1")
_SHA384 = x509.ObjectIdentifier("2.16.840.1.101.3.4.2.2")
_SHA512 = x509.ObjectIdentifier("2.16.840.1.101.3.4.2.3")
_RSA_ENCRYPTION = x509.ObjectIdentifier("1.2.840.113549.1.1.1")
_PROFILES = {
    KeyType.ECDSA_P384: _Profile(_SHA384, "sha384", SignatureAlgorithmOID.ECDSA_WITH_SHA384),
    KeyType.ECDSA_P256: _Profile(_SHA256, "sha256", SignatureAlgorithmOID.ECDSA_WITH_SHA256),
    KeyType.RSA_3072: _Profile(_SHA384, "sha384", _RSA_ENCRYPTION, null_parameters=True),
    KeyType.ML_DSA_87: _Profile(_SHA512, "sha512", x509.ObjectIdentifier("2.16.840.1.101.3.4.3.19")),
}


@asn1.sequence
class _Content:
    content_type: x509.ObjectIdentifier


@asn1.sequence
class _SignedData:
    version: int
    digest_algorithms: asn1.SetOf[Algorithm]
    content: _Content
    certificates: Annotated[asn1.SetOf[x509.Certificate], asn1.Implicit(0)]
    signers: asn1.SetOf[SignerInfo]


@asn1.sequence
class _ContentInfo:
    content_type: x509.ObjectIdentifier
    content: Annotated[_SignedData, asn1.Explicit(0)]


@dataclass(frozen=True, slots=True)
class Statement:
    """What a `.p7s` says, read but not believed: whose certificate, over which hash, when, with what signature.

    `role` is empty but in a countersignature; `file` is the whole of it, which a time stamp is made over.
    """

    certificate: x509.Certificate
    key: PublicKey
    others: tuple[x509.Certificate, ...]
    message_digest: bytes
    signing_time: datetime
    signed: bytes
    signature: bytes
    file: bytes
    role: str = ""

    def holds(self, data: bytes) -> bool:
        """Whether the certificate's key signed this statement, and the statement is about `data`."""
        profile = _PROFILES[algorithms.type_of(self.key)]
        about = self.message_digest == profile.hashed(data)
        return about and algorithms.holds(self.key, self.signature, self.signed)


def write(
    data: bytes,
    *,
    key: PrivateKey,
    certificate: x509.Certificate,
    others: tuple[x509.Certificate, ...],
    signing_time: datetime,
    role: str = "",
) -> bytes:
    """Sign `data` (never included) and return the `.p7s` in DER; `signing_time` is aware and kept to the second."""
    profile = _PROFILES[algorithms.type_of(key.public_key())]
    values = [
        _attribute(_CONTENT_TYPE, asn1.encode_der(_DATA)),
        _attribute(_SIGNING_TIME, _time_der(signing_time)),
        _attribute(_MESSAGE_DIGEST, asn1.encode_der(profile.hashed(data))),
        *([_attribute(_ROLE, asn1.encode_der(role))] if role else []),
    ]
    attributes = asn1.SetOf(values)
    digest_algorithm = Algorithm(algorithm=profile.digest, parameters=None)
    signer = SignerInfo(
        version=1,
        signer=IssuerAndSerial(issuer=_tlv(certificate.issuer.public_bytes()), serial=certificate.serial_number),
        digest_algorithm=digest_algorithm,
        attributes=attributes,
        signature_algorithm=Algorithm(
            algorithm=profile.signature, parameters=asn1.Null() if profile.null_parameters else None
        ),
        signature=algorithms.sign(key, _set_der(attributes)),
    )
    signed_data = _SignedData(
        version=1,
        digest_algorithms=asn1.SetOf([digest_algorithm]),
        content=_Content(content_type=_DATA),
        certificates=asn1.SetOf([certificate, *others]),
        signers=asn1.SetOf([signer]),
    )
    return asn1.encode_der(_ContentInfo(content_type=_SIGNED_DATA, content=signed_data))


def read(der: bytes) -> Statement:
    """Read a `.p7s`; nothing in it is believed yet. `VerificationError` for any other shape."""
    if len(der) > MAX_BYTES:
        raise _malformed(f"it is larger than {MAX_BYTES} bytes")
    try:
        return _statement(asn1.decode_der(_ContentInfo, der), der)
    except UNREADABLE as error:
        raise _malformed("it is not signed data in DER with one signer and signed attributes") from error


def _statement(info: _ContentInfo, file: bytes) -> Statement:
    data = info.content
    signers = data.signers.as_list()
    if info.content_type != _SIGNED_DATA or data.content.content_type != _DATA or data.version != 1:
        raise _malformed("it is not detached signed data")
    if len(signers) != 1:
        raise _malformed(f"it has {len(signers)} signers where one is allowed")
    signer = signers[0]
    certificate, others = _signer_certificate(signer, [whole(c) for c in data.certificates.as_list()])
    key = _checked_key(data, signer, certificate)
    attributes = _single_values(signer.attributes.as_list())
    if attributes[_CONTENT_TYPE].parse(x509.ObjectIdentifier) != _DATA:
        raise _malformed("its content type is not data")
    return Statement(
        certificate=certificate,
        key=key,
        others=others,
        message_digest=attributes[_MESSAGE_DIGEST].parse(bytes),
        signing_time=_time(attributes[_SIGNING_TIME]),
        signed=_set_der(signer.attributes),
        signature=signer.signature,
        file=file,
        role=_role(attributes),
    )


def _role(attributes: dict[x509.ObjectIdentifier, asn1.TLV]) -> str:
    return str(attributes[_ROLE].parse(str)) if _ROLE in attributes else ""


def _checked_key(data: _SignedData, signer: SignerInfo, certificate: x509.Certificate) -> PublicKey:
    """The signer's key, if hash and signature are those of the one profile that goes with it."""
    key = algorithms.public(certificate.public_key())
    kind = algorithms.type_of(key)
    if kind not in _PROFILES:
        raise _malformed(f"keys of type {kind} make none that is checked here")
    profile = _PROFILES[kind]
    digests = [a.algorithm for a in data.digest_algorithms.as_list()]
    if digests != [profile.digest] or signer.digest_algorithm.algorithm != profile.digest or signer.version != 1:
        raise _malformed(f"its digest is not {profile.digest_name}, which goes with a key of type {kind}")
    made = signer.signature_algorithm
    if made.algorithm != profile.signature or (made.parameters is not None) != profile.null_parameters:
        raise _malformed(f"its signature is not the one that goes with a key of type {kind}")
    return key


def _signer_certificate(
    signer: SignerInfo, certificates: list[x509.Certificate]
) -> tuple[x509.Certificate, tuple[x509.Certificate, ...]]:
    issuer = asn1.encode_der(signer.signer.issuer)
    found = [c for c in certificates if c.serial_number == signer.signer.serial and c.issuer.public_bytes() == issuer]
    if len(found) != 1 or len(certificates) > _MAX_CERTIFICATES:
        raise _malformed("the signer's certificate is not in it exactly once, or it has too many")
    return found[0], tuple(c for c in certificates if c is not found[0])


def _single_values(attributes: Iterable[Attribute]) -> dict[x509.ObjectIdentifier, asn1.TLV]:
    """The attributes by type: each at most once, with one value, and the three that must be there are."""
    found: dict[x509.ObjectIdentifier, asn1.TLV] = {}
    for attribute in attributes:
        values = attribute.values.as_list()
        if attribute.type in found or len(values) != 1:
            raise _malformed(f"its attribute {attribute.type.dotted_string} does not have exactly one value")
        found[attribute.type] = values[0]
    if missing := {_CONTENT_TYPE, _MESSAGE_DIGEST, _SIGNING_TIME} - found.keys():
        raise _malformed(f"it lacks the signed attribute {min(oid.dotted_string for oid in missing)}")
    return found


def _attribute(kind: x509.ObjectIdentifier, value: bytes) -> Attribute:
    return Attribute(type=kind, values=asn1.SetOf([_tlv(value)]))


def _tlv(der: bytes) -> asn1.TLV:
    return asn1.decode_der(asn1.TLV, der)


def _set_der(attributes: asn1.SetOf[Attribute]) -> bytes:
    """The attributes as the SET OF that is signed, not under the [0] that stands in the message (RFC 5652, 5.4)."""
    return bytes(_tlv(asn1.encode_der(Attributes(values=attributes))).data)


def _time_der(moment: datetime) -> bytes:
    """UTCTime until 2049, GeneralizedTime after (RFC 5652, 11.3)."""
    whole = moment.astimezone(UTC).replace(microsecond=0)
    kind = asn1.UTCTime if 1950 <= whole.year < 2050 else asn1.GeneralizedTime  # noqa: PLR2004  (what UTCTime spans)
    return asn1.encode_der(kind(whole))


def _time(value: asn1.TLV) -> datetime:
    kind = asn1.UTCTime if value.tag_bytes == b"\x17" else asn1.GeneralizedTime
    moment: datetime = value.parse(kind).as_datetime()
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _malformed(why: str) -> VerificationError:
    return VerificationError(f"this is not a signature in CMS that can be checked: {why}")
