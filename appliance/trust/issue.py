"""Secrets that a site needs, made on the operator's side before the plan: authorities, leaves, tokens, passwords, keys.

Pure but for entropy: time is an argument and nothing is written. Certificates are ECDSA P-256, which every TLS stack in
the field takes; keys are PKCS#8 in PEM. All start an hour early, for hosts whose clocks are behind.
"""

from __future__ import annotations

import enum
import ipaddress
import re
import secrets
import string
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from appliance.errors import PlanError
from appliance.trust import certificates

if TYPE_CHECKING:
    from datetime import datetime

_EARLY = timedelta(hours=1)
_RSA_BITS = 3072
_BOOTSTRAP_CHARACTERS = string.ascii_lowercase + string.digits
_PASSWORD_CHARACTERS = "".join(c for c in string.ascii_letters + string.digits if c not in "0O1lI")
_LABEL = re.compile(
    r"(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*"
)


class Usage(enum.StrEnum):
    """Which end of TLS a leaf may be."""

    SERVER = "server"
    CLIENT = "client"


_USAGES = {Usage.SERVER: ExtendedKeyUsageOID.SERVER_AUTH, Usage.CLIENT: ExtendedKeyUsageOID.CLIENT_AUTH}


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate and its private key, both PEM."""

    certificate_pem: bytes
    key_pem: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SshKey:
    """An SSH key pair: the private half as OpenSSH writes it, the public half as one line without a newline."""

    public: str
    private: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A key pair, both halves PEM: PKCS #8 and SubjectPublicKeyInfo."""

    public_pem: bytes
    private_pem: bytes = field(repr=False)


