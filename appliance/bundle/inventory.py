"""What is in a bundle, and what it was made from: SBOM, provenance statement, list of source packages. Pure.

All three are made of digests and of the image's own time, so the same image gives the same bytes anywhere. Sources:
CycloneDX 1.6 (JSON), in-toto Statement v1 with SLSA provenance v1.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from appliance import canonical

if TYPE_CHECKING:
    from collections.abc import Iterable

    from appliance.digest import Digest

_NAMESPACE = uuid.UUID("5a6f8a3e-52a5-5d0b-9d38-6d9c1c0f7f5e")
_WHEEL = ".whl"


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer: the instruction that made it, its platform (``linux/amd64``), its blob's digest and size in bytes."""

    instruction: str
    platform: str
    digest: Digest
    size: int


@dataclass(frozen=True, slots=True)
class Package:
    """A package in a travelling Python: `source` is ``NAME=VERSION`` of the Debian source, or the wheel's file name."""

    name: str
    version: str
    arch: str
    digest: Digest
    source: str

    @property
    def purl(self) -> str:
        """Its package URL (purl-spec: types deb and pypi)."""
        name, version = quote(self.name.lower(), safe=""), quote(self.version, safe="")
        if self.source.endswith(_WHEEL):
            return f"pkg:pypi/{name.replace('_', '-')}@{version}?file_name={quote(self.source, safe='')}"
        return f"pkg:deb/debian/{name}@{version}?arch={self.arch}"


@dataclass(frozen=True, slots=True)
class Inventory:
    """What a bundle holds. `created` is in seconds since 1970, `builder` the version of the program that writes it."""

    name: str
    version: str
    vendor: str
    image: Digest
    created: int
    layers: tuple[Layer, ...]
    packages: tuple[Package, ...]
    builder: str


def sbom(inventory: Inventory) -> bytes:
    """A CycloneDX 1.6 document: the image with its layers, and every package of the Pythons that travel."""
    image = f"image:{inventory.image}"
    packages = _unique(inventory.packages)
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, str(inventory.image))}",
        "version": 1,
        "metadata": {
            "timestamp": _time(inventory.created),
            "component": {
                "type": "application",
                "bom-ref": "bundle",
                "name": inventory.name,
                "version": inventory.version,
                **({"supplier": {"name": inventory.vendor}} if inventory.vendor else {}),
            },
            "tools": {"components": [{"type": "application", "name": "appliance", "version": inventory.builder}]},
        },
        "components": [_image(inventory, image), *(_package(package) for package in packages)],
        "dependencies": [
            {"ref": "bundle", "dependsOn": [image, *(package.purl for package in packages)]},
            {"ref": image},
        ],
    }
    return canonical.dumps(document)


def _image(inventory: Inventory, reference: str) -> dict[str, Any]:
    return {
        "type": "container",
        "bom-ref": reference,
        "name": inventory.name,
        "version": str(inventory.image),
        "hashes": [_hash(inventory.image)],
        "components": [
            {
                "type": "file",
                "bom-ref": f"layer:{number}:{layer.digest}",
                "name": f"blobs/sha256/{layer.digest.hex}",
                "description": layer.instruction,
                "hashes": [_hash(layer.digest)],
                "properties": [
                    {"name": "appliance:platform", "value": layer.platform},
                    {"name": "appliance:size", "value": str(layer.size)},
                ],
            }
            for number, layer in enumerate(inventory.layers)
        ],
    }


def _package(package: Package) -> dict[str, Any]:
    return {
        "type": "library",
        "bom-ref": package.purl,
        "name": package.name,
        "version": package.version,
        "purl": package.purl,
        "hashes": [_hash(package.digest)],
        "properties": [{"name": "appliance:source", "value": package.source}],
    }


def provenance(inventory: Inventory, *, reference: str) -> bytes:
    """An in-toto statement (unsigned: the manifest's signature covers it) with the recipe and inputs of the image."""
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": inventory.name, "digest": {"sha256": inventory.image.hex}}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": "urn:appliance:bundle:1",
                "externalParameters": {
                    "reference": reference,
                    "version": inventory.version,
                    "recipe": [
                        {"platform": layer.platform, "instruction": layer.instruction} for layer in inventory.layers
                    ],
                },
                "internalParameters": {"sourceDateEpoch": inventory.created},
                "resolvedDependencies": [
                    *(
                        {"name": layer.instruction, "digest": {"sha256": layer.digest.hex}}
                        for layer in inventory.layers
                    ),
                    *(
                        {"uri": package.purl, "name": package.name, "digest": {"sha256": package.digest.hex}}
                        for package in _unique(inventory.packages)
                    ),
                ],
            },
            "runDetails": {"builder": {"id": "urn:appliance", "version": {"appliance": inventory.builder}}},
        },
    }
    return canonical.dumps(statement)


def _dependencies(inventory: Inventory) -> list[dict[str, Any]]:
    layers = [{"name": layer.instruction, "digest": {"sha256": layer.digest.hex}} for layer in inventory.layers]
    packages = [
        {"uri": package.purl, "name": package.name, "digest": {"sha256": package.digest.hex}}
        for package in _unique(inventory.packages)
    ]
    return [*layers, *packages]


def sources(packages: Iterable[Package]) -> bytes:
    """The exact source packages of what travels in binary form, one a line, for those who owe or want them."""
    debian = sorted({package.source for package in packages if not package.source.endswith(_WHEEL)})
    python = sorted({f"{p.name}=={p.version}" for p in packages if p.source.endswith(_WHEEL)}, key=str.lower)
    lines = [
        "# Debian source packages (apt-get source NAME=VERSION, or https://snapshot.debian.org)",
        *debian,
        "# Python packages (https://pypi.org)",
        *python,
    ]
    return "".join(f"{line}\n" for line in lines).encode()


def _unique(packages: Iterable[Package]) -> list[Package]:
    return sorted({package.purl: package for package in packages}.values(), key=lambda package: package.purl)


def _hash(digest: Digest) -> dict[str, str]:
    return {"alg": "SHA-256", "content": digest.hex}


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
