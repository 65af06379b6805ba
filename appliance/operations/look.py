"""Looking into a delivery: nothing is unpacked, nothing is run, and what comes out of layers only of a verified one."""

from __future__ import annotations

import contextlib
import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, assert_never

from appliance.bundle.inventory import listing
from appliance.bundle.manifest import PROVENANCE_NAME, SBOM_NAME, SOURCES_NAME
from appliance.bundle.verify import BundleFiles, VerifiedBundle, open_unverified_for_display
from appliance.errors import BundleError, VerificationError
from appliance.image import scripts
from appliance.operations import deliver

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from appliance.bundle.inventory.listing import Listing
    from appliance.bundle.manifest import BundleManifest
    from appliance.bundle.verify import UnverifiedBundle
    from appliance.digest import Digest
    from appliance.image.scripts import Script
    from appliance.operations.deliver import PlatformImage
    from appliance.plan.runtime import TextFile
    from appliance.trust.policy import Trust

SCRIPTS = ("scripts/", "services/")
DOCS = ("docs/",)


class Topic(enum.StrEnum):
    """What of a bundle is shown."""

    CONTENTS = "contents"
    IMAGES = "images"
    SCRIPTS = "scripts"
    SBOM = "sbom"
    PROVENANCE = "provenance"
    LICENSES = "licenses"
    DOCS = "docs"


@dataclass(frozen=True, slots=True)
class Contents:
    """What the manifest says, and its digest."""

    manifest: BundleManifest
    manifest_digest: Digest


@dataclass(frozen=True, slots=True)
class Images:
    """The image digest, and what the image is on each platform."""

    image: Digest
    platforms: tuple[PlatformImage, ...]


@dataclass(frozen=True, slots=True)
class Scripts:
    """The scripts of the image on each platform (``linux/amd64``), and the commands that run once the cluster is up."""

    platforms: tuple[tuple[str, tuple[Script, ...]], ...]
    commands: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A file of ``META/``: its name, media type and bytes."""

    name: str
    media_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Licences:
    """What travels under which licences, and the list of source packages."""

    listing: Listing
    sources: str


@dataclass(frozen=True, slots=True)
class Texts:
    """Text files of the image."""

    files: tuple[TextFile, ...]


Shown = Contents | Images | Scripts | Document | Licences | Texts


@contextlib.contextmanager
def opened(path: Path, trust: Trust, *, now: datetime) -> Iterator[tuple[VerifiedBundle | UnverifiedBundle, str]]:
    """The bundle at `path`, verified; or, where it cannot be, for display only, and the sentence that says why."""
    refusal = ""
    with contextlib.ExitStack() as stack:
        try:
            found: VerifiedBundle | UnverifiedBundle = stack.enter_context(deliver.open_delivery(path, trust, now=now))
        except VerificationError as error:
            refusal = error.message
            files = stack.enter_context(BundleFiles.open(path, also=trust.beside))
            found = open_unverified_for_display(files, trust, now=now)
        yield found, refusal


def show(bundle: VerifiedBundle | UnverifiedBundle, topic: Topic) -> Shown:
    """Look into a bundle.

    `BundleError` when there is nothing to show; `VerificationError` for texts out of one that nobody here trusts.
    """
    match topic:
        case Topic.CONTENTS:
            return Contents(bundle.manifest, bundle.manifest_digest)
        case Topic.IMAGES:
            return Images(bundle.manifest.image, platforms(bundle))
        case Topic.SCRIPTS:
            return scripts_of(trusted(bundle))
        case Topic.DOCS:
            return Texts(deliver.texts(trusted(bundle), platforms(bundle)[0], below=DOCS))
        case Topic.SBOM | Topic.PROVENANCE | Topic.LICENSES:
            return _document(bundle, topic)
        case _:
            assert_never(topic)


def _document(
    bundle: VerifiedBundle | UnverifiedBundle, topic: Literal[Topic.SBOM, Topic.PROVENANCE, Topic.LICENSES]
) -> Document | Licences:
    manifest = bundle.manifest
    match topic:
        case Topic.SBOM:
            return Document(SBOM_NAME, "application/vnd.cyclonedx+json", bundle.read(manifest.sbom))
        case Topic.PROVENANCE:
            return Document(PROVENANCE_NAME, "application/vnd.in-toto+json", bundle.read(manifest.provenance))
        case Topic.LICENSES:
            sources = bundle.read(_named(manifest, SOURCES_NAME)).decode(errors="replace")
            return Licences(listing.read(bundle.read(manifest.sbom)), sources)


def platforms(bundle: VerifiedBundle | UnverifiedBundle) -> tuple[PlatformImage, ...]:
    """What the image is on each platform."""
    return tuple(deliver.platform_image(bundle, arch) for arch in bundle.manifest.arch)


def scripts_of(bundle: VerifiedBundle) -> Scripts:
    """Every script of the image: what begins with ``#!``, and all below ``scripts/`` and ``services/``."""
    found = platforms(bundle)
    return Scripts(
        tuple((str(image.config.platform), _scripts(bundle, image)) for image in found), found[0].config.commands
    )


def _scripts(bundle: VerifiedBundle, image: PlatformImage) -> tuple[Script, ...]:
    sources = (bundle.open(layer.digest) for layer in image.manifest.layers)
    return scripts.read(sources, lambda path: path.startswith(SCRIPTS))


def trusted(bundle: VerifiedBundle | UnverifiedBundle) -> VerifiedBundle:
    """The bundle if it is verified; `VerificationError` if not."""
    if isinstance(bundle, VerifiedBundle):
        return bundle
    raise VerificationError(
        "what is in the layers is shown only of a bundle that is trusted here",
        hint="say whom you trust: --trust root.pem, which the vendor gave you by another way than this medium",
    )


def _named(manifest: BundleManifest, name: str) -> Digest:
    for entry in manifest.files:
        if entry.name == name:
            return entry.sha256
    raise BundleError(f"the bundle holds no {name}")
