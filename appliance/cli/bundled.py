"""What only a bundle that was started as a program does: say what it is and what comes next, and unpack itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from appliance.cli.anchors import bundle_argument, site_trust, trust_options
from appliance.cli.officer import verdict_lines
from appliance.cli.options import FOLDER, Command, Session, common, pass_session
from appliance.cli.text import one_line, plural, table
from appliance.clock import SystemClock
from appliance.operations import deliver, tool, verification

if TYPE_CHECKING:
    from pathlib import Path

    from appliance.bundle.verify import VerifiedBundle
    from appliance.trust.policy import Trust

NOT_VERIFIED = 3


@click.command(cls=Command, hidden=True)
@bundle_argument
@pass_session
@common
def welcome(session: Session, bundle: Path) -> int:
    """Check the bundle by what this site believes, and say what one can do next."""
    trust, now = site_trust(), SystemClock().now()
    report = verification.verify(bundle, trust, now=now, sink=session.output.sink())
    hosts = "ROLE=ADDRESSES"
    if report.verified:
        with deliver.open_delivery(bundle, trust, now=now) as opened:
            hosts = _hosts(opened)
    session.output.result(
        {"verified": report.verified, "findings": list(report.findings)},
        "\n".join(
            [
                *verdict_lines(report),
                *(f"  {said}" for said in report.not_checked[:1]),
                "",
                *_next(session.output.program, hosts, trusted=report.verified),
            ]
        ),
    )
    return 0 if report.verified else NOT_VERIFIED


def _hosts(bundle: VerifiedBundle) -> str:
    """The roles that hosts must have, as ``--hosts`` takes them."""
    roles = deliver.platform_image(bundle, bundle.manifest.arch[0]).config.spec.roles
    needed = (f"{one_line(role.name)}=ADDRESSES" for role in roles if role.minimum)
    return " --hosts ".join(needed) or "ROLE=ADDRESSES"


def _next(program: str, hosts: str, *, trusted: bool) -> list[str]:
    anchor = "" if trusted else " --trust root.pem"
    ways = {
        "check it": f"verify{anchor}",
        "look inside": f"show contents{anchor}",
        "find hosts": "scan 10.0.0.0/24",
        "install it": f"run --hosts {hosts}{anchor}",
        "all else": "--help",
    }
    return [f"What next, each after {program}", *table([("", what, how) for what, how in ways.items()])]


@click.command(cls=Command, hidden=True)
@bundle_argument
@click.option("--extract-only", "folder", type=FOLDER, required=True, metavar="FOLDER", help="where the files go")
@trust_options
@pass_session
@common
def extract_only(session: Session, *, bundle: Path, folder: Path, trust: Trust) -> None:
    """Write what the bundle holds below FOLDER and start nothing; only a bundle that is trusted here is unpacked.

    Example: appliance --extract-only look --trust root.pem
    """
    with deliver.open_delivery(bundle, trust, now=SystemClock().now()) as opened:
        written = deliver.extract(opened, folder, sink=session.output.sink())
    session.output.result(
        {"folder": str(folder), "files": [str(path) for path in written]},
        f"{plural(len(written), 'file')} in {folder}",
    )


@click.command(cls=Command)
@bundle_argument
@click.option("--prefix", type=FOLDER, default=tool.PREFIX, show_default=True, help="below which it goes")
@trust_options
@pass_session
@common
def install_tool(session: Session, *, bundle: Path, prefix: Path, trust: Trust) -> None:
    """Put the appliance of BUNDLE on this machine for good: bin/appliance, which judges later bundles by its own code.

    Example: appliance install-tool etcd-1.0.0-linux-amd64.run --trust root.pem

    Check BUNDLE with stock tools or appliance-verify first: who replaced the bundle replaced what you install.
    """
    with deliver.open_delivery(bundle, trust, now=SystemClock().now()) as opened:
        made = tool.install(opened, prefix.absolute())
    session.output.result(
        {"program": str(made.program), "folder": str(made.folder), "digest": str(made.digest)},
        f"{made.program}\n  {made.folder}\n  {made.digest}",
    )
