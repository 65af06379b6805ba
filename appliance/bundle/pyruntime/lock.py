"""The pinned packages of every travelling Python: ``lock.json`` as data, and what differs between two of them; pure."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from appliance.digest import Digest
from appliance.errors import ApplianceError, StateError

if TYPE_CHECKING:
    from collections.abc import Iterable

FORMAT = 1
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
"""Machine names as the kernel writes them, and Debian's for the same."""


class Kind(StrEnum):
    """Where a package comes from: Debian's archive, or a Python package index."""

    DEB = "deb"
    WHEEL = "wheel"


@dataclass(frozen=True, slots=True, order=True)
class Pin:
    """One package: `arch` is a key of `ARCHITECTURES`; `source` is the Debian source package or the wheel's name."""

    arch: str
    kind: Kind
    name: str
    version: str
    sha256: str
    source: str

    def __str__(self) -> str:
        return f"{self.name} {self.version} ({self.kind}, {self.arch})"


@dataclass(frozen=True, slots=True)
class Lock:
    """All pins, sorted."""

    pins: tuple[Pin, ...]

    def of(self, arch: str) -> Lock:
        """The pins of one architecture."""
        return Lock(tuple(pin for pin in self.pins if pin.arch == arch))

    def digest(self) -> Digest:
        """Changes with any pin."""
        return Digest.of(dump(self))


def parse(data: bytes, *, where: str) -> Lock:
    """Read a lock file; `StateError` naming `where` for anything else or a newer format."""
    try:
        document = json.loads(data)
        if document["format"] != FORMAT:
            raise StateError(f"the lock has format {document['format']}, this program reads {FORMAT}", where=where)
        return Lock(tuple(sorted(_pin(entry) for entry in document["packages"])))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StateError(f"not a lock of packages: {error}", where=where, hint="run scripts/lock") from error


def _pin(entry: dict[str, Any]) -> Pin:
    pin = Pin(**{**entry, "kind": Kind(entry["kind"])})
    Digest(pin.sha256)
    if pin.arch not in ARCHITECTURES:
        raise ValueError(f"unknown architecture {pin.arch!r}")
    return pin


def dump(lock: Lock) -> bytes:
    """The lock as a file: one package a line, so that a change is one line in a diff."""
    lines = ",\n".join(json.dumps(asdict(pin)) for pin in sorted(lock.pins))
    return f'{{"format": {FORMAT}, "packages": [\n{lines}\n]}}\n'.encode()


def normalised(name: str) -> str:
    """A Python package's name as the index compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def differences(old: Lock, new: Lock) -> tuple[str, ...]:
    """One sentence for each package that is in one lock only or has another version or content."""
    before = {(pin.arch, pin.kind, pin.name): pin for pin in old.pins}
    after = {(pin.arch, pin.kind, pin.name): pin for pin in new.pins}
    return tuple(
        _difference(before.get(key), after.get(key))
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    )


def _difference(old: Pin | None, new: Pin | None) -> str:
    match old, new:
        case None, Pin():
            return f"{new} is not in the lock"
        case Pin(), None:
            return f"{old} is locked, and not used"
        case Pin(), Pin() if old.version != new.version:
            return f"{new} is used, the lock has {old.version}"
        case _:
            return f"{new} has another content than the lock says"


def missing(pins: Iterable[Pin]) -> ApplianceError:
    """The error for pinned packages that cannot be had any more."""
    names = ", ".join(str(pin) for pin in pins)
    return ApplianceError(
        f"pinned packages are not to be had: {names}",
        hint="run scripts/lock, or pass --lock-or-latest to take what is there now",
    )
