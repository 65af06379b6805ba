"""`Holdings`: all that a delivery holds, as SBOM, provenance and the list of sources say it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from appliance.bundle.inventory.tree import NOTHING, TreeFound

if TYPE_CHECKING:
    from collections.abc import Mapping

    from appliance.bundle.inventory.parts import Package
    from appliance.digest import Digest


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer: the instruction that made it, its platform (``linux/amd64``), its blob's digest and size in bytes."""

    instruction: str
    platform: str
    digest: Digest
    size: int


@dataclass(frozen=True, slots=True)
class Rootfs:
    """The image on one platform: the digest of its manifest, its layers, and what is in them."""

    platform: str
    digest: Digest
    layers: tuple[Layer, ...]
    found: TreeFound = NOTHING


@dataclass(frozen=True, slots=True)
class Carried:
    """A container image that is carried: the references it is called by, its manifest's digest, and what is in it."""

    references: tuple[str, ...]
    platform: str
    digest: Digest
    found: TreeFound = NOTHING


@dataclass(frozen=True, slots=True)
class Python:
    """A Python that travels: its kind and architecture, its tar's digest, and what it was made of."""

    kind: str
    arch: str
    digest: Digest
    packages: tuple[Package, ...]


@dataclass(frozen=True, slots=True)
class Input:
    """What a build took from elsewhere: an address or reference, its digest, and whether the recipe pins it."""

    uri: str
    digest: Digest
    pinned: bool


@dataclass(frozen=True, slots=True)
class Holdings:
    """What a bundle holds. `created` is in seconds since 1970, `builder` the version of the program that writes it.

    `arguments` are those of the build; `inputs` what it took from elsewhere.
    """

    name: str
    version: str
    vendor: str
    image: Digest
    created: int
    builder: str
    rootfs: tuple[Rootfs, ...] = ()
    carried: tuple[Carried, ...] = ()
    pythons: tuple[Python, ...] = ()
    inputs: tuple[Input, ...] = ()
    arguments: Mapping[str, str] = field(default_factory=dict)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers on all platforms."""
        return tuple(layer for rootfs in self.rootfs for layer in rootfs.layers)

    @property
    def python_packages(self) -> tuple[Package, ...]:
        """What the Pythons were made of, each package once, by package URL."""
        found = {package.purl: package for python in self.pythons for package in python.packages}
        return tuple(found[purl] for purl in sorted(found))
