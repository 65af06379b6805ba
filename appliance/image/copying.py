"""COPY and ADD: which items their sources give, at which paths of the image."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from appliance.errors import RecipeError
from appliance.image import archives, layers, trees
from appliance.image.context import Item, stamp, with_digests
from appliance.image.trees import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from appliance.image.context import Context


@dataclass(frozen=True, slots=True)
class Target:
    """A destination as written: its path in the image without a leading slash, and whether it is a folder."""

    path: str
    is_folder: bool

    def at(self, name: str) -> str:
        """The path of a source called `name`."""
        return f"{self.path}/{name}".lstrip("/") if self.is_folder else self.path


@dataclass(frozen=True, slots=True)
class Taken:
    """Files and folders at their places, with digests; and archives, at the folders that they are unpacked into."""

    items: tuple[Item, ...]
    archives: tuple[Item, ...]

    @property
    def fingerprint(self) -> list[list[object]]:
        """All that a layer of this depends on, as JSON data."""
        return [["item", *_fields(i)] for i in self.items] + [["archive", *_fields(i)] for i in self.archives]


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


def take(context: Context, names: Sequence[str], into: Target, *, mode: int | None, unpack: bool) -> Taken:
    """What the sources `names` give; `unpack` takes archives apart. `RecipeError` names the source that cannot be."""
    picked = [found for name in names for found in context.pick(name)]
    if len(picked) > 1 and not into.is_folder:
        raise RecipeError("several sources need a folder to go into", hint=f"write the destination as {into.path}/")
    items: list[Item] = []
    tars: list[Item] = []
    for source in picked:
        if unpack and not source.is_folder and archives.is_archive(source.path):
            tars += context.items(source, into.path, mode=None)
        elif source.is_folder:
            items += context.items(source, into.path, mode=mode)
        else:
            items += context.items(source, into.at(source.path.name), mode=mode)
    return Taken(with_digests(items), tuple(item for tar in tars for item in with_digests([tar])))


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


def _fields(item: Item) -> list[object]:
    entry = item.entry
    return [entry.path, str(entry.kind), entry.mode, entry.size, str(entry.digest or ""), entry.target]
