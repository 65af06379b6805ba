"""The source packages of a travelling Python, as one tar.

Debian's come by apt from the archive that the binaries are of; wheels that hold Python alone are their own source. apt
checks the archive's signature and each file's SHA-256. The tar is the same wherever it is made: sorted, without times.
"""

from __future__ import annotations

import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.bundle.pyruntime import debian, wheels
from appliance.bundle.pyruntime.lock import Kind, Lock, Pin
from appliance.bundle.pyruntime.packages import Packages
from appliance.errors import ApplianceError
from appliance.events import Sink, silent, task
from appliance.files import disk_errors, lock, new_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from appliance.bundle.pyruntime.runtime import Runtime

_PURE = "-none-any.whl"


def collect(runtimes: Sequence[Runtime], *, cache: Path, sink: Sink = silent) -> Path:
    """The tar of the source packages of `runtimes`, from the user's cache directory `cache` or fetched into it now.

    ``debian/NAME_VERSION/`` holds what apt fetched, ``python/`` the wheels. `ApplianceError` names what cannot be had.
    """
    workshop = cache / "pyruntime"
    pins = _pins(runtimes)
    out = workshop / "sources" / f"sources-{Lock(pins).digest().short}.tar"
    with lock(workshop / "lock"), task(sink, "sources", "Source packages", unit=""):
        if not out.is_file():
            debs = [_debian(source, workshop) for source in _debian_names(pins)]
            _write(out, [*(entry for found in debs for entry in found), *_wheels(pins, workshop)])
    return out


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


def _debian(source: str, workshop: Path) -> Iterator[tuple[str, Path]]:
    """The files of the source package ``NAME=VERSION``, with their names in the tar."""
    name, _, version = source.partition("=")
    folder = workshop / "sources" / f"{name}_{version.replace(':', '%3a')}"
    if not folder.is_dir():
        with disk_errors(folder.parent):
            folder.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".fetching-", dir=folder.parent) as work:
                debian.open_sources(workshop).fetch(name, version, Path(work) / "new")
                (Path(work) / "new").rename(folder)
    return ((f"debian/{folder.name}/{path.name}", path) for path in sorted(folder.iterdir()))


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
