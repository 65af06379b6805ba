"""What dpkg writes down: packages installed, and the licences that a package's copyright file names. Pure.

Sources: Debian policy, 5 (control files) and 12.5 (copyright information); DEP-5, machine-readable copyright 1.0.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from appliance.bundle.inventory.parts import Package, PackageKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_INSTALLED = "installed"
_FORMAT = re.compile(r"^(?:Format|Format-Specification):\s*\S", re.IGNORECASE)
_GNU = re.compile(r"(A?GPL|LGPL|GFDL)-([0-9](?:\.[0-9])?)(\.0)?(\+?)(-only|-or-later)?")
_SPDX: Mapping[str, str] = {
    "expat": "MIT",
    "mit": "MIT",
    "apache-2": "Apache-2.0",
    "apache-2.0": "Apache-2.0",
    "bsd-2-clause": "BSD-2-Clause",
    "bsd-3-clause": "BSD-3-Clause",
    "bsd-4-clause": "BSD-4-Clause",
    "cc0": "CC0-1.0",
    "cc0-1.0": "CC0-1.0",
    "isc": "ISC",
    "mpl-1.1": "MPL-1.1",
    "mpl-2.0": "MPL-2.0",
    "zlib": "Zlib",
}


def installed(text: str) -> tuple[Package, ...]:
    """The packages that a ``status`` file, or one of distroless's ``status.d``, says are installed."""
    return tuple(
        package(fields)
        for fields in stanzas(text)
        if "Package" in fields and "Version" in fields and fields.get("Status", _INSTALLED).split()[-1:] == [_INSTALLED]
    )


def package(fields: Mapping[str, str]) -> Package:
    """The package that a control file describes; `ValueError` when it has no name or version."""
    try:
        name, version = fields["Package"], fields["Version"]
    except KeyError as error:
        raise ValueError(f"a control file without {error}") from error
    source, _, other = fields.get("Source", name).partition(" (")
    return Package(
        PackageKind.DEB, name, version, fields.get("Architecture", ""), f"{source}={other.rstrip(')') or version}"
    )


def stanzas(text: str) -> Iterator[dict[str, str]]:
    """The paragraphs of a control file; of a field with several lines, all of them."""
    for paragraph in re.split(r"\n[ \t]*\n", text.replace("\r\n", "\n")):
        fields: dict[str, str] = {}
        name = ""
        for line in paragraph.split("\n"):
            if line[:1] in (" ", "\t") and name:
                fields[name] += "\n" + line.strip()
            elif ":" in line and not line.startswith("#"):
                name, _, value = line.partition(":")
                fields[name] = value.strip()
        if fields:
            yield fields


def licences(text: str) -> tuple[str, ...]:
    """The licences that a machine-readable copyright file gives for files; one in prose says nothing by rule."""
    if not _FORMAT.match(text.lstrip("\ufeff \n")):
        return ()
    named = (fields["License"].split("\n")[0].strip() for fields in stanzas(text) if _of_files(fields))
    return tuple(sorted({spdx(name) for name in named if name}))


def _of_files(fields: Mapping[str, str]) -> bool:
    return "License" in fields and ("Files" in fields or "Format" in fields)


def spdx(name: str) -> str:
    """Debian's short name as an SPDX expression, where that is certain; else as it is."""
    words = re.split(r"\s+(and|or)\s+", name)
    if any(" " in word or "," in word for word in words):
        return name
    return " ".join(word.upper() if word in ("and", "or") else _one(word) for word in words)


def _one(name: str) -> str:
    if match := _GNU.fullmatch(name):
        family, version, _, later, written = match.groups()
        number = version if "." in version else f"{version}.0"
        return f"{family}-{number}{written or ('-or-later' if later else '-only')}"
    return _SPDX.get(name.lower(), name)
