"""Directories on disk as trees: their mtree, checking them, and making trees of layers by links or copies.

Runs on target hosts, too: only the standard library and the lowest floors. An unpacked layer is a folder with
``tree/`` and ``mtree``; the mtree is JSON lines in the order of the archive, whiteouts included, and ``tree/`` holds
none of those. Links are never followed.
"""

from __future__ import annotations

import contextlib
import ctypes
import enum
import errno
import fcntl
import json
import os
import secrets
import shutil
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.digest import Digest
from appliance.errors import ApplianceError, StateError
from appliance.files import disk_errors, hash_file, new_file, sync_folder
from appliance.image.tarstream import MAX_DEPTH

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from pathlib import Path

_FICLONE = 0x40049409
_MTREE_FORMAT = {"format": 1}


class Kind(enum.StrEnum):
    """What an entry of a tree is; the last two are whiteouts (image-spec, layer.md § Whiteouts)."""

    FILE = "file"
    FOLDER = "folder"
    LINK = "link"
    REMOVED = "removed"
    OPAQUE = "opaque"


@dataclass(frozen=True, slots=True)
class Entry:
    """One path of a tree, relative, with ``/``; `size` and `digest` of a file, `target` of a symbolic link."""

    path: str
    kind: Kind
    mode: int = 0o755
    size: int = 0
    digest: Digest | None = None
    target: str = ""


@contextlib.contextmanager
def new_tree(path: Path) -> Iterator[Path]:
    """Fill a folder that appears under `path` only when the block ends well, with its file system synced.

    What stood under `path` before is replaced. Nothing is left behind on failure.
    """
    work = path.parent / f".{path.name[:80]}.{secrets.token_hex(4)}.part"
    with disk_errors(path):
        work.mkdir(mode=0o755, parents=True)
        try:
            yield work
            sync_file_system(work)
            remove_tree(path)
            work.rename(path)
            sync_folder(path.parent)
        finally:
            remove_tree(work)


def remove_tree(path: Path) -> None:
    """Remove a folder and all below it, out of sight at once; one that is not there is fine."""
    gone = path.parent / f".{path.name[:80]}.{secrets.token_hex(4)}.gone"
    try:
        path.rename(gone)
    except FileNotFoundError:
        return
    shutil.rmtree(gone)


