"""Small real bundles for tests: the real writer, real signatures, a fake stub and a fake travelling Python."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from support.signing import NOW, At, Vendor

from appliance import events
from appliance.bundle import runfile, sidecars
from appliance.bundle.layout import STUB_BYTES
from appliance.bundle.manifest import (
    BLOBS,
    PROVENANCE_NAME,
    SBOM_NAME,
    BundleManifest,
    RuntimeEntry,
    RuntimeInput,
    Volume,
)
from appliance.bundle.verify import BundleFiles, VerifiedBundle, open_bundle
from appliance.digest import Digest
from appliance.files import write_bytes
from appliance.trust import envelope

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from appliance.bundle.runfile import Member, Payload
    from appliance.clock import Clock
    from appliance.trust.keys import Signer

CREATED = 1_700_000_000
IMAGE = b'{"schemaVersion":2}'
RUNTIME = b"runtime!" * 1024


def member(name: str, data: bytes, *, mode: int = 0o444) -> Member:
    """A member with that content."""
    return runfile.Member(name, len(data), Digest.of(data), lambda: io.BytesIO(data), mode)


def blob(data: bytes) -> Member:
    """A blob under its digest's name."""
    return member(BLOBS + Digest.of(data).hex, data)


@dataclass(frozen=True, slots=True)
class FakeAuthor:
    """Writes a plausible front; real are manifest and signatures."""

    name: str
    signers: Sequence[Signer]
    clock: Clock = field(default_factory=At)

    def stub(self, payload: Payload) -> bytes:
        return f"#!/bin/sh\n# {payload.size}\n".encode().ljust(STUB_BYTES, b"#")

    def manifest(self, payload: Payload, stub: Digest) -> BundleManifest:
        digests = {entry.name: entry.sha256 for entry in payload.files}
        tar = Digest.of(RUNTIME)
        return BundleManifest(
            name="demo",
            version="1.0.0",
            epoch=0,
            replaces="",
            created=CREATED,
            arch=("amd64",),
            size=payload.size,
            set="demo-1.0.0",
            stub_sha256=stub,
            base=payload.base,
            chunks=payload.chunks,
            files=payload.files,
            volumes=(Volume(self.name, payload.size),),
            image=Digest.of(IMAGE),
            sbom=digests[SBOM_NAME],
            provenance=digests[PROVENANCE_NAME],
            runtimes=(
                RuntimeEntry("amd64", "operator", tar, len(RUNTIME), tar, 99, (RuntimeInput("libc6", "2.41", tar),)),
            ),
        )

    def sign(self, manifest: bytes) -> bytes:
        return envelope.pack(envelope.sign(manifest, self.signers, self.clock) if self.signers else ())


@dataclass(frozen=True, slots=True)
class Written:
    """A bundle on disk and who signed it."""

    path: Path
    vendor: Vendor
    manifest: bytes
    sha256: Digest
    size: int = field(default=0)

    def open(self) -> VerifiedBundle:
        """Open it as its vendor's customer; the caller closes it."""
        files = BundleFiles.open(self.path)
        try:
            return open_bundle(files, self.vendor.trust(), now=NOW)
        except BaseException:
            files.close()
            raise


def members(*blobs: bytes) -> list[Member]:
    """A runtime, the documents and these blobs, in the order in which a bundle has them."""
    return [
        member("runtime/operator-amd64.tar", RUNTIME, mode=0o644),
        member(SBOM_NAME, b'{"sbom":1}', mode=0o644),
        member(PROVENANCE_NAME, b'{"statement":1}', mode=0o644),
        blob(IMAGE),
        *(blob(data) for data in blobs),
    ]


def write_bundle(
    folder: Path,
    *blobs: bytes,
    vendor: Vendor | None = None,
    signers: Sequence[Signer] = (),
    exports: bool = False,
    clock: Clock | None = None,
    unsigned: bool = False,
) -> Written:
    """Write ``demo-1.0.0-linux-amd64.run`` with these blobs into `folder`; with `exports` the files beside it, too."""
    vendor = vendor or Vendor.create()
    path = folder / "demo-1.0.0-linux-amd64.run"
    by = () if unsigned else signers or (vendor.signer(),)
    author = FakeAuthor(path.name, by, clock or At())
    done = runfile.write(path, members(*blobs), author, created=CREATED, sink=events.silent)
    if exports:
        for sidecar in sidecars.exports(path.name, done.manifest, envelope.unpack(done.signatures)):
            write_bytes(folder / sidecar.name, sidecar.data)
    return Written(path, vendor, done.manifest, done.sha256, done.size)
