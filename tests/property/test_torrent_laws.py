"""What we say is right of blobs, without libtorrent, is what libtorrent itself finds in the same files."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import libtorrent
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.digest import Digest
from appliance.distribute import torrent
from appliance.distribute.torrent import BLOCK_BYTES, FOLDER, NAME, FileHasher, Piece, Torrent
from appliance.image.blobs import Blob

PIECE = 64 << 10
AUTHORITY = "-----BEGIN CERTIFICATE-----"
SIZES = st.one_of(
    st.integers(1, 4 * PIECE),
    st.integers(1, 40).map(lambda count: count * BLOCK_BYTES),
    st.integers(1, 9).map(lambda count: count * PIECE),
)


def made_up(sizes: list[int]) -> list[bytes]:
    return [random.Random(number).randbytes(size) for number, size in enumerate(sizes)]


def hashed(content: bytes, step: int) -> torrent.Hashed:
    hasher = FileHasher(PIECE)
    for at in range(0, len(content), step):
        hasher.update(content[at : at + step])
    return hasher.finish()


@given(st.lists(SIZES, min_size=1, max_size=4), st.integers(1000, 3 * PIECE))
@settings(max_examples=30)
def test_a_torrent_is_the_one_that_libtorrent_makes(sizes: list[int], step: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / NAME / FOLDER
        folder.mkdir(parents=True)
        contents = {Digest.of(content).hex: content for content in made_up(sizes)}
        for name, content in contents.items():
            (folder / name).write_bytes(content)
        files = libtorrent.list_files(str(folder.parent))
        made = libtorrent.create_torrent(files, PIECE, libtorrent.create_torrent.v2_only)
        made.set_root_cert(AUTHORITY)
        libtorrent.set_piece_hashes(made, place)
        theirs = made.generate()
    ours = Torrent(PIECE, {name: hashed(content, step) for name, content in contents.items()}, AUTHORITY)
    read = libtorrent.bdecode(ours.encoded())
    assert read[b"info"] == theirs[b"info"]
    assert read[b"piece layers"] == theirs[b"piece layers"]
    assert torrent.bencoded(read[b"info"]) == libtorrent.bencode(theirs[b"info"])


@given(st.lists(SIZES, min_size=1, max_size=4), st.data())
@settings(max_examples=50)
def test_a_piece_is_right_as_it_is_and_wrong_with_any_bit_turned(sizes: list[int], data: st.DataObject) -> None:
    contents = {Digest.of(content).hex: content for content in made_up(sizes)}
    blobs = [Blob(Digest(name), len(content)) for name, content in sorted(contents.items())]
    ours = Torrent(PIECE, {name: hashed(content, PIECE) for name, content in contents.items()}, AUTHORITY)
    pieces = torrent.pieces(blobs, PIECE)
    assert sum(piece.size for piece in pieces) == sum(map(len, contents.values()))
    piece: Piece = data.draw(st.sampled_from(pieces))
    right = contents[piece.blob][piece.offset : piece.offset + piece.size]
    assert ours.is_right(piece, right)
    bit = data.draw(st.integers(0, 8 * len(right) - 1))
    turned = bytearray(right)
    turned[bit // 8] ^= 1 << bit % 8
    assert not ours.is_right(piece, bytes(turned))
    assert not ours.is_right(piece, right[:-1])


@given(st.lists(st.integers(1 << 20, 1 << 36), min_size=1, max_size=20))
def test_pieces_are_about_a_thousand_and_no_larger_than_may_be_sent_at_once(sizes: list[int]) -> None:
    size = torrent.piece_bytes(sizes)
    assert size & (size - 1) == 0
    assert 64 << 10 <= size <= 8 << 20
    assert sum(sizes) // size <= 1000 or size == 8 << 20
