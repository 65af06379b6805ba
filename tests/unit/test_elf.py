"""Editing programs: tried on this machine's own."""

from __future__ import annotations

import platform
import shutil
import subprocess
from pathlib import Path

import pytest

from appliance.bundle.pyruntime import elf
from appliance.errors import ApplianceError

PROGRAM = Path(shutil.which("true") or "/bin/true").resolve()
LOADERS = {"x86_64": "/lib64/ld-linux-x86-64.so.2", "aarch64": "/lib/ld-linux-aarch64.so.1"}


def edited(tmp_path: Path, *fields: str) -> Path:
    """The program with its room filled in."""
    data, offset = elf.with_loader_room(PROGRAM.read_bytes())
    room = b"".join(field.encode().ljust(elf.FIELD, b"\0") for field in fields)
    path = tmp_path / "program"
    path.write_bytes(data[:offset] + room.ljust(elf.ROOM, b"\0"))
    path.chmod(0o755)
    return path


def test_a_program_says_what_it_needs() -> None:
    links = elf.links(PROGRAM.read_bytes())
    assert "libc.so.6" in links.needed
    assert links.search == ()


def test_a_library_says_its_name() -> None:
    loader = Path(LOADERS[platform.machine()])
    assert elf.links(loader.read_bytes()).soname == loader.name


def test_the_room_is_at_the_end_and_zero_and_at_a_block() -> None:
    data, offset = elf.with_loader_room(PROGRAM.read_bytes())
    assert offset % elf.PAGE == 0
    assert data[offset:] == bytes(elf.ROOM)


def test_a_program_starts_with_the_loader_that_is_written_into_its_room(tmp_path: Path) -> None:
    loader = tmp_path / "a loader"
    shutil.copy(LOADERS[platform.machine()], loader)
    program = edited(tmp_path, str(loader), "/nowhere")
    assert subprocess.run([program], check=False).returncode == 0
    loader.unlink()
    with pytest.raises(FileNotFoundError):
        subprocess.run([program], check=False)


def test_a_program_finds_libraries_in_the_path_that_is_written_into_its_room(tmp_path: Path) -> None:
    program = edited(tmp_path, LOADERS[platform.machine()], str(tmp_path))
    (tmp_path / "libc.so.6").write_bytes(b"not a library")
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    assert f"{tmp_path}/libc.so.6: file too short" in done.stderr


def test_an_edited_program_is_not_edited_again() -> None:
    data, _ = elf.with_loader_room(PROGRAM.read_bytes())
    with pytest.raises(ApplianceError, match="already has a library search path"):
        elf.with_loader_room(data)


@pytest.mark.parametrize("data", [b"", b"\x7fELF", b"\x7fELF\x01\x01" + bytes(100), b"\x7fELF\x02\x01" + bytes(58)])
def test_what_is_not_a_64_bit_elf_file_is_refused(data: bytes) -> None:
    with pytest.raises(ApplianceError):
        elf.with_loader_room(data)
