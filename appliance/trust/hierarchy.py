"""A vendor's own authorities, for those who have no PKI: root, release CA and signer; and a request for those who do.

Pure but for entropy. The root is kept away and its certificate given to customers; the release CA that it issues issues
signers for a while. Customers trust the root once; signers come and go.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from appliance.trust import algorithms, certificates

if TYPE_CHECKING:
    from datetime import datetime

    from appliance.trust.algorithms import KeyType, PrivateKey

ROOT_DAYS = 7300
RELEASE_CA_DAYS = 3650
SIGNER_DAYS = 825

_EARLY = timedelta(hours=1)
_FOR_CODE = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING])


@dataclass(frozen=True, slots=True)
class Party:
    """A private key and its certificate."""

    key: PrivateKey = field(repr=False)
    certificate: x509.Certificate


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """The three that belong together."""

    root: Party
    authority: Party
    signer: Party


def make(name: str, kind: KeyType, *, now: datetime) -> Hierarchy:
    """Root, release CA and signer of `name`, all with keys of one kind, valid from an hour before `now`."""
    start = now.replace(microsecond=0) - _EARLY
    root_key, ca_key = algorithms.generate(kind), algorithms.generate(kind)
    root_name = certificates.subject(f"{name} root", organization=name)
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
        certificates.subject(f"{name} release CA", organization=name),
        ca_key.public_key(),
        issuer=root_name,
        issuer_key=root_key,
        not_before=start,
        not_after=start + timedelta(days=RELEASE_CA_DAYS),
        path_length=0,
    )
    ca = Party(ca_key, authority)
    return Hierarchy(Party(root_key, root), ca, make_signer(f"{name} signer {now:%Y}", ca, kind=kind, now=now))


def make_signer(name: str, authority: Party, *, kind: KeyType, now: datetime) -> Party:
    """A signer of that authority, with a new key."""
    key = algorithms.generate(kind)
    start = now.replace(microsecond=0) - _EARLY
    organization = authority.certificate.subject.get_attributes_for_oid(x509.NameOID.ORGANIZATION_NAME)
    leaf = certificates.certify(
        certificates.subject(name, organization=str(organization[0].value) if organization else ""),
        key.public_key(),
        issuer=authority.certificate.subject,
        issuer_key=authority.key,
        not_before=start,
        not_after=min(start + timedelta(days=SIGNER_DAYS), authority.certificate.not_valid_after_utc),
        extensions=(_FOR_CODE,),
    )
    return Party(key, leaf)


def request(name: str, key: PrivateKey) -> x509.CertificateSigningRequest:
    """What a PKI is asked for (PKCS #10): a certificate for signing code, and for nothing else."""
    builder = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(certificates.subject(name))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(certificates.key_usage(authority=False), critical=True)
        .add_extension(_FOR_CODE, critical=False)
    )
    return builder.sign(key, algorithms.certificate_hash(key))
