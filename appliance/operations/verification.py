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
    from datetime import datetime

    from appliance.bundle.verify import Candidate, VerifiedBundle
    from appliance.trust.envelope import SignerResult
    from appliance.trust.policy import Trust

_NAMED_CHUNKS = 10
_NOTHING = Checked(0, 0, 0, ())


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What was found of a bundle. `not_checked` says in words what this does not prove, `hint` what to do next."""

    verified: bool
    name: str
    manifest_digest: Digest | None
    signers: tuple[SignerResult, ...]
    checked: Checked
    findings: tuple[str, ...]
    hint: str = ""
    not_checked: tuple[str, ...] = ()


def verify(
    path: Path, trust: Trust, *, now: datetime, self_run: bool = False, sink: events.Sink = events.silent
) -> VerifyReport:
    """Check signatures, policy and every byte of the bundle at `path`; a refusal is in the report, not raised.

    `self_run`: this very program came out of that bundle. `BundleError` when there is no file to look at.
    """
    with BundleFiles.open(path) as opened:
        try:
            report = _report(bundles.examine(opened, trust, now=now), sink)
        except BundleError as error:
            report = VerifyReport(
                verified=False,
                name=path.name,
                manifest_digest=None,
                signers=(),
                checked=_NOTHING,
                findings=(error.message,),
                hint=error.hint,
            )
    unproven = (*_origin(report, self_run=self_run), *_unproven(path, trust))
    return dataclasses.replace(report, not_checked=unproven)


def _report(candidate: Candidate, sink: events.Sink) -> VerifyReport:
    findings, hint, checked = candidate.verdict.findings, candidate.verdict.hint, _NOTHING
    if candidate.verdict.accepted:
        try:
            bundle = candidate.admit()
            checked = bundle.check_all(sink)
            findings, hint = _damage(bundle, checked)
        except BundleError as error:
            findings, hint = (error.message,), error.hint
    return VerifyReport(
        verified=not findings,
        name=candidate.files.name,
        manifest_digest=Digest.of(candidate.manifest),
        signers=candidate.verdict.signers,
        checked=checked,
        findings=findings,
        hint=hint,
    )


def _damage(bundle: VerifiedBundle, checked: Checked) -> tuple[tuple[str, ...], str]:
    if not checked.bad:
        return (), ""
    findings = [bundle.describe_damage(number) for number in checked.bad[:_NAMED_CHUNKS]]
    if more := len(checked.bad) - len(findings):
        findings.append(f"{more} more chunks are not what was signed")
    return tuple(findings), "copy the bundle again, from a medium that is sound"


def _origin(report: VerifyReport, *, self_run: bool) -> tuple[str, ...]:
    if not self_run:
        return ()
    intact = "integrity: intact; " if report.verified else ""
    return (f"{intact}origin: checked by this bundle's own code",)


def _unproven(path: Path, trust: Trust) -> tuple[str, ...]:
    beside = path.resolve().parent
    sources = {*(root.source for root in trust.anchors.roots), *(pin.source for pin in trust.anchors.pins)}
    sentences = [
        f"{source} lies beside the bundle: who could change one could change the other"
        for source in sorted(sources)
        if beside in Path(source).resolve().parents
    ]
    if not trust.policy_source:
        sentences.append("no policy is installed here: one trusted key was enough")
    return (
        *sentences,
        "the time of signing is the signer's own word",
        "whether a certificate was revoked, or a newer version was installed here before, was not asked",
        f"what stock tools say: check {sidecars.sums_name(path.name)} with openssl and sha256sum for that",
    )
