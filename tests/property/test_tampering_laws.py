"""Whatever is done to a delivery, and however often a medium changes its mind: refused, and the part is named."""

from __future__ import annotations

import random
import re
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.bundles import Written, write_bundle
from support.signing import NOW

from appliance.bundle.layout import CHUNK_BYTES, MANIFEST_OFFSET, STUB_BYTES
from appliance.bundle.sidecars import Beside
from appliance.bundle.verify import open_bundle
from appliance.digest import Digest
from appliance.errors import BundleError
from appliance.operations.verification import VerifyReport, verify
from appliance.trust.formats import Form

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


LEFT, RIGHT = (random.Random(seed).randbytes(CHUNK_BYTES) for seed in (1, 2))
BASE = 2**20 - 32
PARTS = (
    r"the stub \(bytes 0 to 65535\)",
    "no manifest where a bundle has it",
    "manifest|signature",
    "the manifest or the signature was altered",
    "signature|certificate",
    "are not zeros",
    "chunk ",
)
"""What a bundle consists of: stub, magic, lengths, manifest, signatures, zeros, payload; as a finding about it says."""

Place = tuple[int, float]
PLACES = st.tuples(st.integers(0, len(PARTS) - 1), st.floats(0, 1, exclude_max=True))


@dataclass(frozen=True)
class Delivery:
    """A sound bundle, and a place for one that was tampered with."""

    written: Written
    place: Path

    @property
    def sound(self) -> bytes:
        """The bundle's bytes. (Hypothesis prints fields.)"""
        return self.written.path.read_bytes()

    @property
    def ends(self) -> tuple[int, ...]:
        """Where the parts of the file begin and end, in the order of `PARTS`."""
        manifest_end = MANIFEST_OFFSET + len(self.written.manifest)
        zeros = MANIFEST_OFFSET + len(self.sound[MANIFEST_OFFSET:BASE].rstrip(b"\0"))
        return (0, STUB_BYTES, STUB_BYTES + 8, MANIFEST_OFFSET, manifest_end, zeros, BASE, len(self.sound))

    def offset(self, place: Place) -> int:
        """A place as an offset in the file."""
        part, fraction = place
        start, end = self.ends[part : part + 2]
        return start + int(fraction * (end - start))

    def report(self, data: bytes) -> VerifyReport:
        """What is found of a bundle of these bytes."""
        path = self.place / "tampered.run"
        path.write_bytes(data)
        return verify(path, self.written.vendor.trust(), now=NOW)


@pytest.fixture(scope="module")
def delivery(tmp_path_factory: pytest.TempPathFactory) -> Delivery:
    written = write_bundle(tmp_path_factory.mktemp("sound"), LEFT, RIGHT, exports=True)
    return Delivery(written, tmp_path_factory.mktemp("tampered"))


def test_the_sound_delivery_is_verified(delivery: Delivery) -> None:
    assert delivery.report(delivery.sound).verified
    assert verify(delivery.written.path, delivery.written.vendor.trust(), now=NOW).verified


@settings(max_examples=60)
@given(place=PLACES, mask=st.integers(1, 255))
def test_a_flipped_byte_is_a_finding_that_names_the_part(delivery: Delivery, place: Place, mask: int) -> None:
    offset, words = delivery.offset(place), PARTS[place[0]]
    if offset >= BASE:
        words = rf"chunk {(offset - BASE) // CHUNK_BYTES} \("
    changed = bytearray(delivery.sound)
    changed[offset] ^= mask
    report = delivery.report(changed)
    assert not report.verified
    assert any(re.search(words, finding) for finding in report.findings), report.findings


@settings(max_examples=25)
@given(place=PLACES, more=st.binary(max_size=300), gone=st.integers(0, 300))
def test_bytes_put_in_or_taken_away_anywhere_are_found(
    delivery: Delivery, place: Place, more: bytes, gone: int
) -> None:
    offset = delivery.offset(place)
    changed = delivery.sound[:offset] + more + delivery.sound[offset + gone :]
    report = delivery.report(changed)
    assert report.verified is (changed == delivery.sound)
    if offset >= BASE and len(changed) != len(delivery.sound):
        words = "file is truncated" if len(changed) < len(delivery.sound) else "bytes were added"
        assert words in report.findings[0]


@settings(max_examples=25)
@given(places=st.tuples(PLACES, PLACES), length=st.integers(1, 5000))
def test_ranges_that_change_places_are_found(delivery: Delivery, places: tuple[Place, Place], length: int) -> None:
    one, two = map(delivery.offset, places)
    changed = bytearray(delivery.sound)
    changed[one : one + length], changed[two : two + length] = (
        delivery.sound[two : two + length],
        delivery.sound[one : one + length],
    )
    assert delivery.report(changed).verified is (changed == delivery.sound)


