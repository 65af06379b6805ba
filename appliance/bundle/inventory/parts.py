"""Packages, files and releases as data, and the package URL of each package. Pure. Source: purl-spec."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from appliance.digest import Digest


class PackageKind(enum.StrEnum):
    """How a package was made, by purl's word for it."""

    DEB = "deb"
    APK = "apk"
    RPM = "rpm"
    PYTHON = "pypi"


@dataclass(frozen=True, slots=True)
class Release:
    """The distribution a tree is of: ID and VERSION_ID of its os-release; empty where it says nothing."""

    name: str = ""
    version: str = ""

    @property
    def distro(self) -> str:
        """``debian-12``."""
        return "-".join(filter(None, (self.name, self.version)))


NO_RELEASE = Release()


@dataclass(frozen=True, slots=True)
class Package:
    """A package: installed, or carried as the file at `path`, whose digest is then known.

    `source` is ``NAME=VERSION`` of the source package, or a wheel's file name; `licences` are SPDX expressions where
    they could be known, else the words that the package uses; `release` is the distribution it is installed in.
    """

    kind: PackageKind
    name: str
    version: str
    arch: str = ""
    source: str = ""
    licences: tuple[str, ...] = ()
    path: str = ""
    digest: Digest | None = None
    release: Release = NO_RELEASE

    @property
    def purl(self) -> str:
        """Its package URL."""
        match self.kind:
            case PackageKind.DEB:
                return self._distributed("debian")
            case PackageKind.APK:
                return self._distributed("alpine")
            case PackageKind.RPM:
                return self._distributed("")
            case PackageKind.PYTHON:
                name = re.sub(r"[-_.]+", "-", self.name).lower()
                wheel = f"?file_name={_quoted(self.source)}" if self.source.endswith(".whl") else ""
                return f"pkg:pypi/{_quoted(name)}@{_quoted(self.version)}{wheel}"

    def _distributed(self, default: str) -> str:
        epoch, version = "", self.version
        if self.kind is PackageKind.RPM and ":" in version:
            epoch, _, version = version.partition(":")
        named = {"arch": self.arch, "distro": self.release.distro, "epoch": epoch}
        qualifiers = "&".join(f"{key}={_quoted(value)}" for key, value in named.items() if value)
        place = "/".join(_quoted(part) for part in (self.release.name or default, self.name) if part)
        return f"pkg:{self.kind}/{place}@{_quoted(version)}{'?' if qualifiers else ''}{qualifiers}"


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file of a tree: its mode, bytes and, where it was asked for, their digest."""

    path: str
    mode: int
    size: int
    digest: Digest | None = None


def _quoted(text: str) -> str:
    return quote(text, safe=":")
