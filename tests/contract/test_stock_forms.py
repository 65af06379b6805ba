"""For every kind of key, every form of signature and every way to spoil one: ours and the stock tool say the same.

The tools: this machine's openssl and ssh-keygen, and Debian trixie's OpenSSL 3.5 (ML-DSA, ``-purpose codesign``) and
cosign.
"""

from __future__ import annotations

import base64
import dataclasses
import subprocess
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID
from support.signing import DAY, NOW, At, Vendor
from support.stocktools import stock_tools

from appliance import canonical
from appliance.errors import VerificationError
from appliance.trust import algorithms, certificates, dsse, envelope, formats, judgement
from appliance.trust.algorithms import KeyType
from appliance.trust.chain import may_sign_code
from appliance.trust.envelope import Signature
from appliance.trust.formats import Form
from appliance.trust.keys import Signer
from appliance.trust.policy import Anchors, Pin, Trust

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from cryptography import x509

    from appliance.trust.revocation import RevocationList

DATA = b'{"name":"etcd"}'


@dataclass(frozen=True, slots=True)
class Case:
    """Something that is judged: a signature over `data`, by whom, with what the judge believes."""

    signer: Signer
    form: Form
    value: bytes
    data: bytes = DATA
    root: x509.Certificate | None = None
    at: datetime = NOW
    lists: tuple[RevocationList, ...] = ()
    pinned: Signer | None = field(default=None)


@cache
def vendor(kind: KeyType, number: int = 0) -> Vendor:
    assert number < 2
    return Vendor.create(f"Vendor {number}", kind=kind)


@cache
def signer(kind: KeyType, number: int = 0) -> Signer:
    if not kind.certifiable:
        return Signer(algorithms.generate(kind))
    return vendor(kind).signer(f"Signer {number}")


def made(by: Signer, form: Form, **fields: object) -> Case:
    """A good case, or one with other fields."""
    case = Case(by, form, formats.make(by, form, DATA, signing_time=NOW))
    return dataclasses.replace(case, **fields)  # type: ignore[arg-type]


def with_lists(kind: KeyType, *revoked: x509.Certificate) -> tuple[RevocationList, ...]:
    return (vendor(kind).revocations(*revoked), vendor(kind).revocations(by_root=True))


