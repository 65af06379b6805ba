"""`appliance-verify`, the one file that comes apart from any bundle: it says of every delivery what we say."""

from __future__ import annotations

import ast
import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID
from support.bundles import write_bundle
from support.signing import DAY, NOW, At, Vendor
from support.stocktools import stock_tools

from appliance.bundle import layout
from appliance.bundle.layout import CHUNK_BYTES, MANIFEST_OFFSET, STUB_BYTES
from appliance.errors import StateError
from appliance.operations import signing, verification
from appliance.trust import algorithms, certificates, envelope, revocation
from appliance.trust.algorithms import KeyType
from appliance.trust.formats import Form
from appliance.trust.keys import Signer
from appliance.trust.policy import Trust, from_arguments

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from support.bundles import Written

    from appliance.trust.envelope import Signature

PROGRAM = Path(__file__).parents[2] / "scripts" / "appliance-verify"
BASE = 2**20 - 32
VENDOR, CUSTOMER = Vendor.create(), Vendor.create("Customer")


@cache
def oldest_python() -> str:
    """The oldest Python from 3.6 on that this machine has."""
    kept = sorted(Path.home().glob(".pyenv/versions/3.*/bin/python"), key=lambda p: int(p.parts[-3].split(".")[1]))
    named = (shutil.which(f"python3.{minor}") for minor in range(6, 30))
    found = [str(path) for path in kept if int(path.parts[-3].split(".")[1]) >= 6]
    return next(iter([*found, *filter(None, named)]), sys.executable)


