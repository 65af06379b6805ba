"""The security officer's manual: its commands with stock tools, as written, on sound and on tampered deliveries."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization
from support.bundles import write_bundle
from support.signing import At, Vendor
from support.stocktools import stock_tools

from appliance.bundle import sidecars
from appliance.clock import SystemClock
from appliance.digest import Digest
from appliance.trust import certificates, envelope
from appliance.trust.formats import Form

if TYPE_CHECKING:
    from collections.abc import Callable

MANUAL = Path(__file__).parents[2] / "docs" / "security-officer.md"
NAMED = "etcd-cluster-1.0.0-linux-amd64"
NAME = "demo-1.0.0-linux-amd64"


def commands() -> list[str]:
    """What stands after ``$`` in the section on stock tools and in the one on the file of its own."""
    text = MANUAL.read_text(encoding="utf-8")
    section = text[text.index("## Verify with stock tools alone") : text.index("## Verify with appliance\n")]
    blocks = re.findall(r"```\n(.*?)```", section, re.DOTALL)
    return [line[2:].replace(NAMED, NAME) for block in blocks for line in block.splitlines() if line.startswith("$ ")]


@dataclass(frozen=True)
class Desk:
    """A folder with a delivery, the vendor's root and lists, and the programs that the manual names."""

    folder: Path

    def follow(self) -> list[str]:
        """Every command in turn, in one shell; those that did not succeed."""
        script = ["set -o pipefail"]
        script += [
            f"{{ {command}; }} >/dev/null 2>&1 || echo FAILED {number}" for number, command in enumerate(commands())
        ]
        tools = stock_tools()
        functions = f'cosign() {{ HOME=/nonexistent {" ".join(tools.cosign)} "$@"; }}\n'
        path = f"PATH={MANUAL.parents[1] / 'scripts'}:$PATH\n"
        text = path + functions + "\n".join(script)
        done = subprocess.run(["bash", "-c", text], cwd=self.folder, capture_output=True, text=True, check=True)
        failed = [int(line.split()[1]) for line in done.stdout.splitlines()]
        return [commands()[number] for number in failed]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound")
    vendor, clock = Vendor.create(), At(SystemClock().now())
    signer = vendor.signer(ends=clock.moment.replace(year=clock.moment.year + 1))
    written = write_bundle(folder, b"payload", vendor=vendor, signers=[signer], exports=True, clock=clock)
    manifest = sidecars.MANIFEST_SUFFIX
    listed = [(name, Digest.of((folder / name).read_bytes())) for name in (f"{NAME}.run", f"{NAME}.run{manifest}")]
    (folder / "other.run").write_bytes(b"another delivery")
    (folder / "other").mkdir()
    others = [("other.run", Digest.of(b"another delivery"))]
    for place, named in ((folder, listed), (folder / "other", others)):
        sums = sidecars.Sidecar(sidecars.sums_name(written.path.name), sidecars.sums(named))
        over = [s for s in envelope.sign(sums.data, [signer], clock) if s.form is Form.CMS]
        for sidecar in (sums, *sidecars.detached(sums.name, over)):
            (place / sidecar.name).write_bytes(sidecar.data)
    (folder / "root.pem").write_bytes(certificates.certificate_pem(vendor.root))
    for name, each in (("root", vendor.revocations(by_root=True)), ("release-ca", vendor.revocations())):
        (folder / f"{name}.crl").write_bytes(each.crl.public_bytes(serialization.Encoding.PEM))
    return folder


def test_on_a_sound_delivery_every_command_succeeds(sound: Path, tmp_path: Path) -> None:
    desk = Desk(shutil.copytree(sound, tmp_path / "desk"))

    assert len(commands()) >= 12
    assert desk.follow() == []


def replaced(name: str, change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    return lambda folder: Path(folder / name).write_bytes(change((folder / name).read_bytes())) and None


def flipped(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


def resigned_by_a_stranger(folder: Path) -> None:
    """Somebody replaced all that is signed, and signed it with certificates of his own of the same names."""
    stranger, clock = Vendor.create(), At(SystemClock().now())
    sums = (folder / f"{NAME}.SHA256SUMS").read_bytes()
    for signature in envelope.sign(sums, [stranger.signer()], clock):
        if signature.form is Form.CMS:
            (folder / f"{NAME}.SHA256SUMS.p7s").write_bytes(signature.value)


def vouched_for_by_the_list_of_another_delivery(folder: Path) -> None:
    for path in (folder / "other").iterdir():
        shutil.copy(path, folder)
    (folder / f"{NAME}.run").write_bytes(b"#!/bin/sh\n")


@pytest.mark.parametrize(
    ("tamper", "said"),
    [
        (replaced(f"{NAME}.run", flipped), ["sha256sum -c", "appliance-verify"]),
        (replaced(f"{NAME}.SHA256SUMS", lambda data: data.replace(b"a", b"b")), ["openssl cms", "sha256sum -c"]),
        (replaced(f"{NAME}.SHA256SUMS.p7s", flipped), ["openssl cms"]),
        (replaced(f"{NAME}.run.manifest.json", flipped), ["sha256sum -c", "openssl dgst", "ssh-keygen", "cosign"]),
        (replaced(f"{NAME}.run.sshsig", lambda data: data.replace(b"AAAA", b"AAAB", 1)), ["ssh-keygen -Y verify"]),
        (resigned_by_a_stranger, ["openssl cms"]),
        (lambda folder: (folder / f"{NAME}.SHA256SUMS.p7s").unlink(), ["openssl cms"]),
        (vouched_for_by_the_list_of_another_delivery, ["grep", "appliance-verify"]),
    ],
    ids=["bundle", "sums", "their signature", "manifest", "sshsig", "a stranger's", "stripped", "another list"],
)
def test_on_a_tampered_delivery_the_right_commands_fail(
    sound: Path, tmp_path: Path, tamper: Callable[[Path], None], said: list[str]
) -> None:
    desk = Desk(shutil.copytree(sound, tmp_path / "desk"))
    tamper(desk.folder)
    failed = desk.follow()

    missing = [words for words in said if not any(words in command for command in failed)]
    assert (missing, bool(failed)) == ([], True), failed


def test_without_the_first_command_an_authority_of_the_system_would_count(sound: Path, tmp_path: Path) -> None:
    """Why the manual begins with it."""
    desk = shutil.copytree(sound, tmp_path / "desk")
    stranger, clock = Vendor.create("Stranger"), At(SystemClock().now())
    sums = (desk / f"{NAME}.SHA256SUMS").read_bytes()
    by = stranger.signer(ends=clock.moment.replace(year=clock.moment.year + 1))
    (desk / f"{NAME}.SHA256SUMS.p7s").write_bytes(envelope.sign(sums, [by], clock)[0].value)
    (desk / "system").mkdir()
    (desk / "system/root.pem").write_bytes(certificates.certificate_pem(stranger.root))
    subprocess.run(["openssl", "rehash", desk / "system"], check=True)
    (line,) = [c for c in commands() if c.endswith("-purpose any -out /dev/null") and "crl" not in c]
    first = commands()[0]

    for before, good in ((f"export SSL_CERT_DIR={desk}/system", True), (first, False)):
        done = subprocess.run(["bash", "-c", f"{before}\nF={NAME}\n{line}"], cwd=desk, capture_output=True, check=False)
        assert (done.returncode == 0) is good
