"""`VerifiedBundle`: verified is a type. There is no path in it, and no way to bytes but through their digest.

`open_bundle` does this, in this order, and the code follows the list:

1. The file is long enough to have a head, and the head has its magic.
2. The lengths in the head are within `LIMITS`.
3. Manifest and signatures are read, once, into memory; everything below is about those bytes.
4. The signatures hold over the manifest, and whose they are satisfies the policy (`envelope.check`).
5. The manifest is one that this version can read, its numbers sound (`manifest.from_bytes`).
6. The file has the signed size, and comes in one volume.
7. Its stub has the signed digest.
8. What stands between the signatures and the archive is zeros.
9. The manifest and signatures beside the file, where there are any, are the same as in it.

The payload, chunk by chunk, is compared when it is read: `VerifiedBundle.open`, `read`, `check_all`. For people who ask
what is wrong `Candidate.inspect` goes on where `admit` stops; it gives nothing out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Self

from appliance import events
from appliance.bundle import sidecars
from appliance.bundle.chunks import BundleFiles, Checked, Chunks, MemberReader, damaged
from appliance.bundle.layout import HEAD_BYTES, MANIFEST_OFFSET, STUB_BYTES, head_lengths
from appliance.bundle.manifest import BundleManifest, from_bytes
from appliance.digest import Digest
from appliance.errors import BundleError, VerificationError
from appliance.trust import envelope

if TYPE_CHECKING:
    from datetime import datetime

    from appliance.trust.policy import Trust

__all__ = [
    "BundleFiles",
    "Candidate",
    "Checked",
    "Inspection",
    "UnverifiedBundle",
    "VerifiedBundle",
    "examine",
    "open_bundle",
    "open_unverified_for_display",
]


class VerifiedBundle:
    """A bundle whose signatures, policy, manifest, stub and size hold; only `Candidate.admit` makes one.

    It owns the open files: use it as a context manager, or `close` it. Several threads may read from it.
    """

    __slots__ = ("_chunks", "_files", "manifest", "manifest_bytes", "verdict")

    def __init__(self, files: BundleFiles, candidate: Candidate, manifest: BundleManifest) -> None:
        self.manifest = manifest
        self.manifest_bytes = candidate.manifest
        self.verdict = candidate.verdict
        self._files = files
        self._chunks = Chunks(files, manifest)

    @property
    def manifest_digest(self) -> Digest:
        """The digest of the manifest's bytes: what the signers put their names to."""
        return Digest.of(self.manifest_bytes)

    @property
    def name(self) -> str:
        """What the file is called, for people."""
        return self._files.name

    def open(self, digest: Digest) -> MemberReader:
        """The member with `digest`, front to back; every chunk is compared before its bytes are given.

        `BundleError` when there is no such member or the medium fails; `VerificationError` while reading, naming chunk,
        byte range and members.
        """
        return self._chunks.open(digest)

    def read(self, digest: Digest) -> bytes:
        """The member with `digest`, of at most 32 MiB; raises as `open` does."""
        return self._chunks.read(digest)

    def size_of(self, digest: Digest) -> int:
        """The bytes of the member with `digest`; `BundleError` when there is none."""
        return self._chunks.entry(digest).length

    def check_all(self, sink: events.Sink = events.silent) -> Checked:
        """Compare every chunk, on all cores; damage is in the result, not raised. The sink may raise to stop it."""
        return self._chunks.check_all(sink)

    def close(self) -> None:
        """Close the files; readers fail from then on."""
        self._files.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class UnverifiedBundle:
    """What a bundle that nobody here trusts says of itself. For people's eyes; nothing is installed from it."""

    __slots__ = ("_chunks", "manifest", "manifest_bytes", "verdict")

    def __init__(self, files: BundleFiles, candidate: Candidate, manifest: BundleManifest) -> None:
        self.manifest = manifest
        self.manifest_bytes = candidate.manifest
        self.verdict = candidate.verdict
        self._chunks = Chunks(files, manifest)

    @property
    def manifest_digest(self) -> Digest:
        """The digest of the manifest's bytes."""
        return Digest.of(self.manifest_bytes)

    def read(self, digest: Digest) -> bytes:
        """A document of at most 32 MiB, as the unverified manifest describes it."""
        return self._chunks.read(digest)


