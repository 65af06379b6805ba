"""Two packagers, who share nothing but the recipe's content, make the same image and bundle, and both sign it."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from support.travelling import user_cache

from appliance.bundle.layout import HEAD_BYTES, MANIFEST_OFFSET, STUB_BYTES, head_lengths, pack_head
from appliance.bundle.manifestjson import from_bytes
from appliance.trust import envelope

if TYPE_CHECKING:
    from pathlib import Path

CONTENT = {
    "Kubefile": """\
FROM scratch
LABEL b=2 a=1
ENV PATH=/bin
COPY program bin/program
COPY etc etc
ADD more.tar.gz opt/
RUN mkdir -p "$ROOTFS/made/Z" "$ROOTFS/made/a" && cp "$ROOTFS/etc/İı.conf" "$ROOTFS/made/a/ß" && \\
    sort "$ROOTFS/etc/words" > "$ROOTFS/made/sorted" && ln -s ../etc/words "$ROOTFS/made/link"
RUN rm "$ROOTFS/etc/gone" && touch "$ROOTFS/etc/words"
ARG PLACE
RUN <<EOF
cp "$ROOTFS/bin/program" "$ROOTFS/bin/another"
EOF
""",
    "bundle.yaml": "apiVersion: appliance/v1\nkind: Bundle\nname: demo\nversion: 1.0.0\nruntime: systemd\n",
    "program": "#!/bin/sh\nexec true\n",
    "etc/İı.conf": "one = 1\n",
    "etc/a.conf": "two = 2\n",
    "etc/B.conf": "",
    "etc/gone": "gone\n",
    "etc/words": "zebra\nÄpfel\napple\nZoo\ni\nI\n",
    "etc/deep/er/file": "x" * 100_000,
    "etc/root/var/lib/dpkg/status": "Package: İı\nVersion: 1:2-3\nStatus: install ok installed\nArchitecture: all\n",
}


@dataclass(frozen=True)
class Packager:
    """A machine of its own, as far as one can be had in a folder."""

    folder: Path
    umask: int
    seed: int
    environment: dict[str, str]

    @property
    def cache(self) -> Path:
        """The packager's cache folder."""
        return self.folder / "cache" / "appliance"

    def prepare(self) -> None:
        """Check the recipe out, in some order, at some time, with the packager's umask."""
        names = sorted(CONTENT)
        random.Random(self.seed).shuffle(names)
        before = os.umask(self.umask)
        try:
            for name in names:
                path = self.folder / "recipe" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(CONTENT[name], encoding="utf-8")
                os.utime(path, (self.seed, self.seed))
            (self.folder / "recipe/program").chmod(0o777 & ~self.umask)
        finally:
            os.umask(before)
        with tarfile.open(self.folder / "recipe/more.tar.gz", "w:gz") as tar:
            info = tarfile.TarInfo("tool")
            info.mode, info.mtime, info.uid = 0o755, self.seed, self.seed % 1000
            tar.addfile(info)

    def appliance(self, *arguments: str | Path, status: int = 0) -> dict[str, object]:
        """Run the command line as this packager; what it says when it ends with `status`."""
        done = subprocess.run(
            [sys.executable, "-m", "appliance", "-q", "-o", "json", *arguments],
            cwd=self.folder,
            umask=self.umask,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
                "HOME": str(self.folder / "home"),
                "XDG_CACHE_HOME": str(self.cache.parent),
                "SOURCE_DATE_EPOCH": "1700000000",
                **self.environment,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return dict(json.loads(done.stdout))

    def deliver(self) -> tuple[dict[str, object], bytes]:
        """Build, sign with a key of one's own, and write: what `build` says, and the bundle."""
        self.prepare()
        built = self.appliance("build", "-t", "demo:1.0.0", "--build-arg", f"PLACE={self.folder}/recipe", "recipe")
        self.appliance("key", "generate", "-O", "keys", "--name", f"Vendor {self.seed}")
        self.appliance("bundle", "demo:1.0.0", "-O", "out", "--key", "keys/signer-key.pem", "--lock-or-latest")
        (bundle,) = (self.folder / "out").glob("*.run")
        return built, bundle.read_bytes()


def parts(bundle: bytes) -> dict[str, bytes]:
    """The bundle but for its signatures and their length."""
    length, _ = head_lengths(bundle[STUB_BYTES:MANIFEST_OFFSET])
    manifest = bundle[MANIFEST_OFFSET : MANIFEST_OFFSET + length]
    return {
        "stub": bundle[:STUB_BYTES],
        "head": bundle[STUB_BYTES : STUB_BYTES + HEAD_BYTES - 4],
        "manifest": manifest,
        "archive": bundle[from_bytes(manifest).base :],
    }


def test_two_packagers_make_the_same_layers_image_and_bundle(tmp_path: Path) -> None:
    """The travelling Python, which takes minutes to assemble, is shared here; see the next test."""
    one, two = two_packagers(tmp_path)
    for cache in (one.cache, two.cache):
        cache.mkdir(parents=True)
        (cache / "pyruntime").symlink_to(user_cache() / "pyruntime")
    first, second = compare(one, two)
    cosigned_by_both(one, two, cosigned(first, second))


@pytest.mark.slow
def test_two_packagers_make_the_same_python_too(tmp_path: Path) -> None:
    """The second has nothing in its cache: Debian's packages and the wheels are fetched and assembled again.

    The first has packages only, so that both ask what there is now: the archive may have moved on since the lock.
    """
    one, two = two_packagers(tmp_path)
    (one.cache / "pyruntime").mkdir(parents=True)
    (one.cache / "pyruntime/packages").symlink_to(user_cache() / "pyruntime/packages")
    compare(one, two)


def two_packagers(folder: Path) -> tuple[Packager, Packager]:
    one, two = folder / "one", folder / "a place" / "ünlü" / "two"
    for place in (one, two):
        (place / "home").mkdir(parents=True)
    return (
        Packager(one, 0o022, 1_600_000_000, {"LC_ALL": "C", "TZ": "UTC", "PYTHONHASHSEED": "1"}),
        Packager(
            two,
            0o077,
            1_700_000_001,
            {
                "LC_ALL": "tr_TR.UTF-8",
                "LANGUAGE": "tr",
                "TZ": "Asia/Kathmandu",
                "PYTHONHASHSEED": "2",
                "XDG_DATA_HOME": str(two / "data"),
            },
        ),
    )


def compare(one: Packager, two: Packager) -> tuple[bytes, bytes]:
    (first, bundle), (second, other) = one.deliver(), two.deliver()
    assert first["digest"] == second["digest"]
    assert layers(first) == layers(second)
    assert len(layers(first)) == 6
    theirs = parts(other)
    assert [name for name, part in parts(bundle).items() if part != theirs[name]] == []
    assert bundle != other
    assert beside(one, ".sbom.cdx.json") == beside(two, ".sbom.cdx.json")
    for place in (one, two):
        assert str(place.folder).encode() not in beside(place, ".sbom.cdx.json")
    return bundle, other


def beside(packager: Packager, suffix: str) -> bytes:
    """The file beside the packager's bundle whose name ends so."""
    (path,) = (packager.folder / "out").glob(f"*{suffix}")
    return path.read_bytes()


def cosigned(bundle: bytes, other: bytes) -> bytes:
    """The first bundle with the signatures of both: they were made over the same manifest."""
    manifest = parts(bundle)["manifest"]
    base = from_bytes(manifest).base
    signatures = [signature for one in (bundle, other) for signature in envelope.unpack(signature_area(one))]
    return bundle[:STUB_BYTES] + pack_head(manifest, envelope.pack(signatures), base=base) + bundle[base:]


def signature_area(bundle: bytes) -> bytes:
    manifest, signatures = head_lengths(bundle[STUB_BYTES:MANIFEST_OFFSET])
    start = MANIFEST_OFFSET + manifest
    return bundle[start : start + signatures]


def cosigned_by_both(one: Packager, two: Packager, bundle: bytes) -> None:
    """A policy that asks for two vendors is content with the bundle that both signed, and with neither one's own."""
    path = one.folder / "both.run"
    path.write_bytes(bundle)
    policy = one.folder / "policy.json"
    policy.write_text('{"format": 1, "roles": {"vendor": {"threshold": 2}}}')
    believing = ["--trust", one.folder / "keys/root.pem", "--trust", two.folder / "keys/root.pem", "--policy", policy]
    verified = one.appliance("verify", path, *believing)
    assert verified["verified"] is True
    signers = verified["signers"]
    assert isinstance(signers, list)
    assert {signer["name"][:17] for signer in signers if signer["trusted"]} == {
        f"Vendor {packager.seed}" for packager in (one, two)
    }
    for packager in (one, two):
        (alone,) = (packager.folder / "out").glob("*.run")
        assert one.appliance("verify", alone, *believing, status=3)["verified"] is False
    for packager, other in ((one, two), (two, one)):
        openssl_accepts(packager, beside(other, ".run.manifest.json"))


def openssl_accepts(packager: Packager, manifest: bytes) -> None:
    """The stock tool takes this packager's signature as one over the other's manifest."""
    (packager.folder / "theirs").write_bytes(manifest)
    (packager.folder / "ours.p7s").write_bytes(beside(packager, ".run.p7s"))
    command = "openssl cms -verify -binary -inform DER -in ours.p7s -content theirs -CAfile keys/root.pem -purpose any"
    subprocess.run(
        [*command.split(), "-out", "/dev/null"], cwd=packager.folder, check=True, capture_output=True, timeout=60
    )


def layers(built: dict[str, object]) -> list[str]:
    made = built["layers"]
    assert isinstance(made, list)
    return [layer["digest"] for layer in made]
