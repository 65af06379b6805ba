"""`LayerFound`: what was found in one layer; as JSON, too, so that it is kept under the layer's digest. Pure."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from appliance import canonical
from appliance.bundle.inventory.parts import FoundFile, Package, PackageKind, Release
from appliance.digest import Digest

FORMAT = 1
RECORD_BYTES = 512 << 20


@dataclass(slots=True)
class LayerFound:
    """What one layer holds, by path. `removed` and `opaque` are its whiteouts; `files` is empty unless asked for.

    `folders` are those that may stand where a lower layer has a file that is known.

    `unread` are places where packages may stand that could not be read, and why.
    """

    files: dict[str, FoundFile] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    packages: dict[str, tuple[Package, ...]] = field(default_factory=dict)
    licences: dict[str, tuple[str, ...]] = field(default_factory=dict)
    releases: dict[str, Release] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)
    opaque: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)

    @property
    def by_path(self) -> tuple[dict[str, Any], ...]:
        """All that is known by path."""
        return (self.files, self.links, self.packages, self.licences, self.releases, self.unread)

    def link(self, path: str, target: str) -> None:
        """Note a hard link: what is known of `target` holds for `path`."""
        for known in self.by_path:
            if target in known:
                known[path] = known[target]
        if target in self.files:
            self.files[path] = dataclasses.replace(self.files[target], path=path)


def dump(found: LayerFound) -> bytes:
    """As JSON."""
    return canonical.dumps(
        {
            "format": FORMAT,
            "files": [[f.path, f.mode, f.size, f.digest.hex if f.digest else ""] for f in found.files.values()],
            "links": found.links,
            "packages": {path: [_package(one) for one in packages] for path, packages in found.packages.items()},
            "licences": found.licences,
            "releases": {path: [release.name, release.version] for path, release in found.releases.items()},
            "unread": found.unread,
            "removed": found.removed,
            "opaque": found.opaque,
            "folders": found.folders,
        }
    )


def parse(data: bytes) -> LayerFound:
    """Read what `dump` wrote; `ValueError` for anything else."""
    try:
        document = canonical.loads(data, limit=RECORD_BYTES)
        if document["format"] != FORMAT:
            raise ValueError(f"format {document['format']}")
        return LayerFound(
            files={
                path: FoundFile(path, mode, size, _digest(digest)) for path, mode, size, digest in document["files"]
            },
            links=dict(document["links"]),
            packages={path: tuple(map(_parsed, packages)) for path, packages in document["packages"].items()},
            licences={path: tuple(names) for path, names in document["licences"].items()},
            releases={path: Release(*parts) for path, parts in document["releases"].items()},
            unread=dict(document["unread"]),
            removed=list(document["removed"]),
            opaque=list(document["opaque"]),
            folders=list(document["folders"]),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not what was found in a layer: {error}") from error


def _package(package: Package) -> list[object]:
    digest = package.digest.hex if package.digest else ""
    return [
        package.kind.value,
        package.name,
        package.version,
        package.arch,
        package.source,
        list(package.licences),
        package.path,
        digest,
    ]


def _parsed(fields: list[Any]) -> Package:
    kind, name, version, arch, source, licences, path, digest = fields
    return Package(PackageKind(kind), name, version, arch, source, tuple(licences), path, _digest(digest))


def _digest(text: str) -> Digest | None:
    return Digest(text) if text else None
