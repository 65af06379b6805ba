"""Where it was measured, and with which versions."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import ssl
import subprocess
from pathlib import Path

_PACKAGES = ("makeself", "7zip", "zstd", "openssl", "coreutils", "tar", "skopeo", "docker-registry")


def machine() -> dict[str, str]:
    """Facts by their names, for people."""
    return {
        "processor": f"{os.cpu_count()} × {_processor()}, {platform.machine()}",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "system": f"{platform.freedesktop_os_release().get('PRETTY_NAME', 'Linux')}, kernel {platform.release()}",
        "python": f"{platform.python_version()}, {ssl.OPENSSL_VERSION}, {hashlib.sha256.__module__ or 'hashlib'}",
        "commit": _said("git", "describe", "--always", "--dirty"),
        **{name: _said("dpkg-query", "-W", "-f", "${Version}", name) for name in _PACKAGES},
    }


def _processor() -> str:
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    found = re.search(r"^model name\s*: (.*)", text, re.MULTILINE)
    return found[1] if found else "unknown"


def _said(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
