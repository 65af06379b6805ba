"""What is fuzzed: each target takes any bytes, and either they are refused in our own words or a law holds of them.

A law that does not hold is an AssertionError; so is any exception but ours, as it would be a traceback to a person.
"""

from __future__ import annotations

import io
import re
import shutil
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from support.bundles import write_bundle
from support.signing import NOW, At, Vendor

from appliance.bundle import manifestjson, verify
from appliance.bundle.layout import MANIFEST_OFFSET, STUB_BYTES
from appliance.bundle.sidecars import Beside
from appliance.digest import Digest
from appliance.errors import ApplianceError, BundleError, VerificationError
from appliance.image import layers, packing, trees
from appliance.image.packing import Source
from appliance.image.tarstream import BLOCK, Limits
from appliance.image.trees import Entry, Kind
from appliance.trust import envelope, judgement

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


BASE = (1 << 20) - 32
SMALL = Limits(size=8 << 20, entries=2_000, names=1 << 20)


@dataclass(frozen=True, slots=True)
class Target:
    """Bytes to begin with, and what is done with any others."""

    seeds: tuple[bytes, ...]
    run: Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class InMemory:
    """A bundle that is no file; see `appliance.bundle.chunks.BundleFiles`."""

    data: bytes
    name: str = "fuzzed.run"
    beside: Beside = field(default=Beside())

    @property
    def size(self) -> int:
        return len(self.data)

    def read(self, offset: int, length: int) -> bytes:
        return self.data[offset : offset + length]

    def holds(self, offset: int, length: int, digest: Digest) -> bool:
        return Digest.of(self.read(offset, length)) == digest

    def close(self) -> None:
        """Nothing is open."""


class Targets:
    """All targets, over one sound bundle of one vendor. `folder` is for what is unpacked."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._vendor = Vendor.create()
        self._written = write_bundle(folder, b"blob", vendor=self._vendor)
        self._bundle = self._written.path.read_bytes()

    def named(self, name: str) -> Target:
        """The target of that name; `KeyError` when there is none."""
        return {
            "manifest": self.manifest,
            "head": self.head,
            "signatures": self.signatures,
            "cms": self.cms,
            "layer": self.layer,
        }[name]()

    def manifest(self) -> Target:
        """A manifest that is read can be written, and is the same then."""

        def run(data: bytes) -> None:
            try:
                read = manifestjson.from_bytes(data)
            except BundleError:
                return
            known = replace(read, critical=tuple(sorted(read.critical)))
            assert manifestjson.from_bytes(manifestjson.to_bytes(known)) == known

        return Target((self._written.manifest,), run)

    def head(self) -> Target:
        """No other front than that which was signed makes a bundle that is verified."""
        stub, front, payload = (self._bundle[start:end] for start, end in pairwise((0, STUB_BYTES, BASE, None)))

        def run(data: bytes) -> None:
            files = InMemory(stub + data.ljust(len(front), b"\0") + payload)
            try:
                verify.open_unverified_for_display(files, self._vendor.trust(), now=NOW)  # type: ignore[arg-type]
                opened = verify.open_bundle(files, self._vendor.trust(), now=NOW)  # type: ignore[arg-type]
            except BundleError:
                return
            assert opened.manifest_bytes == self._written.manifest
            assert files.data == self._bundle

        return Target((front.rstrip(b"\0"),), run)

    def signatures(self) -> Target:
        """A signature area that is read is the only text of what it says."""
        area = self._bundle[MANIFEST_OFFSET + len(self._written.manifest) : BASE].rstrip(b"\0")

        def run(data: bytes) -> None:
            try:
                found = envelope.unpack(data)
            except VerificationError:
                return
            assert envelope.pack(found) == data
            judgement.check(self._written.manifest, found, self._vendor.trust(), now=NOW)

        return Target((area, b'{"format":1,"signatures":[]}'), run)

    def cms(self) -> Target:
        """No other `.p7s` than the one that was made is accepted."""
        made = envelope.sign(b"data", [self._vendor.signer()], At())[0].value

        def run(data: bytes) -> None:
            try:
                accepted = judgement.check_detached(b"data", data, self._vendor.trust(), now=NOW).accepted
            except VerificationError:
                return
            assert accepted is (data == made)

        return Target((made,), run)

    def layer(self) -> Target:
        """A tar is refused and leaves nothing, or stands as its list says, and nothing stands beside it."""
        place = self._folder / "place"

        def run(data: bytes) -> None:
            place.mkdir()
            try:
                layers.unpack_tar(io.BytesIO(with_sums(data)), place / "out", limits=SMALL)
            except ApplianceError:
                assert list(place.iterdir()) == []
            else:
                assert [path.name for path in place.iterdir()] == ["out"]
                assert trees.check_mtree(place / "out") == ()
            finally:
                shutil.rmtree(place)

        return Target((self._tar(),), run)

    def _tar(self) -> bytes:
        file = self._folder / "file"
        file.write_bytes(b"content")
        entries = (
            Source(Entry("folder", Kind.FOLDER)),
            Source(Entry("folder/" + "long" * 40, Kind.FILE, 0o644, 7), file),
            Source(Entry("link", Kind.LINK, target="folder")),
            Source(Entry("gone", Kind.REMOVED)),
        )
        out = io.BytesIO()
        packing.write_layer(entries, out)
        with layers.decompressed(io.BytesIO(out.getvalue())) as plain:
            return b"".join(iter(lambda: plain.read(1 << 20), b""))


def with_sums(tar: bytes) -> bytes:
    """The tar with the right sum in each header, so that what else is wrong with it comes to light."""
    blocks, at = bytearray(tar), 0
    while at + BLOCK <= len(blocks) and any(blocks[at : at + BLOCK]):
        blocks[at + 148 : at + 156] = b" " * 8
        blocks[at + 148 : at + 156] = b"%06o\0 " % sum(blocks[at : at + BLOCK])
        size = bytes(blocks[at + 124 : at + 136]).strip(b"\0 ")
        length = int(size, 8) if re.fullmatch(rb"[0-7]+", size) else 0
        at += BLOCK + length + -length % BLOCK
    return bytes(blocks)


NAMES = ("manifest", "head", "signatures", "cms", "layer")
