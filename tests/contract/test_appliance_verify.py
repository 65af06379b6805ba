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
import tempfile
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from support.bundles import write_bundle
from support.signing import DAY, NOW, At, Vendor
from support.stamping import stamp, stamper
from support.stocktools import stock_tools

from appliance import canonical
from appliance.bundle import layout
from appliance.bundle.layout import CHUNK_BYTES, MANIFEST_OFFSET, STUB_BYTES
from appliance.digest import Digest
from appliance.errors import ApplianceError
from appliance.files import write_bytes
from appliance.operations import signing, verification
from appliance.state import Home
from appliance.trust import algorithms, certificates, envelope, floors, store, upkeep
from appliance.trust.algorithms import KeyType
from appliance.trust.floors import Permit, Seen
from appliance.trust.formats import Form
from appliance.trust.keys import Signer
from appliance.trust.policy import from_arguments

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from support.bundles import Written

    from appliance.trust.algorithms import PrivateKey
    from appliance.trust.envelope import Signature
    from appliance.trust.revocation import RevocationList

PROGRAM = Path(__file__).parents[2] / "scripts" / "appliance-verify"
BASE = 2**20 - 32
VENDOR, CUSTOMER = Vendor.create(), Vendor.create("Customer")


@cache
def oldest_python() -> str:
    """The oldest Python from 3.6 on that this machine has, and that starts."""
    kept = sorted(Path.home().glob(".pyenv/versions/3.*/bin/python"), key=lambda p: int(p.parts[-3].split(".")[1]))
    named = (shutil.which(f"python3.{minor}") for minor in range(6, 30))
    found = [str(path) for path in kept if int(path.parts[-3].split(".")[1]) >= 6]
    starting = (
        it
        for it in [*found, *filter(None, named)]
        if not subprocess.run([it, "-V"], capture_output=True, check=False).returncode
    )
    return next(starting, sys.executable)


@cache
def newer_openssl() -> Path:
    """Debian trixie's OpenSSL, which knows ML-DSA, as a program."""
    program = Path(tempfile.mkdtemp(prefix="openssl-")) / "openssl"
    program.write_text(f'#!/bin/sh\nexec {" ".join(stock_tools().openssl)} "$@"\n')
    program.chmod(0o755)
    return program


@dataclasses.dataclass(frozen=True)
class Judge:
    """What both are told: whom to believe, the time, a policy, where else signatures lie, this machine's folders."""

    anchors: tuple[Path, ...]
    now: datetime = NOW
    policy: Path | None = None
    desk: Path | None = None
    site: Path = Path("/nonexistent")
    home: Path = Path("/nonexistent")

    def ours(self, path: Path) -> tuple[int, str]:
        """The exit code of `verify`, and its first words, which are none where it cannot judge."""
        try:
            trust = store.load_store(self.site).with_anchors(from_arguments(tuple(map(str, self.anchors))))
            trust = dataclasses.replace(trust, floors=floors.load(Home.at(self.home).floors))
            trust = dataclasses.replace(trust, beside=(self.desk,) if self.desk else ())
            trust = trust.with_policy(self.policy) if self.policy else trust
            verified = verification.verify(path, trust, now=self.now).verified
        except ApplianceError as error:
            return error.exit_code, ""
        return (0, "VERIFIED") if verified else (3, "NOT VERIFIED")

    def theirs(self, path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
        words = [word for each in self.anchors for word in ("--trust", str(each))]
        words += ["--policy", str(self.policy)] if self.policy else []
        words += ["--signatures", str(self.desk)] if self.desk else []
        words += ["--site", str(self.site), "--home", str(self.home), "--at", str(int(self.now.timestamp()))]
        command = [oldest_python(), "-B", str(PROGRAM), str(path), *words]
        env = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", **environment}
        return subprocess.run(command, capture_output=True, text=True, check=False, env=env)


def agree(judge: Judge, path: Path, *, expected: bool, code: int = 3, **environment: str) -> None:
    """Both say `expected`, by the same exit code and words; `code` is that of a refusal."""
    done = judge.theirs(path, **environment)
    assert done.stderr == ""
    assert done.stdout.split("  ")[0] == ("VERIFIED" if expected else "NOT VERIFIED"), done.stdout
    ours, words = judge.ours(path)
    assert (ours, done.returncode) == (0 if expected else code,) * 2, done.stdout
    assert words in ("", done.stdout.split("  ")[0])


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
    "nobody": (list, False),
}


