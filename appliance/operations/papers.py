"""What a bundle says of itself: SBOM, provenance and the list of sources, as they stand in ``META/``."""

from __future__ import annotations

import functools
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from appliance.bundle.inventory import cyclonedx, sourcelist, statement
from appliance.bundle.inventory.parts import PackageKind
from appliance.bundle.manifest import PROVENANCE_NAME, SBOM_NAME, SOURCES_NAME
from appliance.bundle.pyruntime.sourcecode import Installed
from appliance.bundle.runfile import Member
from appliance.digest import Digest
from appliance.files import hash_file

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from appliance.bundle.inventory.holdings import Holdings
    from appliance.bundle.pyruntime.sourcecode import Collected

_MODE = 0o644


@dataclass(frozen=True, slots=True)
class Papers:
    """The documents' bytes, and the tar of source packages if that travels."""

    sbom: bytes
    provenance: bytes
    sources: bytes
    archive: Path | None

    def members(self) -> list[Member]:
        """As members of the bundle."""
        named = {SBOM_NAME: self.sbom, PROVENANCE_NAME: self.provenance, SOURCES_NAME: self.sources}
        found = [
            Member(name, len(data), Digest.of(data), functools.partial(io.BytesIO, data), _MODE)
            for name, data in named.items()
        ]
        if path := self.archive:
            opener = functools.partial(_open, path)
            found.append(Member(sourcelist.ARCHIVE_NAME, path.stat().st_size, hash_file(path), opener, _MODE))
        return found


def installed(holdings: Holdings) -> tuple[Installed, ...]:
    """The source packages of what dpkg says is installed in the image and in the container images that it carries."""
    found = (*(rootfs.found for rootfs in holdings.rootfs), *(carried.found for carried in holdings.carried))
    named = {
        Installed(package.source or f"{package.name}={package.version}", package.release.name, package.release.version)
        for tree in found
        for package in tree.packages
        if package.kind is PackageKind.DEB
    }
    return tuple(sorted(named, key=lambda one: (one.source, one.version)))


def write(holdings: Holdings, *, reference: str, sources: Collected | None) -> Papers:
    """The papers of what a bundle holds; `reference` names the image, `sources` travel with it."""
    missing = tuple(sources.missing) if sources else ()
    return Papers(
        sbom=cyclonedx.sbom(holdings),
        provenance=statement.provenance(holdings, reference=reference),
        sources=sourcelist.to_text(holdings, carried=sources is not None, missing=missing),
        archive=sources.path if sources else None,
    )


def _open(path: Path) -> AbstractContextManager[BinaryIO]:
    return path.open("rb", buffering=0)
