"""COPY and ADD: which items their sources give, at which paths of the image."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from appliance.errors import RecipeError
from appliance.image import archives, layers, trees
from appliance.image.context import Item, stamp, unique, with_digests
from appliance.image.trees import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from appliance.image.context import Context

_FILE_MODE = 0o644
FOLDERS = frozenset(
    ("application", "applications", "bin", "charts", "etc", "images", "manifests", "opt", "plugin", "plugins",
     "registry", "scripts", "services")
)  # fmt: skip
"""Folders of a cluster image by convention: a file that is copied to one of these goes into it."""


@dataclass(frozen=True, slots=True)
class Target:
    """A destination as written: its path in the image without a leading slash, and whether it is a folder."""

    path: str
    is_folder: bool

    def at(self, name: str) -> str:
        """The path of a file called `name`."""
        inside = self.is_folder or (self.path in FOLDERS and name != self.path)
        return f"{self.path}/{name}".lstrip("/") if inside else self.path

    def whole(self, name: str) -> str:
        """The path of a file or folder called `name` as sealer before 0.9 has it: below the target, under its name."""
        return self.path if self.path.rpartition("/")[2] == name else f"{self.path}/{name}".lstrip("/")


@dataclass(frozen=True, slots=True)
class Given:
    """A source that no context holds: a file that was fetched or written for this, and what it is called."""

    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class Taken:
    """Files and folders at their places; and archives, at the folders that they are unpacked into."""

    items: tuple[Item, ...]
    archives: tuple[Item, ...]


def image_path(workdir: str, text: str) -> str:
    """A path in the image, without its leading slash: below `workdir` unless written with one; never above the root."""
    parts: list[str] = []
    for part in PurePosixPath("/", workdir, text).parts[1:]:
        parts = parts[:-1] if part == ".." else [*parts, part]
    return "/".join(parts)


def target(workdir: str, text: str, folders: Mapping[str, int]) -> Target:
    """Where a destination leads: a folder when written as one, or when the image has it (`folders`) as one."""
    path = image_path(workdir, text)
    return Target(path, text.endswith("/") or text in (".", "..") or not path or path in folders)


def take(
    context: Context,
    sources: Sequence[str | Given],
    into: Target,
    *,
    mode: int | None,
    unpack: bool,
    whole: bool = False,
) -> Taken:
    """What `sources` give; `unpack` takes archives apart. `RecipeError` names the source that cannot be.

    With `whole` a source comes under its own name, as sealer before 0.9 has it.
    """
    picked = [p for source in sources for p in ([source] if isinstance(source, Given) else context.pick(source))]
    if len(picked) > 1 and not (into.is_folder or into.path in FOLDERS or whole):
        raise RecipeError("several sources need a folder to go into", hint=f"write the destination as {into.path}/")
    items: list[Item] = []
    tars: list[Item] = []
    for source in picked:
        if isinstance(source, Given):
            items.append(given_item(source, into.at(source.name), mode))
        elif unpack and not source.is_folder and archives.is_archive(source.path):
            tars += context.items(source, into.path, mode=None)
        elif source.is_folder:
            bare = not whole or source.name == "."
            at = into.path if bare else into.whole(source.path.name)
            held = tuple(context.items(source, at, mode=mode))
            items += held or ([Item(Entry(at, Kind.FOLDER))] if at else [])
        else:
            name = source.path.name
            items += context.items(source, into.whole(name) if whole else into.at(name), mode=mode)
    return Taken(unique(items), tuple(tars))


def given_item(given: Given, target: str, mode: int | None) -> Item:
    """A given file at its place."""
    status = given.path.stat()
    return Item(Entry(target, Kind.FILE, (mode or _FILE_MODE) & 0o755, status.st_size), given.path, stamp(status))


def unpacked(archive: Item, folder: Path) -> Iterator[Item]:
    """What an archive holds, at its place; `folder` is made for it and kept until the items are packed."""
    if archive.file is None:
        return
    with archives.open_archive(archive.file) as source:
        layers.unpack_tar(source, folder)
    for entry in trees.read_mtree(folder / "mtree"):
        path = folder / "tree" / entry.path
        placed = replace(entry, path=f"{archive.entry.path}/{entry.path}".lstrip("/"))
        yield Item(placed, path, stamp(path.lstat())) if entry.kind is Kind.FILE else Item(placed)


def fingerprint(items: Iterable[Item]) -> list[list[object]]:
    """All that a layer of `items` depends on, as JSON data; reads the files."""
    return [_fields(item) for item in with_digests(items)]


def _fields(item: Item) -> list[object]:
    entry = item.entry
    return [entry.path, str(entry.kind), entry.mode, entry.size, str(entry.digest or ""), entry.target]