def authority(common_name: str, *, now: datetime, days: int) -> Issued:
    """A self-signed authority that issues leaves only, valid for `days` from `now`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = certificates.subject(common_name)
    start = now.replace(microsecond=0)
    certificate = certificates.certify(
        name,
        key.public_key(),
        issuer=name,
        issuer_key=key,
        not_before=start - _EARLY,
        not_after=start + timedelta(days=days),
        path_length=0,
    )
    return Issued(certificates.certificate_pem(certificate), certificates.private_pem(key))


def leaf(
    authority: Issued,
    *,
    common_name: str,
    sans: tuple[str, ...],
    usages: frozenset[Usage],
    now: datetime,
    days: int,
    organization: str = "",
) -> Issued:
    """A leaf of `authority` for the addresses and DNS names of `sans`, valid for `days`, never longer than its issuer.

    `PlanError` when a name is neither an address nor a DNS name, or when the authority is not valid at `now`.
    """
    issuer, issuer_key = _load(authority)
    start = now.replace(microsecond=0)
    if not issuer.not_valid_before_utc <= start < issuer.not_valid_after_utc:
        raise PlanError(f"the authority {certificates.common_name(issuer.subject)} is not valid now", hint="renew it")
    key = ec.generate_private_key(ec.SECP256R1())
    usage = x509.ExtendedKeyUsage([_USAGES[u] for u in Usage if u in usages])
    names = (x509.SubjectAlternativeName([_general_name(san) for san in dict.fromkeys(sans)]),) if sans else ()
    certificate = certificates.certify(
        certificates.subject(common_name, organization=organization),
        key.public_key(),
        issuer=issuer.subject,
        issuer_key=issuer_key,
        not_before=max(start - _EARLY, issuer.not_valid_before_utc),
        not_after=min(start + timedelta(days=days), issuer.not_valid_after_utc),
        extensions=(usage, *names),
    )
    return Issued(certificates.certificate_pem(certificate), certificates.private_pem(key))


def fits(
    certificate_pem: bytes,
    authority_pem: bytes,
    *,
    common_name: str,
    sans: tuple[str, ...],
    usages: frozenset[Usage],
    until: datetime,
) -> bool:
    """Whether a certificate is what `leaf` would issue for the same, and valid `until` then or as long as can be."""
    try:
        (found,), (issuer,) = (certificates.read_certificates(pem) for pem in (certificate_pem, authority_pem))
        found.verify_directly_issued_by(issuer)
    except certificates.DISPROVED:
        return False
    purposes = found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    return (
        certificates.common_name(found.subject) == common_name
        and _names(found) == {_general_name(san) for san in sans}
        and {*purposes} == {_USAGES[usage] for usage in usages}
        and found.not_valid_after_utc >= min(until, issuer.not_valid_after_utc)
    )


def _names(certificate: x509.Certificate) -> set[x509.GeneralName]:
    try:
        return {*certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value}
    except x509.ExtensionNotFound:
        return set()


def answer(authority: Issued, request_pem: str, *, name: str, now: datetime, days: int) -> bytes:
    """A certificate (PEM) of `authority` for the Ed25519 key of a request (PKCS #10), under `name` and no other.

    Only the key is taken out of the request. It serves both ends of TLS. `PlanError` when the request is not whole.
    """
    try:
        request = x509.load_pem_x509_csr(request_pem.encode())
        key = request.public_key()
        whole = request.is_signature_valid
    except certificates.UNREADABLE as error:
        raise PlanError("a certificate request cannot be read") from error
    if not whole or not isinstance(key, ed25519.Ed25519PublicKey):
        raise PlanError("a certificate request is not one of an Ed25519 key, signed by it")
    issuer, issuer_key = _load(authority)
    certificate = certificates.certify(
        certificates.subject(name),
        key,
        issuer=issuer.subject,
        issuer_key=issuer_key,
        not_before=max(now.replace(microsecond=0) - _EARLY, issuer.not_valid_before_utc),
        not_after=min(now.replace(microsecond=0) + timedelta(days=days), issuer.not_valid_after_utc),
        extensions=(x509.ExtendedKeyUsage(_USAGES.values()), x509.SubjectAlternativeName([_general_name(name)])),
    )
    return certificates.certificate_pem(certificate)


def token(size: int) -> str:
    """`size` random bytes (16 at least) as lower-case hexadecimal: safe in any file, URL or command."""
    if size < 16:  # noqa: PLR2004  (128 bits)
        raise ValueError("a token has 16 bytes or more")
    return secrets.token_hex(size)


def password(length: int) -> str:
    """A random password of `length` letters and digits (12 at least), without those that look alike."""
    if length < 12:  # noqa: PLR2004  (70 bits)
        raise ValueError("a password has 12 characters or more")
    return "".join(secrets.choice(_PASSWORD_CHARACTERS) for _ in range(length))


def bootstrap_token() -> str:
    """``ID.SECRET`` of 6 and 16 random lower-case letters and digits, as Kubernetes wants it; 82 bits are secret."""
    characters = [secrets.choice(_BOOTSTRAP_CHARACTERS) for _ in range(22)]
    return "".join((*characters[:6], ".", *characters[6:]))


def rsa_key() -> KeyPair:
    """A new RSA key pair of 3072 bits, for those who sign with nothing else."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return KeyPair(public, private)


def ssh_key(comment: str) -> SshKey:
    """A new Ed25519 key pair for SSH; `comment` is printable and stands after the public half."""
    if not comment.isprintable():
        raise ValueError("a comment is one printable line")
    key = ed25519.Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    return SshKey(public=f"{public.decode()} {comment}".rstrip(), private=private)


def _load(authority: Issued) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    try:
        certificate = x509.load_pem_x509_certificate(authority.certificate_pem)
        key = serialization.load_pem_private_key(authority.key_pem, None)
    except (ValueError, TypeError) as error:
        raise PlanError("the authority's certificate or key cannot be read") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise PlanError("the authority's key is not that of its certificate")
    return certificate, key


def _general_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        if len(text) > 253 or not _LABEL.fullmatch(text):  # noqa: PLR2004  (RFC 1035)
            raise PlanError(f"{text[:80]!r} is neither an address nor a DNS name") from None
        return x509.DNSName(text)
