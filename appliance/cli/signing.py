"""`sign`: countersign what others signed, or take in signatures that were made elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from appliance.cli import prompts
from appliance.cli.anchors import bundle_argument
from appliance.cli.options import FILE, FOLDER, Command, Session, common, pass_session
from appliance.clock import SystemClock

if TYPE_CHECKING:
    from pathlib import Path

    from appliance.operations.signing import Signed
    from appliance.trust.algorithms import PublicKey


@click.command(cls=Command)
@bundle_argument
@click.option("--key", type=FILE, help="the private key that countersigns")
@click.option(
    "--cert", type=FILE, help="its chain (signer.pem beside the key); with --attach, whose signatures they are"
)
@click.option("--key-passphrase-file", metavar="FILE", help="the key's passphrase (- is stdin)")
@click.option("--role", metavar="ROLE", help="in which capacity, such as customer")
@click.option("--into", type=FOLDER, help="write below FOLDER, for a medium that is read-only")
@click.option("--attach", type=FILE, multiple=True, metavar="FILE", help="a signature made elsewhere; repeatable")
@pass_session
@common
def sign(
    session: Session,
    *,
    bundle: Path,
    key: Path | None,
    cert: Path | None,
    key_passphrase_file: str | None,
    role: str | None,
    into: Path | None,
    attach: tuple[Path, ...],
) -> None:
    """Countersign BUNDLE in a role, or attach signatures that were made elsewhere.

    Examples: appliance sign etcd-1.0.0-linux-amd64.run --key key.pem --role customer;
    appliance sign etcd-1.0.0-linux-amd64.run --attach vendor.p7s

    A countersignature is a file in BUNDLE.sigs/ and leaves BUNDLE as it is; policies and permits are signed likewise.
    Attached signatures of the vendor become part of BUNDLE: for keys in an HSM, see bundle --prepare.
    """
    from appliance.operations import signing  # noqa: PLC0415  (cryptography is slow to import)
    from appliance.trust import keys  # noqa: PLC0415

    if attach:
        if key or role:
            raise click.UsageError("--attach takes signatures that are there, and neither --key nor --role")
        _say(session, signing.attach(bundle, attach, key=_public(cert)))
        return
    if key is None or role is None:
        raise click.UsageError("--key and --role are needed, or --attach")
    passphrase = prompts.secret(key_passphrase_file, "APPLIANCE_KEY_PASSPHRASE", "key passphrase")
    signer = keys.load_signer(key, chain=cert, passphrase=passphrase)
    _say(session, signing.countersign(bundle, signer, role, clock=SystemClock(), folder=into))


def _public(cert: Path | None) -> PublicKey | None:
    from appliance.trust import algorithms, policy  # noqa: PLC0415

    if cert is None:
        return None
    found = policy.read_anchors(cert)
    keys = [*(pin.key for pin in found.pins), *(root.certificate.public_key() for root in found.roots)]
    return algorithms.public(keys[0])


def _say(session: Session, signed: Signed) -> None:
    session.output.result(
        {
            "files": [str(path) for path in signed.files],
            "signatures": [
                {"fingerprint": str(each.keyid), "format": each.form.value, "role": each.acts_as}
                for each in signed.signatures
            ],
        },
        "\n".join(
            [
                *(f"signed  as {each.acts_as} by {each.keyid} ({each.form})" for each in signed.signatures),
                *(f"  {path}" for path in signed.files),
            ]
        ),
    )
