"""The keys that sign: made, shown, loaded, protected.

A vendor has a root (kept away, its certificate given to customers), a release CA that it issues, and signers that the
release CA issues for a while. Customers trust the root once; signers come and go. Keys are ECDSA P-384, PKCS#8 in PEM.
"""

from __future__ import annotations

import enum
import stat
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from appliance.errors import RecipeError, StateError
from appliance.files import disk_errors, write_bytes
from appliance.trust import certificates
from appliance.trust.chain import may_sign_code
from appliance.trust.words import words

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from appliance.clock import Clock
    from appliance.digest import Digest

ROOT_DAYS = 7300
RELEASE_CA_DAYS = 3650
SIGNER_DAYS = 825


class KeyType(enum.StrEnum):
    """The kinds of key that can be generated."""

    ECDSA_P384 = "ecdsa-p384"


class Kind(enum.StrEnum):
    """What a file shown by `show` holds."""

    AUTHORITY = "certificate authority"
    SIGNER = "signing certificate"
    CERTIFICATE = "certificate"
    PUBLIC_KEY = "public key"
    PRIVATE_KEY = "private key"


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """One key or certificate for people: names escaped; `fingerprint` is ``sha256:`` of the public key (SPKI)."""

    kind: Kind
    fingerprint: str
    words: str
    subject: str = ""
    issuer: str = ""
    not_before: datetime | None = None
    not_after: datetime | None = None


@dataclass(frozen=True, slots=True)
class GeneratedKeys:
    """What `generate` wrote, and the two keys that people compare: the trusted root and the signer that signs."""

    files: tuple[Path, ...]
    root: KeyInfo
    signer: KeyInfo

    @property
    def fingerprint(self) -> str:
        """The signer's, as `verify` prints it and ``--trust`` takes it."""
        return self.signer.fingerprint

    @property
    def words(self) -> str:
        """The signer's fingerprint as words."""
        return self.signer.words


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key, its certificate for signing code, and the certificates between that and the root."""

    key: ec.EllipticCurvePrivateKey = field(repr=False)
    certificate: x509.Certificate
    issuers: tuple[x509.Certificate, ...]

    @property
    def keyid(self) -> Digest:
        """SHA-256 of the public key's SubjectPublicKeyInfo."""
        return certificates.keyid(self.key.public_key())

    @property
    def name(self) -> str:
        """The certificate's common name, escaped."""
        return certificates.printable(certificates.common_name(self.certificate.subject))


def generate(
    folder: Path,
    *,
    name: str,
    clock: Clock,
    type: KeyType = KeyType.ECDSA_P384,  # noqa: A002  (the flag's name)
    passphrase: str | None = None,
) -> GeneratedKeys:
    """Make a root, a release CA and a signer for `name`, and write them into `folder`; all files or none.

    Certificates and ``signer.pub`` are 0644, keys 0600 and encrypted when there is a passphrase. `StateError` when one
    of the files exists already; `RecipeError` when `name` cannot be a name or `type` is not one that can be made.
    """
    _check_name(name)
    if type not in tuple(KeyType):
        raise RecipeError(f"keys of type {type!r} cannot be made yet", hint=f"use {', '.join(KeyType)}")
    root, authority, signer = _hierarchy(name, clock.now())
    made = {
        "root.pem": certificates.certificate_pem(root.certificate),
        "root-key.pem": certificates.private_pem(root.key, passphrase=passphrase),
        "release-ca.pem": certificates.certificate_pem(authority.certificate),
        "release-ca-key.pem": certificates.private_pem(authority.key, passphrase=passphrase),
        "signer.pem": certificates.certificate_pem(signer.certificate, *signer.issuers),
        "signer-key.pem": certificates.private_pem(signer.key, passphrase=passphrase),
        "signer.pub": certificates.public_pem(signer.key.public_key()),
    }
    return GeneratedKeys(
        files=_write_all(folder, made), root=describe(root.certificate), signer=describe(signer.certificate)
    )


def show(path: Path, *, passphrase: str | None = None) -> KeyInfo:
    """What a file holds: of several certificates the first; of a private key its public half.

    `RecipeError` for anything that is neither certificate nor key.
    """
    data = certificates.read_file(path, "a key or certificate")
    try:
        if found := certificates.read_certificates(data):
            return describe(found[0])
        if b"PRIVATE KEY-----" in data:
            key = _private_key(data, path, passphrase).public_key()
            return describe_key(Kind.PRIVATE_KEY, certificates.keyid(key))
        return describe_key(Kind.PUBLIC_KEY, certificates.keyid(public_key(data)))
    except ValueError as error:
        raise RecipeError("this is neither a certificate nor a key", where=str(path)) from error


def public_key(data: bytes) -> ec.EllipticCurvePublicKey:
    """An ECDSA P-384 public key in PEM or DER; `ValueError` for anything else."""
    load = serialization.load_pem_public_key if data.lstrip()[:5] == b"-----" else serialization.load_der_public_key
    try:
        key = load(data)
    except UnsupportedAlgorithm as error:
        raise ValueError(str(error)) from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP384R1):
        raise ValueError("not an ECDSA P-384 public key")  # noqa: TRY004  (the data is wrong, not the caller)
    return key


