"""The tools that judge our signatures and are not in every machine's system: Debian trixie's cosign and OpenSSL 3.5.

Fetched from the archive once, through apt's signed index, unpacked beside in the user's cache and never installed. The
folder is named for what was asked, and complete when it is there.
"""

from __future__ import annotations

import os
import platform
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from support.travelling import user_cache

from appliance.bundle.pyruntime import debian
from appliance.digest import Digest

PACKAGES = ("cosign", "libc6", "libssl3t64", "libzstd1", "openssl", "zlib1g")


@dataclass(frozen=True, slots=True)
class StockTools:
    """The unpacked programs, each as the start of an argument list."""

    root: Path

    @property
    def cosign(self) -> list[str]:
        return self._started("cosign")

    @property
    def openssl(self) -> list[str]:
        return self._started("openssl")

    def _started(self, name: str) -> list[str]:
        """By its own loader, with its own libraries: this machine's may be older."""
        (loader,) = self.root.glob("usr/lib*/ld-linux-*.so.*")
        (crypto,) = self.root.glob("usr/lib/*/libcrypto.so.3")
        return [str(loader), "--library-path", str(crypto.parent), str(self.root / "usr/bin" / name)]

    def environment(self) -> dict[str, str]:
        """Without configuration of this machine's OpenSSL, and without a way to the internet."""
        return {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "OPENSSL_CONF": "/dev/null"}

    def accepts(self, argv: list[str], folder: Path) -> bool:
        """Whether the program says yes."""
        done = subprocess.run(argv, cwd=folder, env=self.environment(), capture_output=True, check=False)
        return done.returncode == 0


@cache
def stock_tools() -> StockTools:
    """The programs, fetched if they are not there."""
    asked = Digest.of(f"{debian.SUITE} {platform.machine()} {PACKAGES}".encode()).short
    root = user_cache() / "stock-tools" / f"{debian.SUITE}-{asked}"
    if not root.is_dir():
        root.parent.mkdir(parents=True, exist_ok=True)
        _unpack(root)
    return StockTools(root)


def _unpack(root: Path) -> None:
    apt = [
        "apt-get",
        "-qq",
        "-c",
        str(debian.open_archive(platform.machine(), user_cache() / "pyruntime").root / "apt.conf"),
    ]
    with tempfile.TemporaryDirectory(prefix=".making-", dir=root.parent) as name:
        made = Path(name) / "root"
        subprocess.run([*apt, "update"], check=True, capture_output=True)
        subprocess.run([*apt, "download", *PACKAGES], check=True, capture_output=True, cwd=name)
        for package in Path(name).glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", package, made], check=True)
        try:
            made.rename(root)
        except OSError:
            if not root.is_dir():  # else another test made it at the same time
                raise
