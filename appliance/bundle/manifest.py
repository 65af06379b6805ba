"""`BundleManifest`: what the signature is made over; its bytes are those of `appliance.bundle.manifestjson`. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.bundle.layout import (
    ARCHIVE_HEADER_BYTES,
    CHUNK_BYTES,
)
from appliance.errors import BundleError

if TYPE_CHECKING:
    from appliance.digest import Digest

FORMAT = 1
BLOBS = "blobs/sha256/"
META = "META/"
RUNTIMES = "runtime/"
SBOM_NAME = "META/sbom.cdx.json"
PROVENANCE_NAME = "META/provenance.intoto.json"
SOURCES_NAME = "META/sources.txt"


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

    `size` is the tar's, `unpacked_bytes` the room that it takes, `file_list` the digest of the list of files in it. Of
    kind ``swarm`` it is what hosts swarm with: a layer (tar+zstd), and `file_list` is the digest of its tar.
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

    def has_runtime(self, arch: str, kind: str) -> bool:
        """Whether it carries what `runtime` gives."""
        return any((runtime.arch, runtime.kind) == (arch, kind) for runtime in self.runtimes)

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


def chunks_count(size: int, base: int) -> int:
    """How many chunks cover ``[base, size)``."""
    return -(-(size - base) // CHUNK_BYTES)