def test_members_that_change_places_are_found_and_named(delivery: Delivery) -> None:
    names = {f"blobs/sha256/{Digest.of(data).hex}" for data in (LEFT, RIGHT)}
    left = delivery.sound.index(LEFT)
    changed = delivery.sound[:left] + RIGHT + LEFT + delivery.sound[left + 2 * CHUNK_BYTES :]
    report = delivery.report(changed)
    assert len(report.findings) == 3
    assert all(any(name in finding for finding in report.findings) for name in names)


def test_all_that_is_wrong_is_said_at_once(delivery: Delivery) -> None:
    changed = bytearray(delivery.sound)
    for offset in (5, BASE - 1, BASE + 1, BASE + CHUNK_BYTES, len(changed) - 1):
        changed[offset] ^= 1
    report = delivery.report(changed)
    words = ("the stub", "are not zeros", "chunk 0 (", "chunk 1 (", "chunk 2 (")
    assert [word in finding for word, finding in zip(words, report.findings, strict=True)] == [True] * 5
    assert report.checked.bytes == len(changed)


def test_of_a_bundle_cut_short_the_chunks_that_are_there_are_checked(delivery: Delivery) -> None:
    changed = bytearray(delivery.sound[: BASE + CHUNK_BYTES + 100])
    changed[BASE + 50] ^= 1
    report = delivery.report(changed)
    assert report.findings[0] == f"file is truncated: {len(changed)} of {len(delivery.sound)} bytes"
    assert [finding[:8] for finding in report.findings[1:]] == ["chunk 0 "]
    assert report.checked.bytes == len(changed)


TAMPERINGS: dict[str, Callable[[bytes, int], bytes]] = {
    "flip": lambda data, at: data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :],
    "cut": lambda data, at: data[:at],
    "insert": lambda data, at: data[:at] + b"0" + data[at:],
    "append": lambda data, _: data + b"\n",
}


@settings(max_examples=40)
@given(
    suffix=st.sampled_from([".manifest.json", ".p7s", ".sig"]),
    tamper=st.sampled_from(sorted(TAMPERINGS)),
    fraction=st.floats(0, 1, exclude_max=True),
)
def test_a_sidecar_that_differs_is_a_finding_that_names_it(
    delivery: Delivery, suffix: str, tamper: str, fraction: float
) -> None:
    path = delivery.written.path.with_name(delivery.written.path.name + suffix)
    sound = path.read_bytes()
    try:
        path.write_bytes(TAMPERINGS[tamper](sound, int(fraction * len(sound))))
        report = verify(delivery.written.path, delivery.written.vendor.trust(), now=NOW)
    finally:
        path.write_bytes(sound)
    assert report.findings == (f"{path.name} is not what the bundle itself holds",)


def test_the_bundle_of_another_delivery_under_this_name_does_not_fit_its_sidecars(
    delivery: Delivery, tmp_path: Path
) -> None:
    other = write_bundle(tmp_path, b"other", vendor=delivery.written.vendor)
    for path in delivery.written.path.parent.iterdir():
        if path != delivery.written.path:
            shutil.copy(path, tmp_path)
    report = verify(other.path, other.vendor.trust(), now=NOW)
    assert report.findings[0].count("is not what the bundle itself holds") == 1 + len(Form)


@dataclass
class Fickle:
    """A medium that answers each read as its mood is: true where that is 0, else with a byte changed there."""

    data: bytes
    moods: list[int]
    name: str = "fickle.run"
    beside: Beside = field(default=Beside())

    @property
    def size(self) -> int:
        return len(self.data)

    def read(self, offset: int, length: int) -> bytes:
        answer = bytearray(self.data[offset : offset + length])
        mood = self.moods.pop(0) if self.moods else 0
        if mood:
            answer[mood % len(answer)] ^= 1 + mood % 255
        return bytes(answer)

    def holds(self, offset: int, length: int, digest: Digest) -> bool:
        return Digest.of(self.read(offset, length)) == digest

    def close(self) -> None:
        """Nothing is open."""


MOODS = st.builds(
    lambda steady, later: [0] * steady + later,
    st.integers(0, 7),  # the front is read in four steps
    st.lists(st.just(0) | st.integers(1, 2**32), max_size=6),
)


@settings(max_examples=60)
@given(moods=MOODS, size=st.integers(1 << 16, 2 * CHUNK_BYTES))
def test_what_a_fickle_medium_gives_is_what_was_signed_or_nothing(
    delivery: Delivery, moods: list[int], size: int
) -> None:
    medium = Fickle(delivery.sound, list(moods))
    given_out = bytearray()
    try:
        bundle = open_bundle(medium, delivery.written.vendor.trust(), now=NOW)  # type: ignore[arg-type]
        assert bundle.manifest_bytes == delivery.written.manifest
        with bundle.open(Digest.of(RIGHT)) as source:
            while piece := source.read(size):
                given_out += piece
    except BundleError:
        assert any(moods)
    else:
        assert given_out == RIGHT
    assert RIGHT.startswith(bytes(given_out))
