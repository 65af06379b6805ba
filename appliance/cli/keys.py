"""`key`: make and look at signing keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from appliance.cli import prompts
from appliance.cli.options import FILE, Group, Session, common, into_folder, pass_session
from appliance.clock import SystemClock, timestamp
from appliance.trust import keys
from appliance.trust.keys import KeyInfo, KeyType

if TYPE_CHECKING:
    from pathlib import Path


@click.group(cls=Group)
@common
def key() -> None:
    """Make and look at signing keys."""


@key.command()
@into_folder
@click.option("--name", metavar="NAME", default="Vendor", show_default=True, help="who signs, as certificates say it")
@click.option(
    "--type", "kind", type=click.Choice([t.value for t in KeyType]), default=KeyType.ECDSA_P384.value, help="what keys"
)
@click.option("--key-passphrase-file", metavar="FILE", help="protect the keys with the first line of FILE (- is stdin)")
@pass_session
@common
def generate(session: Session, folder: Path, name: str, kind: str, key_passphrase_file: str | None) -> None:
    """Make a root, a release CA and a signer; nothing is overwritten.

    Example: appliance key generate -O keys --name "Example Ltd"

    Customers get root.pem, by a way of its own. Keep root-key.pem and release-ca-key.pem off line.
    """
    passphrase = prompts.secret(key_passphrase_file, "APPLIANCE_KEY_PASSPHRASE", "")
    made = keys.generate(folder, name=name, clock=SystemClock(), type=KeyType(kind), passphrase=passphrase)
    session.output.result(
        {
            "files": [str(path) for path in made.files],
            "fingerprint": made.fingerprint,
            "words": made.words,
            "root": {"fingerprint": made.root.fingerprint, "words": made.root.words},
        },
        "\n".join(
            [
                *(f"  {path}" for path in made.files),
                f"root    {made.root.fingerprint}",
                f"        {made.root.words}",
                f"signer  {made.signer.fingerprint}",
                f"        {made.signer.words}",
            ]
        ),
    )


@key.command()
@click.argument("file", type=FILE)
@click.option("--key-passphrase-file", metavar="FILE", help="where the passphrase of a protected key stands")
@pass_session
@common
def show(session: Session, file: Path, key_passphrase_file: str | None) -> None:
    """Say what FILE (a certificate or a key) is, with its fingerprint as digits and as words.

    Example: appliance key show keys/root.pem
    """
    info = keys.show(file, passphrase=prompts.secret(key_passphrase_file, "APPLIANCE_KEY_PASSPHRASE", ""))
    session.output.result(key_document(info), "\n".join(key_lines(info)))


def key_document(info: KeyInfo) -> dict[str, str]:
    """A key as machines get it."""
    return {
        "kind": info.kind.value,
        "fingerprint": info.fingerprint,
        "words": info.words,
        "subject": info.subject,
        "issuer": info.issuer,
        "not_before": timestamp(info.not_before) if info.not_before else "",
        "not_after": timestamp(info.not_after) if info.not_after else "",
    }


def key_lines(info: KeyInfo) -> list[str]:
    """A key as people get it."""
    lines = [info.kind.value, f"  fingerprint  {info.fingerprint}", f"  words        {info.words}"]
    if info.subject:
        lines += [f"  subject      {info.subject}", f"  issuer       {info.issuer}"]
    if info.not_before and info.not_after:
        lines.append(f"  valid        {info.not_before:%Y-%m-%d} to {info.not_after:%Y-%m-%d}")
    return lines
