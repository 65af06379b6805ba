"""Certificates and public keys as the rest of the room handles them: read, name, identify, issue (RFC 5280)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from appliance.digest import Digest
from appliance.errors import RecipeError
from appliance.files import read_bounded

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric import ec, ed25519
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

FILE_BYTES = 64 * 1024

# What the library raises when a certificate is damaged; not all of them are ValueErrors.
UNREADABLE = (
    ValueError,
    TypeError,
    OverflowError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
    UserWarning,  # what it says of odd names and serial numbers, where warnings are errors
)


def read_file(path: Path, what: str) -> bytes:
    """The bytes of a small file that a person named; `RecipeError` says that it is not `what` if it cannot be read."""
    try:
        return read_bounded(path, FILE_BYTES)
    except OSError as error:
        hint = "check the path, and that you may read the file"
        raise RecipeError(f"cannot read {what}: {error.strerror}", where=str(path), hint=hint) from error


def read_certificates(data: bytes) -> tuple[x509.Certificate, ...]:
    """The certificates in PEM text, in order, or the one in DER bytes; none when `data` holds none.

    `ValueError` for something that calls itself a certificate and is not.
    """
    if b"-----BEGIN CERTIFICATE-----" in data:
        try:
            return tuple(whole(c) for c in x509.load_pem_x509_certificates(data))
        except UNREADABLE as error:
            raise ValueError(str(error)) from error
    try:
        return (whole(x509.load_der_x509_certificate(data)),)
    except UNREADABLE:
        return ()


def whole(certificate: x509.Certificate) -> x509.Certificate:
    """The certificate, once all its parts were read: the library reads them late, and raises `UNREADABLE` then.

    A signature whose bit string leaves bits unused is refused too, so that no byte of a certificate is free to change.
    """
    _ = (certificate.subject, certificate.issuer, certificate.not_valid_before_utc, certificate.not_valid_after_utc)
    _ = (certificate.public_key(), certificate.extensions)
    unused_bits = certificate.public_bytes(serialization.Encoding.DER)[-len(certificate.signature) - 1]
    if unused_bits:
        raise ValueError("the certificate's signature is not a whole number of bytes")
    return certificate


def spki(key: PublicKeyTypes) -> bytes:
    """The key's SubjectPublicKeyInfo in DER."""
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def keyid(key: PublicKeyTypes) -> Digest:
    """What identifies a key everywhere: the SHA-256 of its SubjectPublicKeyInfo."""
    return Digest.of(spki(key))


def certificate_keyid(certificate: x509.Certificate) -> Digest:
    """The `keyid` of a certificate's subject."""
    return keyid(certificate.public_key())


def common_name(name: x509.Name) -> str:
    """The first common name, or the whole name when it has none, as it stands there: escape it before it is shown."""
    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else name.rfc4514_string()


def printable(text: str) -> str:
    """`text` with all that a terminal could act on or that could hide (controls, bidi, format) escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def is_authority(certificate: x509.Certificate) -> bool:
    """Whether the certificate says that it may issue others."""
    try:
        return bool(certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca)
    except x509.ExtensionNotFound:
        return False


def subject(name: str, *, organization: str = "") -> x509.Name:
    """A distinguished name of a common name and, if given, an organisation; `ValueError` over 64 characters."""
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)] if organization else []
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, name)])


def certify(
    name: x509.Name,
    key: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey,
    *,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
    not_before: datetime,
    not_after: datetime,
    path_length: int | None = None,
    extensions: tuple[x509.ExtensionType, ...] = (),
) -> x509.Certificate:
    """Sign a certificate for `key`: an authority when `path_length` is given, else a leaf that may only sign.

    The hash is as strong as the issuer's curve. `extensions` are added, not critical.
    """
    authority = path_length is not None
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=path_length), critical=True)
        .add_extension(_key_usage(authority=authority), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    strong = issuer_key.curve.key_size > 256  # noqa: PLR2004  (P-256 and smaller pair with SHA-256)
    return builder.sign(issuer_key, hashes.SHA384() if strong else hashes.SHA256())


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def certificate_pem(*certificates: x509.Certificate) -> bytes:
    """The certificates as PEM, one after the other."""
    return b"".join(c.public_bytes(serialization.Encoding.PEM) for c in certificates)


def public_pem(key: PublicKeyTypes) -> bytes:
    """A public key as PEM (SubjectPublicKeyInfo)."""
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def private_pem(key: ec.EllipticCurvePrivateKey, *, passphrase: str | None = None) -> bytes:
    """A private key as PKCS#8 PEM, encrypted when there is a passphrase."""
    encryption = (
        serialization.BestAvailableEncryption(passphrase.encode()) if passphrase else serialization.NoEncryption()
    )
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
