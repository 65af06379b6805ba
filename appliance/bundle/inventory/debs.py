"""What a ``.deb`` holds: its control file, and the licences that its copyright file names. Source: deb(5), ar(5)."""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import lzma
import re
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, cast

from appliance.bundle.inventory import dpkg
from appliance.errors import BundleError
from appliance.image import layers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from appliance.bundle.inventory.parts import Package
    from appliance.image.tarstream import Reader

_MAGIC = b"!<arch>\n"
_HEADER_BYTES = 60
_TEXT_BYTES = 1 << 20
_CONTROL = re.compile(r"(?:\./)?control")


@dataclass(slots=True)
class _Part:
    """A member of the archive as a file of its own."""

    file: BinaryIO
    left: int

    def read(self, size: int = -1, /) -> bytes:
        data = self.file.read(self.left if size < 0 else min(size, self.left))
        self.left -= len(data)
        return data


def carried(file: BinaryIO) -> Package:
    """The package in a ``.deb``; `ValueError` for what is none. Data that cannot be unpacked leaves no licences."""
    if file.read(len(_MAGIC)) != _MAGIC:
        raise ValueError("not a deb")
    package: Package | None = None
    for name, part in _parts(file):
        if name.startswith("control.tar"):
            fields = next(dpkg.stanzas(_text(name, part, _CONTROL)), {})
            package = dpkg.package(fields)
        elif name.startswith("data.tar") and package is not None:
            with contextlib.suppress(ValueError):
                copyright_file = re.compile(rf"(?:\./)?usr/share/doc/{re.escape(package.name)}/copyright")
                found = dpkg.licences(_text(name, part, copyright_file))
                package = dataclasses.replace(package, licences=found)
    if package is None:
        raise ValueError("a deb without a control file")
    return package


def _parts(file: BinaryIO) -> Iterator[tuple[str, _Part]]:
    while header := file.read(_HEADER_BYTES):
        if len(header) < _HEADER_BYTES or not (digits := header[48:58].strip()).isdigit():
            raise ValueError("a deb cut short")
        start, size = file.tell(), int(digits)
        yield header[:16].decode("ascii", "replace").strip().rstrip("/"), _Part(file, size)
        file.seek(start + size + size % 2)


def _text(name: str, part: _Part, wanted: re.Pattern[str]) -> str:
    """The text of the first file of a tar in a deb whose name is `wanted`."""
    try:
        with _plain(name, part) as tar, tarfile.open(fileobj=cast("BinaryIO", tar), mode="r|") as archive:
            for member in archive:
                if member.isfile() and wanted.fullmatch(member.name) and member.size <= _TEXT_BYTES:
                    source = archive.extractfile(member)
                    return source.read().decode(errors="replace") if source else ""
    except (tarfile.TarError, lzma.LZMAError, EOFError, OSError, BundleError) as error:
        raise ValueError("a damaged deb") from error
    raise ValueError(f"no such file in {name}")


@contextlib.contextmanager
def _plain(name: str, part: _Part) -> Iterator[Reader]:
    """The tar itself, by the suffix of its name."""
    source = cast("BinaryIO", part)
    match name.rpartition(".tar")[2]:
        case ".gz":
            with gzip.GzipFile(fileobj=source) as unzipped:
                yield unzipped
        case ".xz":
            with lzma.LZMAFile(source) as plain:
                yield plain
        case ".zst":
            with layers.decompressed(part) as plain:
                yield plain
        case "":
            yield part
        case other:
            raise ValueError(f"a deb packed by {other[1:]}")
