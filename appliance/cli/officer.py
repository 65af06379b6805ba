"""For the security officer: `verify`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from appliance.cli.anchors import bundle_argument, trust_options
from appliance.cli.options import FILE, Command, Session, common, pass_session
from appliance.cli.text import plural, printable, wrapped
from appliance.clock import SystemClock, timestamp
from appliance.files import write_text
from appliance.operations import verification

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from appliance.operations.verification import VerifyReport
    from appliance.trust.judgement import SignerResult
    from appliance.trust.policy import Trust

NOT_VERIFIED = 3
_MONTH = 30


@click.command(cls=Command)
@bundle_argument
@trust_options
@click.option("--report", "page", type=FILE, metavar="F.html", help="write what was found as a page for the file")
@pass_session
@common
def verify(session: Session, *, bundle: Path, trust: Trust, page: Path | None) -> int:
    """Check BUNDLE: every byte, the signatures and the policy. Needs no root and runs nothing of it.

    Examples: appliance verify etcd-1.0.0-linux-amd64.run --trust root.pem;
    appliance verify etcd-1.0.0-linux-amd64.run --report etcd.html
    """
    now = SystemClock().now()
    report = verification.verify(bundle, trust, now=now, sink=session.output.sink())
    lines = _lines(report, now)
    if page is not None:
        from appliance.cli import officer_page  # noqa: PLC0415  (it knows all that a bundle holds, as the check does not)

        write_text(page, officer_page.to_html(report, lines, bundle=bundle, trust=trust, at=now))
    session.output.result(_document(report), lambda: "\n".join(lines))
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
                "role": signer.role,
                "type": signer.type.value if signer.type else "",
                "trusted": signer.trusted,
                "reason": signer.reason,
                "signing_time": timestamp(signer.signing_time) if signer.signing_time else "",
                "stamped": signer.stamped,
            }
            for signer in report.signers
        ],
        "checked": {
            "bytes": report.checked.bytes,
            "chunks": report.checked.chunks,
            "files": report.checked.files,
        },
        "parts": list(report.parts),
        "policy": {"source": report.policy_source, "met": list(report.policy)},
        "findings": list(report.findings),
        "warnings": list(report.warnings),
        "not_verified": list(report.not_checked),
    }


def _lines(report: VerifyReport, now: datetime) -> list[str]:
    lines = verdict_lines(report)
    if report.manifest_digest:
        lines.append(f"  manifest  {report.manifest_digest}")
    if report.checked.bytes:
        chunks, members = plural(report.checked.chunks, "chunk"), plural(report.checked.files, "file")
        lines.append(f"  checked   {report.checked.bytes:,} bytes in {chunks}, {members}")
    lines += [line for part in report.parts for line in wrapped(part, first=" " * 12)]
    for key in {(s.name, s.fingerprint, s.role): None for s in report.signers}:
        lines += _signer([s for s in report.signers if (s.name, s.fingerprint, s.role) == key], now)
    if report.policy:
        lines.append(f"  policy    {printable(report.policy_source) or 'none installed: the default'}")
        lines += [line for said in report.policy for line in wrapped(said, first=" " * 12)]
    lines += [line for warning in report.warnings for line in wrapped(warning, first="  warning   ")]
    lines += ["", "Not verified:"]
    return [*lines, *(line for sentence in report.not_checked for line in wrapped(sentence, first="  - "))]


def verdict_lines(report: VerifyReport) -> list[str]:
    """Whether it is verified, and if not, why and what to do."""
    if report.verified:
        return [f"VERIFIED  {printable(report.name)}"]
    lines = [f"NOT VERIFIED  {printable(report.name)} is not verified"]
    lines += [line for finding in report.findings for line in wrapped(finding, first="  finding   ")]
    return [*lines, *(wrapped(report.hint, first="  hint      ") if report.hint else ())]


def _signer(forms: Sequence[SignerResult], now: datetime) -> list[str]:
    """One key in one role, with all that it signed by: several forms of a signature count once."""
    first = forms[0]
    made = (f"{form.form.value} of {_when(form, now)}" if form.signing_time else form.form.value for form in forms)
    verdicts = dict.fromkeys(f"{'trusted' if form.trusted else 'not trusted'}: {form.reason}" for form in forms)
    kind = next((f", {form.type.value}" for form in forms if form.type), "")
    return [
        f"  signed    {printable(first.name) or 'by a key without a name'}, as {printable(first.role)}",
        f"            {first.fingerprint}{kind}",
        *wrapped(", ".join(made), first=" " * 12),
        *(line for verdict in verdicts for line in wrapped(verdict, first=" " * 12)),
    ]


def _when(form: SignerResult, now: datetime) -> str:
    if form.signing_time is None:
        return ""
    stamped = ", time-stamped" if form.stamped else ""
    return f"{form.signing_time:%Y-%m-%d %H:%M} UTC{_ago((now - form.signing_time).days)}{stamped}"


def _ago(days: int) -> str:
    if days < _MONTH:
        return f" ({plural(days, 'day')} ago)" if days > 0 else ""
    return f" ({plural(days // _MONTH, 'month')} ago)"
