"""`key`: make and look at signing keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from appliance.cli import prompts
from appliance.cli.options import FILE, Group, Session, common, into_folder, pass_session
from appliance.clock import SystemClock, timestamp
from appliance.trust import keys
from appliance.trust.algorithms import KeyType

if TYPE_CHECKING:
    from pathlib import Path

    from appliance.trust.keyinfo import KeyInfo
    from appliance.trust.keys import GeneratedKeys


@click.group(cls=Group)
@common
def key() -> None:
    """Make and look at signing keys."""


_TYPES = click.Choice([kind.value for kind in KeyType])
_NAME = "who signs, as certificates say it"
_PROTECT = "protect the keys with the first line of FILE (- is stdin)"


@key.command()
@into_folder
@click.option("--name", metavar="NAME", default="Vendor", show_default=True, help=_NAME)
@click.option("--type", "kind", type=_TYPES, default=KeyType.ECDSA_P384.value, show_default=True, help="what keys")
@click.option("--key-passphrase-file", metavar="FILE", help=_PROTECT)
@pass_session
@common
def generate(session: Session, folder: Path, name: str, kind: str, key_passphrase_file: str | None) -> None:
    """Make a root, a release CA and a signer; nothing is overwritten.

    Example: appliance key generate -O keys --name "Example Ltd"

    Customers get root.pem, by a way of its own. The keys in offline/ issue further signers: keep them off line, in a
    safe. Of ed25519 only a signer's key is made, which customers pin; it signs beside one that has a certificate.
    """
    passphrase = prompts.secret(key_passphrase_file, "APPLIANCE_KEY_PASSPHRASE", "")
    made = keys.generate(folder, name=name, clock=SystemClock(), type=KeyType(kind), passphrase=passphrase)
    _say_made(session, made)


@key.command()
@into_folder
@click.option("--name", metavar="NAME", default="Vendor signer", show_default=True, help=_NAME)
@click.option("--type", "kind", type=_TYPES, default=KeyType.ECDSA_P384.value, show_default=True, help="what key")
@click.option("--key", "private", type=FILE, help="ask for a certificate of this private key; else a new one is made")
@click.option("--ca", type=FILE, help="issue it at once, by this authority (release-ca.pem)")
@click.option("--ca-key", type=FILE, help="the authority's private key (offline/release-ca-key.pem)")
@click.option("--key-passphrase-file", metavar="FILE", help=_PROTECT)
@pass_session
@common
def cert(
    session: Session,
    *,
    folder: Path,
    name: str,
    kind: str,
    private: Path | None,
    ca: Path | None,
    ca_key: Path | None,
    key_passphrase_file: str | None,
) -> None:
    """Ask a PKI for a signer's certificate (signer.csr), or with --ca issue a further signer of an authority of ours.

    Examples: appliance key cert -O keys --name "Example release 2027";
    appliance key cert -O keys-2027 --ca ca.pem --ca-key ca-key.pem

    What the PKI returns goes with its intermediate certificates into signer.pem beside the key. It must allow code
    signing (extended key usage codeSigning).
    """
    passphrase = prompts.secret(key_passphrase_file, "APPLIANCE_KEY_PASSPHRASE", "")
    if (ca is None) != (ca_key is None):
        raise click.UsageError("--ca and --ca-key belong together")
    if ca is not None and ca_key is not None:
        made = keys.issue(
            folder, name=name, authority=ca, authority_key=ca_key, clock=SystemClock(), passphrase=passphrase
        )
    else:
        made = keys.request(folder, name=name, type=KeyType(kind), key=private, passphrase=passphrase)
    _say_made(session, made)


def _say_made(session: Session, made: GeneratedKeys) -> None:
    offline = [str(path) for path in made.files if path.parent.name == keys.OFFLINE]
    named = {"root": made.root, "signer": made.signer}
    lines = [f"  {path}" for path in made.files]
    for what, info in named.items():
        if info is not None:
            lines += [f"{what:<8}{info.fingerprint}", f"{'':<8}{info.words}"]
    if offline:
        lines += ["", f"Keep off line, in a safe: {', '.join(offline)}"]
    session.output.result(
        {
            "files": [str(path) for path in made.files],
            "fingerprint": made.fingerprint,
            "words": made.words,
            "root": {"fingerprint": made.root.fingerprint, "words": made.root.words} if made.root else None,
            "offline": offline,
        },
        "\n".join(lines),
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
        "type": info.type.value if info.type else "",
        "fingerprint": info.fingerprint,
        "words": info.words,
        "subject": info.subject,
        "issuer": info.issuer,
        "not_before": timestamp(info.not_before) if info.not_before else "",
        "not_after": timestamp(info.not_after) if info.not_after else "",
    }


def key_lines(info: KeyInfo) -> list[str]:
    """A key as people get it."""
    kind = f"{info.kind.value}, {info.type.value}" if info.type else info.kind.value
    lines = [kind, f"  fingerprint  {info.fingerprint}", f"  words        {info.words}"]
    if info.subject:
        lines += [f"  subject      {info.subject}", f"  issuer       {info.issuer}"]
    if info.not_before and info.not_after:
        lines.append(f"  valid        {info.not_before:%Y-%m-%d} to {info.not_after:%Y-%m-%d}")
    return lines
