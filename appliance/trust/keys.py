"""The keys that sign: made, shown, loaded, protected. Keys are PKCS#8 in PEM, 0600.

A vendor either makes authorities of its own (`generate`, see `appliance.trust.hierarchy`) or asks a PKI for a signer's
certificate (`request`). Ed25519 keys have no certificates here: customers pin the key itself.
"""

from __future__ import annotations

import contextlib
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from appliance.errors import RecipeError, StateError
from appliance.files import disk_errors, write_bytes
from appliance.trust import algorithms, certificates, hierarchy
from appliance.trust.algorithms import KeyType
from appliance.trust.chain import may_sign_code
from appliance.trust.keyinfo import KeyInfo, Kind, describe, describe_key

if TYPE_CHECKING:
    from pathlib import Path

    from appliance.clock import Clock
    from appliance.digest import Digest
    from appliance.trust.algorithms import PrivateKey, PublicKey

OFFLINE = "offline"
"""The folder for the keys of authorities, which go to a safe."""


@dataclass(frozen=True, slots=True)
class GeneratedKeys:
    """What was written, and the keys that people compare: the trusted root, if there is one, and the signer's."""

    files: tuple[Path, ...]
    root: KeyInfo | None
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
    """A private key, its certificate for signing code, and the certificates between that and the root.

    Without a certificate it signs in the forms that need none.
    """

    key: PrivateKey = field(repr=False)
    certificate: x509.Certificate | None = None
    issuers: tuple[x509.Certificate, ...] = ()

    @property
    def keyid(self) -> Digest:
        """SHA-256 of the public key's SubjectPublicKeyInfo."""
        return certificates.keyid(self.key.public_key())

    @property
    def type(self) -> KeyType:
        """What kind of key it is."""
        return algorithms.type_of(self.key.public_key())

    @property
    def info(self) -> KeyInfo:
        """It, for people."""
        if self.certificate is None:
            return describe_key(Kind.PUBLIC_KEY, self.keyid, key=self.key.public_key())
        return describe(self.certificate)


def generate(
    folder: Path,
    *,
    name: str,
    clock: Clock,
    type: KeyType = KeyType.ECDSA_P384,  # noqa: A002  (the flag's name)
    passphrase: str | None = None,
) -> GeneratedKeys:
    """Make a root, a release CA and a signer for `name`, and write them into `folder`; all files or none.

    Of Ed25519 only the signer's key is made. Certificates and ``signer.pub`` are 0644, keys 0600 and encrypted when
    there is a passphrase; those of the authorities lie in ``offline/``. `StateError` when one of the files exists
    already; `RecipeError` when `name` cannot be a name.
    """
    _check_name(name)
    if not type.certifiable:
        key = algorithms.generate(type)
        made = {"signer-key.pem": certificates.private_pem(key, passphrase=passphrase), **_public(key)}
        return GeneratedKeys(_write_all(folder, made), root=None, signer=Signer(key).info)
    three = hierarchy.make(name, type, now=clock.now())
    root, authority, signer = three.root, three.authority, three.signer
    made = {
        "root.pem": certificates.certificate_pem(root.certificate),
        f"{OFFLINE}/root-key.pem": certificates.private_pem(root.key, passphrase=passphrase),
        "release-ca.pem": certificates.certificate_pem(authority.certificate),
        f"{OFFLINE}/release-ca-key.pem": certificates.private_pem(authority.key, passphrase=passphrase),
        "signer.pem": certificates.certificate_pem(signer.certificate, authority.certificate),
        "signer-key.pem": certificates.private_pem(signer.key, passphrase=passphrase),
        **_public(signer.key),
    }
    return GeneratedKeys(
        files=_write_all(folder, made), root=describe(root.certificate), signer=describe(signer.certificate)
    )


def request(
    folder: Path,
    *,
    name: str,
    type: KeyType = KeyType.ECDSA_P384,  # noqa: A002  (the flag's name)
    key: Path | None = None,
    passphrase: str | None = None,
) -> GeneratedKeys:
    """Write ``signer.csr``, by which a PKI issues a signer's certificate for `name`, into `folder`.

    For the private key in `key`, else for a new one of `type` that is written with it. Raises as `generate` does, and
    `RecipeError` for a kind of key that has no certificates here.
    """
    _check_name(name)
    made: dict[str, bytes] = {}
    if key is None:
        private = algorithms.generate(type)
        made = {"signer-key.pem": certificates.private_pem(private, passphrase=passphrase), **_public(private)}
    else:
        private = load_private(key, passphrase=passphrase)
    signer = Signer(private)
    if not signer.type.certifiable:
        raise RecipeError(f"certificates of {signer.type} keys are not checked here", hint="customers pin such a key")
    asked = hierarchy.request(name, private)
    made["signer.csr"] = asked.public_bytes(serialization.Encoding.PEM)
    return GeneratedKeys(_write_all(folder, made), root=None, signer=signer.info)


