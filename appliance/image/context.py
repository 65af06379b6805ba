"""The build context: what a COPY or ADD takes out of it, and where that lands in the image.

Sources are named as in Docker: relative to the context, with globs, several at a time; folders give what they hold.
Nothing outside the context is ever taken, through links either. Of a file's mode counts whether its owner may execute
it, as in version control: the rest is the umask of whoever checked it out, and no two builds would be the same.
"""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from appliance.errors import RecipeError
from appliance.files import hash_file, read_bounded
from appliance.image.ignore import Ignore, glob_pattern, has_glob
from appliance.image.packing import WHITEOUT
from appliance.image.tarstream import MAX_DEPTH, is_printable, leaves_tree
from appliance.image.trees import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

IGNORE_FILE = ".dockerignore"
_IGNORE_BYTES = 1 << 20
_DEFAULT_MODE = 0o755
_FILE_MODE = 0o644
_PATH_BYTES = 4000


@dataclass(frozen=True, slots=True)
class Item:
    """A path that goes into the image as `entry`; `file` holds a file's bytes, `stamp` tells whether it changes."""

    entry: Entry
    file: Path | None = None
    stamp: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Picked:
    """A source as found: a file or folder of the context."""

    path: Path
    name: str

    @property
    def is_folder(self) -> bool:
        """Whether it gives what it holds."""
        return self.path.is_dir()


class Context:
    """A folder that a Kubefile takes files from: the build context, or, if `exact`, the tree of another stage.

    What a stage made counts as it is: its modes, and no ``.dockerignore``.
    """

    def __init__(self, root: Path, *, exact: bool = False) -> None:
        self.root = root.resolve()
        self._exact = exact
        if not self.root.is_dir():
            raise RecipeError(f"the context {root} is not a folder", hint="name the folder that holds the Kubefile")
        self._ignore = Ignore()
        if not exact and (self.root / IGNORE_FILE).is_file():
            text = read_bounded(self.root / IGNORE_FILE, _IGNORE_BYTES)
            self._ignore = Ignore.parse(text.decode("utf-8", "replace"), source=str(self.root / IGNORE_FILE))

    def pick(self, source: str) -> tuple[Picked, ...]:
        """What a source of COPY names; `RecipeError` when that is nothing, left out, or outside."""
        name = str(PurePosixPath(source.lstrip("/") or "."))
        if ".." in name.split("/"):
            raise RecipeError(f"{source!r} is outside the context", hint="move it into the folder that is built from")
        if has_glob(name):
            found = tuple(Picked(self.root / match, match) for match in self._glob(name))
        else:
            found = (Picked(self.root / name, name),) if os.path.lexists(self.root / name) else ()
        found = tuple(picked for picked in found if picked.name == "." or not self._ignore.covers(picked.name))
        if not found:
            where = "that stage" if self._exact else "the context"
            raise RecipeError(f"there is no {source!r} in {where}", hint=self._near(name))
        for picked in found:
            self._check_inside(picked)
        return found

    def place(self, path: str) -> Path:
        """Where a source lies that is no pattern; `RecipeError` as of `pick`."""
        (picked, *_) = self.pick(path)
        return picked.path.resolve()

    def holds(self, path: str) -> bool:
        """Whether there is something at a relative path inside, links not followed."""
        return ".." not in path.split("/") and os.path.lexists(self.root / path)

    def _glob(self, name: str) -> Iterator[str]:
        """Paths that match a pattern, a component at a time."""
        heads = [""]
        for part in name.split("/"):
            pattern = glob_pattern(part)
            heads = [
                f"{head}/{child.name}".lstrip("/")
                for head in heads
                if (self.root / head).is_dir()
                for child in sorted((self.root / head).iterdir())
                if pattern.fullmatch(child.name)
            ]
        yield from heads

    def _near(self, name: str) -> str:
        if self._ignore.covers(name):
            return f"{IGNORE_FILE} leaves it out"
        return "paths are relative to its root" if self._exact else f"paths are relative to {self.root}"

    def _check_inside(self, picked: Picked) -> None:
        try:
            inside = picked.path.resolve(strict=True).is_relative_to(self.root)
        except (OSError, RuntimeError) as error:
            raise RecipeError(
                f"{picked.name!r} is a link to nothing", hint="remove it, or make what it names"
            ) from error
        if not inside:
            raise RecipeError(f"{picked.name!r} leads outside the context", hint="copy the file in place of the link")

    def items(self, picked: Picked, target: str, *, mode: int | None) -> Iterator[Item]:
        """What `picked` puts at `target`: itself, or, for a folder, what it holds. Digests are not there yet."""
        if not picked.is_folder:
            yield self._file(picked.path.resolve(), target, mode)
            return
        for child in sorted(picked.path.iterdir()):
            yield from self._walk(
                child, f"{picked.name}/{child.name}".removeprefix("./"), f"{target}/{child.name}".lstrip("/"), mode
            )

    def _walk(self, path: Path, name: str, target: str, mode: int | None) -> Iterator[Item]:
        if target.count("/") >= MAX_DEPTH:
            raise RecipeError(f"{name[:200]!r} lies deeper than {MAX_DEPTH} folders", hint="leave it out")
        status = path.lstat()
        left_out = self._ignore.covers(name)
        if stat.S_ISDIR(status.st_mode):
            inner = [
                item
                for child in sorted(path.iterdir())
                for item in self._walk(child, f"{name}/{child.name}", f"{target}/{child.name}", mode)
            ]
            if inner or not left_out:
                folder = stat.S_IMODE(status.st_mode) & 0o755 | 0o700 if self._exact else _DEFAULT_MODE
                yield Item(Entry(target, Kind.FOLDER, folder))
            yield from inner
        elif left_out:
            return
        elif stat.S_ISLNK(status.st_mode):
            link = os.readlink(path)  # noqa: PTH115  (the text as it stands)
            yield Item(Entry(target, Kind.LINK, 0o777, target=link))
        else:
            yield self._file(path, target, mode)

    def _file(self, path: Path, target: str, mode: int | None) -> Item:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise RecipeError(f"{path} is a device, socket or pipe, which no image holds", hint="leave it out")
        if mode is None and self._exact:
            mode = stat.S_IMODE(status.st_mode)
        if mode is None:
            mode = _DEFAULT_MODE if status.st_mode & stat.S_IXUSR else _FILE_MODE
        return Item(Entry(target, Kind.FILE, mode & 0o755, status.st_size), path, stamp(status))


