from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from support.signing import DAY, NOW

from appliance.errors import PlanError
from appliance.trust import issue
from appliance.trust.issue import Issued, Usage

if TYPE_CHECKING:
    from pathlib import Path

BOTH = frozenset(Usage)


def leaf(
    ca: Issued, *, sans: tuple[str, ...] = ("10.0.0.1",), usages: frozenset[Usage] = BOTH, days: int = 30
) -> Issued:
    return issue.leaf(ca, common_name="etcd-1", sans=sans, usages=usages, now=NOW, days=days, organization="ops")


@pytest.fixture(scope="module")
def ca() -> Issued:
    return issue.authority("etcd CA", now=NOW, days=365)


@pytest.mark.parametrize(
    ("usages", "purpose", "expected"),
    [
        (BOTH, "sslserver", True),
        (BOTH, "sslclient", True),
        (frozenset({Usage.SERVER}), "sslserver", True),
        (frozenset({Usage.SERVER}), "sslclient", False),
        (frozenset({Usage.CLIENT}), "sslserver", False),
    ],
)
def test_openssl_takes_a_leaf_for_its_purposes_only(
    ca: Issued, tmp_path: Path, usages: frozenset[Usage], purpose: str, expected: bool
) -> None:
    (tmp_path / "ca.pem").write_bytes(ca.certificate_pem)
    (tmp_path / "leaf.pem").write_bytes(leaf(ca, usages=usages).certificate_pem)
    command = f"openssl verify -x509_strict -attime {NOW.timestamp():.0f} -CAfile ca.pem -purpose {purpose} leaf.pem"

    done = subprocess.run(command.split(), cwd=tmp_path, capture_output=True, check=False)

    assert (done.returncode == 0) is expected, done.stderr


def test_a_leaf_carries_its_names_addresses_usages_and_organization(ca: Issued) -> None:
    made = leaf(ca, sans=("10.0.0.1", "fd00::1", "etcd-1.local", "etcd-1.local", "*.local"))
    certificate = x509.load_pem_x509_certificate(made.certificate_pem)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value

    assert [str(a) for a in names.get_values_for_type(x509.IPAddress)] == ["10.0.0.1", "fd00::1"]
    assert names.get_values_for_type(x509.DNSName) == ["etcd-1.local", "*.local"]
    assert set(usage) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    assert [a.value for a in certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)] == ["ops"]
    key = serialization.load_pem_private_key(made.key_pem, None)
    assert key.public_key() == certificate.public_key()
    assert made.key_pem.startswith(b"-----BEGIN PRIVATE KEY-----")


def test_no_leaf_outlives_its_authority(ca: Issued) -> None:
    made = x509.load_pem_x509_certificate(leaf(ca, days=4000).certificate_pem)

    assert made.not_valid_after_utc == x509.load_pem_x509_certificate(ca.certificate_pem).not_valid_after_utc


@pytest.mark.parametrize("san", ["", "a b", "-a", "a..b", "x" * 64, "10.0.0.300/8", "a\n", "é", "a.b.*"])
def test_what_is_neither_address_nor_name_is_refused(ca: Issued, san: str) -> None:
    with pytest.raises(PlanError, match="neither an address nor"):
        leaf(ca, sans=(san,))


def test_an_expired_foreign_or_damaged_authority_issues_nothing(ca: Issued) -> None:
    other = issue.authority("other", now=NOW, days=10)
    for bad in (
        issue.authority("old", now=NOW - 20 * DAY, days=10),
        Issued(ca.certificate_pem, other.key_pem),
        Issued(b"", ca.key_pem),
        Issued(ca.certificate_pem, b"hello"),
    ):
        with pytest.raises(PlanError):
            leaf(bad)


def test_keys_stay_out_of_representations(ca: Issued) -> None:
    assert "PRIVATE" not in repr(ca)
    assert "PRIVATE" not in repr(issue.ssh_key("x"))


def test_tokens_and_passwords_have_their_length_and_differ() -> None:
    assert [len(issue.token(16)), len(issue.token(32))] == [32, 64]
    assert len(issue.password(24)) == 24
    assert len({issue.token(16) for _ in range(50)} | {issue.password(12) for _ in range(50)}) == 100
    for short in (lambda: issue.token(15), lambda: issue.password(11)):
        with pytest.raises(ValueError, match="or more"):
            short()


def test_ssh_keygen_reads_an_ssh_key(tmp_path: Path) -> None:
    made = issue.ssh_key("ops@site-a")
    path = tmp_path / "id"
    path.touch(mode=0o600)
    path.write_bytes(made.private)

    printed = subprocess.run(["ssh-keygen", "-y", "-f", path], capture_output=True, check=True, text=True).stdout

    assert printed.split()[:2] == made.public.split()[:2]
    assert made.public.endswith(" ops@site-a")


def test_an_rsa_key_pair_is_whole_and_long_enough(tmp_path: Path) -> None:
    pair = issue.rsa_key()
    (tmp_path / "key").write_bytes(pair.private_pem)
    (tmp_path / "pub").write_bytes(pair.public_pem)
    derived = subprocess.run(["openssl", "pkey", "-pubout", "-in", tmp_path / "key"], capture_output=True, check=True)
    assert derived.stdout == pair.public_pem
    assert pair.private_pem.decode() not in repr(pair)
    key = serialization.load_pem_public_key(pair.public_pem)
    assert isinstance(key, rsa.RSAPublicKey)
    assert key.key_size == 3072


def test_a_bootstrap_token_is_of_the_form_that_kubeadm_takes_and_not_twice_the_same() -> None:
    tokens = {issue.bootstrap_token() for _ in range(50)}
    assert len(tokens) == 50
    assert all(re.fullmatch(r"[a-z0-9]{6}\.[a-z0-9]{16}", token) for token in tokens)
