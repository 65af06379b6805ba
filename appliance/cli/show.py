"""`show`: look inside a bundle without unpacking or running any of it."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, assert_never

import click

from appliance import files
from appliance.bundle.verify import BundleFiles, open_unverified_for_display
from appliance.cli.anchors import BUNDLE, trust_of, trust_options
from appliance.cli.options import Session, common, pass_session
from appliance.cli.output import printable
from appliance.clock import SystemClock
from appliance.errors import VerificationError
from appliance.operations import deliver
from appliance.operations.deliver import Contents, Document, Images, Texts, Topic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from appliance.bundle.verify import UnverifiedBundle, VerifiedBundle
    from appliance.operations.deliver import PlatformImage
    from appliance.trust.policy import Trust

UNVERIFIED = 3
_MIB = 1 << 20


@click.command()
@click.argument("bundle", type=BUNDLE)
@click.argument("what", type=click.Choice(["summary", *(topic.value for topic in Topic)]), default="summary")
@click.option(
    "--export-manifest",
    type=click.Path(dir_okay=False, path_type=Path),
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
    anchors: tuple[str, ...],
    policy: Path | None,
) -> int:
    """Look inside BUNDLE. Needs no root and runs nothing; says UNVERIFIED (exit code 3) of one that nobody here trusts.

    Example: appliance show etcd-1.0.0-linux-amd64.run scripts --trust root.pem
    """
    with _opened(bundle, trust_of(anchors, policy)) as found:
        accepted = found.verdict.accepted
        if export_manifest:
            files.write_bytes(export_manifest, found.manifest_bytes)
        document, lines = _summary(found) if what == "summary" else _topic(found, Topic(what))
    warning = [] if accepted else ["UNVERIFIED: this is what the bundle says of itself", *_strangers(found), ""]
    session.output.result({"verified": accepted, **document}, "\n".join(printable(line) for line in (*warning, *lines)))
    return 0 if accepted else UNVERIFIED


@contextlib.contextmanager
def _opened(path: Path, trust: Trust) -> Iterator[VerifiedBundle | UnverifiedBundle]:
    """The bundle verified, or, where nobody here trusts who signed it, for display only."""
    now = SystemClock().now()
    with contextlib.ExitStack() as stack:
        try:
            found: VerifiedBundle | UnverifiedBundle = stack.enter_context(deliver.open_delivery(path, trust, now=now))
        except VerificationError:
            opened = stack.enter_context(BundleFiles.open(path))
            found = open_unverified_for_display(opened, trust, now=now)
        yield found


def _strangers(bundle: VerifiedBundle | UnverifiedBundle) -> list[str]:
    signers = bundle.verdict.signers
    return list(
        dict.fromkeys(f"  signed by {s.name or 'a key without a name'}, {s.fingerprint}: {s.reason}" for s in signers)
    )


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
    size = f"{manifest.size / _MIB:.1f} MiB in {len(manifest.files)} files and {len(manifest.chunks)} chunks"
    facts = {
        "vendor": manifest.vendor,
        "about": manifest.description,
        "for": f"linux, {', '.join(manifest.arch)}",
        "size": size,
        "image": str(manifest.image),
        "manifest": str(bundle.manifest_digest),
    }
    signed = dict.fromkeys(f"{s.name}  {s.fingerprint}" for s in bundle.verdict.signers)
    lines = [f"{manifest.title or manifest.name} {manifest.version}, epoch {manifest.epoch}"]
    lines += [f"  {name:<9} {value}" for name, value in facts.items() if value]
    return document, [*lines, *(f"  signed    {who}" for who in signed)]


def _topic(bundle: VerifiedBundle | UnverifiedBundle, topic: Topic) -> tuple[dict[str, Any], list[str]]:
    match deliver.show(bundle, topic):
        case Contents(manifest):
            entries = manifest.files
            document = [
                {"name": e.name, "volume": e.volume, "offset": e.offset, "length": e.length, "sha256": e.sha256.hex}
                for e in entries
            ]
            return {"files": document}, [f"{e.length:>12}  {e.sha256.hex}  {e.name}" for e in entries]
        case Images(image, platforms):
            return (
                {"image": str(image), "platforms": [_platform(platform) for platform in platforms]},
                [line for platform in platforms for line in _platform_lines(platform)],
            )
        case Document(name, media_type, data):
            return {"name": name, **_content(media_type, data)}, data.decode(errors="replace").splitlines()
        case Texts(texts):
            return (
                {"files": [{"path": text.path, "mode": f"{text.mode:04o}", "text": text.text} for text in texts]},
                [
                    line
                    for text in texts
                    for line in (f"==> {text.path} ({text.mode:04o})", *text.text.splitlines(), "")
                ],
            )
        case _ as unknown:
            assert_never(unknown)


def _content(media_type: str, data: bytes) -> dict[str, Any]:
    return {"document": json.loads(data)} if media_type.endswith("json") else {"text": data.decode(errors="replace")}


def _platform(image: PlatformImage) -> dict[str, Any]:
    return {
        "platform": str(image.config.platform),
        "rootfs": str(image.rootfs),
        "layers": [
            {"digest": str(layer.digest), "size": layer.size, "instruction": record.instruction}
            for layer, record in zip(image.manifest.layers, image.config.layers, strict=True)
        ],
    }


def _platform_lines(image: PlatformImage) -> list[str]:
    lines = [f"{image.config.platform}  {image.rootfs}"]
    for layer, record in zip(image.manifest.layers, image.config.layers, strict=True):
        first, *more = record.instruction.splitlines() or [""]
        lines.append(f"  {layer.digest.short}  {layer.size:>12}  {first}{' …' if more else ''}")
    return lines
