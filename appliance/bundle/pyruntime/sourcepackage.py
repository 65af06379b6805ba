"""A Debian source package as files in a folder: whole, and what its own ``.dsc`` says (Debian policy, 5.4)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from appliance.files import hash_file, read_bounded

if TYPE_CHECKING:
    from pathlib import Path

_DSC_BYTES = 1 << 20
_FIELD = re.compile(r"^([A-Za-z0-9-]+):(.*(?:\n[ \t].*)*)", re.MULTILINE)


def fault(folder: Path, name: str, version: str) -> str:
    """Why the files in `folder` are not the source package `name` in `version`; empty when they are.

    apt checked what it fetched; what a person put there, nobody did.
    """
    found = sorted(path for path in folder.iterdir() if path.is_file())
    descriptions = [path for path in found if path.suffix == ".dsc"]
    if len(descriptions) != 1:
        return f"{folder} holds {len(descriptions)} .dsc files, where a source package has one"
    fields = _fields(descriptions[0])
    said = fields.get("Source", "").strip(), fields.get("Version", "").strip()
    if said != (name, version):
        return f"{descriptions[0]} is of {' '.join(said).strip() or 'nothing'}, not of {name} {version}"
    listed = _listed(fields.get("Checksums-Sha256", ""))
    files = {path.name: path for path in found if path is not descriptions[0]}
    if strange := sorted(files.keys() ^ listed.keys()):
        which = "is missing in" if strange[0] in listed else "does not belong to"
        return f"{strange[0]} {which} the source package of {name} {version} in {folder}"
    altered = [each for each, path in sorted(files.items()) if hash_file(path).hex != listed[each]]
    return f"{folder / altered[0]} is not what the .dsc beside it says" if altered else ""


def _fields(description: Path) -> dict[str, str]:
    """Its fields; within or without the lines of a signature."""
    text = read_bounded(description, _DSC_BYTES).decode("utf-8", "replace").replace("\r\n", "\n")
    return {match[1]: match[2] for match in _FIELD.finditer(text)}


def _listed(checksums: str) -> dict[str, str]:
    """The files that it lists, each with its SHA-256 in hexadecimal."""
    rows = [line.split() for line in checksums.splitlines()]
    return {row[2]: row[0] for row in rows if len(row) == 3}  # noqa: PLR2004  (digest, size, name)