@pytest.mark.parametrize(("signers", "expected"), SIGNERS.values(), ids=SIGNERS.keys())
def test_of_who_signed_both_say_the_same(
    tmp_path: Path, root: Path, signers: Callable[[], list[Signer]], expected: bool
) -> None:
    by = signers()
    path = write_bundle(tmp_path, b"payload", vendor=VENDOR, signers=by, exports=True, unsigned=not by).path
    agree(Judge((root,)), path, expected=expected)


@pytest.mark.parametrize("kind", [kind for kind in KeyType if kind.certifiable])
def test_of_every_kind_of_key_and_form_both_say_the_same(tmp_path: Path, root: Path, kind: KeyType) -> None:
    """Each is good; each form of it is refused alone when it is altered, or made over something else."""
    signer = dataclasses.replace(VENDOR, kind=kind).signer()
    written = delivery(tmp_path, signer)
    whole, environment = written.path.read_bytes(), {"OPENSSL": str(newer_openssl())} if kind.post_quantum else {}
    agree(Judge((root,)), written.path, expected=True, **environment)
    for form in envelope.forms_of(signer):
        for change in (spoilt(form, 0.7), instead(form, written.manifest + b" ", signer)):
            with_area(change)(written.path)
            agree(Judge((root,)), written.path, expected=False, **environment)
            written.path.write_bytes(whole)


def instead(form: Form, data: bytes, signer: Signer) -> Callable[[list[Signature]], Sequence[Signature]]:
    """One form exchanged for the same by the same key over something else."""
    other = {signature.form: signature for signature in envelope.sign(data, [signer], At())}
    return lambda before: [other[form] if signature.form is form else signature for signature in before]


@pytest.mark.parametrize("form", [Form.COSIGN, Form.RAW, Form.SSHSIG])
def test_of_an_ed25519_key_besides_both_say_the_same_of_what_was_altered(
    tmp_path: Path, root: Path, form: Form
) -> None:
    second = Signer(algorithms.generate(KeyType.ED25519))
    written = delivery(tmp_path, VENDOR.signer(), second)
    agree(Judge((root, Path(str(second.keyid)))), written.path, expected=True)

    def changed(before: list[Signature]) -> Sequence[Signature]:
        mine = [each for each in spoilt(form, 0.7)(before) if each.keyid == second.keyid]
        return [*(each for each in before if each.keyid != second.keyid), *mine]

    with_area(changed)(written.path)
    agree(Judge((root,)), written.path, expected=False)


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


