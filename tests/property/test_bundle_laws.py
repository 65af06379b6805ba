"""No byte of a bundle is unowned: whichever one changes, it is noticed, and where it is carried it is named."""

from __future__ import annotations

import contextlib
import json
import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.bundles import Written, write_bundle

from appliance.bundle import manifestjson
from appliance.bundle.layout import CHUNK_BYTES, MANIFEST_OFFSET, STUB_BYTES
from appliance.errors import BundleError, VerificationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from appliance.bundle.verify import VerifiedBundle


PAYLOAD = random.Random(7).randbytes(CHUNK_BYTES + 12345)
MASKS = st.integers(1, 255)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    return write_bundle(tmp_path_factory.mktemp("laws"), PAYLOAD)


@pytest.fixture(scope="module")
def opened(written: Written) -> Iterator[VerifiedBundle]:
    with written.open() as bundle:
        yield bundle


@contextlib.contextmanager
def flipped(written: Written, offset: int, mask: int) -> Iterator[None]:
    with written.path.open("r+b") as file:
        file.seek(offset)
        (before,) = file.read(1)
        file.seek(offset)
        file.write(bytes([before ^ mask]))
    try:
        yield
    finally:
        with written.path.open("r+b") as file:
            file.seek(offset)
            file.write(bytes([before]))


def in_front(written: Written) -> st.SearchStrategy[int]:
    base = 2**20 - 32
    regions = (
        (0, STUB_BYTES),
        (STUB_BYTES, MANIFEST_OFFSET),
        (MANIFEST_OFFSET, MANIFEST_OFFSET + len(written.manifest)),
        (MANIFEST_OFFSET + len(written.manifest), MANIFEST_OFFSET + len(written.manifest) + 4096),
        (MANIFEST_OFFSET + len(written.manifest) + 4096, base),
    )
    return st.one_of(*(st.integers(start, end - 1) for start, end in regions))


@given(data=st.data(), mask=MASKS)
def test_a_byte_changed_before_the_payload_refuses_the_bundle(written: Written, data: st.DataObject, mask: int) -> None:
    offset = data.draw(in_front(written))
    with flipped(written, offset, mask), pytest.raises(BundleError):
        written.open().close()


@settings(max_examples=50)
@given(data=st.data(), mask=MASKS)
def test_a_byte_changed_in_the_payload_is_found_in_its_chunk(
    written: Written, opened: VerifiedBundle, data: st.DataObject, mask: int
) -> None:
    base, last = opened.manifest.base, opened.manifest.files[-1]
    regions = ((base, base + 32), (base + 32, last.end), (last.end, opened.manifest.size))
    offset = data.draw(st.one_of(*(st.integers(start, end - 1) for start, end in regions)))
    with flipped(written, offset, mask):
        assert opened.check_all().bad == ((offset - base) // CHUNK_BYTES,)
    assert opened.check_all().bad == ()


@settings(max_examples=50)
@given(data=st.data(), mask=MASKS)
def test_a_changed_member_is_not_given_out_and_the_error_names_place_and_member(
    written: Written, opened: VerifiedBundle, data: st.DataObject, mask: int
) -> None:
    entry = data.draw(st.sampled_from(opened.manifest.files))
    offset = data.draw(st.integers(entry.offset, entry.end - 1))
    number = (offset - opened.manifest.base) // CHUNK_BYTES
    start, end = opened.manifest.chunk_range(number)
    with flipped(written, offset, mask), written.open() as anew, pytest.raises(VerificationError) as caught:
        anew.read(entry.sha256)  # what is open already may hold the chunk from before in its memory
    assert f"chunk {number} (bytes {start} to {end - 1})" in caught.value.message
    assert entry.name in caught.value.message


@settings(max_examples=25)
@given(cut=st.integers(0, CHUNK_BYTES + 2**20))
def test_a_bundle_cut_short_is_refused(written: Written, cut: int) -> None:
    path = written.path.with_name("short.run")
    path.write_bytes(written.path.read_bytes()[:cut])
    with pytest.raises(BundleError):
        Written(path, written.vendor, written.manifest, written.sha256).open()


@settings(max_examples=10)
@given(more=st.binary(min_size=1, max_size=64))
def test_bytes_added_at_the_end_are_refused(written: Written, more: bytes) -> None:
    path = written.path.with_name("long.run")
    path.write_bytes(written.path.read_bytes() + more)
    with pytest.raises(VerificationError, match=f"{len(more)} bytes were added"):
        Written(path, written.vendor, written.manifest, written.sha256).open()


@settings(max_examples=25)
@given(data=st.data())
def test_a_reader_gives_the_same_bytes_in_pieces_of_any_size(opened: VerifiedBundle, data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.integers(1, CHUNK_BYTES + 5000), min_size=1, max_size=6))
    with opened.open(opened.manifest.files[-1].sha256) as source:
        read = b"".join(source.read(size) or b"" for size in sizes) + source.readall()
    assert read == PAYLOAD


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 2**53) | st.text(max_size=12) | st.sampled_from(["a" * 64, "META/x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=4,
)


@settings(max_examples=300)
@given(where=st.lists(st.integers(0, 40), min_size=1, max_size=4), value=VALUES, remove=st.booleans())
def test_a_manifest_with_any_one_value_changed_is_refused_or_sound(
    written: Written, where: list[int], value: object, remove: bool
) -> None:
    document = json.loads(written.manifest)
    at, key = document, None
    for number in where:
        inside = at if key is None else at[key]
        if not isinstance(inside, dict | list) or not inside:
            break
        at, key = inside, (sorted(inside) if isinstance(inside, dict) else range(len(inside)))[number % len(inside)]
    if remove:
        del at[key]
    else:
        at[key] = value
    try:
        read = manifestjson.from_bytes(json.dumps(document).encode())
    except BundleError:
        return
    assert manifestjson.from_bytes(manifestjson.to_bytes(read)) == read
    assert all(read.base < entry.offset <= entry.end <= read.size for entry in read.files)
