"""What the security officer asks for: whether this is the bundle that somebody trusted made, every byte of it.

Origin is one thing, integrity another: a bundle that is checked by the code that came with it proves that it arrived as
it was sent, not who sent it. `VerifyReport` says which.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from appliance import events
from appliance.bundle import sidecars
from appliance.bundle import verify as bundles
from appliance.bundle.verify import BundleFiles, Checked
from appliance.digest import Digest
from appliance.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from appliance.bundle.verify import Candidate
    from appliance.trust.judgement import SignerResult
    from appliance.trust.policy import Trust

_NAMED_CHUNKS = 10
_COPY_AGAIN = "copy the bundle again, from a medium that is sound"
_NOTHING = Checked(0, 0, 0, ())


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What was found of a bundle, in the order in which people ask.

    `parts`: what was checked besides the chunks. `policy`: what the policy says of it, `policy_source` where that
    stands. `warnings`: what is no finding and worth knowing. `not_checked`: in words what this does not prove. `hint`:
    what to do.
    """

    verified: bool
    name: str
    manifest_digest: Digest | None
    signers: tuple[SignerResult, ...]
    checked: Checked
    findings: tuple[str, ...]
    hint: str = ""
    parts: tuple[str, ...] = ()
    policy: tuple[str, ...] = ()
    policy_source: str = ""
    warnings: tuple[str, ...] = ()
    not_checked: tuple[str, ...] = ()


def verify(path: Path, trust: Trust, *, now: datetime, sink: events.Sink = events.silent) -> VerifyReport:
    """Check signatures, policy and every byte of the bundle at `path`; a refusal is in the report, not raised.

    `BundleError` when there is no file to look at.
    """
    with BundleFiles.open(path, also=trust.beside) as opened:
        try:
            candidate = bundles.examine(opened, trust, now=now)
        except BundleError as error:
            nothing = VerifyReport(
                verified=False,
                name=path.name,
                manifest_digest=None,
                signers=(),
                checked=_NOTHING,
                findings=(error.message,),
                hint=error.hint,
            )
            return dataclasses.replace(nothing, not_checked=(*_origin(nothing, trust), *_unproven(path, trust, ())))
        report = _report(candidate, sink)
    return dataclasses.replace(
        report, not_checked=(*_origin(report, trust), *_unproven(path, trust, candidate.verdict.signers))
    )


def _report(candidate: Candidate, sink: events.Sink) -> VerifyReport:
    findings, hint, checked = candidate.verdict.findings, candidate.verdict.hint, _NOTHING
    if candidate.verdict.accepted:
        found = candidate.inspect(sink)
        checked = found.checked
        findings = (*(fault.message for fault in found.faults), *_shortened(found.damage))
        hint = next((fault.hint for fault in found.faults), _COPY_AGAIN if findings else "")
    return VerifyReport(
        verified=not findings,
        name=candidate.files.name,
        manifest_digest=Digest.of(candidate.manifest),
        signers=candidate.verdict.signers,
        checked=checked,
        findings=findings,
        hint=hint,
        parts=_parts(candidate) if not findings else (),
        policy=candidate.verdict.met,
        policy_source=candidate.trust.policy_source,
        warnings=_warnings(candidate),
    )


def _parts(candidate: Candidate) -> tuple[str, ...]:
    beside = candidate.files.beside
    copies = len(beside.exports)
    return (
        "its stub, and that nothing stands between the parts or behind them",
        *((f"{copies} files beside it: the same as in it",) if copies else ()),
        "its epoch: not below the policy's minimum, nor below what was installed from here",
    )


def _warnings(candidate: Candidate) -> tuple[str, ...]:
    policy, now = candidate.trust.policy, candidate.now
    signed = max((s.signing_time for s in candidate.verdict.signers if s.trusted and s.signing_time), default=None)
    old = signed is not None and policy.ages(signed, now)
    strangers = sorted({s.name or s.fingerprint for s in candidate.verdict.signers if s.valid and not s.trusted})
    return (
        *((f"the newest signature is over {policy.warn_after_days} days old",) if old else ()),
        *(f"{name} signed too, and is not believed here" for name in strangers),
    )


def _shortened(damage: Sequence[str]) -> Iterator[str]:
    yield from damage[:_NAMED_CHUNKS]
    if (more := len(damage) - _NAMED_CHUNKS) > 0:
        yield f"{more} more chunks are not what was signed"


def _origin(report: VerifyReport, trust: Trust) -> tuple[str, ...]:
    if not trust.self_run:
        return ()
    intact = "integrity: intact; " if report.verified else ""
    return (f"{intact}origin: checked by this bundle's own code",)


def _unproven(path: Path, trust: Trust, signers: Sequence[SignerResult]) -> tuple[str, ...]:
    sentences = list(filter(None, (_travelled(source, path.resolve()) for source in _sources(trust))))
    if not trust.policy_source:
        sentences.append("no policy is installed here: one trusted key was enough")
    if not all(signer.stamped for signer in signers if signer.trusted and signer.signing_time):
        sentences.append("the time of signing is the signer's own word")
    return (
        *sentences,
        *dict.fromkeys(note for signer in signers if signer.trusted for note in signer.notes),
        *(
            ["whether a certificate was revoked: pinned keys are believed by themselves"]
            if _only_pinned(signers)
            else []
        ),
        "what an installation elsewhere had: hosts are asked when it is planned",
        f"what stock tools say: check {sidecars.sums_name(path.name)} with openssl and sha256sum for that",
    )


def _only_pinned(signers: Sequence[SignerResult]) -> bool:
    trusted = [signer for signer in signers if signer.trusted]
    return bool(trusted) and not any(signer.chain for signer in trusted)


def _sources(trust: Trust) -> list[str]:
    """The files that say whom to believe."""
    roots, pins = trust.anchors.roots, trust.anchors.pins
    named = {*(root.source for root in roots), *(pin.source for pin in pins), trust.policy_source}
    return sorted(source for source in named if source and Path(source).is_file())


def _travelled(source: str, bundle: Path) -> str:
    """What is to say of a file that came on the bundle's own medium; nothing of one that did not."""
    file = Path(source).resolve()
    if bundle.parent in file.parents:
        return f"{source} lies beside the bundle: who could change one could change the other"
    if file.stat().st_dev == bundle.stat().st_dev != Path("/").stat().st_dev:
        return f"{source} lies on the same medium as the bundle: who could change one could change the other"
    return ""
