"""For the packager: `build` and `bundle`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from appliance import state
from appliance.cli import prompts
from appliance.cli.images import image_cells, layer_cells
from appliance.cli.options import FILE, FOLDER, Command, Session, common, into_folder, pass_session
from appliance.cli.registries import Reach, mirror_option, puller, registry_options, upstream
from appliance.cli.text import one_line, printable, table
from appliance.clock import SystemClock
from appliance.errors import RecipeError
from appliance.image.oci import Platform
from appliance.image.reference import Reference
from appliance.image.store import Store
from appliance.recipe.quantities import size_text

if TYPE_CHECKING:
    from pathlib import Path

    from appliance.image.carried import Wanted
    from appliance.operations.build import BuildReport
    from appliance.operations.publish import Published


@click.command(cls=Command)
@click.argument("context", type=FOLDER)
@click.option("-t", "--tag", required=True, metavar="NAME[:TAG]", help="what the image is called")
@click.option("-f", "--file", type=FILE, help="the Kubefile (CONTEXT/Kubefile)")
@click.option("--platform", "platforms", metavar="P,…", default="", help="such as linux/amd64 (this machine's)")
@click.option("--build-arg", "arguments", multiple=True, metavar="K=V", help="the value of an ARG; repeatable")
@click.option("--no-cache", is_flag=True, help="carry every instruction out anew, and ask what tags mean now")
@click.option("--image-list", type=FILE, metavar="FILE", help="more container images to carry, one a line")
@click.option("--no-images", is_flag=True, help="carry only the base image's container images, and say so in the image")
@click.option("--locked", is_flag=True, help="refuse a URL without a checksum that Kubefile.lock does not know")
@registry_options
@mirror_option
@pass_session
@common
def build(
    session: Session,
    *,
    context: Path,
    tag: str,
    file: Path | None,
    platforms: str,
    arguments: tuple[str, ...],
    no_cache: bool,
    image_list: Path | None,
    no_images: bool,
    locked: bool,
    registries: Reach,
) -> None:
    """Build a cluster image from the Kubefile in CONTEXT, into the local store.

    A base image that is not there is pulled. The container images that the tree needs (appliance find-images) are
    carried, for each platform, as their publishers made them: from the archives and layouts in CONTEXT/images, the base
    image, the registries.

    Example: appliance build -t etcd-cluster:1.0.0 bundles/etcd
    """
    from appliance.operations import build as building  # noqa: PLC0415  (zstd and jsonschema are slow to import)

    request = building.BuildRequest(
        context=context,
        reference=Reference.parse(tag),
        store=session.store,
        cache=state.cache("build"),
        kubefile=file,
        arguments=_arguments(arguments),
        platforms=tuple(Platform.parse(word) for word in platforms.split(",") if word),
        use_cache=not no_cache,
        mtime=source_date_epoch(),
        image_list=image_list,
        leave_images_out=no_images,
        locked=locked,
    )
    sink = session.output.sink()
    report = building.build_image(
        request, pull=puller(session, registries, sink), upstream=upstream(registries), sink=sink
    )
    for warning in (*report.warnings, *map(_guess, report.guesses)):
        session.output.warn(warning)
    session.output.result(
        {
            "reference": report.reference.familiar,
            "digest": str(report.digest),
            "platforms": [str(platform) for platform in report.platforms],
            "layers": [
                {
                    "digest": str(layer.blob.digest),
                    "size": layer.blob.size,
                    "cached": layer.cached,
                    "instruction": layer.instruction,
                }
                for layer in report.layers
            ],
            "images": [
                {
                    "reference": Reference.parse(image.reference).familiar,
                    "digest": str(image.published),
                    "why": list(image.why),
                }
                for image in report.images
            ],
            "seconds": round(report.seconds, 3),
        },
        lambda: "\n".join(_built_lines(report)),
    )


def _built_lines(report: BuildReport) -> list[str]:
    rows = [
        (*layer_cells(layer.blob.digest, layer.blob.size, layer.instruction), "cached" if layer.cached else "built")
        for layer in report.layers
    ]
    images = [image_cells(image) for image in report.images]
    return [*table(rows, right=(2,)), *table(images), f"{report.reference.familiar}  {report.digest}"]


def _guess(image: Wanted) -> str:
    why = one_line(image.why[0])
    return f"not carried, as it is only a guess ({why}); to carry it: IMAGE {image.reference.familiar}"


def _arguments(words: tuple[str, ...]) -> dict[str, str]:
    """``--build-arg K=V``; a K alone takes its value from the environment, as Docker does."""
    pairs = (word.partition("=") for word in words)
    return {name: value if found else os.environ.get(name, "") for name, found, value in pairs}


@click.command(cls=Command)
@click.argument("reference", metavar="REF")
@into_folder
@click.option(
    "--key",
    "keys",
    type=FILE,
    multiple=True,
    help="a signer's private key; repeatable",
)
@click.option("--prepare", is_flag=True, help="sign nothing: write what is to be signed elsewhere, see sign --attach")
@click.option("--cert", type=FILE, help="its chain (signer.pem beside the key)")
@click.option("--key-passphrase-file", metavar="FILE", help="the key's passphrase (- is stdin)")
@click.option("--lock-or-latest", is_flag=True, help="newer Debian packages and wheels where locked ones are gone")
@click.option("--swarm", is_flag=True, help="carry what hosts swarm with, too (distribution.method: swarm)")
@click.option(
    "--with-sources",
    is_flag=True,
    help="carry sources of the Pythons, and of what dpkg names, too",
)
@pass_session
@common
def bundle(
    session: Session,
    *,
    reference: str,
    folder: Path,
    keys: tuple[Path, ...],
    cert: Path | None,
    key_passphrase_file: str | None,
    prepare: bool,
    lock_or_latest: bool,
    swarm: bool,
    with_sources: bool,
) -> None:
    """Write the image REF as a signed, self-extracting NAME-VERSION-linux-ARCH.run, with what stock tools check it by.

    Example: appliance bundle etcd-cluster:1.0.0 -O out --key keys/signer-key.pem
    """
    from appliance.operations import publish  # noqa: PLC0415  (py7zr is slow to import)
    from appliance.trust.keys import load_signer  # noqa: PLC0415

    if prepare is bool(keys):
        raise click.UsageError("--key says who signs, --prepare that they sign elsewhere: one of them")
    passphrase = prompts.secret(key_passphrase_file, "APPLIANCE_KEY_PASSPHRASE", "key passphrase")
    signers = tuple(load_signer(key, chain=cert, passphrase=passphrase) for key in keys)
    sink = session.output.sink()
    published = publish.publish(
        publish.PublishRequest(
            Reference.parse(reference),
            folder,
            signers,
            created=source_date_epoch(),
            cache=state.cache("build"),
        ),
        store=Store(session.store),
        pythons=publish.travelling(state.cache(), latest=lock_or_latest, swarm=swarm, sink=sink),
        clock=SystemClock(),
        sources=publish.source_packages(state.cache(), sink) if with_sources else None,
        sink=sink,
    )
    for sentence in published.without:
        session.output.warn(sentence)
    session.output.result(
        {
            "files": [{"path": str(f.path), "size": f.size, "sha256": f.sha256.hex} for f in published.files],
            "manifest_digest": str(published.manifest_digest),
            "signers": [{"name": s.subject, "fingerprint": s.fingerprint} for s in published.signers],
            "seconds": round(published.seconds, 3),
            "without": list(published.without),
        },
        lambda: "\n".join(_published_lines(published)),
    )


def _published_lines(published: Published) -> list[str]:
    return [
        *table([("", size_text(file.size), str(file.path)) for file in published.files], right=(1,)),
        f"manifest  {published.manifest_digest}",
        *(f"signed    {printable(signer.subject)}  {signer.fingerprint}" for signer in published.signers),
        *([] if published.signers else _unsigned(published)),
    ]


def _unsigned(published: Published) -> list[str]:
    bundle, manifest = published.files[0].path, published.files[1].path
    return [
        "unsigned  next, with your key wherever it is:",
        f"  openssl cms -sign -binary -md sha384 -in {manifest} -outform DER -out {bundle}.p7s \\",
        "    -signer signer.pem -inkey KEY -certfile release-ca.pem",
        f"  appliance sign {bundle} --attach {bundle}.p7s",
        f"  then the same for {bundle.name.removesuffix('.run')}.SHA256SUMS, which is signed last",
    ]


def source_date_epoch() -> int:
    """``$SOURCE_DATE_EPOCH`` (reproducible-builds.org), 0 where it is not set. `RecipeError` when it is no number."""
    value = os.environ.get("SOURCE_DATE_EPOCH", "0")
    if not value.isdecimal():
        raise RecipeError(f"SOURCE_DATE_EPOCH is {value!r}, not seconds since 1970", hint="unset it, or set a number")
    return int(value)
