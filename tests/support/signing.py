"""A vendor for tests: certificates of any shape at any time, and the stock tools that judge what they signed."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from appliance.trust import algorithms, certificates
from appliance.trust.algorithms import KeyType, PrivateKey
from appliance.trust.keys import Signer
from appliance.trust.policy import Anchors, Root, Trust
from appliance.trust.revocation import RevocationList
from appliance.trust.rules import Policy

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class At:
    """A clock that stands still."""

    moment: datetime = NOW

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return 0.0

    def sleep(self, seconds: float) -> None:
        raise AssertionError("nothing sleeps here")

    def jitter(self, seconds: float) -> float:
        return seconds


@dataclass(frozen=True, slots=True)
class Vendor:
    """A root and a release CA, valid for ten years around `NOW`."""

    root_key: PrivateKey
    root: x509.Certificate
    ca_key: PrivateKey
    ca: x509.Certificate
    kind: KeyType = KeyType.ECDSA_P384

    @classmethod
    def create(
        cls,
        name: str = "Vendor",
        *,
        ca_ends: datetime = NOW + 1825 * DAY,
        kind: KeyType = KeyType.ECDSA_P384,
    ) -> Vendor:
        root_key, ca_key = (algorithms.generate(kind) for _ in range(2))
        root_name = certificates.subject(f"{name} root")
        start = NOW - 1825 * DAY
        root = certificates.certify(
            root_name,
            root_key.public_key(),
            issuer=root_name,
            issuer_key=root_key,
            not_before=start,
            not_after=NOW + 1825 * DAY,
            path_length=1,
        )
        ca = certificates.certify(
            certificates.subject(f"{name} CA"),
            ca_key.public_key(),
            issuer=root_name,
            issuer_key=root_key,
            not_before=start,
            not_after=ca_ends,
            path_length=0,
        )
        return cls(root_key, root, ca_key, ca, kind)

    def signer(
        self,
        name: str = "Signer",
        *,
        starts: datetime = NOW - DAY,
        ends: datetime = NOW + 400 * DAY,
        usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.CODE_SIGNING,
        key: PrivateKey | None = None,
    ) -> Signer:
        key = key or algorithms.generate(self.kind)
        leaf = certificates.certify(
            x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]),
            key.public_key(),
            issuer=self.ca.subject,
            issuer_key=self.ca_key,
            not_before=starts,
            not_after=ends,
            extensions=(x509.ExtendedKeyUsage([usage]),),
        )
        return Signer(key, leaf, (self.ca,))

    def revocations(
        self, *revoked: x509.Certificate, number: int = 1, until: datetime = NOW + 900 * DAY, by_root: bool = False
    ) -> RevocationList:
        """The list of the release CA, or of the root, with these certificates on it."""
        issuer, key = (self.root, self.root_key) if by_root else (self.ca, self.ca_key)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(issuer.subject)
            .last_update(NOW - 30 * DAY)
            .next_update(until)
            .add_extension(x509.CRLNumber(number), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        )
        for each in revoked:
            entry = x509.RevokedCertificateBuilder(each.serial_number, NOW - 2 * DAY).build()
            builder = builder.add_revoked_certificate(entry)
        return RevocationList(builder.sign(key, algorithms.certificate_hash(key)), "vendor.crl")

    def trust(self, policy: Policy | None = None) -> Trust:
        return Trust(Anchors(roots=(Root(self.root, "root.pem"),)), policy or Policy())


def openssl_cms_accepts(folder: Path, data: bytes, p7s: bytes, root: x509.Certificate, *, at: datetime) -> bool:
    """What the command of the manual says at a given time."""
    for name, content in (("F", data), ("x.p7s", p7s), ("root.pem", certificates.certificate_pem(root))):
        (folder / name).write_bytes(content)
    command = "openssl cms -verify -binary -inform DER -in x.p7s -content F -CAfile root.pem -purpose any -attime"
    return _succeeds(folder, [*command.split(), str(int(at.timestamp())), "-out", "out"])


def openssl_dgst_accepts(folder: Path, data: bytes, signature: bytes, key: bytes) -> bool:
    """What the command of the manual says of a raw signature."""
    for name, content in (("F", data), ("x.sig", signature), ("signer.pub", key)):
        (folder / name).write_bytes(content)
    return _succeeds(folder, ["openssl", "dgst", "-sha384", "-verify", "signer.pub", "-signature", "x.sig", "F"])


def _succeeds(folder: Path, argv: list[str]) -> bool:
    return subprocess.run(argv, cwd=folder, capture_output=True, check=False).returncode == 0
