"""Image → signed ``.run``: everything that travels, in one file, with what stock tools need to check it beside it.

What stands in the folder under the same name is replaced, file by file, each whole: the same image gives the same
bundle, so there is nothing to lose. A failure leaves an earlier bundle as it was.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from appliance import canonical, events
from appliance.bundle import runfile, sidecars, stub
from appliance.bundle.manifest import (
    BLOBS,
    PROVENANCE_NAME,
    RUNTIMES,
    SBOM_NAME,
    BundleManifest,
    Minimums,
    RuntimeEntry,
    RuntimeInput,
    Volume,
)
from appliance.bundle.pyruntime import lock, runtime, sourcecode
from appliance.bundle.pyruntime.selection import PYTHONS, RuntimeKind
from appliance.bundle.runfile import Member
from appliance.digest import Digest
from appliance.errors import BundleError
from appliance.files import write_bytes
from appliance.image import oci
from appliance.operations import papers, stock
from appliance.trust import dsse, envelope
from appliance.trust.formats import Form

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from appliance.bundle.pyruntime.runtime import Runtime
    from appliance.bundle.runfile import Payload
    from appliance.clock import Clock
    from appliance.image.oci import Descriptor, ImageConfig, Manifest, Platform
    from appliance.image.reference import Reference
    from appliance.image.store import Store
    from appliance.operations.papers import Papers
    from appliance.trust.keyinfo import KeyInfo
    from appliance.trust.keys import Signer

Pythons = Callable[[str], tuple["Runtime", ...]]
"""From an architecture (``amd64``) to the runtimes that travel for it: the operator's and the host's."""

Sources = Callable[[Sequence["Runtime"], Sequence[sourcecode.Installed]], sourcecode.Collected]
"""From the runtimes that travel, and what dpkg names in the image, to a tar of their source packages."""

_MACHINES = {debian: machine for machine, debian in lock.ARCHITECTURES.items()}
_SBOM_SUFFIX = ".sbom.cdx.json"
_ATTESTATION_SUFFIX = ".provenance.dsse.json"


@dataclass(frozen=True, slots=True)
class PublishRequest:
    """Which image goes into which folder, signed by whom: by nobody yet when they sign elsewhere.

    `created` is SOURCE_DATE_EPOCH in seconds since 1970. `cache`, the folder that builds use, keeps what was found in
    layers.
    """

    reference: Reference
    folder: Path
    signers: tuple[Signer, ...]
    created: int = 0
    cache: Path | None = None


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """A file of the delivery: its size in bytes and the digest of all of them."""

    path: Path
    size: int
    sha256: Digest


@dataclass(frozen=True, slots=True)
class Published:
    """What was written; the first file is the bundle. `manifest_digest` is what the signers put their names to.

    `without`: a sentence for each source package of the image that could not be had, where sources were asked for.
    """

    files: tuple[PublishedFile, ...]
    manifest_digest: Digest
    signers: tuple[KeyInfo, ...]
    seconds: float
    without: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Rootfs:
    platform: Platform
    manifest: Manifest
    config: ImageConfig


@dataclass(frozen=True, slots=True)
class _Image:
    """An image as it travels: its filtered index, what it is on each platform, and all its blobs in order of use."""

    index: bytes
    rootfs: tuple[_Rootfs, ...]
    blobs: tuple[Descriptor, ...]

    @property
    def architectures(self) -> tuple[str, ...]:
        return tuple(rootfs.platform.architecture for rootfs in self.rootfs)


def travelling(cache: Path, *, latest: bool = False, swarm: bool = False, sink: events.Sink = events.silent) -> Pythons:
    """The real Pythons, made or taken from `cache`; `latest` as in `pyruntime.runtime.provide`.

    With `swarm`, they come with the part by which hosts swarm.
    """
    kinds = (*PYTHONS, RuntimeKind.SWARM) if swarm else PYTHONS

    def pythons(architecture: str) -> tuple[Runtime, ...]:
        if architecture not in _MACHINES:
            raise BundleError(
                f"there is no Python to carry for {architecture}", hint=f"build for {', '.join(_MACHINES)}"
            )
        machine = _MACHINES[architecture]
        return tuple(runtime.provide(kind, machine, cache=cache, latest=latest, sink=sink) for kind in kinds)

    return pythons


def source_packages(cache: Path, sink: events.Sink = events.silent) -> Sources:
    """The real source packages, fetched or taken from `cache`."""
    return functools.partial(sourcecode.collect, cache=cache, sink=sink)


def publish(
    request: PublishRequest,
    *,
    store: Store,
    pythons: Pythons,
    clock: Clock,
    sources: Sources | None = None,
    sink: events.Sink = events.silent,
) -> Published:
    """Write and sign the bundle of an image, for all platforms that it was built for; with `sources`, these as well.

    Raises `RecipeError` when the image is not in the store, or a signer not valid now, before anything is written;
    `BundleError` or `StateError` when a blob is missing or damaged, `ApplianceError` when the disk is full.
    """
    started = clock.monotonic()
    if request.signers:
        envelope.require_able(request.signers, now=clock.now())
    image = _read_image(store, request.reference)
    runtimes = tuple(made for architecture in image.architectures for made in pythons(architecture))
    path = request.folder / file_name(image.rootfs[0].config, image.architectures)
    holdings = stock.take(store, image.index, runtimes, created=request.created, cache=request.cache, sink=sink)
    found = sources(runtimes, papers.installed(holdings)) if sources else None
    says = papers.write(holdings, reference=str(request.reference), sources=found)
    author = _Author(path.name, image, runtimes, request, clock)
    members = [*_runtime_members(runtimes), *says.members(), *_blob_members(store, image)]
    written = runfile.write(path, members, author, created=request.created, sink=sink)
    beside = _write_beside(path, written, says=says, request=request, clock=clock)
    return Published(
        files=(PublishedFile(path, written.size, written.sha256), *beside),
        manifest_digest=Digest.of(written.manifest),
        signers=tuple(signer.info for signer in request.signers),
        seconds=clock.monotonic() - started,
        without=tuple(found.missing.values()) if found else (),
    )


def file_name(config: ImageConfig, architectures: Sequence[str]) -> str:
    """``NAME-VERSION-linux-ARCH.run``; without ARCH when there are several."""
    only = f"-{architectures[0]}" if len(architectures) == 1 else ""
    return f"{config.spec.name}-{config.spec.version}-linux{only}.run"


def _read_image(store: Store, reference: Reference) -> _Image:
    index = oci.index_from_json(store.get(store.resolve(reference)))
    platforms = sorted((platform for platform, _ in index.rootfs), key=str)
    data = oci.filter_platforms(index, platforms)
    blobs: dict[Digest, Descriptor] = {}
    rootfs = []
    for child in index.manifests:
        manifest = oci.manifest_from_json(store.get(child))
        blobs |= {descriptor.digest: descriptor for descriptor in (child, manifest.config, *manifest.layers)}
        if manifest.config.media_type == oci.MEDIA_CONFIG and child.platform:
            rootfs.append(_Rootfs(child.platform, manifest, oci.config_from_json(store.get(manifest.config))))
    if not rootfs:
        raise BundleError(f"{reference.familiar} is not a cluster image", hint="build it with: appliance build")
    return _Image(data, tuple(sorted(rootfs, key=lambda r: str(r.platform))), tuple(blobs.values()))


def _runtime_name(python: Runtime) -> str:
    packed = ".zst" if python.kind is RuntimeKind.SWARM else ""
    return f"{RUNTIMES}{python.kind}-{lock.ARCHITECTURES[python.arch]}.tar{packed}"


def _runtime_members(runtimes: Sequence[Runtime]) -> list[Member]:
    return [
        Member(_runtime_name(python), python.size, python.digest, functools.partial(_open, python.path), 0o644)
        for python in runtimes
    ]


def _open(path: Path) -> AbstractContextManager[BinaryIO]:
    return path.open("rb", buffering=0)


def _blob_members(store: Store, image: _Image) -> list[Member]:
    index = Digest.of(image.index)
    return [
        Member(BLOBS + index.hex, len(image.index), index, functools.partial(io.BytesIO, image.index)),
        *(
            Member(BLOBS + blob.digest.hex, blob.size, blob.digest, functools.partial(store.open, blob.digest))
            for blob in image.blobs
        ),
    ]


@dataclass(frozen=True, slots=True)
class _Author:
    """Writes the front of the bundle; see `runfile.Author`."""

    name: str
    image: _Image
    runtimes: tuple[Runtime, ...]
    request: PublishRequest
    clock: Clock

    def stub(self, payload: Payload) -> bytes:
        """The shell program, with the places of the operators' Pythons."""
        spec = self.image.rootfs[0].config.spec
        places = {entry.name: entry.offset for entry in payload.files}
        started = tuple(
            stub.StubRuntime.of(python, offset=places[_runtime_name(python)])
            for python in self.runtimes
            if python.kind is RuntimeKind.OPERATOR
        )
        return stub.render(stub.StubFacts(spec.name, spec.version, payload.size, started))

    def manifest(self, payload: Payload, stub: Digest) -> BundleManifest:
        """What is signed."""
        spec = self.image.rootfs[0].config.spec
        digests = {entry.name: entry.sha256 for entry in payload.files}
        return BundleManifest(
            name=spec.name,
            version=spec.version,
            epoch=spec.epoch,
            replaces=spec.replaces,
            title=_line(spec.title),
            vendor=_line(spec.vendor),
            description=_line(spec.description),
            created=self.request.created,
            arch=self.image.architectures,
            size=payload.size,
            set=Digest.of(canonical.dumps([entry.sha256.hex for entry in payload.files])).hex,
            stub_sha256=stub,
            base=payload.base,
            chunks=payload.chunks,
            files=payload.files,
            volumes=(Volume(self.name, payload.size),),
            image=Digest.of(self.image.index),
            sbom=digests[SBOM_NAME],
            provenance=digests[PROVENANCE_NAME],
            runtimes=tuple(map(_runtime_entry, self.runtimes)),
            minimums=Minimums(spec.minimum_installer, spec.upgrades_from),
        )

    def sign(self, manifest: bytes) -> bytes:
        """The signature area."""
        signers = self.request.signers
        return envelope.pack(envelope.sign(manifest, signers, self.clock) if signers else ())


