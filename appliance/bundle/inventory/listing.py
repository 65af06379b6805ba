"""`Listing`: what the SBOM of a bundle says, read where it arrives. Pure; the bytes are somebody else's.

Only what `cyclonedx` writes is looked at; a document of another shape gives an error or an empty list.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from appliance import canonical
from appliance.bundle.layout import LIMITS
from appliance.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Iterator

_PREFIX = "appliance:"


@dataclass(frozen=True, slots=True)
class ListedPackage:
    """A package: `where` is the image, platform or Python that it is in, `path` the file that it is carried as."""

    where: str
    name: str
    version: str
    purl: str
    licences: tuple[str, ...]
    source: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A file of the image on the platform `where`; `sha256` in hexadecimal, `size` in bytes."""

    where: str
    path: str
    sha256: str
    mode: str
    size: int


@dataclass(frozen=True, slots=True)
class Listing:
    """All packages and files that an SBOM names, and a sentence for each thing that it says is not in it."""

    packages: tuple[ListedPackage, ...]
    files: tuple[ListedFile, ...]
    unread: tuple[str, ...]


def read(data: bytes) -> Listing:
    """Read an SBOM that `cyclonedx.sbom` wrote; `BundleError` for anything else."""
    try:
        document = canonical.loads(data, limit=LIMITS.document)
        found = list(_components(document["components"], "", document.get("dependencies", [])))
        unread = [entry["value"] for entry in document["metadata"].get("properties", [])]
        unread += [_reason(entry["bom-ref"]) for entry in document.get("compositions", [])]
        return Listing(
            packages=tuple(one for one in found if isinstance(one, ListedPackage)),
            files=tuple(one for one in found if isinstance(one, ListedFile)),
            unread=tuple(unread),
        )
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise BundleError(f"the bundle's SBOM is none that can be read: {error}") from error


def _reason(reference: str) -> str:
    owner, _, reason = reference.partition("!")
    return f"{owner}: {reason}"


def _components(components: Any, where: str, dependencies: Any) -> Iterator[ListedPackage | ListedFile]:
    users = _users(components, dependencies)
    for component in components:
        match component["type"]:
            case "library":
                yield _package(component, where or users.get(component["bom-ref"], ""))
            case "file" if "kind" not in (properties := _properties(component)):
                size = int(properties.get("size", "0"))
                sha256 = "".join(_text(entry["content"]) for entry in component["hashes"][:1])
                yield ListedFile(where, _text(component["name"]), sha256, properties.get("mode", ""), size)
            case _:
                yield from _components(component.get("components", []), _text(component["name"]), [])


def _users(components: Any, dependencies: Any) -> dict[str, str]:
    """The component that needs a package, by the package's reference; of several Pythons the first."""
    names = {component["bom-ref"]: _text(component["name"]) for component in components}
    users: dict[str, str] = {}
    for entry in dependencies:
        if entry["ref"] in names:
            for reference in entry.get("dependsOn", []):
                users.setdefault(reference, names[entry["ref"]])
    return users


def _package(component: Any, where: str) -> ListedPackage:
    properties = _properties(component)
    return ListedPackage(
        where=where,
        name=_text(component["name"]),
        version=_text(component["version"]),
        purl=_text(component["purl"]),
        licences=tuple(_licence(entry) for entry in component.get("licenses", [])),
        source=properties.get("source", ""),
        path=properties.get("path", ""),
    )


def _licence(entry: Any) -> str:
    return _text(entry["expression"] if "expression" in entry else entry["license"]["name"])


def _properties(component: Any) -> dict[str, str]:
    found = component.get("properties", [])
    return {_text(entry["name"]).removeprefix(_PREFIX): _text(entry["value"]) for entry in found}


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a text")
    return value
