"""Which files of a layer say what packages there are, and who reads each of them.

What is not read is said, where there may be packages: rpm's databases in the forms of Berkeley DB and ndb. Not looked
for are libraries within programs, and packages of other languages than Python.
"""

from __future__ import annotations

import dataclasses
import re
import shlex
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO, cast

from appliance.bundle.inventory import apk, debs, dpkg, rpm, wheels
from appliance.bundle.inventory.found import LayerFound
from appliance.bundle.inventory.parts import FoundFile, Package, Release

if TYPE_CHECKING:
    from collections.abc import Mapping

Note = Callable[[LayerFound, FoundFile, IO[bytes]], None]
"""Puts what a file says into what was found; `ValueError` for a file that is not what its name says.

The error's words get into the SBOM, so they are ours alone, and the same with every version of Python.
"""

_TEXT_BYTES = 32 << 20
_FILE_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class FileReader:
    """Who reads files whose path ends so, up to how many bytes."""

    path: re.Pattern[str]
    note: Note
    limit: int = _TEXT_BYTES


def reader_of(path: str) -> FileReader | None:
    """Who reads the file at `path`, if anybody does."""
    name = path.rpartition("/")[2]
    if "/var/lib/dpkg/status.d/" in f"/{path}":
        return None if name.endswith(".md5sums") else _STATUS_FOLDER
    reader = _BY_NAME.get(name) or _BY_SUFFIX.get(name.rpartition(".")[2] if "." in name else "")
    return reader if reader and reader.path.search(f"/{path}") else None


def root_of(path: str) -> str:
    """The folder of the whole tree that the database at `path` is of: empty, or with a slash at its end."""
    for place in _PLACES:
        if match := place.search(f"/{path}"):
            return path[: match.start() - 1]
    return ""


def _status(found: LayerFound, file: FoundFile, copy: IO[bytes]) -> None:
    found.packages[file.path] = dpkg.installed(_text(copy))


def _apk(found: LayerFound, file: FoundFile, copy: IO[bytes]) -> None:
    found.packages[file.path] = apk.installed(_text(copy))


def _rpm_database(found: LayerFound, file: FoundFile, copy: IO[bytes]) -> None:
    with tempfile.NamedTemporaryFile(suffix=".sqlite") as named:
        while piece := copy.read(1 << 20):
            named.write(piece)
        named.flush()
        found.packages[file.path] = rpm.installed(Path(named.name))


def _other_rpm_database(found: LayerFound, file: FoundFile, _: IO[bytes]) -> None:
    if file.size:
        form = "ndb" if file.path.endswith(".db") else "Berkeley DB"
        found.unread[file.path] = f"rpm's database in the form of {form} is not read"


def _rpm_log(found: LayerFound, file: FoundFile, _: IO[bytes]) -> None:
    if file.size:
        found.unread[file.path] = "changes that rpm has not written into its database yet are not read"


def _licences(found: LayerFound, file: FoundFile, copy: IO[bytes]) -> None:
    found.licences[file.path] = dpkg.licences(_text(copy))


def _release(found: LayerFound, file: FoundFile, copy: IO[bytes]) -> None:
    values = dict(line.split("=", 1) for line in _text(copy).splitlines() if "=" in line and not line.startswith("#"))
    found.releases[file.path] = Release(*("".join(shlex.split(values.get(key, ""))) for key in ("ID", "VERSION_ID")))


def _metadata(found: LayerFound, file: FoundFile, copy: IO[bytes]) -> None:
    found.packages[file.path] = (dataclasses.replace(wheels.installed(_text(copy)), path=file.path),)


def _deb(found: LayerFound, file: FoundFile, copy: IO[bytes]) -> None:
    _carried(found, file, debs.carried(cast("BinaryIO", copy)))


def _rpm(found: LayerFound, file: FoundFile, copy: IO[bytes]) -> None:
    _carried(found, file, rpm.carried(cast("BinaryIO", copy)))


def _wheel(found: LayerFound, file: FoundFile, copy: IO[bytes]) -> None:
    package = wheels.carried(cast("BinaryIO", copy))
    _carried(found, file, dataclasses.replace(package, source=file.path.rpartition("/")[2]))


def _carried(found: LayerFound, file: FoundFile, package: Package) -> None:
    found.packages[file.path] = (dataclasses.replace(package, path=file.path, digest=file.digest),)


def _text(copy: IO[bytes]) -> str:
    return copy.read().decode(errors="replace")


def _at(places: str) -> re.Pattern[str]:
    return re.compile(rf"(?<=/)(?:{places})$")


_RPM = r"(?:var/lib/rpm|usr/lib/sysimage/rpm|usr/share/rpm)"
_STATUS_FOLDER = FileReader(_at(r"var/lib/dpkg/status\.d/[^/]+"), _status)
_BY_NAME: Mapping[str, FileReader] = {
    "status": FileReader(_at("var/lib/dpkg/status"), _status),
    "installed": FileReader(_at("(?:usr/)?lib/apk/db/installed"), _apk),
    "rpmdb.sqlite": FileReader(_at(rf"{_RPM}/rpmdb\.sqlite"), _rpm_database, _FILE_BYTES),
    "rpmdb.sqlite-wal": FileReader(_at(rf"{_RPM}/rpmdb\.sqlite-wal"), _rpm_log, _FILE_BYTES),
    "Packages": FileReader(_at(rf"{_RPM}/Packages"), _other_rpm_database, _FILE_BYTES),
    "Packages.db": FileReader(_at(rf"{_RPM}/Packages\.db"), _other_rpm_database, _FILE_BYTES),
    "copyright": FileReader(_at("usr/share/doc/[^/]+/copyright"), _licences),
    "os-release": FileReader(_at("(?:etc|usr/lib)/os-release"), _release),
    "METADATA": FileReader(_at(r"[^/]+\.dist-info/METADATA"), _metadata),
}
_BY_SUFFIX: Mapping[str, FileReader] = {
    "deb": FileReader(_at(".+"), _deb, _FILE_BYTES),
    "rpm": FileReader(_at(".+"), _rpm, _FILE_BYTES),
    "whl": FileReader(_at(".+"), _wheel, _FILE_BYTES),
}
_PLACES = (
    _STATUS_FOLDER.path,
    *(_BY_NAME[name].path for name in ("status", "installed", "rpmdb.sqlite", "copyright", "os-release")),
)
