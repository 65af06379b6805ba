"""`show --against`: what changed between two deliveries, as a document and as lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from appliance.cli.text import one_line, table
from appliance.operations import against

if TYPE_CHECKING:
    from collections.abc import Sequence

    from appliance.bundle.verify import UnverifiedBundle, VerifiedBundle
    from appliance.operations.against import Changed, Difference, Identity, ScriptChange

_SECTIONS = {"contents": "files", "images": "images", "scripts": "scripts", "sbom": "packages"}
_COLUMNS = 60
_SIGNS = {"added": "+", "removed": "-", "changed": "~"}


def since(
    old: VerifiedBundle | UnverifiedBundle, new: VerifiedBundle | UnverifiedBundle, topic: str
) -> tuple[dict[str, Any], list[str]]:
    """What changed from `old` to `new`: all of it for the topic ``summary``, else one section."""
    only = _SECTIONS.get(topic, "")
    if topic != "summary" and not only:
        raise click.UsageError(f"--against has no {topic}: it has summary, {', '.join(_SECTIONS)}")
    found = against.compare(old, new)
    document = _document(found)
    sections = _sections(found)
    if only:
        document = {name: part for name, part in document.items() if name in ("before", "after", only)}
        sections = {name: part for name, part in sections.items() if name == only}
    lines = [f"from  {_identity(found.before)}", f"to    {_identity(found.after)}"]
    for part in sections.values():
        lines += ["", *part]
    return document, lines if any(sections.values()) else [*lines, "", "nothing changed in what is compared"]


def _identity(who: Identity) -> str:
    return f"{who.name} {who.version}, epoch {who.epoch}  {who.manifest_digest}"


def _sections(found: Difference) -> dict[str, list[str]]:
    sections = {
        "settings": _titled("Settings", [(v.change, "", v.name, v.before, v.after) for v in found.settings]),
        "images": _titled("Container images", _rows(found.images)),
        "packages": _titled("Packages", _rows(found.packages)),
        "files": _titled("Files", [(c.change, c.where, c.name, "", "") for c in found.files]),
        "scripts": [],
    }
    if found.scripts is None:
        sections["scripts"] = ["Scripts were not compared: that needs two bundles that are trusted here"]
    elif found.scripts:
        sections["scripts"] = ["Scripts", *(line for script in found.scripts for line in _script_lines(script))]
    return {name: part for name, part in sections.items() if part}


def _rows(changes: Sequence[Changed]) -> list[tuple[str, str, str, str, str]]:
    return [(c.change, c.where, c.name, c.before, c.after) for c in changes]


def _titled(title: str, rows: Sequence[tuple[str, str, str, str, str]]) -> list[str]:
    """Rows under a title with their number; versions as ``old → new``."""
    if not rows:
        return []
    cells = [
        (f"  {_SIGNS[change]}", where, one_line(name, _COLUMNS), _step(before, after))
        for change, where, name, before, after in rows
    ]
    return [f"{title} ({len(rows)})", *table(cells)]


def _step(before: str, after: str) -> str:
    parts = [one_line(part, _COLUMNS) for part in (before, after) if part]
    return " → ".join(parts)


def _script_lines(script: ScriptChange) -> list[str]:
    digests = (f"sha256:{digest.hex}" if digest else "nothing" for digest in (script.before, script.after))
    return [
        f"  {_SIGNS[script.change]} {script.path}  {script.where}",
        *(f"      {digest}" for digest in digests),
        *(f"    {line}" for line in script.diff[2:]),
    ]


def _document(found: Difference) -> dict[str, Any]:
    return {
        "before": _identity_document(found.before),
        "after": _identity_document(found.after),
        "settings": [
            {"change": v.change, "name": v.name, "before": v.before, "after": v.after} for v in found.settings
        ],
        "images": _documents(found.images),
        "packages": _documents(found.packages),
        "files": _documents(found.files),
        "scripts": None if found.scripts is None else [_script_document(script) for script in found.scripts],
    }


def _identity_document(who: Identity) -> dict[str, Any]:
    return {
        "name": who.name,
        "version": who.version,
        "epoch": who.epoch,
        "manifest_digest": str(who.manifest_digest),
        "verified": who.verified,
    }


def _documents(changes: Sequence[Changed]) -> list[dict[str, Any]]:
    return [
        {"change": c.change, "where": c.where, "name": c.name, "before": c.before, "after": c.after} for c in changes
    ]


def _script_document(script: ScriptChange) -> dict[str, Any]:
    return {
        "change": script.change,
        "where": script.where,
        "path": script.path,
        "before": script.before.hex if script.before else "",
        "after": script.after.hex if script.after else "",
        "diff": list(script.diff),
    }
