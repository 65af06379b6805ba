"""The topics of `show`, each as a document and as lines."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any, assert_never

from appliance.cli.images import images_document, images_lines, layer_lines, layers_document
from appliance.cli.text import table, wrapped
from appliance.operations import look
from appliance.operations.look import Contents, Document, Images, Licences, Scripts, Texts

if TYPE_CHECKING:
    from appliance.bundle.inventory.listing import ListedPackage
    from appliance.bundle.verify import UnverifiedBundle, VerifiedBundle
    from appliance.image.scripts import Script
    from appliance.operations.deliver import PlatformImage
    from appliance.operations.look import Topic
    from appliance.plan.runtime import TextFile

_UNKNOWN = "not known"


def topic(bundle: VerifiedBundle | UnverifiedBundle, wanted: Topic) -> tuple[dict[str, Any], list[str]]:
    """What the bundle says of a topic, for machines and for people."""
    match look.show(bundle, wanted):
        case Contents(manifest):
            entries = manifest.files
            document = [
                {"name": e.name, "volume": e.volume, "offset": e.offset, "length": e.length, "sha256": e.sha256.hex}
                for e in entries
            ]
            rows = [(f"{e.length:,}", e.sha256.hex, e.name) for e in entries]
            return {"files": document}, table(rows, heads=("BYTES", "SHA256", "NAME"), right=(0,))
        case Images(image, platforms):
            return (
                {"image": str(image), "platforms": [_platform(platform) for platform in platforms]},
                [line for platform in platforms for line in _platform_lines(platform)],
            )
        case Scripts() as scripts:
            return _scripts(scripts)
        case Document(name, _, data):
            found = json.loads(data)
            return {"name": name, "document": found}, json.dumps(found, indent=2, ensure_ascii=False).splitlines()
        case Licences() as licences:
            return _licences(licences)
        case Texts(texts):
            return (
                {"files": [{"path": text.path, "mode": f"{text.mode:04o}", "text": text.text} for text in texts]},
                [line for text in texts for line in _text_lines(text)] or [f"the image holds no {wanted.value}"],
            )
        case _ as unknown:
            assert_never(unknown)


def _text_lines(text: TextFile) -> list[str]:
    return [f"==> {text.path} ({text.mode:04o})", *text.text.splitlines(), ""]


def _scripts(found: Scripts) -> tuple[dict[str, Any], list[str]]:
    """Each script; one that is the same on several platforms once."""
    where: dict[Script, list[str]] = defaultdict(list)
    for platform, scripts in found.platforms:
        for script in scripts:
            where[script].append(platform)
    document = [
        {
            "path": script.path,
            "platforms": platforms,
            "mode": f"{script.mode:04o}",
            "size": script.size,
            "sha256": script.digest.hex,
            "text": script.text,
        }
        for script, platforms in where.items()
    ]
    lines = [
        line for script, on in where.items() for line in _script_lines(script, on if len(found.platforms) > 1 else [])
    ]
    if found.commands:
        lines += ["==> commands that run once the cluster is up", *found.commands, ""]
    return {"files": document, "commands": list(found.commands)}, lines or ["the image holds no scripts"]


def _script_lines(script: Script, platforms: list[str]) -> list[str]:
    on = f", {', '.join(platforms)}" if platforms else ""
    lines = ["(no text of up to 1 MiB)"] if script.text is None else script.text.splitlines()
    return [f"==> {script.path} ({script.mode:04o}{on})", f"    sha256:{script.digest.hex}", *lines, ""]


def _licences(found: Licences) -> tuple[dict[str, Any], list[str]]:
    """Licences with the packages that are under them, then the source packages."""
    under: dict[str, set[str]] = defaultdict(set)
    for package in found.listing.packages:
        under["; ".join(package.licences) or _UNKNOWN].add(f"{package.name} {package.version}")
    document = {
        "licenses": [{"license": name, "packages": sorted(packages)} for name, packages in sorted(under.items())],
        "packages": [_package(package) for package in found.listing.packages],
        "not_read": list(found.listing.unread),
        "text": found.sources,
    }
    lines = []
    for name, packages in sorted(under.items()):
        lines += [*wrapped(name, first=""), *wrapped(", ".join(sorted(packages)), first="    "), ""]
    if found.listing.unread:
        lines += ["Not read:", *(line for said in found.listing.unread for line in wrapped(said, first="  - ")), ""]
    return document, [*lines, *found.sources.splitlines()]


def _package(package: ListedPackage) -> dict[str, Any]:
    return {
        "where": package.where,
        "name": package.name,
        "version": package.version,
        "purl": package.purl,
        "licenses": list(package.licences),
        "source": package.source,
    }


def _platform(image: PlatformImage) -> dict[str, Any]:
    return {
        "platform": str(image.config.platform),
        "rootfs": str(image.rootfs),
        "layers": layers_document(image.manifest, image.config),
        "images": images_document(image.config),
    }


def _platform_lines(image: PlatformImage) -> list[str]:
    layers = layer_lines(image.manifest, image.config)
    return [f"{image.config.platform}  {image.rootfs}", *layers, *images_lines(image.config)]
