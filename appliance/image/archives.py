"""Tar archives that ADD unpacks, known by their first bytes: plain, gzip, bzip2, xz, zstd."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import zlib
from typing import TYPE_CHECKING

from appliance.errors import BundleError
from appliance.image.layers import decompressed
from appliance.image.tarstream import BLOCK

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

    from appliance.image.tarstream import Reader

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
        raise BundleError(f"the archive {path.name} is damaged: {error}", hint="take it from a sound source") from error


def _plain(source: BinaryIO) -> contextlib.AbstractContextManager[Reader]:
    magic = source.read(6)
    source.seek(0)
    if magic.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=source)
    if magic.startswith(b"BZh"):
        return bz2.BZ2File(source)
    if magic == b"\xfd7zXZ\0":
        return lzma.LZMAFile(source)
    if magic.startswith(b"\x28\xb5\x2f\xfd"):
        return decompressed(source)
    return contextlib.nullcontext(source)
