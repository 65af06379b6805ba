"""zstd: the pinned way in which layers are compressed, and reading what others compressed. The only door to zstd.

Runs on target hosts, too.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

from appliance.errors import BundleError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from appliance.image.tarstream import Reader

_PINNED: Mapping[int, int] = {
    zstd.CompressionParameter.compression_level: 3,
    zstd.CompressionParameter.window_log: 21,
    zstd.CompressionParameter.checksum_flag: 1,
    zstd.CompressionParameter.job_size: 4 << 20,
}
_MOST_WORKERS = 4
_DECODER: Mapping[int, int] = {zstd.DecompressionParameter.window_log_max: 23}


class Compressor(Protocol):
    """A zstd stream that is being written."""

    def compress(self, data: bytes | memoryview, /) -> bytes:
        """Take `data`; what is ready comes back."""
        ...

    def flush(self) -> bytes:
        """End the stream; the rest comes back."""
        ...


def compressor() -> Compressor:
    """A new stream: the same input gives the same bytes anywhere, on however many cores.

    Jobs are cut by their size alone, so that the number of workers, which costs memory, does not show.
    """
    workers = min(_MOST_WORKERS, os.cpu_count() or 1)
    return cast("Compressor", zstd.ZstdCompressor(options={**_PINNED, zstd.CompressionParameter.nb_workers: workers}))


@contextlib.contextmanager
def plain(source: Reader) -> Iterator[Reader]:
    """What `source`, a zstd stream, holds; a window of more than 8 MiB is refused, and a damaged one too."""
    try:
        with zstd.ZstdFile(cast("BinaryIO", source), options=_DECODER) as reader:
            yield reader
    except (zstd.ZstdError, EOFError) as error:
        raise BundleError(f"the archive is damaged: {error}", hint="take it from a sound source again") from error
