"""The source packages of what travels, as one tar: of the Pythons, and of the image what Debian's archive gives.

Debian's come by apt from the archive that the binaries are of; wheels that hold Python alone are their own source. apt
checks the archive's signature and each file's SHA-256, and before they are packed all are held against their ``.dsc``.
The tar is the same wherever it is made: sorted, without times.
"""

from __future__ import annotations

import tarfile
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.bundle.pyruntime import debian, sourcepackage, wheels
from appliance.bundle.pyruntime.lock import Kind, Lock, Pin
from appliance.bundle.pyruntime.packages import Packages
from appliance.digest import Digest
from appliance.errors import ApplianceError
from appliance.events import Sink, silent, task
from appliance.files import disk_errors, lock, new_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from appliance.bundle.pyruntime.runtime import Runtime

_PURE = "-none-any.whl"
_SUITES = {"11": "bullseye", "12": "bookworm", "13": "trixie"}
_OURS = next(number for number, suite in _SUITES.items() if suite == debian.SUITE)
_BY_HAND = "the files of a source package that you have from elsewhere (snapshot.debian.org) go into"


@dataclass(frozen=True, slots=True)
class Installed:
    """A source package of the image, ``NAME=VERSION``, and the release it was built for: ``debian``, ``12``."""

    source: str
    distribution: str
    version: str


@dataclass(frozen=True, slots=True)
class Collected:
    """The tar, and the source packages of the image that are not in it, each with a sentence why."""

    path: Path
    missing: Mapping[str, str] = field(default_factory=dict)


def collect(
    runtimes: Sequence[Runtime], within: Sequence[Installed] = (), *, cache: Path, sink: Sink = silent
) -> Collected:
    """The source packages of `runtimes` and of `within`, from the user's cache directory `cache` or fetched now.

    ``debian/NAME_VERSION/`` holds what apt fetched, ``python/`` the wheels. `ApplianceError` has a sentence for each
    that the Pythons need and nobody gives; what the image would need beyond that is in the result.
    """
    workshop = cache / "pyruntime"
    pins = _pins(runtimes)
    needed = [Installed(source, "debian", _OURS) for source in _debian_names(pins)]
    with lock(workshop / "lock"), task(sink, "sources", "Source packages", unit=""):
        faults = _have(needed, workshop)
        if faults:
            raise ApplianceError("; ".join(faults.values()), hint=f"{_BY_HAND} {workshop / 'sources'}/NAME_VERSION")
        missing = _have([one for one in within if one not in needed], workshop)
        there = [one for one in (*needed, *within) if one not in missing]
        folders = sorted({_folder(one, workshop) for one in there})
        listed = "".join(f"{folder.name}\n" for folder in folders)
        out = workshop / "sources" / f"sources-{Digest.of(f'{Lock(pins).digest()}{listed}'.encode()).short}.tar"
        if not out.is_file():
            _require_whole([one for one in (*needed, *within) if one not in missing], workshop)
            debs = [(f"debian/{path.parent.name}/{path.name}", path) for each in folders for path in each.iterdir()]
            _write(out, [*debs, *_wheels(pins, workshop)])
    return Collected(out, {one.source: why for one, why in missing.items()})


def _pins(runtimes: Sequence[Runtime]) -> tuple[Pin, ...]:
    """The packages of all runtimes; one that is the same file on several architectures once."""
    found = {
        made.digest: Pin(
            runtime.arch,
            Kind.WHEEL if made.source.endswith(".whl") else Kind.DEB,
            made.name,
            made.version,
            made.digest.hex,
            made.source,
        )
        for runtime in runtimes
        for made in runtime.inputs
    }
    return tuple(sorted(found.values()))


def _debian_names(pins: Sequence[Pin]) -> list[str]:
    return sorted({pin.source for pin in pins if pin.kind is Kind.DEB})


def _folder(one: Installed, workshop: Path) -> Path:
    name, _, version = one.source.partition("=")
    return workshop / "sources" / f"{name}_{version.replace(':', '%3a')}"


def _have(wanted: Sequence[Installed], workshop: Path) -> dict[Installed, str]:
    """Fetch what is not there yet; a sentence for each that nobody gives."""
    missing = {}
    archives: dict[str, debian.Sources] = {}
    for one in wanted:
        if _folder(one, workshop).is_dir():
            continue
        if one.distribution != "debian" or one.version not in _SUITES:
            missing[one] = f"the source of {one.source.replace('=', ' ')} is {one.distribution or 'no'} {one.version}'s"
            continue
        suite = _SUITES[one.version]
        if suite not in archives:
            archives[suite] = debian.open_sources(workshop, suite)
        if fault := _fetch(one, archives[suite], workshop):
            missing[one] = fault
    return missing


def _fetch(one: Installed, archive: debian.Sources, workshop: Path) -> str:
    """Get one source package; empty, or why it cannot be had."""
    folder = _folder(one, workshop)
    name, _, version = one.source.partition("=")
    with disk_errors(folder.parent):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetching-", dir=folder.parent) as work:
            fault = archive.fetch(name, version, Path(work) / "new")
            if not fault:
                (Path(work) / "new").rename(folder)
    return fault


def _require_whole(there: Sequence[Installed], workshop: Path) -> None:
    """Each is what its own ``.dsc`` says, however it came into its folder; `ApplianceError` otherwise."""
    for one in dict.fromkeys(there):
        name, _, version = one.source.partition("=")
        if fault := sourcepackage.fault(_folder(one, workshop), name, version):
            raise ApplianceError(fault, hint="put the files of this very version there, or remove the folder")


def _wheels(pins: Sequence[Pin], workshop: Path) -> list[tuple[str, Path]]:
    """Wheels that hold Python alone: what is in them is what it was made of."""
    packages = Packages(workshop / "packages")
    pure = Lock(tuple(pin for pin in pins if pin.kind is Kind.WHEEL and pin.source.endswith(_PURE)))
    if gone := wheels.fetch(pure, packages):
        raise ApplianceError(f"there is no source any more of {', '.join(map(str, gone))}", hint="run scripts/lock")
    return [(f"python/{pin.source}", packages.checked(pin)) for pin in pure.pins]


def _write(out: Path, entries: Sequence[tuple[str, Path]]) -> None:
    with new_file(out) as file, tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, path in sorted(entries):
            info = tarfile.TarInfo(name)
            info.size, info.mode = path.stat().st_size, 0o644
            with path.open("rb") as source:
                tar.addfile(info, source)
