"""A file beside a bundle that is not what the bundle holds: the stock tool that reads it refuses it, and so do we."""

from __future__ import annotations

import dataclasses
import subprocess
from typing import TYPE_CHECKING

import pytest
from support.bundles import write_bundle
from support.signing import NOW, At, Vendor
from support.stocktools import stock_tools

from appliance.operations import verification
from appliance.trust import algorithms, certificates, envelope
from appliance.trust.algorithms import KeyType
from appliance.trust.formats import Form

if TYPE_CHECKING:
    from pathlib import Path

    from support.bundles import Written

    from appliance.trust.keys import Signer

VENDORS = {kind: Vendor.create(kind=kind) for kind in (KeyType.ECDSA_P384, KeyType.ML_DSA_87)}
FORMS = [(KeyType.ECDSA_P384, form) for form in Form] + [(KeyType.ML_DSA_87, form) for form in (Form.CMS, Form.RAW)]


def stock_tool_accepts(written: Written, form: Form, signer: Signer) -> bool:
    """What the tool of the manual says of the file beside the bundle, over the manifest beside it."""
    folder, tools, strong = written.path.parent, stock_tools(), signer.type.post_quantum
    name, openssl = written.path.name, tools.openssl if strong else ["openssl"]
    (folder / "root.pem").write_bytes(certificates.certificate_pem(VENDORS[signer.type].root))
    (folder / "signer.pub").write_bytes(certificates.public_pem(signer.key.public_key()))
    x, content = f"{name}{form.suffix}", f"{name}.manifest.json"
    match form:
        case Form.CMS:
            purpose = f"-CAfile root.pem -purpose any -attime {int(NOW.timestamp())}"
            words = f"cms -verify -binary -inform DER -in {x} -content {content} {purpose} -out out"
            return tools.accepts([*openssl, *words.split()], folder)
        case Form.RAW:
            whole = f"pkeyutl -verify -rawin -pubin -inkey signer.pub -in {content} -sigfile {x}"
            words = whole if strong else f"dgst -sha384 -verify signer.pub -signature {x} {content}"
            return tools.accepts([*openssl, *words.split()], folder)
        case Form.COSIGN:
            words = f"verify-blob --key signer.pub --signature {x} --insecure-ignore-tlog {content}"
            return tools.accepts([*tools.cosign, *words.split()], folder)
        case Form.SSHSIG:
            line = subprocess.check_output(["ssh-keygen", "-i", "-m", "PKCS8", "-f", "signer.pub"], cwd=folder)
            (folder / "allowed").write_bytes(b"vendor " + line)
            words = f"ssh-keygen -Y verify -f allowed -I vendor -n appliance-bundle -s {x}"
            data = (folder / content).read_bytes()
            done = subprocess.run(words.split(), cwd=folder, input=data, capture_output=True, check=False)
            return done.returncode == 0


@pytest.mark.parametrize(("kind", "form"), FORMS, ids=str)
def test_a_sidecar_that_differs_is_refused_by_its_stock_tool_and_by_ours(
    tmp_path: Path, kind: KeyType, form: Form
) -> None:
    vendor = VENDORS[kind]
    signer = vendor.signer()
    written = write_bundle(tmp_path, b"payload", vendor=vendor, signers=[signer], exports=True)
    beside = tmp_path / f"{written.path.name}{form.suffix}"
    good, middle = beside.read_bytes(), len(beside.read_bytes()) // 2

    def both() -> tuple[bool, bool]:
        ours = verification.verify(written.path, vendor.trust(), now=NOW)
        named = any(finding.startswith(beside.name) for finding in ours.findings)
        assert named is not ours.verified
        return ours.verified, stock_tool_accepts(written, form, signer)

    def made(by: Signer, data: bytes) -> bytes:
        return next(each.value for each in envelope.sign(data, [by], At()) if each.form is form)

    impostor = dataclasses.replace(signer, key=algorithms.generate(kind))
    spoilt = {
        "altered": good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1 :],
        "over other content": made(signer, written.manifest + b"\n"),
        "by another key": made(impostor, written.manifest),
        "cut short": good[:-20],
        "emptied": b"",
    }
    assert both() == (True, True)
    for name, data in spoilt.items():
        beside.write_bytes(data)
        assert both() == (False, False), name
    beside.write_bytes(good)
    (tmp_path / f"{written.path.name}.manifest.json").write_bytes(written.manifest + b"\n")
    assert stock_tool_accepts(written, form, signer) is False
    assert not verification.verify(written.path, vendor.trust(), now=NOW).verified