def sync_file_system(path: Path) -> None:
    """Make all that was written to the file system of `path` durable (syncfs(2))."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(descriptor) != 0:
            code = ctypes.get_errno()
            raise ApplianceError(f"cannot write {path} to disk: {os.strerror(code)}", hint="look at the disk's health")
    finally:
        os.close(descriptor)


def write_mtree(path: Path, entries: Iterable[Entry]) -> None:
    """Write the mtree of a tree."""
    with new_file(path) as out:
        out.write(json.dumps(_MTREE_FORMAT).encode() + b"\n")
        for entry in entries:
            fields = [entry.path, entry.kind, entry.mode, entry.size, entry.digest and entry.digest.hex, entry.target]
            out.write(json.dumps(fields).encode() + b"\n")


def read_mtree(path: Path) -> Iterator[Entry]:
    """The entries that `write_mtree` wrote; `StateError` for anything else."""
    try:
        with path.open("rb") as lines:
            if json.loads(next(lines, b"null")) != _MTREE_FORMAT:
                raise StateError(f"{path} is not an mtree of this format")
            for line in lines:
                name, kind, mode, size, digest, target = json.loads(line)
                yield Entry(name, Kind(kind), mode, size, Digest(digest) if digest else None, target)
    except (OSError, ValueError, TypeError) as error:
        raise StateError(f"cannot read {path}: {error}", hint="unpack the layer again") from error


def scan_tree(root: Path) -> Iterator[Entry]:
    """What stands below `root`, sorted, files without their digests.

    Devices, sockets and pipes are a `ValueError`, and so is what lies deeper than `MAX_DEPTH` folders.
    """
    for child in sorted(root.iterdir()):
        yield from _scan(root, child.name)


def _scan(root: Path, path: str) -> Iterator[Entry]:
    if path.count("/") >= MAX_DEPTH:
        raise ValueError(f"{path[:200]}… lies deeper than {MAX_DEPTH} folders")
    full = root / path
    status = full.lstat()
    mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISDIR(status.st_mode):
        yield Entry(path, Kind.FOLDER, mode)
        for child in sorted(full.iterdir()):
            yield from _scan(root, f"{path}/{child.name}")
    elif stat.S_ISLNK(status.st_mode):
        yield Entry(path, Kind.LINK, 0o777, target=os.readlink(full))  # noqa: PTH115  (the text as it stands)
    elif stat.S_ISREG(status.st_mode):
        yield Entry(path, Kind.FILE, mode, status.st_size)
    else:
        raise ValueError(f"{path} is a device, socket or pipe")


def check_mtree(folder: Path) -> tuple[str, ...]:
    """How the tree of an unpacked layer differs from its mtree, a sentence each; hashes every file."""
    root = folder / "tree"
    expected = {e.path: e for e in read_mtree(folder / "mtree") if e.kind not in (Kind.REMOVED, Kind.OPAQUE)}
    differences = []
    try:
        found = {entry.path: entry for entry in scan_tree(root)}
    except (OSError, ValueError) as error:
        return (str(error),)
    for path, entry in expected.items():
        there = found.pop(path, None)
        if there is None:
            differences.append(f"{path} is missing")
        elif (there.kind, there.mode, there.size, there.target) != (entry.kind, entry.mode, entry.size, entry.target):
            differences.append(f"{path} has another type, mode, size or target")
        elif entry.digest and hash_file(root / path) != entry.digest:
            differences.append(f"{path} has other content")
    return (*differences, *(f"{path} does not belong there" for path in found))


def link_trees(layers: Sequence[Path], target: Path) -> None:
    """Make the tree of unpacked `layers`, lowest first, under `target`, of hard links: a pristine tree, never written.

    Empty files and those below ``etc/`` are copied, since a link shares mode and owner, too.
    """
    with new_tree(target) as work:
        for layer in layers:
            apply_layer(layer, work, place=_link_or_copy)


def move_layer(layer: Path, root: Path) -> None:
    """Lay an unpacked layer over the tree at `root`, using it up."""
    apply_layer(layer, root, place=_move)


def apply_layer(layer: Path, root: Path, *, place: Callable[[Path, Path, Entry], None]) -> None:
    """Lay an unpacked layer over the tree at `root`: whiteouts first, then each entry, files by `place`."""
    entries = tuple(read_mtree(layer / "mtree"))
    for entry in entries:
        _white_out(root / entry.path, entry.kind)
    folders = []
    for entry in entries:
        path = root / entry.path
        match entry.kind:
            case Kind.FOLDER:
                _make_folder(path)
                folders.append(entry)
            case Kind.LINK:
                _clear(path)
                path.symlink_to(entry.target)
            case Kind.FILE:
                _clear(path)
                place(layer / "tree" / entry.path, path, entry)
            case Kind.REMOVED | Kind.OPAQUE:
                pass
    for entry in reversed(folders):
        (root / entry.path).chmod(entry.mode)


def copy_tree(source: Path, target: Path, *, only: Collection[str] = ()) -> None:
    """Copy a tree (of it only the top names `only`, if given) to `target`, sharing blocks where the disk can.

    Modes are kept, owners and times are not.
    """
    with new_tree(target) as work:
        folders = []
        for entry in scan_tree(source):
            if only and entry.path.partition("/")[0] not in only:
                continue
            path = work / entry.path
            match entry.kind:
                case Kind.FOLDER:
                    path.mkdir()
                    folders.append(entry)
                case Kind.LINK:
                    path.symlink_to(entry.target)
                case _:
                    copy_file(source / entry.path, path, mode=entry.mode)
        for entry in reversed(folders):
            (work / entry.path).chmod(entry.mode)


def copy_file(source: Path, target: Path, *, mode: int) -> None:
    """Copy one file's bytes to a new file: as a reflink where the disk can, else inside the kernel."""
    with source.open("rb", buffering=0) as reader, target.open("xb", buffering=0) as writer:
        try:
            fcntl.ioctl(writer, _FICLONE, reader.fileno())
        except OSError:
            size = os.fstat(reader.fileno()).st_size
            while size > 0 and (count := os.sendfile(writer.fileno(), reader.fileno(), None, size)):
                size -= count
            if size:
                raise StateError(f"{source} became shorter while it was copied") from None
        os.fchmod(writer.fileno(), mode)


def _white_out(path: Path, kind: Kind) -> None:
    if kind is Kind.REMOVED:
        _clear(path)
    elif kind is Kind.OPAQUE and path.is_dir() and not path.is_symlink():
        for child in path.iterdir():
            _clear(child)


def _clear(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _make_folder(path: Path) -> None:
    if not path.is_dir() or path.is_symlink():
        _clear(path)
        path.mkdir()
    path.chmod(0o700)


def _move(source: Path, target: Path, _entry: Entry) -> None:
    source.rename(target)


def _link_or_copy(source: Path, target: Path, entry: Entry) -> None:
    if entry.size and not entry.path.startswith("etc/"):
        try:
            os.link(source, target)
        except OSError as error:
            if error.errno not in (errno.EMLINK, errno.EXDEV):
                raise
        else:
            return
    copy_file(source, target, mode=entry.mode)
