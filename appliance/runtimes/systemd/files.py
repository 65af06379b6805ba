"""What of an image's ``services/`` goes to a host, and where: paths decided, templates rendered. Pure."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.errors import RecipeError
from appliance.plan.render import render
from appliance.plan.steps import PutText, SecretRef, Step
from appliance.runtimes.parts.templatevalues import check_role, values_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from appliance.plan.render import Values
    from appliance.plan.runtime import Site, SiteHost, TextFile

UNIT_FOLDER = "/etc/systemd/system"
_SUFFIX = r"\.(?:service|socket|timer|target|mount|path)"
_UNIT = re.compile(rf"[A-Za-z0-9:_.@\\-]+{_SUFFIX}")
_DROP_IN = re.compile(rf"(?P<unit>[A-Za-z0-9:_.@\\-]+{_SUFFIX})\.d/[^/]+\.conf")


@dataclass(frozen=True, slots=True)
class HostFile:
    """A file for a host: `source` in the image, `folder` the role it lies under, `path` on the host, `parts` of text.

    `unit` is the unit that it is, or is a drop-in of; empty for other files.
    """

    source: str
    folder: str
    path: str
    parts: tuple[str | SecretRef, ...]
    mode: int
    unit: str = ""

    @property
    def text(self) -> str:
        """The text without its secrets."""
        return "".join(part for part in self.parts if isinstance(part, str))

    @property
    def defines_unit(self) -> bool:
        """Whether it is a unit, and not a drop-in of one."""
        return self.unit != "" and self.path == f"{UNIT_FOLDER}/{self.unit}"

    def step(self, host: str) -> Step:
        """The step that writes it."""
        return Step(write_id(host, self.path), f"Write {self.path}", host, PutText(self.path, self.parts, self.mode))


def write_id(host: str, path: str) -> str:
    """The id of the step that writes `path`."""
    return f"{host}/write:{path}"


def host_files(site: Site, host: SiteHost) -> tuple[HostFile, ...]:
    """The files for `host`, by folder and path. `RecipeError` for a file out of place and for roles that disagree."""
    values = values_for(site, host)
    texts = site.parts[host.facts.architecture].texts
    chosen: dict[str, HostFile] = {}
    for text in sorted(texts, key=lambda text: text.path):
        folder, _, inside = text.path.removeprefix("services/").partition("/")
        if not text.path.startswith("services/") or folder not in ("all", *host.host.roles):
            _check_folder(site, text)
            continue
        found = _host_file(text, folder=folder, inside=inside, values=values)
        chosen[found.path] = _agreed(chosen.get(found.path), found)
    return tuple(sorted(chosen.values(), key=lambda file: (file.folder, file.path)))


def _check_folder(site: Site, text: TextFile) -> None:
    if text.path.startswith("services/"):
        check_role(site, text.path.split("/")[1], where=text.path)


def _host_file(text: TextFile, *, folder: str, inside: str, values: Values) -> HostFile:
    path, unit = _place(text, inside.removesuffix(".j2"))
    parts = render(text.text, values, where=text.path) if inside.endswith(".j2") else tuple(filter(None, [text.text]))
    secret = next((part for part in parts if isinstance(part, SecretRef)), None)
    if secret and unit:
        raise RecipeError(
            f"the secret {secret.name!r} stands in a unit, which everybody on the host may ask systemd for",
            where=text.path,
            hint="put it into a file below etc/, and name that file in the unit (LoadCredential=, EnvironmentFile=)",
        )
    return HostFile(
        source=text.path,
        folder=folder,
        path=path,
        parts=parts,
        mode=text.mode & (0o600 if secret else 0o777),
        unit=unit,
    )


def _place(text: TextFile, inside: str) -> tuple[str, str]:
    if posixpath.normpath(inside) == inside:
        if inside.startswith("etc/"):
            return f"/{inside}", ""
        if _UNIT.fullmatch(inside):
            return f"{UNIT_FOLDER}/{inside}", inside
        if found := _DROP_IN.fullmatch(inside):
            return f"{UNIT_FOLDER}/{inside}", found["unit"]
    raise RecipeError(
        "this is neither a unit nor a file below etc/",
        where=text.path,
        hint="services/ROLE/ holds X.service (.socket .timer .target .mount .path), X.service.d/Y.conf and etc/…",
    )


def _agreed(one: HostFile | None, other: HostFile) -> HostFile:
    if one is None or (one.folder == "all" and other.folder != "all"):
        return other
    if one.folder == other.folder or (other.folder != "all" and (one.parts, one.mode) != (other.parts, other.mode)):
        raise RecipeError(
            f"{one.source} writes the same file {one.path}",
            where=other.source,
            hint="keep one of them, or put a common one in services/all/",
        )
    return one


def by_unit(files: tuple[HostFile, ...]) -> Iterator[tuple[HostFile, tuple[HostFile, ...]]]:
    """Each unit's file with those of its drop-ins."""
    for file in files:
        if file.defines_unit:
            yield file, tuple(other for other in files if other.unit == file.unit and other is not file)
