"""The grammar of CMS signed data (RFC 5652, section 5) that a `.p7s` and a time stamp have in common."""

from __future__ import annotations

from typing import Annotated

from cryptography import x509  # noqa: TC002  (asn1 reads the annotations)
from cryptography.hazmat import asn1


@asn1.sequence
class Algorithm:
    """AlgorithmIdentifier, without parameters or with NULL."""

    algorithm: x509.ObjectIdentifier
    parameters: asn1.Null | None


@asn1.sequence
class Attribute:
    """A signed attribute, its values as they stand."""

    type: x509.ObjectIdentifier
    values: asn1.SetOf[asn1.TLV]


@asn1.sequence
class Attributes:
    """Attributes as they are signed: a SET of its own."""

    values: asn1.SetOf[Attribute]


@asn1.sequence
class IssuerAndSerial:
    """Which certificate a signer says is his."""

    issuer: asn1.TLV
    serial: int


@asn1.sequence
class SignerInfo:
    """One signer's part, with signed attributes and no unsigned ones."""

    version: int
    signer: IssuerAndSerial
    digest_algorithm: Algorithm
    attributes: Annotated[asn1.SetOf[Attribute], asn1.Implicit(0)]
    signature_algorithm: Algorithm
    signature: bytes
