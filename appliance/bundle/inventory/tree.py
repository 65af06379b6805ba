"""What stands in a tree once its layers lie over each other: the packages and files, and what could not be read. Pure.

Source: OCI image-spec, layer.md § Whiteouts.
"""

from __future__ import annotations

import dataclasses
import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.bundle.inventory.found import LayerFound
from appliance.bundle.inventory.parts import NO_RELEASE, PackageKind, Release
from appliance.bundle.inventory.readers import root_of
from appliance.image.whiteouts import Cover

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from appliance.bundle.inventory.parts import FoundFile, Package

_DOC = "usr/share/doc"
_RELEASES = ("etc/os-release", "usr/lib/os-release")


@dataclass(frozen=True, slots=True)
class TreeFound:
    """What a tree holds, sorted. `unread` are pairs of a path and the reason why it was not read."""

    release: Release = NO_RELEASE
    packages: tuple[Package, ...] = ()
    files: tuple[FoundFile, ...] = ()
    unread: tuple[tuple[str, str], ...] = ()


NOTHING = TreeFound()


def over_each_other(layers: Iterable[LayerFound]) -> TreeFound:
    """What `layers`, the lowest first, are together."""
    whole = LayerFound()
    for layer in layers:
        _lay_over(whole, layer)
    packages = {
        (package.purl, package.path): package
        for path, packages in whole.packages.items()
        for package in _completed(whole, path, packages)
    }
    return TreeFound(
        release=_release(whole, ""),
        packages=tuple(packages[key] for key in sorted(packages)),
        files=tuple(whole.files[path] for path in sorted(whole.files)),
        unread=tuple(sorted(whole.unread.items())),
    )


def _lay_over(whole: LayerFound, layer: LayerFound) -> None:
    placed = (path for known in layer.by_path for path in known)
    cover = Cover.of(removed=layer.removed, opaque=layer.opaque, placed=placed, folders=layer.folders)
    for known, new in zip(whole.by_path, layer.by_path, strict=True):
        for path in [path for path in known if cover.hides(path)]:
            del known[path]
        known.update(new)


def _completed(whole: LayerFound, path: str, packages: tuple[Package, ...]) -> Iterator[Package]:
    """The packages that a database or file at `path` says, with release and licences that stand elsewhere."""
    root = root_of(path)
    release = _release(whole, root)
    for package in packages:
        if package.path or package.kind is PackageKind.PYTHON:
            yield package
        elif package.kind is PackageKind.DEB:
            yield dataclasses.replace(package, release=release, licences=_licences(whole, root, package.name))
        else:
            yield dataclasses.replace(package, release=release)


def _licences(whole: LayerFound, root: str, name: str) -> tuple[str, ...]:
    """By the package's copyright file; its folder may be a link to another's."""
    folder = f"{root}{_DOC}/{name}"
    if target := whole.links.get(folder):
        folder = posixpath.normpath(f"{root}{_DOC}/{target}")
    return whole.licences.get(f"{folder}/copyright", ())


def _release(whole: LayerFound, root: str) -> Release:
    return next((whole.releases[root + path] for path in _RELEASES if root + path in whole.releases), NO_RELEASE)
