"""What this program says of itself: version, requirements, entry points; from its checkout or as installed."""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

import appliance
from appliance.errors import ApplianceError


@dataclass(frozen=True, slots=True)
class Project:
    """The project's own facts; `entry_points` is the text of an ``entry_points.txt``."""

    name: str
    version: str
    requirements: tuple[str, ...]
    entry_points: str

    @property
    def metadata(self) -> str:
        """A ``METADATA`` file (core metadata 2.1)."""
        needs = "".join(f"Requires-Dist: {requirement}\n" for requirement in self.requirements)
        return f"Metadata-Version: 2.1\nName: {self.name}\nVersion: {self.version}\n{needs}"

    @property
    def requirement_names(self) -> tuple[str, ...]:
        """The names alone of what it requires."""
        return tuple(re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0] for requirement in self.requirements)


def package_root() -> Path:
    """The folder in which ``appliance/`` and ``tui/`` stand."""
    return Path(appliance.__file__).resolve().parent.parent


def this_project() -> Project:
    """The project that runs. `ApplianceError` if it is neither a checkout nor installed."""
    manifest = package_root() / "pyproject.toml"
    return from_checkout(manifest.read_text(encoding="utf-8")) if manifest.is_file() else _installed()


def from_checkout(manifest: str) -> Project:
    """Read the text of a ``pyproject.toml``."""
    project = tomllib.loads(manifest)["project"]
    groups = {"console_scripts": project.get("scripts", {}), **project.get("entry-points", {})}
    return Project(project["name"], project["version"], tuple(project["dependencies"]), _entry_points(groups))


def _installed() -> Project:
    try:
        found = importlib.metadata.distribution("appliance")
    except importlib.metadata.PackageNotFoundError as error:
        raise ApplianceError("this program's own metadata is missing", hint="install it with pip") from error
    groups: dict[str, dict[str, str]] = {}
    for point in found.entry_points:
        groups.setdefault(point.group, {})[point.name] = point.value
    base = tuple(requirement for requirement in found.requires or () if "extra ==" not in requirement)
    return Project(found.name, found.version, base, _entry_points(groups))


def _entry_points(groups: dict[str, dict[str, str]]) -> str:
    sections = (
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in sorted(points.items()))
        for group, points in sorted(groups.items())
    )
    return "\n".join(sections)