@dataclass(frozen=True, slots=True)
class Inspection:
    """What `Candidate.inspect` found: what is wrong in steps 4 to 9, what was compared, a sentence for each bad chunk.

    What lies behind the end of a file that was cut short is one fault of step 6, and in no sentence of `damage`.
    """

    faults: tuple[BundleError, ...]
    checked: Checked
    damage: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A bundle after step 4: its manifest's bytes, its signatures, and the verdict on them, whatever that is."""

    files: BundleFiles
    manifest: bytes
    signatures: tuple[envelope.Signature, ...]
    padding_offset: int
    verdict: envelope.Verdict

    def admit(self) -> VerifiedBundle:
        """Steps 4 (the verdict counts) to 9. `VerificationError` or `BundleError` says in words what does not hold."""
        self.verdict.require()
        manifest = from_bytes(self.manifest)
        for check in _CHECKS:
            check(self, manifest)
        return VerifiedBundle(self.files, self, manifest)

    def inspect(self, sink: events.Sink = events.silent) -> Inspection:
        """Steps 4 to 9 and every chunk; what does not hold is in the result, not raised. The sink may raise to stop it.

        Without signatures that count, or a sound manifest, there is nothing to compare the rest with.
        """
        try:
            self.verdict.require()
            manifest = from_bytes(self.manifest)
        except BundleError as error:
            return Inspection((error,), Checked(0, 0, 0, ()), ())
        faults = tuple(fault for check in _CHECKS if (fault := _fault_of(check, self, manifest)))
        checked = Chunks(self.files, manifest).check_all(sink)
        there = (number for number in checked.bad if manifest.chunk_range(number)[1] <= self.files.size)
        return Inspection(faults, checked, tuple(damaged(manifest, number) for number in there))


def open_bundle(files: BundleFiles, trust: Trust, *, now: datetime) -> VerifiedBundle:
    """All nine steps. `BundleError` for what is not a whole bundle, `VerificationError` for what is not to be trusted.

    The files belong to the result; when this raises they still belong to the caller.
    """
    return examine(files, trust, now=now).admit()


def open_unverified_for_display(files: BundleFiles, trust: Trust, *, now: datetime) -> UnverifiedBundle:
    """Look into a bundle without believing it: steps 1 to 5. Say UNVERIFIED: its verdict is never one of acceptance."""
    candidate = examine(files, trust, now=now)
    unaccepted = replace(candidate, verdict=replace(candidate.verdict, accepted=False))
    return UnverifiedBundle(files, unaccepted, from_bytes(candidate.manifest))


def examine(files: BundleFiles, trust: Trust, *, now: datetime) -> Candidate:
    """Steps 1 to 4; a refusal is in the verdict, not raised. `BundleError` when there is no head to judge."""
    try:
        manifest_bytes, signatures_bytes = head_lengths(files.read(STUB_BYTES, HEAD_BYTES))
    except ValueError as error:
        raise BundleError(
            f"not a bundle, or a truncated one: {error}", where=files.name, hint="is this the .run file, copied whole?"
        ) from error
    data = files.read(MANIFEST_OFFSET, manifest_bytes + signatures_bytes)
    if len(data) != manifest_bytes + signatures_bytes:
        raise BundleError("the file ends within its manifest: it is truncated", where=files.name)
    manifest = data[:manifest_bytes]
    signatures = envelope.unpack(data[manifest_bytes:])
    verdict = envelope.check(manifest, signatures, trust, now=now)
    return Candidate(files, manifest, signatures, MANIFEST_OFFSET + len(data), verdict)


def _check_size(candidate: Candidate, manifest: BundleManifest) -> None:
    files = candidate.files
    if files.size < manifest.size:
        raise BundleError(
            f"file is truncated: {files.size} of {manifest.size} bytes", where=files.name, hint="copy the bundle again"
        )
    if files.size > manifest.size:
        raise VerificationError(
            f"{files.size - manifest.size} bytes were added behind the {manifest.size} that were signed",
            where=files.name,
        )


def _check_volumes(_: Candidate, manifest: BundleManifest) -> None:
    if len(manifest.volumes) > 1:
        raise BundleError(
            f"the bundle comes in {len(manifest.volumes)} volumes, where this version reads one",
            hint="use a newer appliance",
        )


def _check_stub(candidate: Candidate, manifest: BundleManifest) -> None:
    if not candidate.files.holds(0, STUB_BYTES, manifest.stub_sha256):
        raise VerificationError(
            f"the stub (bytes 0 to {STUB_BYTES - 1}) is not what was signed", hint="do not start it; copy it again"
        )


def _check_padding(candidate: Candidate, manifest: BundleManifest) -> None:
    start, base = candidate.padding_offset, manifest.base
    if base < start:
        raise VerificationError("the archive overlaps the signatures")
    if candidate.files.read(start, base - start).strip(b"\0"):
        raise VerificationError(
            f"bytes {start} to {base - 1}, between signatures and archive, are not zeros as they must be"
        )


def _check_sidecars(candidate: Candidate, _: BundleManifest) -> None:
    files = candidate.files
    if found := sidecars.findings(files.name, files.sidecars, candidate.manifest, candidate.signatures):
        raise VerificationError("; ".join(found), hint="take away what somebody put beside the bundle")


_Check = Callable[[Candidate, BundleManifest], None]
_CHECKS: Final[tuple[_Check, ...]] = (_check_size, _check_volumes, _check_stub, _check_padding, _check_sidecars)


def _fault_of(check: _Check, candidate: Candidate, manifest: BundleManifest) -> BundleError | None:
    try:
        check(candidate, manifest)
    except BundleError as error:
        return error
    return None
