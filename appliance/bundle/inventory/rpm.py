"""What rpm writes down: its SQLite database of installed packages (rpm ≥ 4.16), and the head of an ``.rpm`` file.

The older Berkeley DB and SUSE's ndb are not read. Source: rpm.org, RPM Package Format v4 (header structure).
"""

from __future__ import annotations

import struct
from contextlib import closing
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import quote

from appliance.bundle.inventory.parts import Package, PackageKind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_HEAD = struct.Struct(">II")
_ENTRY = struct.Struct(">IIII")
_MAGIC = b"\x8e\xad\xe8\x01"
_LEAD_MAGIC = b"\xed\xab\xee\xdb"
_LEAD_BYTES = 96
_HEADER_BYTES = 256 << 20
_NAME, _VERSION, _RELEASE, _EPOCH, _LICENCE, _ARCH, _SOURCE = 1000, 1001, 1002, 1003, 1014, 1022, 1044
_WANTED = frozenset({_NAME, _VERSION, _RELEASE, _EPOCH, _LICENCE, _ARCH, _SOURCE})
_TEXTS = frozenset({6, 8, 9})
_INT32 = 4
_KEY = "gpg-pubkey"


def installed(database: Path) -> tuple[Package, ...]:
    """The packages of an ``rpmdb.sqlite``; `ValueError` for what is none. Keys that rpm keeps there are left out."""
    import sqlite3  # noqa: PLC0415  (the Python that travels has none, and reads no databases)

    try:
        uri = f"file:{quote(str(database))}?mode=ro&immutable=1"
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            rows = connection.execute("SELECT blob FROM Packages ORDER BY hnum")
            return tuple(found for (blob,) in rows if (found := _package(_tags(bytes(blob)))).name != _KEY)
    except (sqlite3.Error, TypeError) as error:
        raise ValueError("not rpm's database") from error


def carried(file: BinaryIO) -> Package:
    """The package in an ``.rpm`` file; `ValueError` for what is none."""
    if file.read(_LEAD_BYTES)[:4] != _LEAD_MAGIC:
        raise ValueError("not an rpm")
    signature = _header(file)
    file.read(-len(signature) % 8)
    return _package(_tags(_header(file)))


def _header(file: BinaryIO) -> bytes:
    """One header without its magic, as the database holds it."""
    if file.read(8)[:4] != _MAGIC:
        raise ValueError("an rpm without a header")
    counts = file.read(_HEAD.size)
    entries, size = _HEAD.unpack(counts.ljust(_HEAD.size, b"\0"))
    length = entries * _ENTRY.size + size
    if length > _HEADER_BYTES:
        raise ValueError(f"an rpm header of {length} bytes")
    return counts + file.read(length)


def _tags(blob: bytes) -> dict[int, str]:
    if len(blob) < _HEAD.size:
        raise ValueError("an rpm header cut short")
    entries, size = _HEAD.unpack_from(blob)
    start = _HEAD.size + entries * _ENTRY.size
    if start + size > len(blob):
        raise ValueError("an rpm header cut short")
    return dict(_values(blob, entries, start))


def _values(blob: bytes, entries: int, start: int) -> Iterator[tuple[int, str]]:
    for number in range(entries):
        tag, kind, offset, _ = _ENTRY.unpack_from(blob, _HEAD.size + number * _ENTRY.size)
        if tag not in _WANTED:
            continue
        at = start + offset
        if kind in _TEXTS:
            yield tag, blob[at : blob.index(b"\0", at)].decode(errors="replace")
        elif kind == _INT32:
            yield tag, str(int.from_bytes(blob[at : at + 4], "big"))


def _package(tags: dict[int, str]) -> Package:
    if not tags.get(_NAME) or not tags.get(_VERSION):
        raise ValueError("an rpm header without name or version")
    epoch = f"{tags[_EPOCH]}:" if tags.get(_EPOCH, "0") != "0" else ""
    release = f"-{tags[_RELEASE]}" if tags.get(_RELEASE) else ""
    licence = tags.get(_LICENCE, "")
    return Package(
        PackageKind.RPM,
        tags[_NAME],
        f"{epoch}{tags[_VERSION]}{release}",
        tags.get(_ARCH, ""),
        tags.get(_SOURCE, ""),
        (licence,) if licence else (),
    )
