"""What is in a delivery, for the security officer's page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.bundle.inventory import listing
from appliance.image import oci
from appliance.image.oci import CARRIED_REFERENCE
from appliance.operations import look
from appliance.report.officer import Contents, Fact, ImageRow, PackageRow, ScriptRow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from appliance.bundle.verify import VerifiedBundle


def contents(bundle: VerifiedBundle) -> Contents:
    """The contents part of the page; every layer is read once for the scripts. Raises as reading a bundle does."""
    manifest = bundle.manifest
    found = listing.read(bundle.read(manifest.sbom))
    scripts = look.scripts_of(bundle)
    facts = {
        "delivery": f"{manifest.title or manifest.name} {manifest.version}, epoch {manifest.epoch}",
        "vendor": manifest.vendor,
        "about": manifest.description,
        "for": f"linux, {', '.join(manifest.arch)}",
        "image": str(manifest.image),
        "SBOM": str(manifest.sbom),
        "provenance": str(manifest.provenance),
    }
    return Contents(
        facts=tuple(Fact(name, value) for name, value in facts.items() if value),
        images=tuple(_images(bundle)),
        packages=tuple(PackageRow(p.where, p.name, p.version, p.licences) for p in found.packages),
        scripts=tuple(
            dict.fromkeys(ScriptRow(one.path, one.digest.hex) for _, files in scripts.platforms for one in files)
        ),
        members=tuple((entry.name, entry.length, entry.sha256.hex) for entry in manifest.files),
        unread=found.unread,
    )


def _images(bundle: VerifiedBundle) -> Iterator[ImageRow]:
    index = oci.index_from_json(bundle.read(bundle.manifest.image))
    why = {image.reference: image.why for one in look.platforms(bundle) for image in one.config.images}
    for child in index.manifests:
        if name := child.annotations.get(CARRIED_REFERENCE, ""):
            yield ImageRow(name, str(child.platform or ""), str(child.digest), why.get(name, ()))
