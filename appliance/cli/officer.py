"""For the security officer: `verify`, `show`, `trust`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from appliance.cli.anchors import BUNDLE, trust_of, trust_options
from appliance.cli.keys import key_document, key_lines
from appliance.cli.options import Session, common, pass_session
from appliance.cli.output import printable
from appliance.clock import SystemClock, timestamp
from appliance.operations import verification
from appliance.trust import store

if TYPE_CHECKING:
    from appliance.operations.verification import VerifyReport
    from appliance.trust.envelope import SignerResult

NOT_VERIFIED = 3


@click.command()
@click.argument("bundle", type=BUNDLE)
@trust_options
@pass_session
@common
def verify(session: Session, bundle: Path, anchors: tuple[str, ...], policy: Path | None) -> int:
    """Check BUNDLE: every byte, the signatures and the policy. Needs no root and runs nothing of it.

    Example: appliance verify etcd-1.0.0-linux-amd64.run --trust root.pem
    """
    report = verification.verify(
        bundle,
        trust_of(anchors, policy),
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
    lines = ["VERIFIED" if report.verified else "NOT VERIFIED: this bundle is not verified", ""]
    lines += [f"  finding   {printable(finding)}" for finding in report.findings]
    if report.findings and report.hint:
        lines.append(f"  hint      {printable(report.hint)}")
    lines.append(f"  bundle    {printable(report.name)}")
    lines += [f"  manifest  {report.manifest_digest}"] if report.manifest_digest else []
    lines += [f"  signed    {_signer(signer)}" for signer in report.signers]
    if report.checked.bytes:
        size = f"{report.checked.bytes:,} bytes in {report.checked.chunks} chunks, {report.checked.files} files"
        lines.append(f"  checked   {size}")
    return [*lines, "", "Not checked:", *(f"  - {printable(sentence)}" for sentence in report.not_checked)]


def _signer(signer: SignerResult) -> str:
    when = f", {signer.signing_time:%Y-%m-%d %H:%M} UTC" if signer.signing_time else ""
    verdict = "trusted" if signer.trusted else "not trusted"
    return f"{printable(signer.name) or signer.fingerprint} ({signer.form.value}{when}): {verdict}, {signer.reason}"


@click.group()
def trust() -> None:
    """Say whom this site believes: what lies in /etc/appliance/trust."""


@trust.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@pass_session
@common
def add(session: Session, file: Path) -> None:
    """Believe the CA certificate, signer's certificate or public key in FILE from now on.

    Example: appliance trust add root.pem
    """
    added = [anchor.info for anchor in store.add(file)]
    session.output.result(
        {"added": [key_document(info) for info in added]}, "\n".join(line for info in added for line in key_lines(info))
    )


@trust.command(name="list")
@pass_session
@common
def list_(session: Session) -> None:
    """List whom this site believes.

    Example: appliance trust list
    """
    anchors = store.load_store().anchors
    found = [*(root.info for root in anchors.roots), *(pin.info for pin in anchors.pins)]
    lines = [line for info in found for line in key_lines(info)]
    session.output.result({"trusted": [key_document(info) for info in found]}, "\n".join(lines) or "nobody is trusted")


@trust.command()
@click.argument("fingerprint")
@pass_session
@common
def remove(session: Session, fingerprint: str) -> None:
    """Stop believing the key with FINGERPRINT (12 digits or more).

    Example: appliance trust remove sha256:3d1d0e45ced9
    """
    removed = [anchor.info for anchor in store.remove(fingerprint)]
    lines = [line for info in removed for line in key_lines(info)]
    session.output.result({"removed": [key_document(info) for info in removed]}, "\n".join(lines))
