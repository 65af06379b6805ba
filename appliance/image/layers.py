"""Layers, read: safe trees out of tar+zstd, and what stands in it. Written they are by `packing`.

Runs on target hosts, too: only the standard library, zstd and the lowest floors. Source: OCI image-spec, layer.md.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import hashlib
import os
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.digest import Digest
from appliance.errors import BundleError
from appliance.files import HashingWriter
from appliance.image import compression
from appliance.image.packing import OPAQUE, WHITEOUT
from appliance.image.tarstream import LIMITS, HashingReader, Limits, Members, Reader, leaves_tree, safe_path
from appliance.image.trees import Entry, Kind, new_tree, write_mtree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

TEXT_BYTES = 1 << 20
TEXTS_BYTES = 64 << 20
_UNFIT = (errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ, errno.EMLINK)


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What `unpack` made: the digest of the tar, the entries, the bytes of all files."""

    diff_id: Digest
    entries: int
    size: int


def unpack(source: Reader, folder: Path, *, diff_id: Digest | None = None, limits: Limits = LIMITS) -> Unpacked:
    """Unpack a layer (tar+zstd) into ``FOLDER/tree`` and write ``FOLDER/mtree``; `folder` appears whole or not at all.

    Nothing is ever written outside, and no link is followed. Raises `BundleError` for what is damaged, does not have
    `diff_id`, goes beyond `limits`, or holds names or types that have no place in a layer.
    """
    with decompressed(source) as tar:
        return unpack_tar(tar, folder, diff_id=diff_id, limits=limits)


def unpack_tar(source: Reader, folder: Path, *, diff_id: Digest | None = None, limits: Limits = LIMITS) -> Unpacked:
    """As `unpack`, of a tar that is not compressed."""
    tar = HashingReader(source)
    with new_tree(folder) as work, _broken_archives():
        (work / "tree").mkdir()
        unpacker = _Unpacker(work / "tree", limits)
        members = Members(tar, limits)
        for info in members:
            unpacker.add(info, members)
        tar.finish()
        if diff_id is not None and tar.digest != diff_id:
            raise BundleError(f"layer {diff_id.short} unpacks to other content ({tar.digest.short})")
        unpacker.close()
        write_mtree(work / "mtree", unpacker.entries.values())
        return Unpacked(tar.digest, len(unpacker.entries), unpacker.size)


@contextlib.contextmanager
def decompressed(source: Reader) -> Iterator[Reader]:
    """What `source`, a zstd stream, holds; `BundleError` also for what the caller finds damaged in it."""
    with _broken_archives(), compression.plain(source) as plain:
        yield plain


@contextlib.contextmanager
def _broken_archives() -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise BundleError(f"the archive is damaged: {error}", hint="take it from a sound source again") from error
    except OSError as error:
        if error.errno not in _UNFIT:
            raise
        raise BundleError(f"the archive holds what this file system cannot: {os.strerror(error.errno or 0)}") from error


class _Unpacker:
    """Writes members below `root`. An entry's parents are folders that this archive made, so no link is followed."""

    def __init__(self, root: Path, limits: Limits) -> None:
        self.entries: dict[str, Entry] = {}
        self.size = 0
        self._root = root
        self._limits = limits

    def add(self, info: tarfile.TarInfo, members: Members) -> None:
        path = safe_path(info.name)
        if not path:
            return
        if len(self.entries) >= self._limits.entries:
            raise BundleError(f"the archive holds more than {self._limits.entries} entries")
        folder, _, name = path.rpartition("/")
        self._parents(folder)
        if name.startswith(WHITEOUT):
            self._whiteout(folder, name)
        elif info.isdir():
            self._folder(path, info.mode & 0o755 | 0o700)
        elif path in self.entries:
            raise BundleError(f"the archive holds {path!r} twice")
        elif info.issym():
            self._link(path, info.linkname)
        elif info.isreg():
            self._file(path, info, members)
        elif info.islnk():
            self._hard_link(path, safe_path(info.linkname))
        else:
            raise BundleError(f"the archive holds a device, socket or pipe: {path!r}")

    def close(self) -> None:
        """Give folders their modes, once nothing is written below them any more."""
        for entry in reversed(self.entries.values()):
            if entry.kind is Kind.FOLDER:
                (self._root / entry.path).chmod(entry.mode)

    def _parents(self, folder: str) -> None:
        at = ""
        for part in folder.split("/") if folder else ():
            at = f"{at}/{part}" if at else part
            if part.startswith(WHITEOUT):
                raise BundleError(f"the archive holds something below {at!r}, which is a mark")
            if at not in self.entries:
                self._folder(at, 0o755)
            elif self.entries[at].kind is not Kind.FOLDER:
                raise BundleError(f"the archive holds something below {at!r}, which is not a folder")

    def _folder(self, path: str, mode: int) -> None:
        there = self.entries.get(path)
        if there is None:
            (self._root / path).mkdir(mode=0o700)
        elif there.kind is not Kind.FOLDER:
            raise BundleError(f"the archive holds {path!r} twice")
        self.entries[path] = Entry(path, Kind.FOLDER, mode)

    def _whiteout(self, folder: str, name: str) -> None:
        if name == OPAQUE:
            entry = Entry(folder, Kind.OPAQUE, 0)
        elif name.startswith(WHITEOUT * 2) or name.removeprefix(WHITEOUT) in ("", ".", ".."):
            raise BundleError(f"the archive holds a mark that is unknown: {name!r}")
        else:
            entry = Entry(f"{folder}/{name[4:]}".lstrip("/"), Kind.REMOVED, 0)
        self.entries[f"{folder}/{name}".lstrip("/")] = entry

    def _link(self, path: str, target: str) -> None:
        if leaves_tree(path, target):
            raise BundleError(f"the archive holds a link that leaves it: {path!r} to {target!r}")
        (self._root / path).symlink_to(target)
        self.entries[path] = Entry(path, Kind.LINK, 0o777, target=target)

    def _hard_link(self, path: str, target: str) -> None:
        entry = self.entries.get(target)
        if entry is None or entry.kind is not Kind.FILE:
            raise BundleError(f"the archive holds a hard link to what is no file in it: {path!r}")
        os.link(self._root / target, self._root / path)
        self.entries[path] = dataclasses.replace(entry, path=path)

    def _file(self, path: str, info: tarfile.TarInfo, members: Members) -> None:
        self.size += info.size
        with (self._root / path).open("xb", buffering=0) as raw:
            out = HashingWriter(raw)
            for piece in members.body():
                out.write(piece)
            os.fchmod(raw.fileno(), info.mode & 0o755)
        self.entries[path] = Entry(path, Kind.FILE, info.mode & 0o755, info.size, out.digest)


