"""The manifest as canonical JSON, in and out, every number bounded. Pure.

Readers parse the stored bytes that the signature covers and never write them again. A field that this version does
not know is ignored, unless ``critical`` names it.
"""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any

from appliance import canonical
from appliance.bundle.fields import Fields
from appliance.bundle.layout import ALIGNMENT, ARCHIVE_HEADER_BYTES, CHUNK_BYTES, LIMITS, is_base
from appliance.bundle.manifest import (
    BLOBS,
    FORMAT,
    META,
    RUNTIMES,
    BundleManifest,
    FileEntry,
    Minimums,
    RuntimeEntry,
    RuntimeInput,
    Volume,
    chunks_count,
)
from appliance.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Iterable

_MEMBER = re.compile(rf"(?:{BLOBS}[0-9a-f]{{64}}|(?:{META}|{RUNTIMES})[A-Za-z0-9_][A-Za-z0-9._+-]*)")
_KNOWN = frozenset(field.name for field in dataclasses.fields(BundleManifest))


def to_bytes(manifest: BundleManifest) -> bytes:
    """The canonical JSON; `BundleError` when no reader would take it."""
    data = canonical.dumps(_document(manifest))
    from_bytes(data)
    return data


def from_bytes(data: bytes) -> BundleManifest:
    """Read a manifest. Raises `BundleError` that names the field, for anything that is not sound or not known."""
    try:
        fields = Fields(canonical.loads(data, limit=LIMITS.manifest), "")
        _check_known(fields)
        manifest = _read(fields)
        _check(manifest)
    except ValueError as error:
        raise BundleError(f"the bundle's manifest cannot be read: {error}", hint="ask for the bundle again") from error
    return manifest


def _check_known(fields: Fields) -> None:
    found = fields.whole("format", least=1)
    unknown = sorted(set(fields.texts("critical", most=64)) - _KNOWN)
    if found > FORMAT or unknown:
        what = f"format {found}" if found > FORMAT else f"the feature {unknown[0]!r}"
        raise BundleError(f"the bundle uses {what}, which this version does not know", hint="use a newer appliance")


def _read(fields: Fields) -> BundleManifest:
    minimums = fields.object("minimums")
    return BundleManifest(
        format=fields.whole("format"),
        critical=fields.texts("critical", most=64),
        name=fields.text("name"),
        version=fields.text("version"),
        epoch=fields.whole("epoch"),
        replaces=fields.text("replaces", empty=True),
        title=fields.text("title", empty=True),
        vendor=fields.text("vendor", empty=True),
        description=fields.text("description", most=LIMITS.words, empty=True),
        created=fields.whole("created"),
        arch=fields.texts("arch", most=LIMITS.architectures_count),
        size=fields.whole("size"),
        set=fields.text("set"),
        stub_sha256=fields.digest("stub_sha256"),
        base=fields.whole("base", most=LIMITS.base),
        chunk=fields.whole("chunk", least=CHUNK_BYTES, most=CHUNK_BYTES),
        chunks=fields.digests("chunks", most=LIMITS.chunks_count),
        files=fields.items("files", _read_file, most=LIMITS.files_count),
        volumes=fields.items("volumes", _read_volume, most=LIMITS.volumes_count),
        image=fields.digest("image"),
        sbom=fields.digest("sbom"),
        provenance=fields.digest("provenance"),
        runtimes=fields.items("runtimes", _read_runtime, most=3 * LIMITS.architectures_count),
        minimums=Minimums(
            installer=minimums.text("installer", empty=True), upgrades_from=minimums.text("upgrades_from", empty=True)
        ),
    )


def _read_file(fields: Fields) -> FileEntry:
    entry = FileEntry(
        name=fields.text("name"),
        volume=fields.whole("volume", most=LIMITS.volumes_count),
        offset=fields.whole("offset"),
        length=fields.whole("length"),
        sha256=fields.digest("sha256"),
        mode=fields.whole("mode", most=0o777),
    )
    if not _MEMBER.fullmatch(entry.name):
        raise ValueError(f"{fields.where('name')} is not a name that a bundle has: {entry.name!r}")
    if entry.name.startswith(BLOBS) and entry.name != BLOBS + entry.sha256.hex:
        raise ValueError(f"{fields.where('sha256')} is not the digest that its name says")
    return entry


def _read_volume(fields: Fields) -> Volume:
    volume = Volume(name=fields.text("name"), size=fields.whole("size"))
    if "/" in volume.name or volume.name.startswith("."):
        raise ValueError(f"{fields.where('name')} is not a plain file name: {volume.name!r}")
    return volume