def saved(folder: Path, *lists: RevocationList) -> Path:
    """Lists in a folder, in PEM and DER in turn."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, each in enumerate(lists):
        form = (serialization.Encoding.PEM, serialization.Encoding.DER)[number % 2]
        (folder / f"{number}.crl").write_bytes(each.crl.public_bytes(form))
    return folder


def lists_of(signer: Signer) -> dict[str, tuple[tuple[RevocationList, ...], bool]]:
    leaf, stranger = signer.certificate, Vendor.create("Vendor")
    assert leaf is not None
    return {
        "nobody revoked": ((VENDOR.revocations(), VENDOR.revocations(by_root=True)), True),
        "one list missing": ((VENDOR.revocations(),), True),
        "another revoked": ((VENDOR.revocations(VENDOR.signer().certificate or leaf),), True),
        "revoked": ((VENDOR.revocations(by_root=True), VENDOR.revocations(leaf)), False),
        "revoked, by an expired list": ((VENDOR.revocations(leaf, until=NOW - DAY),), False),
        "revoked by somebody else": ((stranger.revocations(leaf), stranger.revocations(leaf, by_root=True)), True),
        "the issuer revoked": ((VENDOR.revocations(VENDOR.ca, by_root=True),), False),
    }


def test_of_revocation_lists_both_say_the_same_in_the_store_and_on_the_medium(tmp_path: Path, root: Path) -> None:
    signer = VENDOR.signer()
    written = delivery(tmp_path, signer)
    for name, (lists, expected) in lists_of(signer).items():
        saved(tmp_path / name / "lists", *lists)
        agree(Judge((root,), site=tmp_path / name), written.path, expected=expected)
        agree(Judge((root,), desk=tmp_path / name / "lists"), written.path, expected=expected)
    (written.path.parent / "x.crl").write_bytes(b"\x30garbage")
    agree(Judge((root,)), written.path, expected=True)


@pytest.mark.parametrize("who", ["signer", "ca", "root", "nobody"])
def test_of_keys_revoked_here_both_say_the_same(tmp_path: Path, root: Path, who: str) -> None:
    signer = VENDOR.signer()
    keyids = {"signer": signer.keyid, "nobody": Vendor.create().signer().keyid}
    keyids |= {name: certificates.certificate_keyid(c) for name, c in (("ca", VENDOR.ca), ("root", VENDOR.root))}
    upkeep.revoke_key(str(keyids[who]), now=NOW, folder=tmp_path / "site")

    judge = Judge((root,), site=tmp_path / "site")
    agree(judge, delivery(tmp_path, signer).path, expected=who == "nobody")


def test_of_the_sites_own_store_both_say_the_same(tmp_path: Path, root: Path) -> None:
    signer, site = VENDOR.signer(), tmp_path / "site"
    path = delivery(tmp_path, signer).path
    agree(Judge((), site=site), path, expected=False)
    store.add(root, folder=site)
    agree(Judge((), site=site), path, expected=True)
    (tmp_path / "policy.json").write_text(json.dumps({"format": 1, "roles": {"vendor": {"threshold": 2}}}))
    shutil.copy(tmp_path / "policy.json", site)
    agree(Judge((), site=site), path, expected=False)
    agree(Judge((), site=site, policy=tmp_path / "policy.json"), path, expected=False, code=2)
    agree(Judge((tmp_path / "nowhere",)), path, expected=False, code=2)
    (site / "policy.json").unlink()
    (site / "old-policy.json").write_text("no policy at all")
    agree(Judge((), site=site), path, expected=True)
    assert signer.certificate is not None
    for folder, certificate in (("roots", signer.certificate), ("keys", VENDOR.ca)):
        (site / folder).mkdir(exist_ok=True)
        (site / folder / "x.pem").write_bytes(certificates.certificate_pem(certificate))
        agree(Judge((), site=site), path, expected=False, code=8)
        (site / folder / "x.pem").unlink()
    agree(Judge((), site=site), path, expected=True)
    (site / "roots").chmod(0o777)
    agree(Judge((), site=site), path, expected=False, code=8)


ROOT, OTHER = (f"sha256:{certificates.certificate_keyid(by.root).hex}" for by in (VENDOR, CUSTOMER))
ONE = {"vendor": {"threshold": 1, "anchors": [ROOT]}}
BOTH = {**ONE, "customer": {"threshold": 1, "anchors": [OTHER]}}
TWO = {**ONE, "customer": {"threshold": 2, "anchors": [OTHER]}}
POLICIES: dict[str, tuple[dict[str, object], tuple[str, ...], bool | int]] = {
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
    "hybrid, by none": ({"roles": ONE, "hybrid": True}, (), False),
    "old, and it may be": ({"roles": ONE, "fail_after_days": 0}, (), True),
    "several roles without anchors": ({"roles": {"vendor": {"threshold": 1}, "customer": {"threshold": 1}}}, (), 8),
    "a threshold of nobody": ({"roles": {"vendor": {"threshold": 0}}}, (), 8),
    "a threshold in words": ({"roles": {"vendor": {"threshold": "1"}}}, (), 8),
    "no anchor": ({"roles": {"vendor": {"threshold": 1, "anchors": []}}}, (), 8),
    "what is no anchor": ({"roles": {"vendor": {"threshold": 1, "anchors": ["root.pem"]}}}, (), 8),
    "what is no role": ({"roles": {"Vendor": {"threshold": 1}}}, (), 8),
    "a role of another shape": ({"roles": {"vendor": 1}}, (), 8),
    "no role": ({"roles": {}}, (), 8),
    "no roles": ({}, (), 8),
    "an unknown kind of key": ({"roles": ONE, "algorithms": ["dsa", "ecdsa-p384"]}, (), 8),
    "no kind of key": ({"roles": ONE, "algorithms": []}, (), 8),
    "what nobody knows": ({"roles": ONE, "moon": "full"}, (), 8),
    "half a truth": ({"roles": ONE, "hybrid": 1}, (), 8),
    "days in words": ({"roles": ONE, "max_unstamped_days": "30"}, (), 8),
    "days that are none": ({"roles": ONE, "fail_after_days": -1}, (), 8),
    "an end of no zone": ({"roles": ONE, "expires": "2027-12-01T00:00:00"}, (), 8),
    "an end of another zone": ({"roles": ONE, "expires": "2026-11-01T13:00:01+01:00"}, (), True),
    "an end of another zone that came": ({"roles": ONE, "expires": "2026-11-01T07:59:59-04:00"}, (), False),
    "an epoch in words": ({"roles": ONE, "minimum_epoch": {"demo": "1"}}, (), 8),
    "perhaps": ({"roles": ONE, "self_run": "perhaps"}, (), 8),
    "a newer format": ({"format": 2, "roles": ONE}, (), 8),
}


@pytest.mark.parametrize(("asked", "roles", "expected"), POLICIES.values(), ids=POLICIES.keys())
def test_of_a_policy_and_countersignatures_both_say_the_same(
    tmp_path: Path, root: Path, asked: dict[str, object], roles: tuple[str, ...], expected: bool | int
) -> None:
    path = delivery(tmp_path, VENDOR.signer()).path
    (tmp_path / "customer.pem").write_bytes(certificates.certificate_pem(CUSTOMER.root))
    (tmp_path / "policy.json").write_text(json.dumps({"format": 1, **asked}))
    for number, role in enumerate(roles):
        signing.countersign(path, CUSTOMER.signer(f"Officer {number}"), role, clock=At(), folder=tmp_path / "desk")

    judge = Judge((root, tmp_path / "customer.pem"), policy=tmp_path / "policy.json", desk=tmp_path / "desk")
    agree(judge, path, expected=expected is True, code=3 if expected is False else int(expected))


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


def test_of_a_policy_that_asks_for_ml_dsa_too_both_say_the_same_where_openssl_knows_it(tmp_path: Path) -> None:
    strong = Vendor.create("Strong", kind=KeyType.ML_DSA_87)
    roots = (tmp_path / "root.pem", tmp_path / "strong.pem")
    for path, vendor in zip(roots, (VENDOR, strong), strict=True):
        path.write_bytes(certificates.certificate_pem(vendor.root))
    (tmp_path / "policy.json").write_text('{"format": 1, "hybrid": true, "roles": {"vendor": {"threshold": 1}}}')
    written, environment = delivery(tmp_path, VENDOR.signer(), strong.signer()), {"OPENSSL": str(newer_openssl())}

    hybrid = Judge(roots, policy=tmp_path / "policy.json")
    agree(hybrid, written.path, expected=True, **environment)
    agree(dataclasses.replace(hybrid, anchors=roots[:1]), written.path, expected=False, **environment)
    agree(dataclasses.replace(hybrid, anchors=roots[1:]), written.path, expected=False, **environment)
    assert "ML-DSA: 3.5" in hybrid.theirs(written.path, OPENSSL="/usr/bin/openssl").stdout
    with_area(spoilt(Form.RAW, 0.5))(written.path)
    agree(hybrid, written.path, expected=False, **environment)


EXCUSES: dict[str, tuple[dict[str, object], int, bool]] = {
    "nothing": ({}, 405, False),
    "some days": ({"max_unstamped_days": 10}, 405, True),
    "some days, which are over": ({"max_unstamped_days": 10}, 411, False),
    "some days, and an issuer expired, too": ({"max_unstamped_days": 3000}, 1830, False),
    "nothing, before it is needed": ({"max_unstamped_days": 10}, -2, False),
    "an age that is allowed": ({"fail_after_days": 100}, 100, True),
    "an age that is not allowed": ({"fail_after_days": 100}, 101, False),
}


@pytest.mark.parametrize(("asked", "days", "expected"), EXCUSES.values(), ids=EXCUSES.keys())
def test_of_what_the_policy_says_of_age_both_say_the_same(
    tmp_path: Path, root: Path, asked: dict[str, object], days: int, expected: bool
) -> None:
    (tmp_path / "policy.json").write_text(json.dumps({"format": 1, "roles": ONE, **asked}))
    judge = Judge((root,), policy=tmp_path / "policy.json", now=NOW + days * DAY)
    agree(judge, delivery(tmp_path, VENDOR.signer()).path, expected=expected)


def test_of_time_stamps_both_say_the_same(tmp_path: Path) -> None:
    now, vendor, site = datetime.now(UTC), Vendor.create(), tmp_path / "site"
    signer = vendor.signer(starts=now - DAY, ends=now + 30 * DAY)
    (tmp_path / "delivery").mkdir()
    made = write_bundle(tmp_path / "delivery", b"x", vendor=vendor, signers=[signer], exports=True, clock=At(now))
    (tmp_path / "root.pem").write_bytes(certificates.certificate_pem(vendor.root))
    stamper(tmp_path)
    late = Judge((tmp_path / "root.pem",), site=site, now=now + 60 * DAY)
    p7s = made.path.with_name(f"{made.path.name}.p7s")
    agree(late, made.path, expected=False)
    token = stamp(tmp_path, p7s)
    agree(late, made.path, expected=False)  # nobody here believes the stamper

    store.add_stamper(tmp_path / "tsa-root.pem", folder=site)
    agree(late, made.path, expected=True)
    agree(dataclasses.replace(late, now=NOW + 1810 * DAY), made.path, expected=False)  # the stamper expired, too
    good = token.read_bytes()
    token.write_bytes(good[:-9] + bytes([good[-9] ^ 1]) + good[-8:])
    agree(late, made.path, expected=False)
    (tmp_path / "other").write_bytes(b"other")
    stamp(tmp_path, tmp_path / "other").replace(token)
    agree(late, made.path, expected=False)
    token.unlink()
    (tmp_path / "desk").mkdir()
    (tmp_path / "desk" / token.name).write_bytes(good)
    agree(dataclasses.replace(late, desk=tmp_path / "desk"), made.path, expected=True)


def test_of_what_was_installed_before_and_of_permits_both_say_the_same(tmp_path: Path, root: Path) -> None:
    path, home = delivery(tmp_path, VENDOR.signer()).path, tmp_path / "home"
    (tmp_path / "customer.pem").write_bytes(certificates.certificate_pem(CUSTOMER.root))
    (tmp_path / "policy.json").write_text(json.dumps({"format": 1, "roles": BOTH}))
    signing.countersign(path, CUSTOMER.signer(), "customer", clock=At())
    judge = Judge((root, tmp_path / "customer.pem"), policy=tmp_path / "policy.json", home=home)
    newer, older = Digest.of(b"newer image"), Digest.of(b'{"schemaVersion":2}')
    for product, epoch, by in (("other", 9, ROOT), ("demo", 0, ROOT), ("demo", 9, OTHER)):
        floors.keep(home / floors.NAME, Seen(product, epoch, newer, frozenset({Digest.parse(by)})))
    agree(judge, path, expected=True)
    floors.keep(home / floors.NAME, Seen("demo", 7, newer, frozenset({Digest.parse(ROOT)})))
    agree(judge, path, expected=False)

    permit = path.with_name(f"{path.name}.permit.json")
    write_bytes(permit, Permit("demo", newer, older).to_bytes())
    signing.countersign(permit, VENDOR.signer(), "vendor", clock=At())
    agree(judge, path, expected=False)  # the customer has not agreed
    signing.countersign(permit, CUSTOMER.signer(), "customer", clock=At())
    agree(judge, path, expected=True)
    floors.keep(home / floors.NAME, Seen("demo", 8, Digest.of(b"newest"), frozenset({Digest.parse(ROOT)})))
    agree(judge, path, expected=False)  # it allows another step
    (home / floors.NAME).write_bytes(b"{}")
    agree(judge, path, expected=False, code=8)


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


@pytest.mark.parametrize("name", ["lists/site.crl", "lists/half.crl", "revoked/somebody.json"])
def test_what_cannot_be_read_in_the_sites_own_store_is_no_verdict(tmp_path: Path, root: Path, name: str) -> None:
    signer, spoilt_file = VENDOR.signer(), tmp_path / "site" / name
    assert signer.certificate is not None
    listed = VENDOR.revocations(signer.certificate).crl.public_bytes(serialization.Encoding.PEM)
    spoilt_file.parent.mkdir(parents=True)
    spoilt_file.write_bytes(listed[:-60] if "half" in name else b"garbage")
    path, judge = delivery(tmp_path, signer).path, Judge((root,), site=tmp_path / "site")

    assert judge.theirs(path).returncode == 8
    with pytest.raises((ApplianceError, ValueError)):
        store.load_store(judge.site)


def test_of_all_five_kinds_named_and_an_issuer_of_none_of_them_both_say_the_same(tmp_path: Path) -> None:
    weak = ec.generate_private_key(ec.SECP521R1())
    vendor, judge = rooted(tmp_path, weak)
    path = delivery(tmp_path, vendor.signer()).path
    agree(judge, path, expected=True)
    (tmp_path / "policy.json").write_text(
        json.dumps({"format": 1, "roles": {"vendor": {"threshold": 1}}, "algorithms": list(KeyType)})
    )
    agree(dataclasses.replace(judge, policy=tmp_path / "policy.json"), path, expected=False)


def test_of_an_issuer_with_an_ed25519_key_both_say_the_same(tmp_path: Path) -> None:
    vendor, judge = rooted(tmp_path, algorithms.generate(KeyType.ED25519))
    agree(judge, delivery(tmp_path, vendor.signer()).path, expected=False)


def rooted(folder: Path, key: PrivateKey) -> tuple[Vendor, Judge]:
    """A vendor whose root has this key, and who believes it."""
    name = certificates.subject("Odd root")
    dates = {"not_before": NOW - DAY, "not_after": NOW + 900 * DAY}
    root = certificates.certify(name, key.public_key(), issuer=name, issuer_key=key, path_length=1, **dates)
    issued = certificates.certify(
        VENDOR.ca.subject, VENDOR.ca_key.public_key(), issuer=name, issuer_key=key, path_length=0, **dates
    )
    (folder / "odd.pem").write_bytes(certificates.certificate_pem(root))
    return dataclasses.replace(VENDOR, root=root, ca=issued), Judge((folder / "odd.pem",))


def test_a_name_that_the_terminal_cannot_write_is_no_traceback(tmp_path: Path, root: Path) -> None:
    path = delivery(tmp_path, VENDOR.signer("M\u00fcller")).path
    agree(Judge((root,)), path, expected=True, LANG="C", PYTHONIOENCODING="ascii")


def test_of_a_manifest_critical_of_what_nobody_knows_both_say_the_same(tmp_path: Path, root: Path) -> None:
    path, signer = delivery(tmp_path, VENDOR.signer()).path, VENDOR.signer()
    data = path.read_bytes()
    length, _ = layout.head_lengths(data[STUB_BYTES:MANIFEST_OFFSET])
    document = json.loads(data[MANIFEST_OFFSET : MANIFEST_OFFSET + length])
    for more, expected in (({}, True), ({"foo": 1}, True), ({"foo": 1, "critical": ["foo"]}, False)):
        manifest = canonical.dumps({**document, **more})
        head = layout.pack_head(manifest, envelope.pack(envelope.sign(manifest, [signer], At())), base=BASE)
        (tmp_path / "again.run").write_bytes(data[:STUB_BYTES] + head + data[BASE:])
        ours, _ = Judge((root,)).ours(tmp_path / "again.run")
        theirs = Judge((root,)).theirs(tmp_path / "again.run")
        assert [theirs.returncode == 0, ours == 0] == [expected] * 2, theirs.stdout


def test_of_a_certificate_signed_over_sha1_both_say_the_same(tmp_path: Path) -> None:
    subprocess.run(["openssl", "genrsa", "-out", "root.key", "3072"], cwd=tmp_path, check=True, capture_output=True)
    (tmp_path / "ca.cnf").write_text(
        "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n"
        "authorityKeyIdentifier=keyid\n"
    )
    key = serialization.load_pem_private_key((tmp_path / "root.key").read_bytes(), password=None)
    assert isinstance(key, rsa.RSAPrivateKey)
    vendor, judge = rooted(tmp_path, key)
    (tmp_path / "ca.key").write_bytes(certificates.private_pem(VENDOR.ca_key))
    request = ["openssl", "req", "-new", "-key", "ca.key", "-utf8", "-subj", "/CN=Vendor CA", "-out", "ca.csr"]
    subprocess.run(request, cwd=tmp_path, check=True, capture_output=True)
    for digest, expected in (("sha384", True), ("sha1", False)):
        command = (
            f"openssl x509 -req -in ca.csr -CA odd.pem -CAkey root.key -{digest} -days 900"
            " -set_serial 7 -extfile ca.cnf -out made.pem"
        )
        subprocess.run(command.split(), cwd=tmp_path, check=True, capture_output=True)
        (made,) = certificates.read_certificates((tmp_path / "made.pem").read_bytes())
        now, signer = max(NOW, made.not_valid_before_utc), dataclasses.replace(vendor, ca=made).signer()
        (tmp_path / digest).mkdir()
        path = write_bundle(tmp_path / digest, b"x", vendor=VENDOR, signers=[signer], exports=True, clock=At(now)).path
        agree(dataclasses.replace(judge, now=now), path, expected=expected)


def test_it_is_one_short_file_for_old_pythons_that_imports_the_standard_library_only() -> None:
    text = PROGRAM.read_text(encoding="utf-8")
    tree = ast.parse(text, feature_version=(3, 6))
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}

    assert len(text.splitlines()) <= 400
    assert max(map(len, text.splitlines())) <= 120
    assert imported <= sys.stdlib_module_names
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert not re.search(r"removeprefix|:=|capture_output|text=True", text)
    assert os.access(PROGRAM, os.X_OK)
