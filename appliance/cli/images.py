"""What is in the packager's store: `images`, `inspect`; and layers as every command shows them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from appliance.cli.options import Command, Session, common, pass_session
from appliance.cli.text import one_line, table, wrapped
from appliance.image.oci import config_to_json
from appliance.image.reference import Reference
from appliance.recipe.quantities import size_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from appliance.digest import Digest
    from appliance.image.oci import ImageConfig, Manifest
    from appliance.image.records import ImageRecord
    from appliance.operations.build import ImageDetail, ImageSummary
    from appliance.recipe.bundlefile import BundleSpec, RoleSpec

_INSTRUCTION_COLUMNS = 48


@click.command(cls=Command)
@pass_session
@common
def images(session: Session) -> None:
    """List the cluster images in the local store.

    Example: appliance images -o json
    """
    from appliance.operations import build as building  # noqa: PLC0415  (slow to import)

    found = building.list_images(session.store)
    session.output.result(
        {
            "images": [
                {
                    "reference": image.reference.familiar,
                    "digest": str(image.digest),
                    "platforms": [str(platform) for platform in image.platforms],
                    "size": image.size,
                    "images": image.images,
                }
                for image in found
            ]
        },
        lambda: "\n".join(_image_lines(found)) or "no image yet; make one with: appliance build",
    )


def _image_lines(found: Sequence[ImageSummary]) -> list[str]:
    rows = [
        (
            image.reference.familiar,
            image.digest.short,
            size_text(image.size),
            str(image.images or ""),
            ", ".join(str(platform) for platform in image.platforms),
        )
        for image in found
    ]
    return table(rows, heads=("IMAGE", "DIGEST", "SIZE", "CARRIES", "PLATFORMS"), right=(2, 3))


@click.command(cls=Command)
@click.argument("reference", metavar="REF")
@pass_session
@common
def inspect(session: Session, *, reference: str) -> None:
    """Show what the image REF holds: platforms, layers and their instructions, settings, container images and why.

    Example: appliance inspect etcd-cluster:1.0.0
    """
    from appliance.operations import build as building  # noqa: PLC0415  (slow to import)

    detail = building.inspect(session.store, Reference.parse(reference))
    document = {
        "reference": detail.reference.familiar,
        "digest": str(detail.digest),
        "platforms": [
            {
                "platform": str(rootfs.config.platform),
                "digest": str(rootfs.digest),
                "layers": layers_document(rootfs.manifest, rootfs.config),
                "images": images_document(rootfs.config),
                "config": json.loads(config_to_json(rootfs.config)),
            }
            for rootfs in detail.rootfs
        ],
    }
    session.output.result(document, lambda: "\n".join(_detail_lines(detail)))


def layers_document(manifest: Manifest, config: ImageConfig) -> list[dict[str, object]]:
    """The layers of a rootfs for machines."""
    return [
        {"digest": str(layer.digest), "size": layer.size, "instruction": record.instruction}
        for layer, record in zip(manifest.layers, config.layers, strict=True)
    ]


def layer_lines(manifest: Manifest, config: ImageConfig) -> list[str]:
    """The layers of a rootfs for people."""
    rows = (
        layer_cells(layer.digest, layer.size, record.instruction)
        for layer, record in zip(manifest.layers, config.layers, strict=True)
    )
    return table(rows, right=(2,))


def layer_cells(digest: Digest, size: int, instruction: str) -> tuple[str, ...]:
    """A layer, its size in bytes and what made it, as the first columns of a table."""
    return ("", digest.short, size_text(size), one_line(instruction, _INSTRUCTION_COLUMNS))


def images_document(config: ImageConfig) -> list[dict[str, object]]:
    """The container images that are carried for a rootfs for machines."""
    return [
        {
            "reference": Reference.parse(image.reference).familiar,
            "digest": str(image.published),
            "manifest": str(image.digest),
            "why": list(image.why),
            "origin": image.origin,
        }
        for image in config.images
    ]


def images_lines(config: ImageConfig) -> list[str]:
    """The container images that are carried for a rootfs for people, each with all of its reasons."""
    lines = ["  container images were left out when it was built (--no-images)"] if config.images_left_out else []
    lines += ["  container images"] if config.images else []
    for image in config.images:
        lines.append(f"    {Reference.parse(image.reference).familiar}  {image.published}")
        lines += [f"        {one_line(reason)}" for reason in image.why]
        lines += [f"        its digest was made here, of the {image.origin}"] if image.origin else []
    return lines


def image_cells(image: ImageRecord) -> tuple[str, ...]:
    """A carried container image, and the first reason for it, as columns of a table."""
    more = f" (+{len(image.why) - 1})" if len(image.why) > 1 else ""
    name = Reference.parse(image.reference).familiar
    return ("", name, image.published.short, one_line(image.why[0] if image.why else "", _INSTRUCTION_COLUMNS) + more)


def _detail_lines(detail: ImageDetail) -> list[str]:
    lines = [detail.reference.familiar, f"  digest      {detail.digest}"]
    for rootfs in detail.rootfs:
        lines += ["", str(rootfs.config.platform), f"  digest      {rootfs.digest}", *_config_lines(rootfs.config)]
        lines += ["  layers", *(f"  {line}" for line in layer_lines(rootfs.manifest, rootfs.config))]
        lines += images_lines(rootfs.config)
    return lines


def _config_lines(config: ImageConfig) -> list[str]:
    facts = [
        *_spec_facts(config.spec),
        *(("env", f"{name}={value}") for name, value in config.env.items()),
        *(("label", f"{name}={value}") for name, value in config.labels.items()),
    ]
    return [line for name, value in facts if value for line in wrapped(value, first=f"  {name:<11} ")]


def _spec_facts(spec: BundleSpec) -> list[tuple[str, str]]:
    return [
        ("bundle", f"{spec.name} {spec.version}, epoch {spec.epoch}, runtime {spec.runtime}"),
        ("title", spec.title),
        ("vendor", spec.vendor),
        ("about", spec.description),
        ("roles", ", ".join(map(_role, spec.roles))),
        ("parameters", ", ".join(json.loads(spec.parameters).get("properties", {}))),
    ]


def _role(role: RoleSpec) -> str:
    numbers = f"{role.minimum} to {role.maximum}" if role.maximum else f"{role.minimum} or more"
    return f"{role.name} ({numbers})"