def _read_runtime(fields: Fields) -> RuntimeEntry:
    return RuntimeEntry(
        arch=fields.text("arch"),
        kind=fields.text("kind"),
        digest=fields.digest("digest"),
        size=fields.whole("size"),
        file_list=fields.digest("file_list"),
        unpacked_bytes=fields.whole("unpacked_bytes"),
        inputs=fields.items("inputs", _read_input, most=LIMITS.inputs_count),
    )


def _read_input(fields: Fields) -> RuntimeInput:
    return RuntimeInput(name=fields.text("name"), version=fields.text("version"), sha256=fields.digest("sha256"))


def _check(manifest: BundleManifest) -> None:
    if not is_base(manifest.base):
        raise ValueError(f"base is {manifest.base}, where no archive may begin")
    if manifest.size <= manifest.base + ARCHIVE_HEADER_BYTES:
        raise ValueError(f"size is {manifest.size}, which leaves no room for content")
    if len(manifest.chunks) != chunks_count(manifest.size, manifest.base):
        raise ValueError(f"chunks has {len(manifest.chunks)} digests, which do not cover {manifest.size} bytes")
    if not manifest.volumes or manifest.volumes[0].size != manifest.size:
        raise ValueError("volumes[0] is not this file in its size")
    _check_places(manifest.files, manifest)
    _check_named(manifest)


def _check_places(files: Iterable[FileEntry], manifest: BundleManifest) -> None:
    volume, free, names = 0, manifest.base + ARCHIVE_HEADER_BYTES, set[str]()
    for number, entry in enumerate(files):
        if entry.volume >= len(manifest.volumes) or entry.volume < volume:
            raise ValueError(f"files[{number}] lies in volume {entry.volume}, which is not there or not in order")
        if entry.volume > volume:
            volume, free = entry.volume, 0
        if entry.offset < free:
            raise ValueError(f"files[{number}] ({entry.name}) overlaps what stands before it")
        if entry.end > manifest.volumes[volume].size:
            raise ValueError(f"files[{number}] ({entry.name}) reaches over the end of its volume")
        if entry.name.lower() in names:
            raise ValueError(f"files[{number}] ({entry.name}) is listed twice")
        names.add(entry.name.lower())
        free = entry.end


def _check_named(manifest: BundleManifest) -> None:
    members = {entry.sha256: entry for entry in manifest.files}
    for what, digest in (
        ("image", manifest.image),
        ("sbom", manifest.sbom),
        ("provenance", manifest.provenance),
        *((f"runtimes[{number}].digest", runtime.digest) for number, runtime in enumerate(manifest.runtimes)),
    ):
        if digest not in members:
            raise ValueError(f"{what} names {digest.short}, which is not among the files")
    for number, runtime in enumerate(manifest.runtimes):
        entry = members[runtime.digest]
        if runtime.size != entry.length or entry.offset % ALIGNMENT:
            raise ValueError(f"runtimes[{number}] is not where and what the files say")


def _document(manifest: BundleManifest) -> dict[str, Any]:
    return {
        "format": manifest.format,
        "critical": manifest.critical,
        "name": manifest.name,
        "version": manifest.version,
        "epoch": manifest.epoch,
        "replaces": manifest.replaces,
        "title": manifest.title,
        "vendor": manifest.vendor,
        "description": manifest.description,
        "created": manifest.created,
        "arch": manifest.arch,
        "size": manifest.size,
        "set": manifest.set,
        "stub_sha256": manifest.stub_sha256.hex,
        "base": manifest.base,
        "chunk": manifest.chunk,
        "chunks": [chunk.hex for chunk in manifest.chunks],
        "files": [_file_document(entry) for entry in manifest.files],
        "volumes": [{"name": volume.name, "size": volume.size} for volume in manifest.volumes],
        "image": manifest.image.hex,
        "sbom": manifest.sbom.hex,
        "provenance": manifest.provenance.hex,
        "runtimes": [_runtime_document(runtime) for runtime in manifest.runtimes],
        "minimums": {"installer": manifest.minimums.installer, "upgrades_from": manifest.minimums.upgrades_from},
    }


def _file_document(entry: FileEntry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "volume": entry.volume,
        "offset": entry.offset,
        "length": entry.length,
        "sha256": entry.sha256.hex,
        "mode": entry.mode,
    }


def _runtime_document(runtime: RuntimeEntry) -> dict[str, Any]:
    return {
        "arch": runtime.arch,
        "kind": runtime.kind,
        "digest": runtime.digest.hex,
        "size": runtime.size,
        "file_list": runtime.file_list.hex,
        "unpacked_bytes": runtime.unpacked_bytes,
        "inputs": [{"name": i.name, "version": i.version, "sha256": i.sha256.hex} for i in runtime.inputs],
    }
