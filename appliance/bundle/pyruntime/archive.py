"""A tree of files as a tar whose bytes depend on names, contents and executability alone."""

from __future__ import annotations

import io
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.bundle.pyruntime.layout import FILE_LIST
from appliance.digest import Digest
from appliance.files import disk_errors, hash_file, new_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ALIGN = 4096
_TIME = 315532800
"""1980-01-01: some programs warn of earlier times."""
_UNLISTED = "bin/python"


@dataclass(frozen=True, slots=True)
class Packed:
    """A written tar; sizes in bytes. `file_list` is the digest of its list of files."""

    digest: Digest
    size: int
    file_list: Digest
    unpacked_bytes: int


def collect(*folders: Path) -> dict[str, Path]:
    """All files of some folders by their relative names; a later folder wins."""
    return {
        path.relative_to(folder).as_posix(): path for folder in folders for path in folder.rglob("*") if path.is_file()
    }


def pack(files: Mapping[str, Path], out: Path) -> Packed:
    """Write `files` and their list to the tar `out`, sorted, owned by root, padded to whole blocks of `ALIGN` bytes."""
    lines: list[str] = []
    unpacked = 0
    with new_file(out) as raw, disk_errors(out):
        with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for name, path in sorted(files.items()):
                data = path.read_bytes()
                unpacked += -(-len(data) // ALIGN) * ALIGN
                _add(tar, name, data, executable=bool(path.stat().st_mode & 0o100))
                if name != _UNLISTED:
                    lines.append(f"{Digest.of(data).hex}  {name}\n")
            listing = "".join(lines).encode()
            _add(tar, FILE_LIST, listing, executable=False)
        raw.write(bytes(-raw.tell() % ALIGN))
        size = raw.tell()
    return Packed(hash_file(out), size, Digest.of(listing), unpacked + len(listing))


def _add(tar: tarfile.TarFile, name: str, data: bytes, *, executable: bool) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    entry.mtime = _TIME
    entry.mode = 0o755 if executable else 0o644
    tar.addfile(entry, io.BytesIO(data))
