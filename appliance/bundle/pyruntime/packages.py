"""Fetched packages, kept in a folder under their SHA-256."""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.errors import ApplianceError
from appliance.files import disk_errors, hash_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from appliance.bundle.pyruntime.lock import Pin


@dataclass(frozen=True, slots=True)
class Packages:
    """The folder. What it holds was hashed when it came, and is hashed again when it is used."""

    folder: Path

    def path(self, pin: Pin) -> Path:
        """Where the package stands, or would."""
        return self.folder / f"{pin.sha256}.{pin.kind}"

    def has(self, pin: Pin) -> bool:
        """Whether it is here."""
        return self.path(pin).is_file()

    def checked(self, pin: Pin) -> Path:
        """The package's file, as the pin says it is; a damaged one is removed and `ApplianceError` raised."""
        path = self.path(pin)
        if hash_file(path).hex != pin.sha256:
            path.unlink()
            raise ApplianceError(f"the kept copy of {pin} was damaged and is removed", hint="run the command again")
        return path

    @contextlib.contextmanager
    def incoming(self) -> Iterator[Path]:
        """A folder to fetch into, on the same file system, gone afterwards."""
        with disk_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".incoming-", dir=self.folder) as name:
                yield Path(name)

    def take(self, folder: Path, pins: Iterable[Pin]) -> None:
        """Take the files of `pins` out of `folder`, known by their digests; others are ignored."""
        arrived = {hash_file(path).hex: path for path in folder.iterdir() if path.is_file()}
        for pin in pins:
            if pin.sha256 not in arrived:
                raise ApplianceError(f"{pin} came with another content than its SHA-256 says")
            arrived[pin.sha256].replace(self.path(pin))
