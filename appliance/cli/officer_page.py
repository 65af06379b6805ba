"""What `verify` found, and what is in the bundle, as one page for the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.cli.text import plural
from appliance.clock import timestamp
from appliance.operations import contents, deliver
from appliance.report import officer
from appliance.report.officer import OfficerPage, Origin, PolicyResult, Signature

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from appliance.operations.verification import VerifyReport
    from appliance.trust.judgement import SignerResult
    from appliance.trust.policy import Trust


def to_html(report: VerifyReport, lines: Sequence[str], *, bundle: Path, trust: Trust, at: datetime) -> str:
    """The page; the contents are read out of `bundle` once more, and only if it is verified."""
    checked = report.checked
    parts = f"{checked.bytes:,} bytes in {plural(checked.chunks, 'chunk')}, {plural(checked.files, 'file')}"
    page = OfficerPage(
        file=report.name,
        verified=report.verified,
        findings=report.findings,
        checked="; ".join((f"checked: {parts}", *report.parts)),
        made=timestamp(at),
        origin=Origin(
            str(report.manifest_digest or "not readable"),
            tuple(_signatures(report.signers)),
        ),
        policy=PolicyResult(report.policy_source or "none installed: the default", report.policy, report.not_checked),
        warnings=report.warnings,
        printed=tuple(lines),
        contents=_contents(bundle, trust, at) if report.verified else None,
    )
    return officer.to_html(page)


def _signatures(signers: Sequence[SignerResult]) -> Iterator[Signature]:
    """A row for each key in a role: the forms of its signature that are judged alike stand together."""
    alike: dict[tuple[str, str, str, bool, str], list[SignerResult]] = {}
    for one in signers:
        alike.setdefault((one.name, one.role, one.fingerprint, one.trusted, one.reason), []).append(one)
    for (name, role, fingerprint, trusted, reason), forms in alike.items():
        signed = next((timestamp(one.signing_time) for one in forms if one.signing_time), "")
        form = ", ".join(one.form.value for one in forms)
        yield Signature(name or "no name", role, fingerprint, form, trusted=trusted, reason=reason, signed=signed)


def _contents(bundle: Path, trust: Trust, at: datetime) -> officer.Contents:
    with deliver.open_delivery(bundle, trust, now=at) as opened:
        return contents.contents(opened)
