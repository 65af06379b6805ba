"""Archives that ADD takes apart: what only looks like one is none, and what is damaged or greedy is refused."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
from typing import TYPE_CHECKING

import pytest
from backports import zstd

from appliance.errors import BundleError
from appliance.image import archives

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstd.compress,
}
every_packer = pytest.mark.parametrize("pack", PACKERS.values(), ids=PACKERS.keys())


def tar_of(data: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo("file")
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def read(path: Path, *, size: int = 70_000) -> bytes:
    with archives.open_archive(path) as source:
        return b"".join(iter(lambda: source.read(size), b""))


@every_packer
@pytest.mark.parametrize("streams", [1, 3])
def test_an_archive_reads_as_its_tar_however_it_was_packed(
    tmp_path: Path, pack: Callable[[bytes], bytes], streams: int
) -> None:
    tar = tar_of(bytes(range(256)) * 4000)
    third = -(-len(tar) // streams)
    (tmp_path / "a").write_bytes(b"".join(pack(tar[at : at + third]) for at in range(0, len(tar), third)))
    assert archives.is_archive(tmp_path / "a")
    assert read(tmp_path / "a") == tar


def test_streams_of_xz_may_have_padding_between_and_behind(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(lzma.compress(b"one") + bytes(4) + lzma.compress(b"two") + bytes(1 << 20))
    assert read(tmp_path / "a") == b"onetwo"


@every_packer
def test_an_archive_that_ends_early_is_refused(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    packed = pack(tar_of(bytes(range(256)) * 4000))
    (tmp_path / "a").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(BundleError, match="the archive"):
        read(tmp_path / "a")


@every_packer
def test_rubbish_for_an_archive_is_refused_or_passed_over(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    (tmp_path / "a").write_bytes(pack(b"tar") + b"rubbish")
    if pack is bz2.compress:  # as its own program does
        assert read(tmp_path / "a") == b"tar"
    else:
        with pytest.raises(BundleError):
            read(tmp_path / "a")


@pytest.mark.parametrize(
    "start", [b"BZhello", b"\x1f\x8b and text", b"\xfd7zXZ\0 and text", b"\x28\xb5\x2f\xfd", b"", b"t"]
)
def test_a_file_that_only_begins_like_an_archive_is_none(tmp_path: Path, start: bytes) -> None:
    (tmp_path / "a").write_bytes(start)
    assert not archives.is_archive(tmp_path / "a")


def test_an_xz_file_that_asks_for_gigabytes_to_unpack_is_refused(tmp_path: Path) -> None:
    lzma2 = {"id": lzma.FILTER_LZMA2, "dict_size": archives.XZ_BYTES, "mf": lzma.MF_HC3, "nice_len": 8}
    greedy = lzma.LZMACompressor(filters=[lzma2])
    (tmp_path / "a").write_bytes(greedy.compress(b"x" * 100) + greedy.flush())
    with pytest.raises(BundleError, match="Memory usage limit"):
        read(tmp_path / "a")
