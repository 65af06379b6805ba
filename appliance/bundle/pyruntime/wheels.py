"""Wheels by pip, for a Python and an architecture that need not be this machine's; nothing is built or run.

pip's own configuration (mirrors, certificates) holds.
"""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from appliance.bundle.pyruntime import programs
from appliance.bundle.pyruntime.layout import PYTHON
from appliance.bundle.pyruntime.lock import Kind, Lock, Pin
from appliance.errors import ApplianceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from appliance.bundle.pyruntime.packages import Packages

_NEWEST_GLIBC = 41
_OLDEST_GLIBC = 5
_NO_ANSWER = "Retrying ("
_NOT_THERE = ("No matching distribution found", "DO NOT MATCH THE HASHES")


def resolve(requirements: Sequence[str], arch: str) -> tuple[Pin, ...]:
    """The newest wheels that satisfy `requirements` (PEP 508) and what they need, for `arch`."""
    command = ("install", "--dry-run", "--quiet", "--ignore-installed", "--report", "-", "--target", "unused")
    report = json.loads(_pip(*command, *_target(arch), *requirements))
    return tuple(sorted(_pin(entry, arch) for entry in report["install"]))


def _pin(entry: dict[str, Any], arch: str) -> Pin:
    """One entry of pip's installation report, version 1."""
    download, metadata = entry["download_info"], entry["metadata"]
    file_name = PurePosixPath(unquote(urlsplit(download["url"]).path)).name
    sha256 = download["archive_info"]["hashes"]["sha256"]
    return Pin(arch, Kind.WHEEL, metadata["name"], metadata["version"], sha256, file_name)


def fetch(pins: Lock, packages: Packages) -> tuple[Pin, ...]:
    """Get what `packages` lacks; returns those that the index has no more."""
    lacking = [pin for pin in pins.pins if pin.kind is Kind.WHEEL and not packages.has(pin)]
    if not lacking or _download(lacking, packages):
        return ()
    return tuple(pin for pin in lacking if not _download([pin], packages))


def _download(pins: Sequence[Pin], packages: Packages) -> bool:
    with packages.incoming() as folder:
        wanted = folder / "requirements"
        wanted.write_text("".join(f"{pin.name}=={pin.version} --hash=sha256:{pin.sha256}\n" for pin in pins))
        command = _command("download", "--quiet", "--no-deps", "--dest", str(folder), "--requirement", str(wanted))
        done = programs.attempt((*command, *_target(pins[0].arch)))
        if done.returncode == 0:
            packages.take(folder, pins)
            return True
        if _NO_ANSWER in done.stderr:
            raise ApplianceError(
                "the Python package index does not answer", hint="check the network and pip's settings"
            )
        if any(words in done.stderr for words in _NOT_THERE):
            return False
        raise programs.failure(("pip",), done)


def _target(arch: str) -> tuple[str, ...]:
    platforms = [f"manylinux_2_{minor}_{arch}" for minor in range(_NEWEST_GLIBC, _OLDEST_GLIBC - 1, -1)]
    flags = [flag for platform in (*platforms, f"manylinux2014_{arch}") for flag in ("--platform", platform)]
    return ("--only-binary=:all:", "--implementation", "cp", "--python-version", PYTHON, *flags)


def _pip(*arguments: str) -> str:
    return programs.run(_command(*arguments))


def _command(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments)


def contents(wheel: Path) -> Iterator[tuple[PurePosixPath, bytes]]:
    """The files that a wheel puts on Python's path, with their bytes; scripts and headers are left out.

    A name that is absolute or climbs up is refused with `ApplianceError` (binary distribution format, PEP 427).
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            for entry in archive.infolist():
                path = _place(PurePosixPath(entry.filename))
                if path is not None and not entry.is_dir():
                    yield path, archive.read(entry)
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise ApplianceError(f"{wheel} is not a wheel: {error}") from error


def _place(path: PurePosixPath) -> PurePosixPath | None:
    if path.is_absolute() or ".." in path.parts:
        raise ApplianceError(f"a wheel holds the name {str(path)!r}")
    if not path.parts[0].endswith(".data"):
        return path
    if path.parts[1] in {"purelib", "platlib"}:
        return PurePosixPath(*path.parts[2:])
    return None
