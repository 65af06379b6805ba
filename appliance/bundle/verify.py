"""`VerifiedBundle`: verified is a type. There is no path in it, and no way to bytes but through their digest.

`open_bundle` does this, in this order, and the code follows the list:

1. The file is long enough to have a head, and the head has its magic.
2. The lengths in the head are within `LIMITS`.
3. Manifest and signatures are read, once, into memory; everything below is about those bytes.
4. The signatures, in it and beside it, hold over the manifest, and whose they are satisfies the policy
   (`judgement.check`); the policy itself has not expired, and lets a bundle judge itself if this one does.
5. The manifest is one that this version can read, its numbers sound (`manifestjson.from_bytes`).
6. The file has the signed size, and comes in one volume.
7. Its stub has the signed digest.
8. What stands between the signatures and the archive is zeros.
9. The manifest and signatures beside the file, where there are any, are the same as in it; what lies there as a
   countersignature is one.
10. Its epoch is not below the policy's minimum, nor below that of what was installed here before, unless a permit by
    those who satisfy the policy allows this very step back.

The payload, chunk by chunk, is compared when it is read: `VerifiedBundle.open`, `read`, `check_all`. For people who ask
what is wrong `Candidate.inspect` goes on where `admit` stops; it gives nothing out.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Self

from appliance import events
from appliance.bundle import sidecars
from appliance.bundle.chunks import BundleFiles, Checked, Chunks, MemberReader, damaged
from appliance.bundle.history import History
from appliance.bundle.layout import HEAD_BYTES, MANIFEST_OFFSET, STUB_BYTES, head_lengths
from appliance.bundle.manifest import BundleManifest
from appliance.bundle.manifestjson import from_bytes
from appliance.digest import Digest
from appliance.errors import BundleError, RecipeError, VerificationError
from appliance.trust import envelope, judgement, revocation
from appliance.trust.rules import SelfRun

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from appliance.trust.floors import Seen
    from appliance.trust.policy import Trust
    from appliance.trust.revocation import RevocationList

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

    __slots__ = ("_candidate", "_chunks", "_files", "manifest", "manifest_bytes", "verdict")

    def __init__(self, files: BundleFiles, candidate: Candidate, manifest: BundleManifest) -> None:
        self.manifest = manifest
        self.manifest_bytes = candidate.manifest
        self.verdict = candidate.verdict
        self._candidate = candidate
        self._files = files
        self._chunks = Chunks(files, manifest)

    @property
    def manifest_digest(self) -> Digest:
        """The digest of the manifest's bytes: what the signers put their names to."""
        return Digest.of(self.manifest_bytes)

    @property
    def seen(self) -> Seen:
        """It, as this site remembers what it installed."""
        return self._candidate.history.seen(self.manifest)

    def goes_back_from(self, epoch: int, image: Digest) -> bool:
        """Whether it is older than what has `epoch` and `image`, and no permit allows to go back from that."""
        older = self.manifest.epoch < epoch
        return older and not self._candidate.history.permitted(self.manifest, [image])

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
    """What `Candidate.inspect` found: what is wrong in steps 4 to 10, what was compared, a sentence for each bad chunk.

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
    verdict: judgement.Verdict
    trust: Trust
    now: datetime

    @property
    def history(self) -> History:
        """It, before what was installed here."""
        return History(self.verdict, self.files.beside, self.trust, self.now)

    def admit(self) -> VerifiedBundle:
        """Steps 4 (the verdict counts) to 10. `VerificationError` or `BundleError` says in words what does not hold."""
        self.verdict.require()
        manifest = from_bytes(self.manifest)
        for check in _CHECKS:
            check(self, manifest)
        return VerifiedBundle(self.files, self, manifest)

    def inspect(self, sink: events.Sink = events.silent) -> Inspection:
        """Steps 4 to 10 and every chunk; what does not hold is in the result, not raised. The sink may raise to stop.

        The sink hears what steps 4 to 10 came to before the first chunk is read: on a slow medium that is much earlier.
        Without signatures that count, or a sound manifest, there is nothing to compare the rest with.
        """
        try:
            self.verdict.require()
            manifest = from_bytes(self.manifest)
        except BundleError as error:
            return Inspection((error,), Checked(0, 0, 0, ()), ())
        faults = tuple(fault for check in _CHECKS if (fault := _fault_of(check, self, manifest)))
        self._say(faults, sink)
        checked = Chunks(self.files, manifest).check_all(sink)
        there = (number for number in checked.bad if manifest.chunk_range(number)[1] <= self.files.size)
        return Inspection(faults, checked, tuple(damaged(manifest, number) for number in there))

    def _say(self, faults: Sequence[BundleError], sink: events.Sink) -> None:
        outcome = events.Outcome.REFUSED if faults else events.Outcome.OK
        said = faults[0].message if faults else "; ".join(self.verdict.met)
        sink(events.TaskStarted("policy", "Signatures and policy"))
        sink(events.TaskFinished("policy", outcome, said))


def open_bundle(files: BundleFiles, trust: Trust, *, now: datetime) -> VerifiedBundle:
    """All ten steps. `BundleError` for what is not a whole bundle, `VerificationError` for what is not to be trusted.

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
    later, _ = sidecars.countersignatures(files.beside.countersignatures)
    trust = replace(trust, lists=(*trust.lists, *_lists(files.beside)))
    stamps = [stamp.data for stamp in files.beside.stamps]
    verdict = judgement.check(manifest, (*signatures, *later), trust, now=now, stamps=stamps)
    return Candidate(files, manifest, signatures, MANIFEST_OFFSET + len(data), verdict, trust, now)


def _lists(beside: sidecars.Beside) -> tuple[RevocationList, ...]:
    """Revocation lists from the medium; what cannot be read is none: whoever could put it there could leave it away."""
    found = []
    for sidecar in beside.lists:
        with contextlib.suppress(RecipeError):
            found.append(revocation.parse(sidecar.data, source=sidecar.name))
    return tuple(found)


def _check_policy(candidate: Candidate, _: BundleManifest) -> None:
    policy = candidate.trust.policy
    if policy.expires is not None and policy.expires < candidate.now:
        raise VerificationError(
            f"the policy of this site expired on {policy.expires:%Y-%m-%d}", hint="install its successor: trust policy"
        )
    if candidate.trust.self_run and policy.self_run is SelfRun.REFUSE:
        raise VerificationError(
            "the policy of this site does not let a bundle judge itself",
            hint="check it with an appliance that was here before, with appliance-verify, or with stock tools",
        )


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


def _check_sidecars(candidate: Candidate, _manifest: BundleManifest) -> None:
    files = candidate.files
    differing = sidecars.findings(files.name, files.beside.exports, candidate.manifest, candidate.signatures)
    _, unreadable = sidecars.countersignatures(files.beside.countersignatures)
    if differing or unreadable:
        raise VerificationError(
            "; ".join((*differing, *unreadable)), hint="take away what somebody put beside the bundle"
        )


def _check_epoch(candidate: Candidate, manifest: BundleManifest) -> None:
    candidate.history.require_recent(manifest)


_Check = Callable[[Candidate, BundleManifest], None]
_CHECKS: Final[tuple[_Check, ...]] = (
    _check_policy,
    _check_size,
    _check_volumes,
    _check_stub,
    _check_padding,
    _check_sidecars,
    _check_epoch,
)


def _fault_of(check: _Check, candidate: Candidate, manifest: BundleManifest) -> BundleError | None:
    try:
        check(candidate, manifest)
    except BundleError as error:
        return error
    return None