def load_signer(key: Path, *, chain: Path | None = None, passphrase: str | None = None) -> Signer:
    """The signer whose private key is `key`; its certificates stand in `chain`, by default ``signer.pem`` beside it.

    `StateError` when others may read the key; `RecipeError` when a file is not what it should be, when the passphrase
    is wrong or missing, or when the certificate is not this key's or is not for signing code.
    """
    _check_private(key)
    private = _private_key(certificates.read_file(key, "a private key"), key, passphrase)
    path = chain or key.parent / "signer.pem"
    certificate, *issuers = _read_chain(path)
    if certificates.certificate_keyid(certificate) != certificates.keyid(private.public_key()):
        raise RecipeError(
            f"its first certificate is not that of {key}", where=str(path), hint="name the right chain with --cert"
        )
    if not may_sign_code(certificate):
        raise RecipeError("its first certificate is not one for signing code", where=str(path))
    return Signer(key=private, certificate=certificate, issuers=tuple(issuers))


def _read_chain(path: Path) -> tuple[x509.Certificate, ...]:
    """Leaf first, then issuers; a root at the end is left out, because trust never comes with what is signed."""
    data = certificates.read_file(path, "the signer's certificate chain")
    try:
        found = certificates.read_certificates(data)
    except ValueError as error:
        raise RecipeError("a certificate in it is damaged", where=str(path)) from error
    if not found:
        raise RecipeError("there is no certificate in it", where=str(path), hint="name the chain with --cert")
    return tuple(c for i, c in enumerate(found) if i == 0 or c.subject != c.issuer)


def _private_key(data: bytes, path: Path, passphrase: str | None) -> ec.EllipticCurvePrivateKey:
    encrypted = b"ENCRYPTED" in data
    if encrypted and not passphrase:
        raise RecipeError(
            "the key is protected by a passphrase", where=str(path), hint="give it with --key-passphrase-file"
        )
    secret = passphrase.encode() if encrypted and passphrase else None
    try:
        key = serialization.load_pem_private_key(data, secret)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        why = "the passphrase is wrong, or the key is damaged" if encrypted else "this is not a private key in PEM"
        hint = "check --key-passphrase-file" if encrypted else "make one with: appliance key generate"
        raise RecipeError(why, where=str(path), hint=hint) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP384R1):
        raise RecipeError(
            "this is not an ECDSA P-384 key", where=str(path), hint="make one with: appliance key generate"
        )
    return key


def _check_private(path: Path) -> None:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        hint = "name a signer's private key, such as keys/signer-key.pem"
        raise RecipeError(f"cannot read a private key: {error.strerror}", where=str(path), hint=hint) from error
    if mode & 0o077:
        raise StateError(
            f"others than its owner may use this key (mode {mode:04o})", where=str(path), hint=f"chmod 600 {path}"
        )


def _hierarchy(name: str, now: datetime) -> tuple[Signer, Signer, Signer]:
    start = now.replace(microsecond=0) - timedelta(hours=1)
    root_key, ca_key, signer_key = (ec.generate_private_key(ec.SECP384R1()) for _ in range(3))
    root_name = certificates.subject(f"{name} root", organization=name)
    ca_name = certificates.subject(f"{name} release CA", organization=name)
    root = certificates.certify(
        root_name,
        root_key.public_key(),
        issuer=root_name,
        issuer_key=root_key,
        not_before=start,
        not_after=start + timedelta(days=ROOT_DAYS),
        path_length=1,
    )
    authority = certificates.certify(
        ca_name,
        ca_key.public_key(),
        issuer=root_name,
        issuer_key=root_key,
        not_before=start,
        not_after=start + timedelta(days=RELEASE_CA_DAYS),
        path_length=0,
    )
    leaf = certificates.certify(
        certificates.subject(f"{name} signer {now:%Y}", organization=name),
        signer_key.public_key(),
        issuer=ca_name,
        issuer_key=ca_key,
        not_before=start,
        not_after=start + timedelta(days=SIGNER_DAYS),
        extensions=(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]),),
    )
    return Signer(root_key, root, ()), Signer(ca_key, authority, ()), Signer(signer_key, leaf, (authority,))


def _check_name(name: str) -> None:
    if not name.strip() or not name.isprintable() or len(name) > 48:  # noqa: PLR2004  (64 with what is appended)
        raise RecipeError(
            f"{certificates.printable(name[:60])!r} cannot name a vendor", hint="1 to 48 printable characters"
        )


def _write_all(folder: Path, made: dict[str, bytes]) -> tuple[Path, ...]:
    written: list[Path] = []
    if existing := [name for name in made if (folder / name).exists()]:
        raise StateError(f"{folder / existing[0]} exists and is not overwritten", hint="name another folder with -O")
    with disk_errors(folder / "root.pem"):
        folder.mkdir(parents=True, mode=0o700, exist_ok=True)
    try:
        for name, data in made.items():
            write_bytes(folder / name, data, mode=0o600 if name.endswith("-key.pem") else 0o644, replace=False)
            written.append(folder / name)
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        raise
    return tuple(written)


def describe(certificate: x509.Certificate) -> KeyInfo:
    """A certificate, for people."""
    if certificates.is_authority(certificate):
        kind = Kind.AUTHORITY
    else:
        kind = Kind.SIGNER if may_sign_code(certificate) else Kind.CERTIFICATE
    fingerprint = certificates.certificate_keyid(certificate)
    return KeyInfo(
        kind=kind,
        fingerprint=str(fingerprint),
        words=words(fingerprint),
        subject=certificates.printable(certificates.common_name(certificate.subject)),
        issuer=certificates.printable(certificates.common_name(certificate.issuer)),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
    )


def describe_key(kind: Kind, fingerprint: Digest) -> KeyInfo:
    """A key without a certificate, for people."""
    return KeyInfo(kind=kind, fingerprint=str(fingerprint), words=words(fingerprint))
