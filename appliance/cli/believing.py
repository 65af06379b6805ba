"""`trust`: whom this site believes, and by what rules."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import click

from appliance.bundle import sidecars
from appliance.cli.anchors import site_trust, trust_options
from appliance.cli.keys import key_document, key_lines
from appliance.cli.options import FILE, Group, Session, common, pass_session
from appliance.cli.text import plural, printable
from appliance.clock import SystemClock, timestamp
from appliance.digest import Digest
from appliance.errors import RecipeError, VerificationError
from appliance.files import write_bytes
from appliance.operations import deliver
from appliance.trust import floors, keyinfo, store, upkeep

if TYPE_CHECKING:
    from appliance.trust.policy import Trust
    from appliance.trust.revocation import RevocationList


@click.group(cls=Group)
@common
def trust() -> None:
    """Say whom this site believes: what lies in /etc/appliance/trust."""


@trust.command()
@click.argument("file", type=FILE)
@click.option("--stamper", is_flag=True, help="an authority of those who say when something was signed (RFC 3161)")
@pass_session
@common
def add(session: Session, file: Path, *, stamper: bool) -> None:
    """Believe the CA certificate, signer's certificate or public key in FILE from now on.

    Examples: appliance trust add root.pem; appliance trust add --stamper tsa-root.pem
    """
    added = [anchor.info for anchor in (store.add_stamper(file) if stamper else store.add(file))]
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
    trust = site_trust()
    found = [*(root.info for root in trust.anchors.roots), *(pin.info for pin in trust.anchors.pins)]
    lines = [line for info in found for line in key_lines(info)]
    lines += [f"revoked here\n  fingerprint  {keyid}" for keyid in sorted(trust.revoked)]
    lines += [_list_line(each) for each in trust.lists]
    lines += [f"policy\n  {trust.policy_source}"] if trust.policy_source else []
    session.output.result(
        {
            "trusted": [key_document(info) for info in found],
            "stampers": [key_document(keyinfo.describe(each)) for each in trust.stampers],
            "revoked": [str(keyid) for keyid in sorted(trust.revoked)],
            "lists": [_list_document(each) for each in trust.lists],
            "policy": trust.policy_source,
        },
        "\n".join(lines) or "nobody is trusted",
    )


def _list_document(found: RevocationList) -> dict[str, object]:
    until = found.crl.next_update_utc
    return {
        "issuer": found.issuer,
        "number": found.number,
        "revoked": len(found.crl),
        "next_update": timestamp(until) if until else "",
    }


def _list_line(found: RevocationList) -> str:
    until = found.crl.next_update_utc
    current = f", current until {until:%Y-%m-%d}" if until else ""
    count = plural(len(found.crl), "certificate")
    return f"revocation list\n  {printable(found.issuer)}, number {found.number}: {count}{current}"


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


@trust.command()
@click.argument("what", metavar="LIST|FINGERPRINT")
@click.option("--issuer", type=FILE, help="the certificate of the list's issuer, where that is no trusted root")
@pass_session
@common
def revoke(session: Session, what: str, issuer: Path | None) -> None:
    """Keep a revocation list (in place of an older one), or believe the key with FINGERPRINT no more.

    Example: appliance trust revoke release-ca.crl --issuer release-ca.pem

    A key that is revoked stays so whoever certifies it; to take that back, remove its file in revoked/.
    """
    if what.startswith("sha256:"):
        keyid = upkeep.revoke_key(what, now=SystemClock().now())
        session.output.result({"revoked": str(keyid)}, f"revoked here\n  fingerprint  {keyid}")
        return
    found = upkeep.install_list(Path(what), issuer=issuer)
    session.output.result({"list": _list_document(found)}, _list_line(found))


@trust.command()
@click.argument("file", type=FILE)
@pass_session
@common
def policy(session: Session, file: Path) -> None:
    """Put the policy in FILE in force here.

    Example: appliance trust policy policy.json

    Where there is one already, those whom it names and those whom the new one names must have signed FILE (see:
    appliance sign), each in its role; FILE.sigs/ beside it holds their signatures.
    """
    signatures, faults = sidecars.countersignatures(sidecars.signatures_beside(file))
    if faults:
        raise VerificationError("; ".join(faults), where=str(file), hint="take it away")
    _, verdict = upkeep.install_policy(file, signatures, now=SystemClock().now())
    met = list(verdict.met) if verdict else ["the first policy here"]
    session.output.result({"policy": str(file), "met": met}, "\n".join(f"in force: {said}" for said in met))


@trust.command()
@click.argument("bundle", type=FILE)
@click.option("--from", "current", required=True, metavar="DIGEST", help="the image that is installed")
@trust_options
@pass_session
@common
def permit(session: Session, *, bundle: Path, current: str, trust: Trust) -> None:
    """Write beside BUNDLE a permit to go back to it from a later one; it counts once it is signed as policy demands.

    Example: appliance trust permit old.run --from $INSTALLED

    INSTALLED is the image digest as `status` prints it. Sign the permit with: appliance sign old.run.permit.json
    """
    try:
        installed = Digest.parse(current)
    except ValueError as error:
        raise RecipeError(str(error), hint="--from sha256:… as `status` prints it") from error
    with deliver.open_delivery(bundle, dataclasses.replace(trust, floors=()), now=SystemClock().now()) as opened:
        made = floors.Permit(opened.manifest.name, installed, opened.manifest.image)
    path = bundle.with_name(bundle.name + sidecars.PERMIT_SUFFIX)
    write_bytes(path, made.to_bytes(), replace=False)
    session.output.result({"permit": str(path)}, f"{path}\nnext: appliance sign {path} --key KEY --role ROLE")
