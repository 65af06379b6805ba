"""What the peers of a swarm know of a run's blobs (BitTorrent v2, BEP 52), made with `hashlib` alone. Pure.

It is made of bytes that were checked while they were read, and says for every piece what is right. Files are named by
the hexadecimal digests of their blobs; each begins with a piece of its own, so no piece belongs to two.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.distribute.words import LARGE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from appliance.image.blobs import Blob

BLOCK_BYTES = 16 << 10
"""The leaves of a file's hash tree (BEP 52)."""
NAME = "swarm"
"""Of the torrent, of the folder of its files, and in each peer's certificate: libtorrent compares that."""
FOLDER = "blobs"
"""Of the files in it: libtorrent would call a torrent of a single file without a folder by that file's name."""
_HASH_BYTES = 32
_LEAST_PIECE, _LARGEST_PIECE = 64 << 10, 8 << 20
_PIECES = 1000
"""About so many pieces do best: fewer are passed on late, more cost more words."""


@dataclass(frozen=True, slots=True)
class Hashed:
    """What is right of one file: the hash of each of its pieces, and their tree's root."""

    size: int
    pieces: tuple[bytes, ...]
    root: bytes


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece: its number in the torrent, and where in which blob (hexadecimal digest) it lies, in bytes."""

    number: int
    blob: str
    offset: int
    size: int


class FileHasher:
    """Hashes one file as its bytes come; `update` takes any number of them."""

    def __init__(self, piece_bytes: int) -> None:
        self._blocks_a_piece = piece_bytes // BLOCK_BYTES
        self._rest = b""
        self._leaves: list[bytes] = []
        self._pieces: list[bytes] = []
        self._size = 0

    def update(self, data: bytes) -> None:
        """Take the next bytes."""
        self._size += len(data)
        view = memoryview(self._rest + data if self._rest else data)
        whole = len(view) - len(view) % BLOCK_BYTES
        for start in range(0, whole, BLOCK_BYTES):
            self._leaf(view[start : start + BLOCK_BYTES])
        self._rest = bytes(view[whole:])

    def _leaf(self, block: memoryview | bytes) -> None:
        self._leaves.append(hashlib.sha256(block).digest())
        if len(self._leaves) == self._blocks_a_piece:
            self._pieces.append(_root(self._leaves, self._blocks_a_piece))
            self._leaves.clear()

    def finish(self) -> Hashed:
        """What was hashed; a file that is no longer than a piece is a tree of its own size."""
        if self._rest:
            self._leaf(self._rest)
            self._rest = b""
        if not self._pieces:
            root = _root(self._leaves, _power_of_two(len(self._leaves)))
            return Hashed(self._size, (root,), root)
        if self._leaves:
            self._pieces.append(_root(self._leaves, self._blocks_a_piece))
            self._leaves.clear()
        empty = _root([], self._blocks_a_piece)
        root = _root(self._pieces, _power_of_two(len(self._pieces)), filling=empty)
        return Hashed(self._size, tuple(self._pieces), root)


@dataclass(frozen=True, slots=True)
class Torrent:
    """The run's blobs as files; `authority` is the PEM of those that may take part."""

    piece_bytes: int
    files: Mapping[str, Hashed]
    authority: str

    def encoded(self) -> bytes:
        """The torrent file."""
        tree = {name: {"": {"length": file.size, "pieces root": file.root}} for name, file in self.files.items()}
        info = {
            "file tree": {FOLDER: tree},
            "meta version": 2,
            "name": NAME,
            "piece length": self.piece_bytes,
            "ssl-cert": self.authority,
        }
        layers = {file.root: b"".join(file.pieces) for file in self.files.values() if len(file.pieces) > 1}
        return bencoded({"info": info, "piece layers": layers})

    def is_right(self, piece: Piece, data: bytes) -> bool:
        """Whether `data` is what that piece should be."""
        file = self.files[piece.blob]
        hasher = FileHasher(self.piece_bytes)
        hasher.update(data)
        found = hasher.finish()
        if len(file.pieces) > 1 and len(data) < self.piece_bytes:  # the last one is filled up, as no short file is
            leaves = [hashlib.sha256(data[at : at + BLOCK_BYTES]).digest() for at in range(0, len(data), BLOCK_BYTES)]
            return _root(leaves, self.piece_bytes // BLOCK_BYTES) == file.pieces[piece.offset // self.piece_bytes]
        return found.pieces == (file.pieces[piece.offset // self.piece_bytes],)


def piece_bytes(sizes: Iterable[int]) -> int:
    """How large pieces are for files of these sizes."""
    total, size = sum(sizes), _LEAST_PIECE
    while size < _LARGEST_PIECE and total // size > _PIECES:
        size *= 2
    return size


def large(blobs: Iterable[Blob]) -> tuple[Blob, ...]:
    """Those that a swarm carries, each once, in the order of a torrent's files."""
    return tuple(sorted({blob for blob in blobs if blob.size >= LARGE_BYTES}, key=lambda blob: blob.digest.hex))


def pieces(blobs: Sequence[Blob], size: int) -> tuple[Piece, ...]:
    """The pieces of `size` bytes of a torrent's files, in order."""
    places = [(blob, offset) for blob in blobs for offset in range(0, blob.size, size)]
    return tuple(
        Piece(number, blob.digest.hex, offset, min(size, blob.size - offset))
        for number, (blob, offset) in enumerate(places)
    )


def bencoded(value: object) -> bytes:
    """Bencoding (BEP 3) of numbers, texts, bytes and mappings."""
    match value:
        case int():
            return b"i%de" % value
        case str():
            return bencoded(value.encode())
        case bytes():
            return b"%d:%s" % (len(value), value)
        case dict():
            named = sorted((key.encode() if isinstance(key, str) else key, item) for key, item in value.items())
            return b"d" + b"".join(bencoded(key) + bencoded(item) for key, item in named) + b"e"
        case _:
            raise TypeError(f"{type(value).__name__} has no bencoding")


def _root(leaves: Sequence[bytes], count: int, *, filling: bytes = bytes(_HASH_BYTES)) -> bytes:
    """The root of a tree of `count` leaves, a power of two, filled up where there are fewer."""
    row = [*leaves, *[filling] * (count - len(leaves))]
    while len(row) > 1:
        row = [hashlib.sha256(row[at] + row[at + 1]).digest() for at in range(0, len(row), 2)]
    return row[0]


def _power_of_two(count: int) -> int:
    return 1 << max(count - 1, 0).bit_length()
