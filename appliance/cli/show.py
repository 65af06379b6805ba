"""`show`: look inside a bundle without unpacking or running any of it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import click

from appliance import files
from appliance.cli.anchors import bundle_argument, trust_options
from appliance.cli.options import FILE, Command, Session, common, pass_session
from appliance.cli.text import plural, printable, wrapped
from appliance.clock import SystemClock
from appliance.operations import look
from appliance.operations.look import Topic
from appliance.recipe.quantities import size_text

if TYPE_CHECKING:
    from pathlib import Path

    from appliance.bundle.verify import UnverifiedBundle, VerifiedBundle
    from appliance.trust.policy import Trust

UNVERIFIED = 3
_SUMMARY = "summary"
_TOPICS = (_SUMMARY, *(topic.value for topic in Topic))


@click.command(cls=Command)
@bundle_argument
@click.argument("what", metavar="[TOPIC]", type=click.Choice(_TOPICS), default=_SUMMARY)
@click.option(
    "--against", type=FILE, metavar="OLD", help="what changed since the bundle OLD, down to packages and scripts"
)
@click.option("--export-manifest", type=FILE, metavar="FILE", help="write the signed manifest's bytes")
@trust_options
@pass_session
@common
def show(
    session: Session,
    *,
    bundle: Path,
    what: str,
    against: Path | None,
    export_manifest: Path | None,
    trust: Trust,
) -> int:
    """Look inside BUNDLE. Needs no root and runs nothing; says UNVERIFIED (exit code 3) of one that nobody here trusts.

    TOPIC is one of summary, contents, images, scripts, sbom, provenance, licenses, docs. With --against it is summary
    for all that changed, or contents, images, scripts, sbom for files, container images, scripts or packages alone.

    Example: appliance show etcd-1.1.0.run --against etcd-1.0.0.run
    """
    from appliance.cli import changes, topics  # noqa: PLC0415  (slow to import)

    now = SystemClock().now()
    with contextlib.ExitStack() as stack:
        paths = [bundle] if against is None else [bundle, against]
        opened = [stack.enter_context(look.opened(path, trust, now=now)) for path in paths]
        found = opened[0][0]
        if export_manifest:
            files.write_bytes(export_manifest, found.manifest_bytes)
        if against is not None:
            document, lines = changes.since(opened[1][0], found, what)
        else:
            document, lines = _summary(found) if what == _SUMMARY else topics.topic(found, Topic(what))
        warning = [line for one, why in opened for line in _warning(one, why)]
        refusals = [why for one, why in opened if not one.verdict.accepted]
    session.output.result(
        {"verified": not refusals, "refusal": "; ".join(refusals), **document},
        "\n".join(printable(line) for line in (*warning, *lines)),
    )
    return UNVERIFIED if refusals else 0


def _warning(bundle: VerifiedBundle | UnverifiedBundle, refusal: str) -> list[str]:
    """That this is what the bundle says of itself, why, and who it says it is from; nothing of a verified one."""
    if bundle.verdict.accepted:
        return []
    said = dict.fromkeys(
        line
        for signer in bundle.verdict.signers
        for line in (
            f"  signed by {signer.name or 'a key without a name'}: {signer.reason}",
            f"            {signer.fingerprint}",
        )
    )
    name = f"{bundle.manifest.name} {bundle.manifest.version}"
    return [f"UNVERIFIED: this is what the bundle {name} says of itself", f"  {refusal}", *said, ""]


def _summary(bundle: VerifiedBundle | UnverifiedBundle) -> tuple[dict[str, Any], list[str]]:
    manifest = bundle.manifest
    document = {
        "name": manifest.name,
        "version": manifest.version,
        "epoch": manifest.epoch,
        "title": manifest.title,
        "vendor": manifest.vendor,
        "description": manifest.description,
        "arch": list(manifest.arch),
        "size": manifest.size,
        "image": str(manifest.image),
        "manifest_digest": str(bundle.manifest_digest),
        "signers": [
            {"name": s.name, "fingerprint": s.fingerprint, "trusted": s.trusted} for s in bundle.verdict.signers
        ],
    }
    parts = f"{plural(len(manifest.files), 'file')} and {plural(len(manifest.chunks), 'chunk')}"
    facts = {
        "vendor": manifest.vendor,
        "about": manifest.description,
        "for": f"linux, {', '.join(manifest.arch)}",
        "size": f"{size_text(manifest.size)} in {parts}",
        "image": str(manifest.image),
        "manifest": str(bundle.manifest_digest),
    }
    lines = [f"{manifest.title or manifest.name} {manifest.version}, epoch {manifest.epoch}"]
    lines += [line for name, value in facts.items() if value for line in wrapped(value, first=f"  {name:<9} ")]
    signed = dict.fromkeys((s.name, s.fingerprint) for s in bundle.verdict.signers)
    return document, [*lines, *(line for who in signed for line in _signer(*who))]


def _signer(name: str, fingerprint: str) -> list[str]:
    return [f"  signed    {name or 'by a key without a name'}", f"            {fingerprint}"]
