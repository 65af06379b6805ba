"""The manifest: what it says, and what no reader takes."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest
from support.bundles import FakeAuthor, members

from appliance import canonical
from appliance.bundle import layout, manifest, manifestjson
from appliance.bundle.layout import CHUNK_BYTES, LIMITS
from appliance.bundle.runfile import Payload, places
from appliance.digest import Digest
from appliance.errors import BundleError
from appliance.trust import envelope

if TYPE_CHECKING:
    from collections.abc import Callable

    from appliance.bundle.manifest import BundleManifest

Document = dict[str, Any]
BASE = layout.base_for(1)
OTHER = Digest.of(b"other").hex


@pytest.fixture(scope="module")
def sound() -> BundleManifest:
    entries = places(members(b"x" * 5_000_000), base=BASE)
    size = entries[-1].end + 500
    payload = Payload(BASE, size, entries, (Digest.of(b"chunk"),) * manifest.chunks_count(size, BASE))
    return FakeAuthor("demo.run", ()).manifest(payload, Digest.of(b"stub"))


def document(sound: BundleManifest) -> Document:
    return canonical.loads(manifestjson.to_bytes(sound), limit=LIMITS.manifest)


def test_what_is_written_is_read_again(sound: BundleManifest) -> None:
    assert manifestjson.from_bytes(manifestjson.to_bytes(sound)) == sound


def test_a_field_that_is_not_known_is_ignored(sound: BundleManifest) -> None:
    assert manifestjson.from_bytes(canonical.dumps({**document(sound), "later": [1]})) == sound


def test_a_feature_that_is_critical_and_not_known_is_refused(sound: BundleManifest) -> None:
    data = canonical.dumps({**document(sound), "critical": ["parity"], "parity": {}})
    with pytest.raises(BundleError, match="the feature 'parity', which this version does not know"):
        manifestjson.from_bytes(data)


def test_a_feature_that_is_critical_and_known_is_taken(sound: BundleManifest) -> None:
    read = manifestjson.from_bytes(canonical.dumps({**document(sound), "critical": ["minimums"]}))
    assert read == dataclasses.replace(sound, critical=("minimums",))


def test_a_newer_format_is_refused_before_anything_else_is_read() -> None:
    with pytest.raises(BundleError, match="format 2, which this version does not know"):
        manifestjson.from_bytes(b'{"critical":[],"format":2}')


def file(number: int, **changes: Any) -> Callable[[Document], None]:
    return lambda d: d["files"][number].update(changes)


def put(**changes: Any) -> Callable[[Document], None]:
    return lambda d: d.update(changes)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (put(name=""), "name is empty"),
        (put(name=7), "name is not a text"),
        (put(name="\x1b[31m"), "name has control characters"),
        (put(title="\x9b31m"), "title has control characters"),
        (put(name="n" * 201), "name is longer than 200"),
        (put(epoch=-1), "epoch is -1, not a number from 0"),
        (put(epoch=True), "epoch is not a whole number"),
        (put(arch="amd64"), "arch is not a list"),
        (put(arch=["amd64", "amd64"]), "arch names something twice"),
        (put(chunk=1), "chunk is 1, not a number from 4194304 to 4194304"),
        (put(base=BASE + 1), "where no archive may begin"),
        (put(base=1 << 40), "base is"),
        (put(size=BASE), "no room for content"),
        (put(chunks=[OTHER]), "chunks has 1 digests, which do not cover"),
        (put(chunks=["A" * 64]), r"chunks\[0\] is not a SHA-256"),
        (put(stub_sha256=3), "stub_sha256 is not a text"),
        (put(image=OTHER), "image names .*, which is not among the files"),
        (put(sbom=OTHER), "sbom names"),
        (put(volumes=[]), r"volumes\[0\] is not this file"),
        (put(volumes=[{"name": "../x", "size": 1}]), r"volumes\[0\].name is not a plain file name"),
        (put(minimums=[]), "minimums is not an object"),
        (file(0, name="../x"), r"files\[0\].name is not a name that a bundle has"),
        (file(0, name="/etc/passwd"), r"files\[0\].name is not a name"),
        (file(0, name="META/.."), r"files\[0\].name is not a name"),
        (file(0, name="META/a/b"), r"files\[0\].name is not a name"),
        (file(0, name="META/x\n"), r"files\[0\].name has control"),
        (file(1, name="META/PROVENANCE.intoto.json"), "is listed twice"),
        (file(3, sha256=OTHER), r"files\[3\].sha256 is not the digest that its name says"),
        (file(0, mode=0o4755), r"files\[0\].mode is 2541"),
        (file(0, offset=BASE), "overlaps what stands before it"),
        (file(2, offset=BASE + 32), "overlaps what stands before it"),
        (file(4, length=LIMITS.integer), r"files\[4\] .* reaches over the end"),
        (file(4, volume=1), r"files\[4\] lies in volume 1, which is not there"),
        (lambda d: d["runtimes"][0].update(size=1), r"runtimes\[0\] is not where and what the files say"),
        (lambda d: d["runtimes"][0].update(digest=OTHER), r"runtimes\[0\].digest names"),
        (lambda d: d["runtimes"][0]["inputs"][0].pop("version"), r"runtimes\[0\].inputs\[0\].version is missing"),
        (lambda d: d.pop("created"), "created is missing"),
    ],
)
def test_an_unsound_manifest_is_refused_in_words(
    sound: BundleManifest, change: Callable[[Document], None], sentence: str
) -> None:
    changed = document(sound)
    change(changed)
    with pytest.raises(BundleError, match=sentence):
        manifestjson.from_bytes(canonical.dumps(changed))


@pytest.mark.parametrize("data", [b"", b"[]", b"\xff", b'{"a":1,"a":2}', b'{"format":1.0}', b"{" * 50])
def test_what_is_no_strict_json_object_is_refused(data: bytes) -> None:
    with pytest.raises(BundleError, match="manifest cannot be read"):
        manifestjson.from_bytes(data)


def test_an_unsound_manifest_is_not_written(sound: BundleManifest) -> None:
    with pytest.raises(BundleError, match="chunks has 0 digests"):
        manifestjson.to_bytes(dataclasses.replace(sound, chunks=()))


def test_places_leave_no_gap_and_runtimes_are_aligned(sound: BundleManifest) -> None:
    assert [b.offset - a.end for a, b in zip(sound.files, sound.files[1:], strict=False)] == [0] * 4
    assert sound.files[0].offset % layout.ALIGNMENT == 0


def test_damage_names_the_members_and_headers_that_a_range_touches(sound: BundleManifest) -> None:
    last = sound.files[-1]
    assert sound.files_within(BASE, BASE + 33) == ("the 7z signature header", "runtime/operator-amd64.tar")
    assert sound.files_within(last.offset, last.end) == (last.name,)
    assert sound.files_within(last.end - 1, sound.size) == (last.name, "the 7z header")


@pytest.mark.parametrize(("manifest_bytes", "mebibytes"), [(1, 1), (100_000, 1), (300_000, 2), (LIMITS.manifest, 8)])
def test_the_archive_begins_where_every_signature_has_room(manifest_bytes: int, mebibytes: int) -> None:
    base = layout.base_for(manifest_bytes)
    assert base == mebibytes * 2**20 - 32
    assert layout.is_base(base)
    layout.pack_head(b"m" * manifest_bytes, b"s" * LIMITS.signatures, base=base)


def test_a_manifest_over_its_limit_has_no_place() -> None:
    with pytest.raises(ValueError, match="the most is"):
        layout.base_for(LIMITS.manifest + 1)


def test_there_is_room_for_all_signatures_that_there_can_be() -> None:
    assert LIMITS.signatures == envelope.MAX_AREA_BYTES


@pytest.mark.parametrize(
    ("head", "sentence"),
    [
        (b"", "ends before its manifest"),
        (b"APPLMAN2" + bytes(8), "no manifest where"),
        (b"APPLMAN1" + bytes(8), "length .0 bytes."),
        (b"APPLMAN1" + b"\xff" * 8, "length .4294967295 bytes."),
        (b"APPLMAN1" + b"\x01\0\0\0" + b"\xff" * 4, "signatures' length"),
    ],
)
def test_lengths_are_bounded_before_anything_is_read_for_them(head: bytes, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        layout.head_lengths(head)


def test_lengths_are_little_endian() -> None:
    packed = layout.pack_head(b"abc", b"de", base=BASE)
    assert packed[:16] == b"APPLMAN1\x03\0\0\0\x02\0\0\0"
    assert layout.head_lengths(packed[:16]) == (3, 2)
    assert len(packed) == BASE - layout.STUB_BYTES


def test_every_chunk_ends_where_the_next_begins_and_the_last_at_the_end(sound: BundleManifest) -> None:
    ranges = [sound.chunk_range(number) for number in range(len(sound.chunks))]
    assert ranges == [(BASE, BASE + CHUNK_BYTES), (BASE + CHUNK_BYTES, sound.size)]
