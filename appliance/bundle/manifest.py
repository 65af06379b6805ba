"""`BundleManifest`: what the signature is made over. Canonical JSON in and out, every number bounded. Pure.

Readers parse the stored bytes that the signature covers and never write them again. A field that this version does
not know is ignored, unless ``critical`` names it.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from appliance import canonical
from appliance.bundle.fields import Fields
from appliance.bundle.layout import (
    ALIGNMENT,
    ARCHIVE_HEADER_BYTES,
    CHUNK_BYTES,
    LIMITS,
    is_base,
)
from appliance.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from appliance.digest import Digest

FORMAT = 1
BLOBS = "blobs/sha256/"
META = "META/"
RUNTIMES = "runtime/"
SBOM_NAME = "META/sbom.cdx.json"
PROVENANCE_NAME = "META/provenance.intoto.json"
SOURCES_NAME = "META/sources.txt"

_MEMBER = re.compile(rf"(?:{BLOBS}[0-9a-f]{{64}}|(?:{META}|{RUNTIMES})[A-Za-z0-9_][A-Za-z0-9._+-]*)")


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A member: where its bytes lie (from the start of its volume) and what they hash to."""

    name: str
    offset: int
    length: int
    sha256: Digest
    mode: int = 0o444
    volume: int = 0

    @property
    def end(self) -> int:
        """The offset after its last byte."""
        return self.offset + self.length


@dataclass(frozen=True, slots=True)
class Volume:
    """A file of the delivery that holds chunks: its name and size in bytes."""

    name: str
    size: int


@dataclass(frozen=True, slots=True)
class RuntimeInput:
    """A package that a travelling Python was made from."""

    name: str
    version: str
    sha256: Digest


@dataclass(frozen=True, slots=True)
class RuntimeEntry:
    """A Python that travels: for which architecture (``amd64``), of which kind (``operator``, ``host``), and its tar.

    `size` is the tar's, `unpacked_bytes` the room that it takes, `file_list` the digest of the list of files in it.
    """

    arch: str
    kind: str
    digest: Digest
    size: int
    file_list: Digest
    unpacked_bytes: int
    inputs: tuple[RuntimeInput, ...] = ()


@dataclass(frozen=True, slots=True)
class Minimums:
    """What must be there before: the installer's version, and from which versions this one upgrades (empty: any)."""

    installer: str = ""
    upgrades_from: str = ""


@dataclass(frozen=True, slots=True)
class BundleManifest:
    """Everything that is signed about a bundle.

    `created` is `SOURCE_DATE_EPOCH` in seconds: information, never judged. `set` is the same in all its volumes.
    """

    name: str
    version: str
    epoch: int
    replaces: str
    created: int
    arch: tuple[str, ...]
    size: int
    set: str
    stub_sha256: Digest
    base: int
    chunks: tuple[Digest, ...]
    files: tuple[FileEntry, ...]
    volumes: tuple[Volume, ...]
    image: Digest
    sbom: Digest
    provenance: Digest
    runtimes: tuple[RuntimeEntry, ...]
    minimums: Minimums = Minimums()
    title: str = ""
    vendor: str = ""
    description: str = ""
    chunk: int = CHUNK_BYTES
    format: int = FORMAT
    critical: tuple[str, ...] = ()

    def runtime(self, arch: str, kind: str) -> RuntimeEntry:
        """The travelling Python of that architecture and kind; `BundleError` when there is none."""
        for runtime in self.runtimes:
            if (runtime.arch, runtime.kind) == (arch, kind):
                return runtime
        carried = ", ".join(sorted({runtime.arch for runtime in self.runtimes}))
        raise BundleError(f"the bundle carries no {kind} runtime for {arch}", hint=f"it was made for {carried}")

    def chunk_range(self, number: int) -> tuple[int, int]:
        """The offsets of the first byte of a chunk and of the byte after its last."""
        start = self.base + number * self.chunk
        return start, min(self.size, start + self.chunk)

    def files_within(self, start: int, end: int) -> tuple[str, ...]:
        """The members that have bytes in ``[start, end)``; the archive's own two headers are named, too."""
        names = [entry.name for entry in self.files if entry.offset < end and entry.end > start]
        payload = self.base + ARCHIVE_HEADER_BYTES
        if start < payload:
            names.insert(0, "the 7z signature header")
        if end > max((entry.end for entry in self.files), default=payload):
            names.append("the 7z header")
        return tuple(names)

    def to_bytes(self) -> bytes:
        """The canonical JSON; `BundleError` when no reader would take it."""
        data = canonical.dumps(_document(self))
        from_bytes(data)
        return data


_KNOWN = frozenset(field.name for field in dataclasses.fields(BundleManifest))


def chunks_count(size: int, base: int) -> int:
    """How many chunks cover ``[base, size)``."""
    return -(-(size - base) // CHUNK_BYTES)


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
        runtimes=fields.items("runtimes", _read_runtime, most=2 * LIMITS.architectures_count),
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