def spoilt(kind: KeyType, form: Form, by: Signer) -> Case:
    value = formats.make(by, form, DATA, signing_time=NOW)
    return made(
        by, form, value=value[: len(value) // 2] + bytes([value[len(value) // 2] ^ 1]) + value[len(value) // 2 + 1 :]
    )


def by_another_key(kind: KeyType, form: Form) -> Case:
    """The certificate, or the pin, is one's; the signature is another's."""
    mine, other = signer(kind), signer(kind, 1)
    impostor = dataclasses.replace(mine, key=other.key)
    return made(mine, form, value=formats.make(impostor, form, DATA, signing_time=NOW), pinned=mine)


ANY_FORM: dict[str, tuple[Callable[[KeyType, Form], Case], bool]] = {
    "good": (lambda kind, form: made(signer(kind), form), True),
    "altered content": (lambda kind, form: made(signer(kind), form, data=DATA + b"\n"), False),
    "altered signature": (lambda kind, form: spoilt(kind, form, signer(kind)), False),
    "another key": (by_another_key, False),
    "nothing": (lambda kind, form: made(signer(kind), form, value=b""), False),
}

CERTIFIED: dict[str, tuple[Callable[[KeyType, Form], Case], bool]] = {
    "another root": (lambda kind, form: made(signer(kind), form, root=vendor(kind, 1).root), False),
    "missing intermediate": (lambda kind, form: made(dataclasses.replace(signer(kind), issuers=()), form), False),
    "wrong usage": (
        lambda kind, form: made(vendor(kind).signer(usage=ExtendedKeyUsageOID.SERVER_AUTH), form),
        False,
    ),
    "expired": (lambda kind, form: made(signer(kind), form, at=NOW + 401 * DAY), False),
    "not yet valid": (lambda kind, form: made(signer(kind), form, at=NOW - 2 * DAY), False),
    "not revoked": (lambda kind, form: made(signer(kind), form, lists=with_lists(kind)), True),
    "another revoked": (
        lambda kind, form: made(
            signer(kind), form, lists=with_lists(kind, vendor(kind).signer("Other").certificate or vendor(kind).ca)
        ),
        True,
    ),
    "revoked": (
        lambda kind, form: made(
            signer(kind), form, lists=with_lists(kind, signer(kind).certificate or vendor(kind).ca)
        ),
        False,
    ),
    "issuer revoked": (
        lambda kind, form: made(
            signer(kind),
            form,
            lists=(vendor(kind).revocations(), vendor(kind).revocations(vendor(kind).ca, by_root=True)),
        ),
        False,
    ),
}


def cases() -> list[object]:
    rows = []
    for kind in KeyType:
        for form in formats.forms_of(kind, certified=True):
            table = ANY_FORM | (CERTIFIED if form is Form.CMS else {})
            rows += [pytest.param(kind, form, *row, id=f"{kind}-{form}-{name}") for name, row in table.items()]
    return rows


def ours(case: Case) -> bool:
    if case.form is Form.CMS:
        trust = vendor(case.signer.type).trust()
        if case.root is not None:
            trust = dataclasses.replace(
                trust, anchors=Anchors((dataclasses.replace(trust.anchors.roots[0], certificate=case.root),))
            )
    else:
        pin = case.pinned or case.signer
        trust = Trust(Anchors(pins=(Pin(pin.keyid, "signer.pub", key=pin.key.public_key()),)))
    trust = dataclasses.replace(trust, lists=case.lists)
    signature = Signature(case.signer.keyid, case.form, case.value)
    return judgement.check(case.data, [signature], trust, now=case.at).accepted


def theirs(case: Case, folder: Path) -> set[bool]:
    """What every stock tool says that can check this form by this kind of key."""
    (folder / "F").write_bytes(case.data)
    (folder / "x").write_bytes(case.value)
    (folder / "signer.pub").write_bytes(certificates.public_pem((case.pinned or case.signer).key.public_key()))
    tools = stock_tools()
    match case.form:
        case Form.CMS:
            return {tools.accepts(argv, folder) for argv in openssl_cms(case, folder)}
        case Form.COSIGN:
            command = "verify-blob --key signer.pub --signature x --insecure-ignore-tlog F"
            return {tools.accepts([*tools.cosign, *command.split()], folder)}
        case Form.RAW:
            return {tools.accepts(argv, folder) for argv in openssl_raw(case)}
        case Form.SSHSIG:
            return {ssh_keygen_accepts(case, folder)}


def openssl_cms(case: Case, folder: Path) -> list[list[str]]:
    root = case.root or vendor(case.signer.type).root
    lists = b"".join(each.crl.public_bytes(serialization.Encoding.PEM) for each in case.lists)
    (folder / "root.pem").write_bytes(certificates.certificate_pem(root) + lists)
    command = ["cms", "-verify", "-binary", "-inform", "DER", "-in", "x", "-content", "F", "-CAfile", "root.pem"]
    command += ["-attime", str(int(case.at.timestamp())), "-out", "out", *(["-crl_check_all"] if lists else [])]
    newer = [*stock_tools().openssl, *command, "-purpose", "codesign"]
    certificate = case.signer.certificate
    if case.signer.type.post_quantum or (certificate is not None and not may_sign_code(certificate)):
        return [newer]  # this machine's OpenSSL has no ML-DSA; and -purpose any takes a certificate for anything
    return [newer, ["openssl", *command, "-purpose", "any"]]


def openssl_raw(case: Case) -> list[list[str]]:
    programs = [stock_tools().openssl, *([] if case.signer.type.post_quantum else [["openssl"]])]
    if case.signer.type in (KeyType.ED25519, KeyType.ML_DSA_87):
        command = "pkeyutl -verify -rawin -pubin -inkey signer.pub -in F -sigfile x"
    else:
        hashed = algorithms.natural_hash(case.signer.type).name
        command = f"dgst -{hashed} -verify signer.pub -signature x F"
    return [[*program, *command.split()] for program in programs]


def ssh_keygen_accepts(case: Case, folder: Path) -> bool:
    public = (case.pinned or case.signer).key.public_key()
    line = public.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    (folder / "allowed").write_bytes(b'vendor namespaces="appliance-bundle" ' + line + b"\n")
    command = "ssh-keygen -Y verify -f allowed -I vendor -n appliance-bundle -s x"
    return (
        subprocess.run(command.split(), cwd=folder, input=case.data, capture_output=True, check=False).returncode == 0
    )


@pytest.mark.parametrize(("kind", "form", "make", "expected"), cases())
def test_ours_and_the_stock_tools_say_the_same(
    tmp_path: Path, kind: KeyType, form: Form, make: Callable[[KeyType, Form], Case], expected: bool
) -> None:
    case = make(kind, form)

    assert ours(case) is expected
    assert theirs(case, tmp_path) == {expected}


def test_each_kind_of_key_has_the_forms_that_its_stock_tools_check() -> None:
    made = {kind: {form.value for form in formats.forms_of(kind, certified=True)} for kind in KeyType}

    classical = {"cms", "cosign", "raw", "sshsig"}
    assert made == {
        KeyType.ECDSA_P384: classical,
        KeyType.ECDSA_P256: classical,
        KeyType.RSA_3072: classical,
        KeyType.ED25519: classical - {"cms"},
        KeyType.ML_DSA_87: {"cms", "raw"},
    }


STATEMENT = canonical.dumps(
    {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [
            {"name": "image", "digest": {"sha256": "64ec88ca00b268e5ba1a35678a1b5316d212f4f366b2477232534a8aeca37f3c"}}
        ],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {"buildDefinition": {}, "runDetails": {}},
    }
)


@pytest.mark.parametrize("kind", [KeyType.ECDSA_P384, KeyType.ECDSA_P256, KeyType.RSA_3072, KeyType.ED25519])
@pytest.mark.parametrize(
    "spoil", ["", "another key", "another statement", "another signature", "altered signature", "no signature"]
)
def test_an_attestation_passes_cosign_and_ours_or_neither(tmp_path: Path, kind: KeyType, spoil: str) -> None:
    by = signer(kind)
    sealed = dsse.sign(STATEMENT, [by])
    if spoil == "another statement":
        sealed = dsse.sign(STATEMENT, [by]).replace(b"eyJ", b"eyI", 1)
    if spoil == "another signature":
        other = canonical.loads(dsse.sign(STATEMENT + b" ", [by]), limit=dsse.MAX_BYTES)["signatures"]
        sealed = canonical.dumps(canonical.loads(sealed, limit=dsse.MAX_BYTES) | {"signatures": other})
    if spoil in ("altered signature", "no signature"):
        envelope_of = canonical.loads(sealed, limit=dsse.MAX_BYTES)
        value = bytearray(base64.b64decode(envelope_of["signatures"][0]["sig"]))
        value[len(value) // 2] ^= 1
        altered = [envelope_of["signatures"][0] | {"sig": base64.b64encode(value).decode()}]
        sealed = canonical.dumps(envelope_of | {"signatures": altered if spoil == "altered signature" else []})
    key = (signer(kind, 1) if spoil == "another key" else by).key.public_key()
    (tmp_path / "x").write_bytes(sealed)
    (tmp_path / "F").write_bytes(b"x")
    (tmp_path / "signer.pub").write_bytes(certificates.public_pem(key))
    command = "verify-blob-attestation --key signer.pub --signature x --type slsaprovenance1 --insecure-ignore-tlog"
    tools = stock_tools()

    assert attested(sealed, key) is (not spoil)
    assert tools.accepts([*tools.cosign, *command.split(), "--check-claims=false", "F"], tmp_path) is (not spoil)


def attested(sealed: bytes, key: algorithms.PublicKey) -> bool:
    try:
        return dsse.statement(sealed, key) == STATEMENT
    except VerificationError:
        return False


def test_countersignatures_are_checked_by_the_same_tools_and_say_their_role(tmp_path: Path) -> None:
    by = signer(KeyType.ECDSA_P384)
    p7s, ssh = envelope.countersign(DATA, by, "customer", At())

    assert [envelope.countersignature(s.form, s.value) for s in (p7s, ssh)] == [p7s, ssh]
    (tmp_path / "F").write_bytes(DATA)
    (tmp_path / "x").write_bytes(p7s.value)
    for argv in openssl_cms(made(by, Form.CMS), tmp_path):
        assert stock_tools().accepts(argv, tmp_path)
    (tmp_path / "x").write_bytes(ssh.value)
    line = by.key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    (tmp_path / "allowed").write_bytes(b"officer " + line + b"\n")
    for namespace, good in (("appliance-bundle-customer", True), ("appliance-bundle", False)):
        command = f"ssh-keygen -Y verify -f allowed -I officer -n {namespace} -s x"
        done = subprocess.run(command.split(), cwd=tmp_path, input=DATA, capture_output=True, check=False)
        assert (done.returncode == 0) is good