@dataclasses.dataclass(frozen=True)
class Judge:
    """What both are told: whom to believe, revocation lists, the time, a policy, where else signatures lie."""

    anchors: tuple[Path, ...]
    lists: tuple[Path, ...] = ()
    now: datetime = NOW
    policy: Path | None = None
    desk: Path | None = None

    def ours(self, path: Path) -> bool:
        trust = Trust(from_arguments(tuple(map(str, self.anchors))))
        trust = dataclasses.replace(trust, lists=tuple(map(revocation.read, self.lists)))
        trust = dataclasses.replace(trust, beside=(self.desk,) if self.desk else ())
        try:
            trust = trust.with_policy(self.policy) if self.policy else trust
        except StateError:
            return False
        return verification.verify(path, trust, now=self.now).verified

    def theirs(self, path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
        options = [f"--trust={each}" for each in self.anchors]
        words = [word for option in options for word in option.split("=", 1)]
        words += [word for each in self.lists for word in ("--crl", str(each))]
        words += ["--policy", str(self.policy)] if self.policy else []
        words += ["--signatures", str(self.desk)] if self.desk else []
        command = [oldest_python(), "-B", str(PROGRAM), str(path), *words, "--at", str(int(self.now.timestamp()))]
        env = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", **environment}
        return subprocess.run(command, capture_output=True, text=True, check=False, env=env)


def agree(judge: Judge, path: Path, *, expected: bool, **environment: str) -> None:
    done = judge.theirs(path, **environment)
    assert "Traceback" not in done.stderr, done.stderr
    assert (judge.ours(path), done.returncode == 0) == (expected, expected), done.stdout
    assert done.stdout.startswith("VERIFIED" if expected else "NOT VERIFIED")
    assert done.returncode in (0, 3)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "root.pem"
    path.write_bytes(certificates.certificate_pem(VENDOR.root))
    return path


def delivery(folder: Path, *signers: Signer, payload: bytes = b"payload") -> Written:
    (folder / "delivery").mkdir(exist_ok=True)
    return write_bundle(folder / "delivery", payload, vendor=VENDOR, signers=signers, exports=True)


@pytest.fixture(scope="module")
def untouched_delivery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    payload = bytes(range(256)) * (CHUNK_BYTES >> 8)
    return delivery(tmp_path_factory.mktemp("sound"), VENDOR.signer(), payload=payload).path


def flipped(*offsets: int) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        with path.open("r+b") as file:
            for offset in offsets:
                file.seek(offset)
                (byte,) = file.read(1)
                file.seek(offset)
                file.write(bytes([byte ^ 1]))

    return change


def beside(suffix: str, data: bytes | None) -> Callable[[Path], None]:
    """A file beside the bundle gets other bytes, or goes."""

    def change(path: Path) -> None:
        other = path.with_name(path.name + suffix)
        if data is None:
            other.unlink()
        else:
            other.write_bytes(data)

    return change


def with_area(change: Callable[[list[Signature]], Sequence[Signature]]) -> Callable[[Path], None]:
    """The signature area of a bundle written anew, its sidecars as they were."""

    def rewrite(path: Path) -> None:
        data = path.read_bytes()
        length, area = layout.head_lengths(data[STUB_BYTES:MANIFEST_OFFSET])
        manifest = data[MANIFEST_OFFSET : MANIFEST_OFFSET + length]
        before = list(envelope.unpack(data[MANIFEST_OFFSET + length : MANIFEST_OFFSET + length + area]))
        head = layout.pack_head(manifest, envelope.pack(change(before)), base=BASE)
        path.write_bytes(data[:STUB_BYTES] + head + data[BASE:])

    return rewrite


def without(form: Form) -> Callable[[list[Signature]], Sequence[Signature]]:
    return lambda before: [signature for signature in before if signature.form is not form]


def spoilt(form: Form, at: float) -> Callable[[list[Signature]], Sequence[Signature]]:
    def change(before: list[Signature]) -> Sequence[Signature]:
        made = []
        for signature in before:
            place = int(at * len(signature.value))
            value = signature.value[:place] + bytes([signature.value[place] ^ 1]) + signature.value[place + 1 :]
            made.append(dataclasses.replace(signature, value=value) if signature.form is form else signature)
        return made

    return change


def untouched(_path: Path) -> None:
    """Nothing."""


TAMPERINGS: dict[str, tuple[Callable[[Path], None], bool]] = {
    "untouched": (untouched, True),
    "stub": (flipped(100), False),
    "magic": (flipped(STUB_BYTES), False),
    "length": (flipped(STUB_BYTES + 9), False),
    "manifest": (flipped(MANIFEST_OFFSET + 20), False),
    "padding": (flipped(BASE - 9), False),
    "archive header": (flipped(BASE + 3), False),
    "payload": (flipped(BASE + CHUNK_BYTES + 5), False),
    "cut to nothing": (lambda path: os.truncate(path, 0), False),
    "cut in the head": (lambda path: os.truncate(path, MANIFEST_OFFSET + 100), False),
    "cut in the payload": (lambda path: os.truncate(path, BASE + CHUNK_BYTES), False),
    "appended": (lambda path: path.write_bytes(path.read_bytes() + b"\n"), False),
    "a p7s beside differs": (beside(".p7s", b"x"), False),
    "a cosign signature beside differs": (beside(".cosign.sig", b"x"), False),
    "a manifest beside differs": (beside(".manifest.json", b"{}"), False),
    "a signature under another key id": (beside(".000000000000.p7s", b"x"), False),
    "a p7s beside is missing": (beside(".p7s", None), True),
    "something else beside": (beside(".txt", b"x"), True),
    "no signature": (with_area(lambda _: []), False),
    "the p7s stripped": (with_area(without(Form.CMS)), False),
    "the raw signature stripped, its file left": (with_area(without(Form.RAW)), False),
    **{f"{form} altered at {at}": (with_area(spoilt(form, at)), False) for form in Form for at in (0.02, 0.5, 0.98)},
}


@pytest.mark.parametrize(("tamper", "expected"), TAMPERINGS.values(), ids=TAMPERINGS.keys())
def test_of_what_was_touched_both_say_the_same(
    tmp_path: Path, root: Path, untouched_delivery: Path, tamper: Callable[[Path], None], expected: bool
) -> None:
    path = shutil.copytree(untouched_delivery.parent, tmp_path / "delivery") / untouched_delivery.name
    tamper(path)

    agree(Judge((root,)), path, expected=expected)


def crowded() -> Signer:
    return dataclasses.replace(VENDOR.signer(), issuers=(VENDOR.ca, Vendor.create("Other").ca))


SIGNERS: dict[str, tuple[Callable[[], list[Signer]], bool]] = {
    "another vendor's": (lambda: [Vendor.create().signer()], False),
    "another vendor's too": (lambda: [VENDOR.signer(), Vendor.create("Stranger").signer()], True),
    "no intermediate": (lambda: [dataclasses.replace(VENDOR.signer(), issuers=())], False),
    "for TLS": (lambda: [VENDOR.signer(usage=ExtendedKeyUsageOID.SERVER_AUTH)], False),
    "with certificates that lead nowhere": (lambda: [crowded()], False),
    "a name that does not print": (lambda: [VENDOR.signer("Vendor\x1b[2J")], False),
    "with an ed25519 key besides": (lambda: [VENDOR.signer(), Signer(algorithms.generate(KeyType.ED25519))], True),
    "p-256": (lambda: [dataclasses.replace(VENDOR, kind=KeyType.ECDSA_P256).signer()], True),
    "rsa": (lambda: [dataclasses.replace(VENDOR, kind=KeyType.RSA_3072).signer()], True),
}


@pytest.mark.parametrize(("signers", "expected"), SIGNERS.values(), ids=SIGNERS.keys())
def test_of_who_signed_both_say_the_same(
    tmp_path: Path, root: Path, signers: Callable[[], list[Signer]], expected: bool
) -> None:
    agree(Judge((root,)), delivery(tmp_path, *signers()).path, expected=expected)


@pytest.mark.parametrize(("days", "expected"), [(0, True), (399, True), (401, False), (-2, False)])
def test_of_dates_both_say_the_same(tmp_path: Path, root: Path, days: int, expected: bool) -> None:
    agree(Judge((root,), now=NOW + days * DAY), delivery(tmp_path, VENDOR.signer()).path, expected=expected)


def test_of_pins_both_say_the_same(tmp_path: Path) -> None:
    signer = VENDOR.signer()
    assert signer.certificate
    written = delivery(tmp_path, signer)
    (tmp_path / "signer.pub").write_bytes(certificates.public_pem(signer.key.public_key()))
    (tmp_path / "signer.pem").write_bytes(certificates.certificate_pem(signer.certificate))
    (tmp_path / "ca.pem").write_bytes(certificates.certificate_pem(VENDOR.ca))
    (tmp_path / "other.pub").write_bytes(certificates.public_pem(VENDOR.ca_key.public_key()))

    for name, expected in (("signer.pub", True), ("signer.pem", True), ("other.pub", False)):
        agree(Judge((tmp_path / name,)), written.path, expected=expected)
    agree(Judge((Path(str(signer.keyid)),)), written.path, expected=True)
    agree(Judge((tmp_path / "signer.pem",), now=NOW + 500 * DAY), written.path, expected=False)
    agree(Judge(()), written.path, expected=False)


def test_of_revocation_both_say_the_same(tmp_path: Path, root: Path) -> None:
    signer = VENDOR.signer()
    assert signer.certificate
    written = delivery(tmp_path, signer)
    lists = {
        "good": VENDOR.revocations(),
        "bad": VENDOR.revocations(signer.certificate),
        "root": VENDOR.revocations(by_root=True),
    }
    for name, each in lists.items():
        (tmp_path / name).write_bytes(each.crl.public_bytes(serialization.Encoding.PEM))

    for name, expected in (("good", True), ("bad", False)):
        agree(Judge((root,), (tmp_path / name, tmp_path / "root")), written.path, expected=expected)


ROOT, OTHER = (f"sha256:{certificates.certificate_keyid(by.root).hex}" for by in (VENDOR, CUSTOMER))
ONE = {"vendor": {"threshold": 1, "anchors": [ROOT]}}
BOTH = {**ONE, "customer": {"threshold": 1, "anchors": [OTHER]}}
TWO = {**ONE, "customer": {"threshold": 2, "anchors": [OTHER]}}
POLICIES: dict[str, tuple[dict[str, object], tuple[str, ...], bool]] = {
    "a vendor": ({"roles": ONE}, (), True),
    "any vendor": ({"roles": {"vendor": {"threshold": 1}}}, (), True),
    "a vendor of another root": ({"roles": {"vendor": {"threshold": 1, "anchors": [OTHER]}}}, (), False),
    "two vendors, one signed": ({"roles": {"vendor": {"threshold": 2, "anchors": [ROOT]}}}, (), False),
    "a customer, none signed": ({"roles": BOTH}, (), False),
    "a customer, one signed": ({"roles": BOTH}, ("customer",), True),
    "a customer, one signed as another": ({"roles": BOTH}, ("auditor",), False),
    "two customers, one signed": ({"roles": TWO}, ("customer",), False),
    "two customers, two signed": ({"roles": TWO}, ("customer", "customer"), True),
    "a kind of key": ({"roles": ONE, "algorithms": ["ecdsa-p384"]}, (), True),
    "another kind of key": ({"roles": ONE, "algorithms": ["rsa-3072", "ml-dsa-87"]}, (), False),
    "an epoch": ({"roles": ONE, "minimum_epoch": {"demo": 1}}, (), False),
    "an epoch of another product": ({"roles": ONE, "minimum_epoch": {"other": 1}}, (), True),
    "an end": ({"roles": ONE, "expires": "2026-12-01T00:00:00Z"}, (), True),
    "an end that came": ({"roles": ONE, "expires": "2026-10-01T00:00:00Z"}, (), False),
    "what concerns bundles that run": ({"roles": ONE, "self_run": "refuse", "warn_after_days": 0}, (), True),
    "several roles without anchors": ({"roles": {"vendor": {"threshold": 1}, "customer": {"threshold": 0}}}, (), False),
    "no role": ({"roles": {}}, (), False),
    "an unknown kind of key": ({"roles": ONE, "algorithms": ["dsa"]}, (), False),
    "what nobody knows": ({"roles": ONE, "moon": "full"}, (), False),
}


@pytest.mark.parametrize(("asked", "roles", "expected"), POLICIES.values(), ids=POLICIES.keys())
def test_of_a_policy_and_countersignatures_both_say_the_same(
    tmp_path: Path, root: Path, asked: dict[str, object], roles: tuple[str, ...], expected: bool
) -> None:
    path = delivery(tmp_path, VENDOR.signer()).path
    (tmp_path / "customer.pem").write_bytes(certificates.certificate_pem(CUSTOMER.root))
    (tmp_path / "policy.json").write_text(json.dumps({"format": 1, **asked}))
    for number, role in enumerate(roles):
        signing.countersign(path, CUSTOMER.signer(f"Officer {number}"), role, clock=At(), folder=tmp_path / "desk")

    judge = Judge((root, tmp_path / "customer.pem"), policy=tmp_path / "policy.json", desk=tmp_path / "desk")
    agree(judge, path, expected=expected)


@pytest.mark.parametrize(
    ("spoil", "expected"), [("nothing", True), ("its bytes", False), ("its name", False), ("its role", False)]
)
def test_of_a_file_that_calls_itself_a_countersignature_both_say_the_same(
    tmp_path: Path, root: Path, spoil: str, expected: bool
) -> None:
    path, officer = delivery(tmp_path, VENDOR.signer()).path, CUSTOMER.signer()
    signed = signing.countersign(path, officer, "customer", clock=At()).files[0]
    if spoil == "its bytes":
        flipped(signed.stat().st_size - 3)(signed)
    if spoil == "its name":
        signed.rename(signed.with_name(f"{'0' * 64}.p7s"))
    if spoil == "its role":
        manifest = path.with_name(f"{path.name}.manifest.json").read_bytes()
        signed.write_bytes(envelope.sign(manifest, [officer], At())[0].value)

    agree(Judge((root,)), path, expected=expected)


def test_what_it_does_not_judge_it_refuses_and_says_in_its_help(tmp_path: Path, root: Path) -> None:
    path = delivery(tmp_path, VENDOR.signer()).path
    for field in ({"hybrid": True}, {"max_unstamped_days": 1}, {"fail_after_days": 1000}):
        (tmp_path / "policy.json").write_text(json.dumps({"format": 1, "roles": ONE, **field}))
        done = Judge((root,), policy=tmp_path / "policy.json").theirs(path)
        assert (done.returncode, "asks for what is not judged here" in done.stdout) == (3, True), done.stdout
        assert next(iter(field)) in PROGRAM.read_text().split('"""')[1]


def test_of_a_hybrid_bundle_both_say_the_same_where_openssl_knows_ml_dsa(tmp_path: Path) -> None:
    strong = Vendor.create("Strong", kind=KeyType.ML_DSA_87)
    (tmp_path / "strong.pem").write_bytes(certificates.certificate_pem(strong.root))
    written = delivery(tmp_path, VENDOR.signer(), strong.signer())
    program = tmp_path / "openssl"
    program.write_text(f'#!/bin/sh\nexec {" ".join(stock_tools().openssl)} "$@"\n')
    program.chmod(0o755)

    agree(Judge((tmp_path / "strong.pem",)), written.path, expected=True, OPENSSL=str(program))
    with_area(spoilt(Form.RAW, 0.5))(written.path)
    agree(Judge((tmp_path / "strong.pem",)), written.path, expected=False, OPENSSL=str(program))


def test_authorities_of_the_system_certify_nobody(tmp_path: Path, root: Path) -> None:
    """OpenSSL adds them to -CAfile of its own accord: who is certified by one of them must not pass."""
    stranger = Vendor.create("Stranger")
    written = delivery(tmp_path, stranger.signer())
    system = tmp_path / "system"
    system.mkdir()
    (system / "root.pem").write_bytes(certificates.certificate_pem(stranger.root))
    subprocess.run(["openssl", "rehash", str(system)], check=True)

    agree(
        Judge((root,)), written.path, expected=False, SSL_CERT_DIR=str(system), SSL_CERT_FILE=str(system / "root.pem")
    )


def test_it_is_one_short_file_for_old_pythons_that_imports_the_standard_library_only() -> None:
    text = PROGRAM.read_text(encoding="utf-8")
    tree = ast.parse(text, feature_version=(3, 6))
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}

    assert len(text.splitlines()) <= 400
    assert imported <= sys.stdlib_module_names
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert not re.search(r"removeprefix|:=|capture_output|text=True", text)
    assert os.access(PROGRAM, os.X_OK)
