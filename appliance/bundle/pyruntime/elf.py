"""ELF files, as far as a travelling Python needs: what they link to, and room for where they live.

Little-endian 64-bit only, which is both architectures that we build for. Layout: System V gABI, chapters 4 and 5.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

from appliance.errors import ApplianceError

PAGE = 4096
FIELD = 256
ROOM = 2 * FIELD

_LARGEST_PAGE = 1 << 21
_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SEGMENT = struct.Struct("<IIQQQQQQ")
_ENTRY = struct.Struct("<qQ")
_PT_LOAD, _PT_DYNAMIC, _PT_INTERP, _PT_NOTE = 1, 2, 3, 4
_DT_NULL, _DT_NEEDED, _DT_STRTAB, _DT_SONAME, _DT_RPATH, _DT_RUNPATH = 0, 1, 5, 14, 15, 29
_READABLE = 4


@dataclass(frozen=True, slots=True)
class _Segment:
    kind: int
    flags: int
    offset: int
    address: int
    physical: int
    file_bytes: int
    memory_bytes: int
    align: int

    def pack(self) -> bytes:
        return _SEGMENT.pack(
            self.kind,
            self.flags,
            self.offset,
            self.address,
            self.physical,
            self.file_bytes,
            self.memory_bytes,
            self.align,
        )


@dataclass(frozen=True, slots=True)
class Links:
    """What the dynamic loader reads from an object: its own name, what it needs, where it says to look."""

    soname: str
    needed: tuple[str, ...]
    search: tuple[str, ...]


def is_elf(data: bytes) -> bool:
    """Whether `data` begins like a 64-bit little-endian ELF file."""
    return data[:6] == b"\x7fELF\x02\x01"


def links(data: bytes) -> Links:
    """The links of an object; an object without a dynamic section has none. `ApplianceError` if it is malformed."""
    try:
        segments = _segments(data)
        entries = _dynamic(data, segments)
        table = next((value for tag, value in entries if tag == _DT_STRTAB), 0)

        def texts(*tags: int) -> tuple[str, ...]:
            return tuple(_text(data, _file_offset(segments, table + value)) for tag, value in entries if tag in tags)

        return Links(
            next(iter(texts(_DT_SONAME)), ""), texts(_DT_NEEDED), tuple(filter(None, texts(_DT_RPATH, _DT_RUNPATH)))
        )
    except (struct.error, ValueError, UnicodeDecodeError) as error:
        raise ApplianceError(f"an ELF file cannot be read: {error}") from error


def with_loader_room(data: bytes) -> tuple[bytes, int]:
    """A program with `ROOM` zero bytes at its end, to be filled in where it is unpacked; and their offset.

    The first `FIELD` bytes become the path of the loader (PT_INTERP), the second the path searched for libraries
    (DT_RPATH), each ended by a zero. The offset is a multiple of `PAGE`, so that ``dd`` reaches it by block. Until
    both are written only an explicit loader can start the program. The last PT_NOTE gives way to the PT_LOAD that
    maps the room: nothing reads notes of a main program. `ApplianceError` if the program has no place for this.
    """
    try:
        return _with_loader_room(data)
    except (struct.error, StopIteration) as error:
        raise ApplianceError(f"the Python program cannot be edited: {error}") from error


def _with_loader_room(data: bytes) -> tuple[bytes, int]:
    segments = _segments(data)
    loads = [segment for segment in segments if segment.kind == _PT_LOAD]
    notes = [segment for segment in segments if segment.kind == _PT_NOTE]
    if not loads or not notes or not any(segment.kind == _PT_INTERP for segment in segments):
        raise ApplianceError("the Python program has no loader, or no header to spare for one")
    offset = -(-len(data) // PAGE) * PAGE
    room = _room(loads, offset)
    edited = bytearray(data.ljust(offset, b"\0") + bytes(ROOM))
    _write_segments(edited, _rearranged(segments, notes[-1], room))
    _add_search_path(edited, segments, room.address + FIELD)
    return bytes(edited), offset


def _room(loads: list[_Segment], offset: int) -> _Segment:
    align = max(segment.align for segment in loads)
    end = max(segment.address + segment.memory_bytes for segment in loads)
    address = -(-end // align) * align + offset % align
    return _Segment(_PT_LOAD, _READABLE, offset, address, address, ROOM, ROOM, align)


def _rearranged(segments: list[_Segment], gone: _Segment, room: _Segment) -> list[_Segment]:
    kept = [segment for segment in segments if segment is not gone]
    last = max(index for index, segment in enumerate(kept) if segment.kind == _PT_LOAD)
    kept.insert(last + 1, room)
    interpreter = replace(room, kind=_PT_INTERP, file_bytes=FIELD, memory_bytes=FIELD, align=1)
    return [interpreter if segment.kind == _PT_INTERP else segment for segment in kept]


def _add_search_path(edited: bytearray, segments: list[_Segment], address: int) -> None:
    dynamic = next(segment for segment in segments if segment.kind == _PT_DYNAMIC)
    entries = _dynamic(bytes(edited), segments)
    table = next(value for tag, value in entries if tag == _DT_STRTAB)
    if any(tag in (_DT_RPATH, _DT_RUNPATH) for tag, _ in entries):
        raise ApplianceError("the Python program already has a library search path")
    if (len(entries) + 2) * _ENTRY.size > dynamic.file_bytes:
        raise ApplianceError("the Python program has no entry to spare for a library search path")
    _ENTRY.pack_into(edited, dynamic.offset + len(entries) * _ENTRY.size, _DT_RPATH, address - table)


def _segments(data: bytes) -> list[_Segment]:
    if not is_elf(data):
        raise ApplianceError("not a 64-bit little-endian ELF file")
    if len(data) < _HEADER.size:
        raise ApplianceError("an ELF file ends before its header does")
    header = _HEADER.unpack_from(data)
    start, size, count = header[5], header[9], header[10]
    if size != _SEGMENT.size:
        raise ApplianceError(f"an ELF file has program headers of {size} bytes")
    if start + count * size > len(data):
        raise ApplianceError("an ELF file ends before its program headers do")
    segments = [_Segment(*_SEGMENT.unpack_from(data, start + index * size)) for index in range(count)]
    for segment in segments:
        if segment.offset + segment.file_bytes > len(data):
            raise ApplianceError("an ELF file ends before its segments do")
        if segment.kind == _PT_LOAD and not 0 < segment.align <= _LARGEST_PAGE:
            raise ApplianceError(f"an ELF file has a segment aligned to {segment.align} bytes")
    return segments


def _write_segments(edited: bytearray, segments: list[_Segment]) -> None:
    start = _HEADER.unpack_from(edited)[5]
    for index, segment in enumerate(segments):
        edited[start + index * _SEGMENT.size : start + (index + 1) * _SEGMENT.size] = segment.pack()


def _dynamic(data: bytes, segments: list[_Segment]) -> list[tuple[int, int]]:
    for segment in segments:
        if segment.kind == _PT_DYNAMIC:
            area = data[segment.offset : segment.offset + segment.file_bytes]
            entries = list(_ENTRY.iter_unpack(area[: len(area) // _ENTRY.size * _ENTRY.size]))
            end = next((index for index, (tag, _) in enumerate(entries) if tag == _DT_NULL), len(entries))
            return entries[:end]
    return []


def _file_offset(segments: list[_Segment], address: int) -> int:
    for segment in segments:
        if segment.kind == _PT_LOAD and segment.address <= address < segment.address + segment.file_bytes:
            return address - segment.address + segment.offset
    raise ValueError(f"address {address:#x} is in no segment")


def _text(data: bytes, offset: int) -> str:
    return data[offset : data.index(b"\0", offset)].decode("ascii")
