"""The exact source packages of what travels in binary form, one a line, for those who owe or want them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.bundle.inventory.parts import PackageKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from appliance.bundle.inventory.holdings import Holdings
    from appliance.bundle.inventory.parts import Package

ARCHIVE_NAME = "META/sources.tar"


def to_text(holdings: Holdings, *, carried: bool = False, missing: Sequence[str] = ()) -> bytes:
    """The list: the Pythons that travel, packages that stand in the image as files, each container image.

    `carried` says that sources are in the bundle, as `ARCHIVE_NAME`; of `missing` it lacks what dpkg names.
    """
    lines = ["# Source packages of what travels in binary form, with exact versions.", "#"]
    lines += ["# Debian: apt-get source NAME=VERSION, or https://snapshot.debian.org. Python: https://pypi.org."]
    if carried:
        lines += [f"# In this bundle, as {ARCHIVE_NAME}: those of the Pythons that travel, and of what dpkg names."]
        lines += [f"# Not in it: {source}" for source in missing]
    lines += ["", "# The Pythons that travel", *_lines(holdings.python_packages)]
    files = [package for rootfs in holdings.rootfs for package in rootfs.found.packages]
    if found := _lines(files):
        lines += ["", "# Packages within the image", *found]
    for image in holdings.carried:
        if found := _lines(image.found.packages):
            lines += ["", f"# {', '.join(image.references)} ({image.digest})", *found]
    return "".join(f"{line}\n" for line in lines).encode()


def _lines(packages: Iterable[Package]) -> list[str]:
    return sorted(set(_names(packages)), key=lambda line: (line.lower(), line))


def _names(packages: Iterable[Package]) -> Iterator[str]:
    for package in packages:
        if package.kind is PackageKind.PYTHON:
            yield f"{package.name}=={package.version}"
        else:
            yield package.source or f"{package.name}={package.version}"
