"""What the packages in a travelling Python say of their licences.

The copyright files of debs travel as ``licenses/NAME``; wheels bring theirs below ``site/*.dist-info``. A deb without
such a file of its own refers to another package's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.bundle.inventory import dpkg, wheels
from appliance.bundle.pyruntime.lock import normalised

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

FOLDER = "licenses"


def add(system: Path, tree: Path, names: Iterable[str]) -> None:
    """Take the copyright files of the Debian packages `names`, unpacked in `system`, into `tree`."""
    for name in names:
        found = system / "usr/share/doc" / name / "copyright"
        if found.is_file() and found.resolve().is_relative_to(system.resolve()):
            target = tree / FOLDER / name
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(found.read_bytes())
            target.chmod(0o644)


def licences(tree: Path) -> dict[str, tuple[str, ...]]:
    """The licences of the packages in `tree`, by normalised name; a package that names none is left out."""
    found = {
        normalised(path.name): dpkg.licences(path.read_text(encoding="utf-8", errors="replace"))
        for path in sorted((tree / FOLDER).glob("*"))
    }
    for path in sorted((tree / "site").glob("*.dist-info/METADATA")):
        package = wheels.installed(path.read_text(encoding="utf-8", errors="replace"))
        found[normalised(package.name)] = package.licences
    return {name: names for name, names in found.items() if names}
