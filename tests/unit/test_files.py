"""The one writer: whole or not there at all, on real file systems."""

from __future__ import annotations

import io
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from appliance import files
from appliance.digest import Digest
from appliance.errors import ApplianceError, StateError, TransferFailed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for 64 KiB."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_file_has_its_content_and_mode(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "file"
    files.write_text(path, "grüße\n", mode=0o640)
    assert path.read_bytes() == "grüße\n".encode()
    assert path.stat().st_mode & 0o7777 == 0o640


def test_a_block_that_raises_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    files.write_text(path, "old")
    with pytest.raises(RuntimeError, match="half way"), files.new_file(path) as out:
        out.write(b"new")
        raise RuntimeError("half way")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_an_existing_file_is_not_overwritten_where_that_was_not_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "file"
    files.write_text(path, "old")
    with pytest.raises(StateError, match="exists"):
        files.write_text(path, "new", replace=False)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_a_full_disk_is_said_in_words_and_leaves_nothing(small_disk: Path) -> None:
    with pytest.raises(ApplianceError, match="no room left to write") as caught:
        files.write_bytes(small_disk / "file", bytes(100_000))
    assert str(small_disk) in caught.value.hint
    assert os.listdir(small_disk) == []


def test_what_is_buffered_until_the_end_fails_in_words_too(small_disk: Path) -> None:
    files.write_bytes(small_disk / "ballast", bytes(60 << 10))
    with pytest.raises(ApplianceError, match="no room left to write"), files.new_file(small_disk / "file") as out:
        for _ in range(80):
            out.write(bytes(100))
    assert os.listdir(small_disk) == ["ballast"]


def test_a_blob_on_a_full_disk_leaves_nothing(small_disk: Path) -> None:
    data = bytes(100_000)
    with pytest.raises(ApplianceError, match="no room left"):
        files.put_blob(small_disk, io.BytesIO(data), Digest.of(data), size=len(data))
    assert os.listdir(small_disk) == []


def test_a_folder_that_is_a_file_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ApplianceError, match="cannot write"):
        files.write_text(tmp_path / "file" / "below", "")


@pytest.mark.parametrize(
    ("sent", "says"),
    [(b"hello worl", "ended after 10 of 11"), (b"hello w0rld", "other content")],
)
def test_a_blob_that_is_not_what_was_named_is_refused(tmp_path: Path, sent: bytes, says: str) -> None:
    with pytest.raises(TransferFailed, match=says):
        files.put_blob(tmp_path, io.BytesIO(sent), Digest.of(b"hello world"), size=11)
    assert os.listdir(tmp_path) == []


def test_a_blob_takes_no_more_than_its_size_from_a_stream(tmp_path: Path) -> None:
    stream = io.BytesIO(b"hello world, and the next blob")
    path = files.put_blob(tmp_path, stream, Digest.of(b"hello world"), size=11)
    assert path.read_bytes() == b"hello world"
    assert path.stat().st_mode & 0o777 == 0o444
    assert stream.read() == b", and the next blob"
    assert files.has_blob(tmp_path, Digest.of(b"hello world"), 11)
    assert not files.has_blob(tmp_path, Digest.of(b"hello world"), 12)
    assert not files.has_blob(tmp_path, Digest.of(b"other"), 5)


def test_reading_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert files.read_bounded(path, 5) == b"12345"
    with pytest.raises(StateError, match="larger than the 4 bytes"):
        files.read_bounded(path, 4)


def test_chunks_cover_the_file_from_base_to_size(tmp_path: Path) -> None:
    data = os.urandom(10_000)
    path = tmp_path / "file"
    path.write_bytes(data)
    seen: list[int] = []
    with path.open("rb") as source:
        digests = list(files.hash_chunks(source.fileno(), base=100, size=10_000, chunk=3000, progress=seen.append))
    assert digests == [Digest.of(data[a : a + 3000]) for a in range(100, 10_000, 3000)]
    assert seen == [3000, 3000, 3000, 900]


def test_a_lock_that_is_held_is_said(tmp_path: Path) -> None:
    with (
        files.lock(tmp_path / "lock"),
        pytest.raises(StateError, match="in use"),
        files.lock(tmp_path / "lock", wait=False),
    ):
        pass