def stamp(status: os.stat_result) -> tuple[int, ...]:
    """What changes when a file is written: device, inode, size, times."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def unique(items: Iterable[Item]) -> tuple[Item, ...]:
    """The items, each path once: a later one replaces an earlier. `RecipeError` for a name that no layer may hold."""
    by_path: dict[str, Item] = {}
    for item in items:
        check_name(item.entry)
        by_path[item.entry.path] = item
    return tuple(by_path.values())


def with_digests(items: Iterable[Item]) -> tuple[Item, ...]:
    """The items, each path once, with the digests of their files, read on all cores."""
    by_path = {item.entry.path: item for item in unique(items)}
    wanted = [item for item in by_path.values() if item.file is not None]
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        digests = pool.map(lambda item: hash_file(item.file), wanted)
        for item, digest in zip(wanted, digests, strict=True):
            by_path[item.entry.path] = replace(item, entry=replace(item.entry, digest=digest))
    return tuple(by_path.values())


def check_unchanged(items: Iterable[Item]) -> None:
    """`RecipeError` if a file was written since its digest was taken."""
    for item in items:
        if item.file is not None and stamp(item.file.stat()) != item.stamp:
            raise RecipeError(
                f"{item.file} changed while it was built from", hint="build again when nothing writes to it"
            )


def check_name(entry: Entry) -> None:
    """`RecipeError` for names and links that no layer may hold."""
    try:
        sound = (
            is_printable(entry.path) and len(entry.path.encode()) <= _PATH_BYTES and entry.target.encode() is not None
        )
    except UnicodeEncodeError:
        sound = False
    if any(part.startswith(WHITEOUT) for part in entry.path.split("/")):
        raise RecipeError(f"the file name {entry.path!r} means a removed file in images", hint="rename it")
    if not sound:
        raise RecipeError(
            f"the file name {entry.path[:200]!r} cannot go into an image", hint="rename it; names are UTF-8"
        )
    if entry.kind is Kind.LINK and leaves_tree(entry.path, entry.target):
        raise RecipeError(
            f"the link {entry.path!r} to {entry.target!r} leads out of the image",
            hint="make it relative to its folder, or copy the file in its place",
        )


def with_parents(items: Collection[Item], folders: Mapping[str, int]) -> tuple[Item, ...]:
    """The items and the folders above them; those that the image has already (`folders`) keep their modes."""
    there = {item.entry.path for item in items}
    parents = {
        str(parent)
        for item in items
        for parent in PurePosixPath(item.entry.path).parents
        if str(parent) != "." and str(parent) not in there
    }
    made = (Item(Entry(path, Kind.FOLDER, folders.get(path, _DEFAULT_MODE))) for path in sorted(parents))
    return (*made, *items)