def read_merged(
    sources: Iterable[Reader],
    wanted: Callable[[str], bool],
    *,
    small: Callable[[str], bool] = lambda _: True,
    named: Callable[[str], bool] = lambda _: False,
) -> dict[str, tuple[int, bytes]]:
    """The files whose path is `wanted` of layers (tar+zstd), lowest first, as if unpacked over each other.

    Path to mode and bytes. `BundleError` for a file of more than 1 MiB that must be `small` (any other is passed over),
    and for a layer with more than 64 MiB of them. Of files that are only `named`, nothing is read.
    """
    found: dict[str, tuple[int, bytes]] = {}
    for source in sources:
        texts: dict[str, tuple[int, bytes]] = {}
        covered, folders = set[str](), set[str]()
        for member in _scan(source, wanted, small, named):
            folders.update(_above(member.path), (member.path,) if member.is_folder else ())
            if not member.is_folder:
                covered.add(member.path)
            if member.content is not None:
                texts[member.path] = member.content
        kept = (path for path in found if path not in folders and covered.isdisjoint((path, *_above(path))))
        found = {path: found[path] for path in kept} | texts
    return found


@dataclass(frozen=True, slots=True)
class _Member:
    """A path of a layer: a folder, or what hides all that lies there and below in lower layers; `content` if wanted."""

    path: str
    is_folder: bool = False
    content: tuple[int, bytes] | None = None


def _above(path: str) -> Iterator[str]:
    """The folders that a path is in, up to the one without a name."""
    while path:
        path = path.rpartition("/")[0]
        yield path


def _scan(
    source: Reader,
    wanted: Callable[[str], bool],
    small: Callable[[str], bool],
    named: Callable[[str], bool],
) -> Iterator[_Member]:
    total = 0
    with decompressed(source) as tar:
        members = Members(tar)
        for info in members:
            path = safe_path(info.name)
            folder, _, name = path.rpartition("/")
            if name == OPAQUE:
                yield _Member(folder)
            elif name.startswith(WHITEOUT):
                yield _Member(f"{folder}/{name[4:]}".lstrip("/"))
            elif info.isreg() and wanted(path) and (info.size <= TEXT_BYTES or small(path)):
                total += info.size
                if info.size > TEXT_BYTES:
                    raise BundleError(f"{path} has {info.size} bytes, where a text may have {TEXT_BYTES}")
                if total > TEXTS_BYTES:
                    raise BundleError(f"the texts of a layer have more than {TEXTS_BYTES} bytes together")
                yield _Member(path, content=(info.mode & 0o755, b"".join(members.body())))
            elif not info.isdir() and named(path):
                yield _Member(path, content=(info.mode & 0o755, b""))
            elif info.islnk() and wanted(path):
                raise BundleError(f"the archive holds a hard link where texts are: {path!r}")
            else:
                yield _Member(path, is_folder=info.isdir())


def read_entries(source: Reader, *, hashed: bool = False) -> Iterator[Entry]:
    """What stands in a layer (tar+zstd), whiteouts included; files with their digests only if `hashed`."""
    with decompressed(source) as tar:
        members = Members(tar)
        for info in members:
            path = safe_path(info.name)
            folder, _, name = path.rpartition("/")
            if name == OPAQUE:
                yield Entry(folder, Kind.OPAQUE, 0)
            elif name.startswith(WHITEOUT):
                yield Entry(f"{folder}/{name[4:]}".lstrip("/"), Kind.REMOVED, 0)
            elif info.isdir():
                yield Entry(path, Kind.FOLDER, info.mode & 0o755 | 0o700)
            elif info.issym():
                yield Entry(path, Kind.LINK, 0o777, target=info.linkname)
            else:
                yield Entry(path, Kind.FILE, info.mode & 0o755, info.size, _digest(members) if hashed else None)


def _digest(members: Members) -> Digest:
    """Of the current member's bytes."""
    digest = hashlib.sha256()
    for piece in members.body():
        digest.update(piece)
    return Digest(digest.hexdigest())