def issue(
    folder: Path, *, name: str, authority: Path, authority_key: Path, clock: Clock, passphrase: str | None = None
) -> GeneratedKeys:
    """A further signer of an authority made by `generate`: ``signer.pem``, its key and ``signer.pub`` in `folder`.

    Raises as `generate` does, and `RecipeError` when certificate and key do not belong together.
    """
    _check_name(name)
    private = load_private(authority_key, passphrase=passphrase)
    certificate = _read_chain(authority)[0]
    if certificates.certificate_keyid(certificate) != certificates.keyid(private.public_key()):
        raise RecipeError(f"its first certificate is not that of {authority_key}", where=str(authority))
    if not certificates.is_authority(certificate):
        raise RecipeError("this is not the certificate of an authority", where=str(authority))
    kind = algorithms.type_of(private.public_key())
    made = hierarchy.make_signer(name, hierarchy.Party(private, certificate), kind=kind, now=clock.now())
    files = {
        "signer.pem": certificates.certificate_pem(made.certificate, certificate),
        "signer-key.pem": certificates.private_pem(made.key, passphrase=passphrase),
        **_public(made.key),
    }
    return GeneratedKeys(_write_all(folder, files), root=None, signer=describe(made.certificate))


def _public(key: PrivateKey) -> dict[str, bytes]:
    return {"signer.pub": certificates.public_pem(key.public_key())}


def show(path: Path, *, passphrase: str | None = None) -> KeyInfo:
    """What a file holds: of several certificates the first; of a private key its public half.

    `RecipeError` for anything that is neither certificate, request nor key.
    """
    data = certificates.read_file(path, "a key or certificate")
    try:
        if found := certificates.read_certificates(data):
            return describe(found[0])
        if b"CERTIFICATE REQUEST-----" in data:
            asked = x509.load_pem_x509_csr(data).public_key()
            return describe_key(Kind.REQUEST, certificates.keyid(asked), key=asked)
        if b"PRIVATE KEY-----" in data:
            key = _private_key(data, path, passphrase).public_key()
            return describe_key(Kind.PRIVATE_KEY, certificates.keyid(key), key=key)
        public = public_key(data)
        return describe_key(Kind.PUBLIC_KEY, certificates.keyid(public), key=public)
    except ValueError as error:
        raise RecipeError("this is neither a certificate nor a key", where=str(path)) from error


def public_key(data: bytes) -> PublicKey:
    """A public key that signs, in PEM or DER; `ValueError` for anything else."""
    load = serialization.load_pem_public_key if data.lstrip()[:5] == b"-----" else serialization.load_der_public_key
    try:
        return algorithms.public(load(data))
    except UnsupportedAlgorithm as error:
        raise ValueError(str(error)) from error


def load_signer(key: Path, *, chain: Path | None = None, passphrase: str | None = None) -> Signer:
    """The signer whose private key is `key`; its certificates stand in `chain`, by default ``signer.pem`` beside it.

    `StateError` when others may read the key; `RecipeError` when a file is not what it should be, when the passphrase
    is wrong or missing, or when the certificate is not this key's or is not for signing code.
    """
    private = load_private(key, passphrase=passphrase)
    if chain is None and not algorithms.type_of(private.public_key()).certifiable:
        return Signer(private)
    path = chain or key.parent / "signer.pem"
    certificate, *issuers = _read_chain(path)
    if certificates.certificate_keyid(certificate) != certificates.keyid(private.public_key()):
        raise RecipeError(
            f"its first certificate is not that of {key}", where=str(path), hint="name the right chain with --cert"
        )
    if not may_sign_code(certificate):
        raise RecipeError("its first certificate is not one for signing code", where=str(path))
    return Signer(key=private, certificate=certificate, issuers=tuple(issuers))


def load_private(path: Path, *, passphrase: str | None = None) -> PrivateKey:
    """A private key; raises as `load_signer` does."""
    _check_private(path)
    return _private_key(certificates.read_file(path, "a private key"), path, passphrase)


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


def _private_key(data: bytes, path: Path, passphrase: str | None) -> PrivateKey:
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
    try:
        return algorithms.private(key)
    except ValueError as error:
        kinds = ", ".join(KeyType)
        raise RecipeError(f"this key is none of {kinds}", where=str(path), hint="appliance key generate") from error


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


def _check_name(name: str) -> None:
    if not name.strip() or not name.isprintable() or len(name) > 48:  # noqa: PLR2004  (64 with what is appended)
        raise RecipeError(
            f"{certificates.printable(name[:60])!r} cannot name a vendor", hint="1 to 48 printable characters"
        )


def _write_all(folder: Path, made: dict[str, bytes]) -> tuple[Path, ...]:
    written: list[Path] = []
    if existing := [name for name in made if (folder / name).exists()]:
        raise StateError(f"{folder / existing[0]} exists and is not overwritten", hint="name another folder with -O")
    for path in {(folder / name).parent for name in made}:
        with disk_errors(path):
            path.mkdir(parents=True, mode=0o700, exist_ok=True)
    try:
        for name, data in made.items():
            write_bytes(folder / name, data, mode=0o600 if name.endswith("-key.pem") else 0o644, replace=False)
            written.append(folder / name)
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            (folder / OFFLINE).rmdir()
        raise
    return tuple(written)
