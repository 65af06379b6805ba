"""Where things lie in a ``.run``, and how large each may be. Pure.

::

    0         stub, padded to 64 KiB
    64 KiB    "APPLMAN1", u32 manifest length, u32 signatures length (little-endian) | manifest | signatures | zeros
    base      1 MiB - 32, or more by whole MiB: the 7z signature header (32 bytes)
    base+32   members, stored, back to back
    …end      the 7z header; nothing after it

Every length that a reader takes from a file is bounded by `LIMITS` before a byte is read for it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

STUB_BYTES = 64 << 10
MAGIC = b"APPLMAN1"
CHUNK_BYTES = 4 << 20
ARCHIVE_HEADER_BYTES = 32
ALIGNMENT = 4096

_HEAD = struct.Struct("<8sII")
_MIB = 1 << 20

HEAD_BYTES = _HEAD.size
MANIFEST_OFFSET = STUB_BYTES + HEAD_BYTES


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest sizes that are read or written, in bytes unless the name says otherwise."""

    base: int = 8 * _MIB - ARCHIVE_HEADER_BYTES
    manifest: int = 7 * _MIB
    signatures: int = 768 << 10
    sidecar: int = 64 << 10
    sums: int = 1 * _MIB
    document: int = 32 * _MIB
    text: int = 1 * _MIB
    name: int = 200
    words: int = 4096
    chunks_count: int = 100_000
    files_count: int = 20_000
    volumes_count: int = 256
    sidecars_count: int = 64
    architectures_count: int = 16
    inputs_count: int = 2_000
    integer: int = 2**53 - 1


LIMITS = Limits()


def base_for(manifest_bytes: int) -> int:
    """The least place for the archive that leaves room for a manifest of that size and for every signature.

    Raises `ValueError` when the manifest is larger than any bundle may carry.
    """
    if manifest_bytes > LIMITS.manifest:
        raise ValueError(f"the manifest takes {manifest_bytes} bytes, the most is {LIMITS.manifest}")
    needed = MANIFEST_OFFSET + manifest_bytes + LIMITS.signatures
    return -(-(needed + ARCHIVE_HEADER_BYTES) // _MIB) * _MIB - ARCHIVE_HEADER_BYTES


def is_base(offset: int) -> bool:
    """Whether an archive may begin there."""
    return ARCHIVE_HEADER_BYTES < offset <= LIMITS.base and (offset + ARCHIVE_HEADER_BYTES) % _MIB == 0


def pack_head(manifest: bytes, signatures: bytes, *, base: int) -> bytes:
    """What stands in ``[64 KiB, base)``: magic, lengths, manifest, signatures, zeros; `ValueError` if over the room."""
    room = base - STUB_BYTES
    head = _HEAD.pack(MAGIC, len(manifest), len(signatures)) + manifest + signatures
    if len(head) > room or len(signatures) > LIMITS.signatures or len(manifest) > LIMITS.manifest:
        raise ValueError(
            f"manifest ({len(manifest)} bytes) and signatures ({len(signatures)} bytes) do not fit into {room} bytes"
        )
    return head.ljust(room, b"\0")


def head_lengths(data: bytes) -> tuple[int, int]:
    """The lengths of manifest and signatures, from the 16 bytes at 64 KiB; `ValueError` unless within `LIMITS`."""
    if len(data) != _HEAD.size:
        raise ValueError("the file ends before its manifest")
    magic, manifest, signatures = _HEAD.unpack(data)
    if magic != MAGIC:
        raise ValueError("there is no manifest where a bundle has it")
    if not 0 < manifest <= LIMITS.manifest:
        raise ValueError(f"the manifest's length ({manifest} bytes) is not between 1 and {LIMITS.manifest}")
    if signatures > LIMITS.signatures:
        raise ValueError(f"the signatures' length ({signatures} bytes) is over {LIMITS.signatures}")
    return manifest, signatures