def _line(text: str) -> str:
    return " ".join(text.split())


def _runtime_entry(python: Runtime) -> RuntimeEntry:
    return RuntimeEntry(
        arch=lock.ARCHITECTURES[python.arch],
        kind=python.kind.value,
        digest=python.digest,
        size=python.size,
        file_list=python.file_list,
        unpacked_bytes=python.unpacked_bytes,
        inputs=tuple(RuntimeInput(made.name, made.version, made.digest) for made in python.inputs),
    )


def _write_beside(
    path: Path, written: runfile.Written, *, says: Papers, request: PublishRequest, clock: Clock
) -> tuple[PublishedFile, ...]:
    """The files beside the bundle: its manifest and signatures, SBOM, provenance, and the signed list of sums."""
    stem = path.name.removesuffix(".run")
    sbom = sidecars.Sidecar(stem + _SBOM_SUFFIX, says.sbom)
    attested = _attested(stem + _ATTESTATION_SUFFIX, says.provenance, request.signers)
    exports = sidecars.exports(path.name, written.manifest, envelope.unpack(written.signatures))
    named = [(path.name, written.sha256), *((d.name, Digest.of(d.data)) for d in (exports[0], sbom))]
    sums = sidecars.Sidecar(sidecars.sums_name(path.name), sidecars.sums(named))
    made = [*exports, sbom, *attested, sums, *_over_sums(sums, request, clock)]
    sidecars.remove_stale(path, {sidecar.name for sidecar in made})
    if not attested:
        path.with_name(stem + _ATTESTATION_SUFFIX).unlink(missing_ok=True)
    for sidecar in made:
        write_bytes(path.with_name(sidecar.name), sidecar.data)
    return tuple(PublishedFile(path.with_name(s.name), len(s.data), Digest.of(s.data)) for s in made)


def _attested(name: str, stated: bytes, signers: Sequence[Signer]) -> tuple[sidecars.Sidecar, ...]:
    """The provenance in a DSSE envelope, by the signers whose keys cosign knows; nothing without such a signer."""
    able = [signer for signer in signers if not signer.type.post_quantum]
    return (sidecars.Sidecar(name, dsse.sign(stated, able)),) if able else ()


def _over_sums(sums: sidecars.Sidecar, request: PublishRequest, clock: Clock) -> tuple[sidecars.Sidecar, ...]:
    if not request.signers:
        return ()
    signatures = envelope.sign(sums.data, request.signers, clock)
    return sidecars.detached(sums.name, [s for s in signatures if s.form is Form.CMS])
