"""`find-images`: which container images a tree needs, and why."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from appliance.cli.options import FILE, Command, Session, common, pass_session
from appliance.cli.text import one_line, plural, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from appliance.image.discovery.found import Discovery, Image


@click.command("find-images", cls=Command)
@click.argument("paths", metavar="PATH…", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--values", "values", type=FILE, multiple=True, help="values that charts are rendered with; repeatable")
@click.option("--set", "sets", metavar="K=V", multiple=True, help="one such value, as helm takes it; repeatable")
@click.option("--why", is_flag=True, help="where each image stands")
@pass_session
@common
def find_images(
    session: Session, *, paths: tuple[Path, ...], values: tuple[Path, ...], sets: tuple[str, ...], why: bool
) -> None:
    """Say which container images the files at PATH… need: manifests, charts, kustomizations, lists, settings.

    Certain and likely ones are meant to be carried; a guess is only told, with the line that adds it.

    Example: appliance find-images --why manifests charts
    """
    from appliance.image.discovery.helm import Settings  # noqa: PLC0415  (PyYAML is slow to import)
    from appliance.operations import find_images as finding  # noqa: PLC0415

    found = finding.find_images(paths, Settings(values, sets), sink=session.output.sink())
    for warning in found.warnings:
        session.output.warn(warning)
    session.output.result(
        {"images": [_document(image) for image in found.images], "warnings": list(found.warnings)},
        lambda: "\n".join(_lines(found, why=why)) or "no image is named here",
    )


def _document(image: Image) -> dict[str, object]:
    return {
        "reference": image.reference.familiar,
        "confidence": str(image.confidence),
        "why": [{"file": why.file, "line": why.line, "what": why.what} for why in image.why],
    }


def _lines(found: Discovery, *, why: bool) -> Iterator[str]:
    carried = found.carried
    guesses = [image for image in found.images if image not in carried]
    if why:
        for image in carried:
            yield f"{image.reference.familiar}  {image.confidence}"
            yield from (f"    {one_line(str(reason))}" for reason in image.why)
    else:
        yield from table([(image.reference.familiar, str(image.confidence)) for image in carried])
    if guesses:
        yield from ("", f"{plural(len(guesses), 'guess')}, not carried; to carry one, add its line to the Kubefile:")
        for image in guesses:
            yield f"  IMAGE {image.reference.familiar}"
            yield f"      {one_line(str(image.why[0]))}"
