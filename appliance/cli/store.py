"""What is done with images that are in the packager's store: `tag`, `rmi`, `prune`, `diff`, `save`, `load`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from appliance.cli import prompts
from appliance.cli.options import Command, Session, common, pass_session
from appliance.cli.text import one_line, plural, table
from appliance.image.reference import Reference
from appliance.recipe.quantities import size_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from appliance.image.difference import PlatformDifference

_VALUE_COLUMNS = 40
_SIGNS = {"added": "+", "removed": "-", "changed": "~"}


@click.command(cls=Command)
@click.argument("source", metavar="SRC")
@click.argument("target", metavar="DST")
@pass_session
@common
def tag(session: Session, *, source: str, target: str) -> None:
    """Give the image SRC the further name DST.

    Example: appliance tag etcd-cluster:1.0.0 registry.example/site/etcd-cluster:1.0.0
    """
    from appliance.operations import images  # noqa: PLC0415  (slow to import)

    name = Reference.parse(target)
    digest = images.tag(session.store, Reference.parse(source), name)
    session.output.result({"reference": name.familiar, "digest": digest}, lambda: f"{name.familiar}  {digest}")


@click.command(cls=Command)
@click.argument("references", metavar="REF…", nargs=-1, required=True)
@pass_session
@common
def rmi(session: Session, *, references: tuple[str, ...]) -> None:
    """Take the names REF… away. Their bytes stay until prune, and as long as another image has them.

    Example: appliance rmi etcd-cluster:1.0.0
    """
    from appliance.operations import images  # noqa: PLC0415  (slow to import)

    names = [Reference.parse(text) for text in references]
    gone = [{"reference": name.familiar, "digest": images.untag(session.store, name)} for name in names]
    session.output.result({"removed": gone}, lambda: "\n".join(f"{one['reference']} is no name now" for one in gone))


@click.command(cls=Command)
@click.option("--now", is_flag=True, help="also what is younger than a day: only while nothing is built or pulled")
@click.option("--yes", is_flag=True, help="do not ask")
@pass_session
@common
def prune(session: Session, *, now: bool, yes: bool) -> None:
    """Remove from the local store what no named image has.

    Example: appliance prune --yes
    """
    from appliance.operations import images  # noqa: PLC0415  (slow to import)

    prompts.confirm("Remove what no image has any more?", yes=yes, refusal="this removes blobs")
    pruned = images.prune(session.store, now=now)
    session.output.result(
        {"blobs": pruned.blobs, "bytes": pruned.size},
        lambda: f"removed {plural(pruned.blobs, 'blob')}, {size_text(pruned.size)}",
    )


@click.command(cls=Command)
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@pass_session
@common
def diff(session: Session, *, before: str, after: str) -> None:
    """Show what differs between the images A and B: platforms, files, settings.

    Example: appliance diff etcd-cluster:1.0.0 etcd-cluster:1.1.0
    """
    from appliance.operations import images  # noqa: PLC0415  (slow to import)

    found = images.diff(session.store, Reference.parse(before), Reference.parse(after))
    document = {
        "same": not found,
        "platforms": [
            {
                "platform": str(one.platform),
                "change": one.change,
                "files": [{"path": f.path, "change": f.change, "size": f.size} for f in one.files],
                "values": [
                    {"name": v.name, "change": v.change, "before": v.before, "after": v.after} for v in one.values
                ],
            }
            for one in found
        ],
    }
    session.output.result(document, lambda: "\n".join(_difference_lines(found)) or "no difference")


def _difference_lines(found: Sequence[PlatformDifference]) -> Iterator[str]:
    for one in found:
        yield f"{one.platform}" + (f" {one.change}" if one.change else "")
        rows = [
            (f"  {_SIGNS[f.change]}", f.path, f"{'-' if f.size < 0 else '+'}{size_text(abs(f.size))}")
            for f in one.files
        ]
        yield from table(rows, right=(2,))
        values = [
            (f"  {_SIGNS[v.change]}", v.name, one_line(v.before, _VALUE_COLUMNS), one_line(v.after, _VALUE_COLUMNS))
            for v in one.values
        ]
        yield from table(values)


@click.command(cls=Command)
@click.argument("reference", metavar="REF")
@click.option("-O", "--output-file", "target", type=click.Path(path_type=Path), required=True, help="where it goes")
@click.option(
    "--format", "form", type=click.Choice(["oci-archive", "oci-dir"]), default="oci-archive", help="a tar, or a folder"
)
@pass_session
@common
def save(session: Session, *, reference: str, target: Path, form: str) -> None:
    """Write the image REF as an OCI layout, which load, skopeo and buildah read. The same image gives the same bytes.

    Example: appliance save etcd-cluster:1.0.0 -O etcd.tar
    """
    from appliance.operations import images  # noqa: PLC0415  (slow to import)

    name = Reference.parse(reference)
    size = images.save(session.store, name, target, form=images.Form(form), sink=session.output.sink())
    session.output.result(
        {"reference": name.familiar, "path": str(target), "bytes": size}, lambda: f"{size_text(size)}  {target}"
    )


@click.command(cls=Command)
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
@click.option("-t", "--tag", metavar="NAME[:TAG]", help="what the image is called (as it was saved)")
@pass_session
@common
def load(session: Session, *, path: Path, tag: str | None) -> None:
    """Take the images of FILE, an OCI layout in a tar or folder, into the local store.

    Example: appliance load etcd.tar
    """
    from appliance.operations import images  # noqa: PLC0415  (slow to import)

    name = Reference.parse(tag) if tag else None
    loaded = images.load(session.store, path, reference=name, sink=session.output.sink())
    session.output.result(
        {"images": [{"reference": one.reference.familiar, "digest": one.digest} for one in loaded]},
        lambda: "\n".join(f"{one.reference.familiar}  {one.digest}" for one in loaded),
    )
