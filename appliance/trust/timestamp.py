"""RFC 3161 tokens: somebody whom the site believes says when a signature existed.

A token lies beside the signature (``NAME.run.p7s.tsr``) and is made over that file's bytes, as ``openssl ts -query
-data NAME.run.p7s -sha384 -cert`` asks for it. It is CMS signed data with content (RFC 5652); what it may hold is laxer
than in `appliance.trust.cms`, because a stamper's software decides on its shape.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from appliance.errors import VerificationError
from appliance.trust import certificates, chain
from appliance.trust.signeddata import Algorithm, Attributes, SignerInfo

if TYPE_CHECKING:
    from collections.abc import Sequence

SUFFIX = ".tsr"
MAX_BYTES = 32 * 1024

_OID = x509.ObjectIdentifier
_SIGNED_DATA = _OID("1.2.840.113549.1.7.2")
_TST_INFO = _OID("1.2.840.113549.1.9.16.1.4")
_CONTENT_TYPE = _OID("1.2.840.113549.1.9.3")
_MESSAGE_DIGEST = _OID("1.2.840.113549.1.9.4")
_HASHES: dict[x509.ObjectIdentifier, hashes.SHA256 | hashes.SHA384 | hashes.SHA512] = {
    _OID("2.16.840.1.101.3.4.2.1"): hashes.SHA256(),
    _OID("2.16.840.1.101.3.4.2.2"): hashes.SHA384(),
    _OID("2.16.840.1.101.3.4.2.3"): hashes.SHA512(),
}
_GRANTED = (0, 1)


@asn1.sequence
class _Content:
    content_type: x509.ObjectIdentifier
    content: Annotated[bytes, asn1.Explicit(0)]


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


@asn1.sequence
class _Response:
    status: asn1.TLV
    token: _ContentInfo


def check(response: bytes, data: bytes, *, roots: Sequence[x509.Certificate], now: datetime) -> datetime:
    """When `data` existed, according to a stamper whom one of `roots` certified for stamping and still does.

    `VerificationError` when the response is not one, is about something else, or comes from somebody else.
    """
    if len(response) > MAX_BYTES:
        raise _refused(f"it is larger than {MAX_BYTES} bytes")
    try:
        token = asn1.decode_der(_Response, response).token.content
        info = _Info.read(token.content.content)
        (signer,) = token.signers.as_list()
        found = [certificates.whole(c) for c in token.certificates.as_list()]
    except (*certificates.UNREADABLE, IndexError) as error:
        raise _refused("it cannot be read, or it has not its stamper's certificate with it") from error
    if token.content.content_type != _TST_INFO or not info.about(data):
        raise _refused("it is about something else")
    leaf = _signer_certificate(signer, found)
    _check_signature(signer, leaf, token.content.content)
    chain.verify_stamper(leaf, [c for c in found if c is not leaf], roots=roots, at=now)
    if info.moment > now:
        raise _refused("it was made after now")
    return info.moment


@dataclass(frozen=True, slots=True)
class _Info:
    """What a token says (RFC 3161, 2.4.2): which hash of what, and when."""

    algorithm: x509.ObjectIdentifier
    imprint: bytes
    moment: datetime

    @classmethod
    def read(cls, der: bytes) -> _Info:
        fields = _elements(der)
        algorithm, imprint = _elements(fields[2])
        moment = asn1.decode_der(asn1.GeneralizedTime, fields[4]).as_datetime()
        oid = asn1.decode_der(Algorithm, algorithm).algorithm
        return cls(oid, asn1.decode_der(bytes, imprint), moment.replace(tzinfo=UTC))

    def about(self, data: bytes) -> bool:
        used = _HASHES.get(self.algorithm)
        return used is not None and hashlib.new(used.name, data).digest() == self.imprint


def _elements(der: bytes) -> list[bytes]:
    """The elements of a SEQUENCE, each whole: of TSTInfo what comes after the time is optional in many ways."""
    body, elements = bytes(asn1.decode_der(asn1.TLV, der).data), []
    while body:
        size = _size(body)
        elements.append(body[:size])
        body = body[size:]
    return elements


def _size(der: bytes) -> int:
    first = der[1]
    if first < 0x80:  # noqa: PLR2004  (short form)
        return 2 + first
    count = first & 0x7F
    return 2 + count + int.from_bytes(der[2 : 2 + count], "big")


def _signer_certificate(signer: SignerInfo, found: Sequence[x509.Certificate]) -> x509.Certificate:
    issuer = asn1.encode_der(signer.signer.issuer)
    mine = [c for c in found if c.serial_number == signer.signer.serial and c.issuer.public_bytes() == issuer]
    if len(mine) != 1:
        raise _refused("its stamper's certificate is not in it exactly once")
    return mine[0]


def _check_signature(signer: SignerInfo, leaf: x509.Certificate, content: bytes) -> None:
    used = _HASHES.get(signer.digest_algorithm.algorithm)
    values = {attribute.type: attribute.values.as_list() for attribute in signer.attributes.as_list()}
    types, digests = values.get(_CONTENT_TYPE, []), values.get(_MESSAGE_DIGEST, [])
    if used is None or len(types) != 1 or len(digests) != 1 or len(values) != len(signer.attributes.as_list()):
        raise _refused("its signature is not of a shape that is checked here")
    same = digests[0].parse(bytes) == hashlib.new(used.name, content).digest()
    if types[0].parse(x509.ObjectIdentifier) != _TST_INFO or not same:
        raise _refused("what it says was altered")
    signed = bytes(asn1.decode_der(asn1.TLV, asn1.encode_der(Attributes(values=signer.attributes))).data)
    key = leaf.public_key()
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signer.signature, signed, ec.ECDSA(used))
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(signer.signature, signed, padding.PKCS1v15(), used)
        else:
            raise _refused("its stamper's key is neither ECDSA nor RSA")
    except (InvalidSignature, UnsupportedAlgorithm) as error:
        raise _refused("its signature does not hold") from error


def _refused(why: str) -> VerificationError:
    return VerificationError(f"the time stamp is refused: {why}")
