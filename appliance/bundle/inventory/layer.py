"""One layer, read once from front to back: which packages, licences and files stand in it, and what could not be read.

Memory is bounded by what is found, not by what is in the layer: a database or package file lies in a temporary file
while it is read. Whiteouts are kept, for `tree` to honour. Source: OCI image-spec, layer.md.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import re
import tarfile
import tempfile
import zlib
from typing import IO, TYPE_CHECKING, BinaryIO, cast

from appliance.bundle.inventory.found import LayerFound
from appliance.bundle.inventory.parts import FoundFile
from appliance.bundle.inventory.readers import reader_of
from appliance.digest import Digest
from appliance.errors import BundleError
from appliance.image import layers
from appliance.image.packing import OPAQUE, WHITEOUT
from appliance.image.tarstream import Members, safe_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from appliance.bundle.inventory.readers import FileReader
    from appliance.image.tarstream import Reader

_IN_MEMORY_BYTES = 4 << 20


def read(source: Reader, media_type: str, *, files: bool) -> LayerFound:
    """Read a layer (tar, tar+gzip or tar+zstd); with `files` every file of it is listed with its digest.

    `BundleError` when it is damaged or of a kind that has no place in an image.
    """
    found = LayerFound()
    with _unpacked(source, media_type) as tar:
        members = Members(_Whole(tar))
        for info in members:
            path = safe_path(info.name)
            folder, _, name = path.rpartition("/")
            if name == OPAQUE:
                found.opaque.append(folder)
            elif name.startswith(WHITEOUT):
                found.removed.append(f"{folder}/{name.removeprefix(WHITEOUT)}".lstrip("/"))
            elif info.isdir():
                if files or reader_of(path):
                    found.folders.append(path)
            elif info.issym():
                found.links[path] = info.linkname
            elif info.isreg():
                _file(found, path, info, members=members, files=files)
            elif info.islnk():
                found.link(path, safe_path(info.linkname))
    return found


class _Whole:
    """A reader that gives fewer bytes than asked for only at the end."""

    def __init__(self, source: Reader) -> None:
        self._source = source

    def read(self, size: int, /) -> bytes:
        data = self._source.read(size)
        while 0 < len(data) < size and (more := self._source.read(size - len(data))):
            data += more
        return data


@contextlib.contextmanager
def _unpacked(source: Reader, media_type: str) -> Iterator[Reader]:
    try:
        match re.split(r"[.+]", media_type)[-1]:
            case "zstd":
                with layers.decompressed(source) as tar:
                    yield tar
            case "gzip":
                yield cast("Reader", gzip.GzipFile(fileobj=cast("BinaryIO", source)))
            case "tar":
                yield source
            case _:
                raise BundleError(f"a layer of type {media_type}, which is not read")
    except (tarfile.TarError, zlib.error, gzip.BadGzipFile, EOFError, ValueError) as error:
        raise BundleError("a damaged layer", hint="pull or build the image again") from error


def _file(found: LayerFound, path: str, info: tarfile.TarInfo, *, members: Members, files: bool) -> None:
    reader = reader_of(path)
    if reader is None and not files:
        return
    digest = hashlib.sha256()
    with tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES) as copy:
        for piece in members.body():
            digest.update(piece)
            if reader is not None and info.size <= reader.limit:
                copy.write(piece)
        file = FoundFile(path, info.mode & 0o7777, info.size, Digest(digest.hexdigest()))
        if files:
            found.files[path] = file
        if reader is not None:
            copy.seek(0)
            _look(found, file, cast("IO[bytes]", copy), reader)


def _look(found: LayerFound, file: FoundFile, copy: IO[bytes], reader: FileReader) -> None:
    if file.size > reader.limit:
        found.unread[file.path] = f"it has {file.size} bytes, more than are read of such a file"
        return
    try:
        reader.note(found, file, copy)
    except ValueError as error:
        found.unread[file.path] = str(error)
