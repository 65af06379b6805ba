"""For the security officer: `verify`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from appliance.cli.anchors import bundle_argument, trust_options
from appliance.cli.options import FILE, Command, Session, common, pass_session
from appliance.cli.text import plural, printable, wrapped
from appliance.clock import SystemClock, timestamp
from appliance.operations import verification

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from appliance.operations.verification import VerifyReport
    from appliance.trust.judgement import SignerResult
    from appliance.trust.policy import Trust

NOT_VERIFIED = 3


@click.command(cls=Command)
@bundle_argument
@trust_options
@pass_session
@common
def verify(session: Session, bundle: Path, trust: Trust) -> int:
    """Check BUNDLE: every byte, the signatures and the policy. Needs no root and runs nothing of it.

    Example: appliance verify etcd-1.0.0-linux-amd64.run --trust root.pem
    """
    report = verification.verify(
        bundle,
        trust,
        now=SystemClock().now(),
        self_run=session.bundle is not None,
        sink=session.output.sink(),
    )
    session.output.result(_document(report), lambda: "\n".join(_lines(report)))
    return 0 if report.verified else NOT_VERIFIED


def _document(report: VerifyReport) -> dict[str, object]:
    return {
        "verified": report.verified,
        "manifest_digest": str(report.manifest_digest or ""),
        "signers": [
            {
                "name": signer.name,
                "fingerprint": signer.fingerprint,
                "format": signer.form.value,
                "trusted": signer.trusted,
                "reason": signer.reason,
                "signing_time": timestamp(signer.signing_time) if signer.signing_time else "",
            }
            for signer in report.signers
        ],
        "checked": {
            "bytes": report.checked.bytes,
            "chunks": report.checked.chunks,
            "files": report.checked.files,
        },
        "findings": list(report.findings),
        "not_verified": list(report.not_checked),
    }


def _lines(report: VerifyReport) -> list[str]:
    lines = verdict_lines(report)
    if report.manifest_digest:
        lines.append(f"  manifest  {report.manifest_digest}")
    by_key = {(signer.name, signer.fingerprint): signer for signer in report.signers}
    for name, fingerprint in by_key:
        lines += _signer([s for s in report.signers if (s.name, s.fingerprint) == (name, fingerprint)])
    if report.checked.bytes:
        chunks, members = plural(report.checked.chunks, "chunk"), plural(report.checked.files, "file")
        lines.append(f"  checked   {report.checked.bytes:,} bytes in {chunks}, {members}")
    lines += ["", "Not checked:"]
    return [*lines, *(line for sentence in report.not_checked for line in wrapped(sentence, first="  - "))]


def verdict_lines(report: VerifyReport) -> list[str]:
    """Whether it is verified, and if not, why and what to do."""
    if report.verified:
        return [f"VERIFIED  {printable(report.name)}"]
    lines = [f"NOT VERIFIED  {printable(report.name)} is not verified"]
    lines += [line for finding in report.findings for line in wrapped(finding, first="  finding   ")]
    return [*lines, *(wrapped(report.hint, first="  hint      ") if report.hint else ())]


def _signer(forms: Sequence[SignerResult]) -> list[str]:
    """One key, with all that it signed by: several forms of a signature count once."""
    first = forms[0]
    made = (
        f"{form.form.value} of {form.signing_time:%Y-%m-%d %H:%M} UTC" if form.signing_time else form.form.value
        for form in forms
    )
    verdicts = dict.fromkeys(f"{'trusted' if form.trusted else 'not trusted'}: {form.reason}" for form in forms)
    return [
        f"  signed    {printable(first.name) or 'by a key without a name'} ({', '.join(made)})",
        f"            {first.fingerprint}",
        *(line for verdict in verdicts for line in wrapped(verdict, first=" " * 12)),
    ]
