"""A stamping service of one's own: what `openssl ts` of the manual asks for, and answers."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from support.signing import DAY, NOW, Vendor

from appliance.trust import certificates
from appliance.trust.algorithms import KeyType

if TYPE_CHECKING:
    from pathlib import Path


def stamper(folder: Path) -> x509.Certificate:
    """A stamping service of one's own: root, and a leaf that may stamp and nothing else; its root."""
    made = Vendor.create("Stamper", kind=KeyType.RSA_3072)
    key = rsa.generate_private_key(65537, 3072)
    leaf_certificate = (
        x509.CertificateBuilder(made.ca.subject, x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tsa")]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - DAY)
        .not_valid_after(NOW + 1800 * DAY)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(certificates.key_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(made.ca_key.public_key()), critical=False)
        .sign(made.ca_key, hashes.SHA384())
    )
    (folder / "tsa.key").write_bytes(certificates.private_pem(key))
    (folder / "tsa.pem").write_bytes(certificates.certificate_pem(leaf_certificate))
    (folder / "chain.pem").write_bytes(certificates.certificate_pem(made.ca))
    (folder / "tsa-root.pem").write_bytes(certificates.certificate_pem(made.root))
    (folder / "serial").write_text("01\n")
    (folder / "tsa.cnf").write_text(
        "[tsa]\ndefault_tsa = t\n[t]\nserial = serial\nsigner_cert = tsa.pem\ncerts = chain.pem\nsigner_key = tsa.key\n"
        "signer_digest = sha256\ndefault_policy = 1.2.3.4\ndigests = sha256, sha384, sha512\n"
    )
    return made.root


def stamp(folder: Path, file: Path) -> Path:
    """As the manual has it: a query, and the stamper's answer beside the file."""
    out = file.with_name(f"{file.name}.tsr")
    query = ["openssl", "ts", "-query", "-data", file, "-sha384", "-cert", "-out", "q.tsq"]
    subprocess.run(query, cwd=folder, check=True, capture_output=True)
    reply = ["openssl", "ts", "-reply", "-config", "tsa.cnf", "-queryfile", "q.tsq", "-out", out]
    subprocess.run(reply, cwd=folder, check=True, capture_output=True)
    return out
