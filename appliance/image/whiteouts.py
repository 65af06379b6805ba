"""What an upper layer hides of the layers below it. Pure. Source: OCI image-spec, layer.md § Whiteouts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@dataclass(frozen=True, slots=True)
class Cover:
    """What a layer covers: paths that it removes, folders that it makes opaque, paths where it puts something."""

    removed: frozenset[str]
    opaque: frozenset[str]
    placed: frozenset[str]
    folders: frozenset[str]

    @classmethod
    def of(
        cls, *, removed: Iterable[str], opaque: Iterable[str], placed: Iterable[str], folders: Iterable[str] = ()
    ) -> Cover:
        """Of the whiteouts of a layer, the files and links in it, and its folders."""
        placed, folders = frozenset(placed), frozenset(folders)
        within = (above for path in (*placed, *folders) for above in _above(path))
        return cls(frozenset(removed), frozenset(opaque), placed, folders.union(within))

    def hides(self, path: str) -> bool:
        """Whether a file or link of a lower layer at `path` is gone, or something else stands there."""
        if path in self.removed or path in self.placed or path in self.folders:
            return True
        return any(above in self.removed or above in self.opaque or above in self.placed for above in _above(path))


def _above(path: str) -> Iterator[str]:
    while path:
        path = path.rpartition("/")[0]
        yield path
