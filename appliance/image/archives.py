"""Tar archives that ADD unpacks, known by their first bytes: plain, gzip, bzip2, xz, zstd."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import zlib
from typing import TYPE_CHECKING

from appliance.errors import BundleError
from appliance.files import COPY_BYTES
from appliance.image.layers import decompressed
from appliance.image.tarstream import BLOCK

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

    from appliance.image.tarstream import Reader

XZ_BYTES = 256 << 20
"""Memory that a file packed by ``xz -9`` never needs."""

_TAR_MAGIC = slice(257, 262)


def is_archive(path: Path) -> bool:
    """Whether a file is a tar, compressed or not. A file that only looks compressed is none."""
    try:
        with open_archive(path) as tar:
            return tar.read(BLOCK)[_TAR_MAGIC] == b"ustar"
    except BundleError:
        return False


@contextlib.contextmanager
def open_archive(path: Path) -> Iterator[Reader]:
    """The bytes of a tar without its compression; `BundleError` for a damaged one."""
    try:
        with path.open("rb") as source, _plain(source) as tar:
            yield tar
    except (gzip.BadGzipFile, zlib.error, lzma.LZMAError, EOFError) as error:
        raise _damaged(path, error) from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise _damaged(path, error) from error  # so says bz2


def _damaged(path: Path, error: Exception) -> BundleError:
    return BundleError(f"the archive {path.name} is damaged: {error}", hint="take it from a sound source")


def _plain(source: BinaryIO) -> contextlib.AbstractContextManager[Reader]:
    magic = source.read(6)
    source.seek(0)
    if magic.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=source)
    if magic.startswith(b"BZh"):
        return bz2.BZ2File(source)
    if magic == b"\xfd7zXZ\0":
        return contextlib.nullcontext(_Xz(source))
    if magic.startswith(b"\x28\xb5\x2f\xfd"):
        return decompressed(source)
    return contextlib.nullcontext(source)


class _Xz:
    """The bytes of an xz file, of one stream or several; one that needs more than `XZ_BYTES` to unpack is refused."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._decoder = _decoder()

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""
        data = b""
        while size and not data:
            if self._decoder.eof:
                if not (packed := self._next_stream()):
                    return b""
                self._decoder = _decoder()
            elif not self._decoder.needs_input:
                packed = b""
            elif not (packed := self._source.read(COPY_BYTES)):
                raise EOFError("it ends too early")
            data = self._decoder.decompress(packed, size)
        return data

    def _next_stream(self) -> bytes:
        packed = self._decoder.unused_data.lstrip(b"\0")
        while not packed and (more := self._source.read(COPY_BYTES)):
            packed = more.lstrip(b"\0")
        return packed


def _decoder() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=XZ_BYTES)
