"""The tree that RUN works in, and what a command changed in it."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from appliance.errors import RecipeError, StateError
from appliance.files import lock
from appliance.image import layers, trees
from appliance.image.context import Item, stamp, with_digests
from appliance.image.trees import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import TracebackType

    from appliance.image.buildcache import LayerMade
    from appliance.image.store import Store


_LOCK = "lock"
_GATE = ".gate"


@dataclass(frozen=True, slots=True)
class _Seen:
    """An entry, and how its file stood."""

    entry: Entry
    stamp: tuple[int, ...]


class Workspace:
    """A private folder for one build: `root` is the image's tree, `scratch` the sandbox's ``/tmp``."""

    def __init__(self, cache: Path, store: Store) -> None:
        self._cache = cache
        self._open = contextlib.ExitStack()
        with lock(cache / _GATE):
            _remove_abandoned(cache)
            self._folder = tempfile.TemporaryDirectory(prefix="build-", dir=cache)
            self._open.enter_context(lock(Path(self._folder.name) / _LOCK))
        self._store = store
        self._applied = 0
        self._digests: dict[str, Entry] = {}
        self.root = Path(self._folder.name) / "root"
        self.scratch = Path(self._folder.name) / "tmp"
        self.root.mkdir(mode=0o755)
        self.scratch.mkdir(mode=0o1777)
        self.scratch.chmod(0o1777)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with lock(self._cache / _GATE):
            self._folder.cleanup()
        self._open.close()

    def folder(self, name: str) -> Path:
        """A path in the private folder."""
        return Path(self._folder.name) / name

    def catch_up(self, made: Sequence[LayerMade]) -> None:
        """Lay those of the image's layers that are not there yet over the tree."""
        for layer in made[self._applied :]:
            unpacked = self.folder("layer")
            with self._store.open(layer.blob.digest) as source:
                layers.unpack(source, unpacked, diff_id=layer.diff_id)
            self._digests |= {entry.path: entry for entry in trees.read_mtree(unpacked / "mtree")}
            trees.move_layer(unpacked, self.root)
            trees.remove_tree(unpacked)
        self._applied = len(made)

    def look(self) -> Mapping[str, _Seen]:
        """How the tree stands before a command. Files get the time 0, so that no write goes unseen."""
        for entry in self._scan():
            if entry.kind is Kind.FILE:
                os.utime(self.root / entry.path, (0, 0))
        return {entry.path: _Seen(entry, stamp((self.root / entry.path).lstat())) for entry in self._scan()}

    def changes(self, before: Mapping[str, _Seen]) -> tuple[Item, ...]:
        """What a layer must hold to make the tree that was seen `before` the one that is there now."""
        now = {entry.path: entry for entry in self._scan()}
        touched = [entry for entry in now.values() if self._touched(entry, before.get(entry.path))]
        items = with_digests(self._item(entry) for entry in touched)
        changed = [item for item in items if not self._same(item.entry, before.get(item.entry.path))]
        self._digests |= {item.entry.path: item.entry for item in changed}
        removed = (Item(Entry(path, Kind.REMOVED)) for path in before if path not in now and _top(path, now))
        self._applied += 1
        return (*changed, *removed)

    def _scan(self) -> Iterator[Entry]:
        try:
            for entry in trees.scan_tree(self.root):
                mode = entry.mode if entry.kind is Kind.LINK else entry.mode & 0o755
                yield replace(entry, mode=mode)
        except ValueError as error:
            raise RecipeError(f"the command left what no image holds: {error}", hint="remove it in the RUN") from error

    def _touched(self, entry: Entry, seen: _Seen | None) -> bool:
        if seen is None or seen.entry != entry:
            return True
        return entry.kind is Kind.FILE and stamp((self.root / entry.path).lstat()) != seen.stamp

    def _same(self, entry: Entry, seen: _Seen | None) -> bool:
        """Whether a file was written with what it held before."""
        known = self._digests.get(entry.path)
        return (
            entry.kind is Kind.FILE
            and seen is not None
            and known is not None
            and (seen.entry.mode, known.digest) == (entry.mode, entry.digest)
        )

    def _item(self, entry: Entry) -> Item:
        path = self.root / entry.path
        return Item(entry, path, stamp(path.lstat())) if entry.kind is Kind.FILE else Item(entry)


def _remove_abandoned(cache: Path) -> None:
    """Remove the folders of builds that were killed: nobody holds their locks."""
    for folder in cache.glob("build-*"):
        with contextlib.suppress(StateError), lock(folder / _LOCK, wait=False):
            shutil.rmtree(folder)


def _top(path: str, now: Mapping[str, Entry]) -> bool:
    """Whether the folder of a removed path is still one, so that the path needs a whiteout of its own."""
    folder = path.rpartition("/")[0]
    return not folder or (folder in now and now[folder].kind is Kind.FOLDER)
