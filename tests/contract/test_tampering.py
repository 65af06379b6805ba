"""The officer's command over a delivery that somebody touched: exit 3, the part by name, and never a traceback."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support.bundles import write_bundle

from appliance.bundle.layout import CHUNK_BYTES, MANIFEST_OFFSET, STUB_BYTES
from appliance.clock import SystemClock
from appliance.trust import keys

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BASE = 2**20 - 32
NAME = "demo-1.0.0-linux-amd64.run"


@pytest.fixture(scope="module")
def delivery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a delivery, signed now, and with the vendor's root."""
    folder = tmp_path_factory.mktemp("delivery")
    made = keys.generate(folder / "keys", name="Vendor", clock=SystemClock())
    signer = keys.load_signer(folder / "keys/signer-key.pem")
    assert made.fingerprint == str(signer.keyid)
    write_bundle(folder, bytes(range(256)) * (CHUNK_BYTES >> 8), signers=[signer], exports=True, clock=SystemClock())
    return folder


@pytest.fixture
def copied(delivery: Path, tmp_path: Path) -> Path:
    return shutil.copytree(delivery, tmp_path / "delivery")


def verify(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "appliance", "verify", "-o", "json", folder / NAME, "--trust", "root.pem"]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder / "keys")


def changed(*offsets: int) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        with (folder / NAME).open("r+b") as file:
            for offset in offsets:
                file.seek(offset)
                byte = file.read(1)
                file.seek(offset)
                file.write(bytes([byte[0] ^ 1]))

    return change


def cut(size: int) -> Callable[[Path], None]:
    return lambda folder: os.truncate(folder / NAME, size)


def append(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        with (folder / name).open("ab") as file:
            file.write(b"\n")

    return change


TAMPERINGS: dict[str, tuple[Callable[[Path], None], list[str]]] = {
    "stub": (changed(100), ["the stub (bytes 0 to 65535) is not what was signed"]),
    "magic": (changed(STUB_BYTES), ["there is no manifest where a bundle has it"]),
    "manifest": (changed(MANIFEST_OFFSET + 20), ["cms signature", "raw signature"]),
    "padding": (changed(BASE - 9), ["between signatures and archive, are not zeros"]),
    "payload": (changed(BASE + CHUNK_BYTES + 5), ["chunk 1 (bytes 5242848 to "]),
    "several": (changed(7, BASE - 1, BASE), ["the stub", "are not zeros", "chunk 0 (bytes 1048544 to 5242847)"]),
    "cut to nothing": (cut(0), ["the file ends before its manifest"]),
    "cut in the head": (cut(MANIFEST_OFFSET + 100), ["the file ends within its manifest"]),
    "cut in the payload": (cut(BASE + CHUNK_BYTES), ["file is truncated: 5242848 of "]),
    "appended": (append(NAME), ["1 bytes were added behind the "]),
    "sidecar": (append(f"{NAME}.p7s"), [f"{NAME}.p7s is not what the bundle itself holds"]),
}


@pytest.mark.parametrize(("tamper", "words"), TAMPERINGS.values(), ids=TAMPERINGS.keys())
def test_a_delivery_that_was_touched_ends_with_3_and_the_part_is_named(
    copied: Path, tamper: Callable[[Path], None], words: list[str]
) -> None:
    tamper(copied)
    done = verify(copied)
    assert done.returncode == 3
    report = json.loads(done.stdout)
    assert not report["verified"]
    missing = [word for word in words if not any(word in finding for finding in report["findings"])]
    assert (missing, len(report["findings"]) >= len(words)) == ([], True), report["findings"]
    assert "Traceback" not in done.stderr


def test_the_delivery_untouched_ends_with_0(delivery: Path) -> None:
    done = verify(delivery)
    assert (done.returncode, json.loads(done.stdout)["findings"]) == (0, [])


def test_a_root_on_the_bundles_medium_is_pointed_out_and_a_fingerprint_is_not(delivery: Path) -> None:
    fingerprint = keys.show(delivery / "keys/signer.pem").fingerprint
    command = [sys.executable, "-m", "appliance", "verify", "-o", "json", NAME, "--trust"]
    for trust, said in (("keys/root.pem", True), (fingerprint, False)):
        done = subprocess.run([*command, trust], capture_output=True, text=True, check=False, cwd=delivery)
        assert done.returncode == 0, done.stderr
        assert any("lies beside the bundle" in s for s in json.loads(done.stdout)["not_verified"]) is said


def test_nothing_is_shown_as_true_or_installed_of_a_bundle_whose_front_changed(copied: Path, tmp_path: Path) -> None:
    changed(100)(copied)
    trust = ("--trust", str(copied / "keys/root.pem"))
    hosts = ("--hosts", "etcd=192.0.2.1")
    for arguments in (
        ("show", str(copied / NAME), *trust),
        ("run", str(copied / NAME), *hosts, *trust, "--yes"),
    ):
        command = [sys.executable, "-m", "appliance", "--home", tmp_path / "home", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 3, (arguments, done.stderr)
        assert "the stub (bytes 0 to 65535)" in done.stdout + done.stderr
    assert not (tmp_path / "home" / "clusters").exists()
