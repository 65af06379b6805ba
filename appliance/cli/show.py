"""`show`: look inside a bundle without unpacking or running any of it."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any, assert_never

import click

from appliance import files
from appliance.bundle.verify import BundleFiles, open_unverified_for_display
from appliance.cli.anchors import bundle_argument, trust_options
from appliance.cli.images import images_document, images_lines, layer_lines, layers_document
from appliance.cli.options import FILE, Command, Session, common, pass_session
from appliance.cli.text import plural, printable, table, wrapped
from appliance.clock import SystemClock
from appliance.errors import VerificationError
from appliance.operations import deliver
from appliance.operations.deliver import Contents, Document, Images, Texts, Topic
from appliance.recipe.quantities import size_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from appliance.bundle.verify import UnverifiedBundle, VerifiedBundle
    from appliance.operations.deliver import PlatformImage
    from appliance.plan.runtime import TextFile
    from appliance.trust.policy import Trust

UNVERIFIED = 3
_SUMMARY = "summary"
_TOPICS = (_SUMMARY, *(topic.value for topic in Topic))


@click.command(cls=Command)
@bundle_argument
@click.argument("what", metavar="[TOPIC]", type=click.Choice(_TOPICS), default=_SUMMARY)
@click.option(
    "--export-manifest",
    type=FILE,
    metavar="FILE",
    help="write the signed manifest's bytes",
)
@trust_options
@pass_session
@common
def show(
    session: Session,
    *,
    bundle: Path,
    what: str,
    export_manifest: Path | None,
    trust: Trust,
) -> int:
    """Look inside BUNDLE. Needs no root and runs nothing; says UNVERIFIED (exit code 3) of one that nobody here trusts.

    TOPIC is one of summary, contents, images, scripts, sbom, provenance, licenses, docs.

    Example: appliance show etcd-1.0.0-linux-amd64.run scripts --trust root.pem
    """
    with _opened(bundle, trust) as (found, refusal):
        accepted = found.verdict.accepted
        if export_manifest:
            files.write_bytes(export_manifest, found.manifest_bytes)
        document, lines = _summary(found) if what == _SUMMARY else _topic(found, Topic(what))
    warning = [] if accepted else ["UNVERIFIED: this is what the bundle says of itself", f"  {refusal}"]
    warning += [] if accepted else [*_strangers(found), ""]
    session.output.result(
        {"verified": accepted, "refusal": refusal, **document},
        "\n".join(printable(line) for line in (*warning, *lines)),
    )
    return 0 if accepted else UNVERIFIED


@contextlib.contextmanager
def _opened(path: Path, trust: Trust) -> Iterator[tuple[VerifiedBundle | UnverifiedBundle, str]]:
    """The bundle verified; or, where it cannot be, for display only, and why."""
    now = SystemClock().now()
    refusal = ""
    with contextlib.ExitStack() as stack:
        try:
            found: VerifiedBundle | UnverifiedBundle = stack.enter_context(deliver.open_delivery(path, trust, now=now))
        except VerificationError as error:
            refusal = error.message
            opened = stack.enter_context(BundleFiles.open(path))
            found = open_unverified_for_display(opened, trust, now=now)
        yield found, refusal


def _strangers(bundle: VerifiedBundle | UnverifiedBundle) -> list[str]:
    said = dict.fromkeys(
        line
        for signer in bundle.verdict.signers
        for line in (
            f"  signed by {signer.name or 'a key without a name'}: {signer.reason}",
            f"            {signer.fingerprint}",
        )
    )
    return list(said)


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


def _topic(bundle: VerifiedBundle | UnverifiedBundle, topic: Topic) -> tuple[dict[str, Any], list[str]]:
    match deliver.show(bundle, topic):
        case Contents(manifest):
            entries = manifest.files
            document = [
                {"name": e.name, "volume": e.volume, "offset": e.offset, "length": e.length, "sha256": e.sha256.hex}
                for e in entries
            ]
            rows = [(f"{e.length:,}", e.sha256.hex, e.name) for e in entries]
            return {"files": document}, table(rows, heads=("BYTES", "SHA256", "NAME"), right=(0,))
        case Images(image, platforms):
            return (
                {"image": str(image), "platforms": [_platform(platform) for platform in platforms]},
                [line for platform in platforms for line in _platform_lines(platform)],
            )
        case Document(name, media_type, data):
            return _file(name, media_type, data)
        case Texts(texts):
            return (
                {"files": [{"path": text.path, "mode": f"{text.mode:04o}", "text": text.text} for text in texts]},
                [line for text in texts for line in _text_lines(text)] or [f"the image holds no {topic.value}"],
            )
        case _ as unknown:
            assert_never(unknown)


def _file(name: str, media_type: str, data: bytes) -> tuple[dict[str, Any], list[str]]:
    text = data.decode(errors="replace")
    if not media_type.endswith("json"):
        return {"name": name, "text": text}, text.splitlines()
    document = json.loads(data)
    return {"name": name, "document": document}, json.dumps(document, indent=2, ensure_ascii=False).splitlines()


def _text_lines(text: TextFile) -> list[str]:
    return [f"==> {text.path} ({text.mode:04o})", *text.text.splitlines(), ""]


def _platform(image: PlatformImage) -> dict[str, Any]:
    return {
        "platform": str(image.config.platform),
        "rootfs": str(image.rootfs),
        "layers": layers_document(image.manifest, image.config),
        "images": images_document(image.config),
    }


def _platform_lines(image: PlatformImage) -> list[str]:
    layers = layer_lines(image.manifest, image.config)
    return [f"{image.config.platform}  {image.rootfs}", *layers, *images_lines(image.config)]
