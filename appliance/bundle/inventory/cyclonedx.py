"""The SBOM of a delivery: CycloneDX 1.6 as JSON. Pure: the same holdings give the same bytes anywhere.

The image with each platform's root file system (layers, files, packages that stand in it), each container image with
its packages, each Python that travels with what it was made of. Where packages may stand that could not be read, the
component's composition is ``incomplete`` and says why. Source: CycloneDX 1.6, JSON schema.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from appliance import canonical

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from appliance.bundle.inventory.holdings import Carried, Holdings, Layer, Python, Rootfs
    from appliance.bundle.inventory.parts import FoundFile, Package
    from appliance.bundle.inventory.tree import TreeFound
    from appliance.digest import Digest

FILES_COUNT = 50_000
"""More files than these are not listed one by one; the digests of their layers cover them, and the SBOM says so."""
PROPERTY = "appliance:"
_NAMESPACE = uuid.UUID("5a6f8a3e-52a5-5d0b-9d38-6d9c1c0f7f5e")
_LANGUAGES = "packages of other languages than Python, and libraries within programs, are not looked for"
_Document = dict[str, Any]


def sbom(holdings: Holdings) -> bytes:
    """The document."""
    image = _image(holdings)
    carried = [_carried(one) for one in holdings.carried]
    pythons = [_python(one) for one in holdings.pythons]
    packages = [_package(package, package.purl) for package in holdings.python_packages]
    top = [image, *carried, *pythons]
    return canonical.dumps(
        {
            "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, str(holdings.image))}",
            "version": 1,
            "metadata": _metadata(holdings),
            "components": [*top, *packages],
            "dependencies": [
                {"ref": "bundle", "dependsOn": [component["bom-ref"] for component in top]},
                {"ref": image["bom-ref"], "dependsOn": [part["bom-ref"] for part in image["components"]]},
                *(
                    {"ref": made["bom-ref"], "dependsOn": sorted({package.purl for package in python.packages})}
                    for made, python in zip(pythons, holdings.pythons, strict=True)
                ),
            ],
            "compositions": list(_compositions(holdings)),
        }
    )


def _metadata(holdings: Holdings) -> _Document:
    return {
        "timestamp": datetime.fromtimestamp(holdings.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "component": {
            "type": "application",
            "bom-ref": "bundle",
            "name": holdings.name,
            "version": holdings.version,
            **({"supplier": {"name": holdings.vendor}} if holdings.vendor else {}),
        },
        "tools": {"components": [{"type": "application", "name": "appliance", "version": holdings.builder}]},
        "properties": [_property("not-read", _LANGUAGES)],
    }


def _image(holdings: Holdings) -> _Document:
    return {
        "type": "container",
        "bom-ref": f"image:{holdings.image}",
        "name": holdings.name,
        "version": str(holdings.image),
        "hashes": [_hash(holdings.image)],
        "components": [_rootfs(rootfs) for rootfs in holdings.rootfs],
    }


def _rootfs(rootfs: Rootfs) -> _Document:
    reference = _rootfs_reference(rootfs)
    files = rootfs.found.files if len(rootfs.found.files) <= FILES_COUNT else ()
    return {
        "type": "container",
        "bom-ref": reference,
        "name": rootfs.platform,
        "version": str(rootfs.digest),
        "hashes": [_hash(rootfs.digest)],
        "components": [
            *(_layer(layer, f"{reference}#{number}") for number, layer in enumerate(rootfs.layers)),
            *_contents(rootfs.found, reference),
            *(_file(file, reference) for file in files),
        ],
    }


def _layer(layer: Layer, reference: str) -> _Document:
    return {
        "type": "file",
        "bom-ref": reference,
        "name": f"blobs/sha256/{layer.digest.hex}",
        "description": layer.instruction,
        "hashes": [_hash(layer.digest)],
        "properties": [_property("kind", "layer"), _property("size", str(layer.size))],
    }


def _file(file: FoundFile, owner: str) -> _Document:
    return {
        "type": "file",
        "bom-ref": f"{owner}#/{file.path}",
        "name": file.path,
        "hashes": [_hash(file.digest)] if file.digest else [],
        "properties": [_property("mode", f"{file.mode:04o}"), _property("size", str(file.size))],
    }


def _carried(image: Carried) -> _Document:
    reference = _carried_reference(image)
    name = image.references[0] if image.references else str(image.digest)
    return {
        "type": "container",
        "bom-ref": reference,
        "name": name,
        "version": str(image.digest),
        "purl": _oci_purl(name, image.digest),
        "hashes": [_hash(image.digest)],
        "components": list(_contents(image.found, reference)),
        "properties": [
            _property("platform", image.platform),
            *(_property("reference", other) for other in image.references),
        ],
    }


def _oci_purl(reference: str, digest: Digest) -> str:
    """purl-spec, type oci: the last part of the name, the digest, where it is from."""
    named, _, _ = reference.partition("@")
    path, _, tag = named.rpartition(":") if ":" in named.rpartition("/")[2] else (named, "", "")
    name = quote(path.rpartition("/")[2].lower(), safe="")
    tagged = f"&tag={quote(tag, safe='')}" if tag else ""
    return f"pkg:oci/{name}@sha256%3A{digest.hex}?repository_url={quote(path.lower(), safe='')}{tagged}"


def _python(python: Python) -> _Document:
    return {
        "type": "platform",
        "bom-ref": _python_reference(python),
        "name": "what hosts swarm with" if python.kind == "swarm" else f"Python that travels, {python.kind}",
        "version": str(python.digest),
        "hashes": [_hash(python.digest)],
        "properties": [_property("platform", f"linux/{python.arch}")],
    }


def _contents(found: TreeFound, owner: str) -> Iterator[_Document]:
    """The packages of a tree, and the distribution it is of."""
    if found.release.name:
        yield {
            "type": "operating-system",
            "bom-ref": f"{owner}#os",
            "name": found.release.name,
            **({"version": found.release.version} if found.release.version else {}),
        }
    for package in found.packages:
        at = f"@/{package.path}" if package.path else ""
        yield _package(package, f"{owner}#{package.purl}{at}")


def _package(package: Package, reference: str) -> _Document:
    properties = {"source": package.source, "path": package.path}
    return {
        "type": "library",
        "bom-ref": reference,
        "name": package.name,
        "version": package.version,
        "purl": package.purl,
        **({"licenses": _licences(package.licences)} if package.licences else {}),
        **({"hashes": [_hash(package.digest)]} if package.digest else {}),
        **({"properties": made} if (made := [_property(k, v) for k, v in properties.items() if v]) else {}),
    }


def _licences(names: Sequence[str]) -> list[_Document]:
    """One expression where there is one; else each by its name, which says nothing of whether all or any holds."""
    if len(names) == 1:
        try:
            return [{"expression": canonicalize_license_expression(names[0])}]
        except InvalidLicenseExpression:
            pass
    return [{"license": {"name": name}} for name in sorted(set(names))]


def _compositions(holdings: Holdings) -> Iterator[_Document]:
    """What is not complete, reason by reason (CycloneDX § compositions; the reason stands in its bom-ref)."""
    for reference, found in _trees(holdings):
        reasons = [f"{path}: {reason}" for path, reason in found.unread]
        if len(found.files) > FILES_COUNT:
            reasons.append(f"its {len(found.files)} files are not listed one by one, their layers are")
        for reason in reasons:
            yield {"bom-ref": f"{reference}!{reason}", "aggregate": "incomplete", "assemblies": [reference]}


def _trees(holdings: Holdings) -> Iterable[tuple[str, TreeFound]]:
    yield from ((_rootfs_reference(rootfs), rootfs.found) for rootfs in holdings.rootfs)
    yield from ((_carried_reference(image), image.found) for image in holdings.carried)


def _rootfs_reference(rootfs: Rootfs) -> str:
    return f"rootfs:{rootfs.platform}:{rootfs.digest}"


def _carried_reference(image: Carried) -> str:
    return f"carried:{image.digest}"


def _python_reference(python: Python) -> str:
    return f"python:{python.kind}:{python.arch}"


def _property(name: str, value: str) -> dict[str, str]:
    return {"name": PROPERTY + name, "value": value}


def _hash(digest: Digest) -> dict[str, str]:
    return {"alg": "SHA-256", "content": digest.hex}
