"""Debian packages by apt, in a private root: the machine's mirror and proxy, our release, nothing of its state.

apt checks the archive's signature with Debian's own keyring; a package's SHA-256 is in the signed index.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.bundle.pyruntime import programs
from appliance.bundle.pyruntime.lock import ARCHITECTURES, Kind, Lock, Pin
from appliance.bundle.pyruntime.selection import DEBS
from appliance.errors import ApplianceError
from appliance.files import write_text

if TYPE_CHECKING:
    from appliance.bundle.pyruntime.packages import Packages

SUITE = "trixie"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_ARCHIVES = {"debian": "http://deb.debian.org/debian", "debian-security": "http://deb.debian.org/debian-security"}
_PARTS = (("debian", ""), ("debian", "-updates"), ("debian-security", "-security"))

_HTTP_ANSWER = re.compile(r"\s([45]\d\d)\s+(\w[\w ]*\w)\s+\[IP:")

_BINARY_TARGET = """\
Acquire::IndexTargets::deb::Packages {
  MetaKey "$(COMPONENT)/binary-$(ARCHITECTURE)/Packages"; flatMetaKey "Packages";
  ShortDescription "Packages"; Description "$(RELEASE)/$(COMPONENT) $(ARCHITECTURE) Packages"; Optional "0";
};"""
_SOURCE_TARGET = """\
Acquire::IndexTargets::deb-src::Sources {
  MetaKey "$(COMPONENT)/source/Sources"; flatMetaKey "Sources";
  ShortDescription "Sources"; Description "$(RELEASE)/$(COMPONENT) Sources"; Optional "0";
};"""


@dataclass(frozen=True, slots=True)
class Archive:
    """apt, told to look at our release only. Make it with `open_archive`."""

    arch: str
    root: Path

    def resolve(self) -> tuple[Pin, ...]:
        """The newest version of every package we need."""
        pins = self._index("--no-all-versions")
        gone = sorted(set(DEBS) - {pin.name for pin in pins})
        if gone:
            raise ApplianceError(f"Debian {SUITE} has no package {', '.join(gone)} for {self.arch}")
        return pins

    def fetch(self, pins: Lock, packages: Packages) -> tuple[Pin, ...]:
        """Get what `packages` lacks; returns those that the archive has no more."""
        lacking = [pin for pin in pins.pins if pin.kind is Kind.DEB and not packages.has(pin)]
        if not lacking:
            return ()
        there = {(pin.name, pin.version, pin.sha256) for pin in self._index("--all-versions")}
        wanted = [pin for pin in lacking if (pin.name, pin.version, pin.sha256) in there]
        with packages.incoming() as folder:
            if wanted:
                self._apt("apt-get", "download", *(f"{pin.name}={pin.version}" for pin in wanted), folder=folder)
            packages.take(folder, wanted)
        return tuple(pin for pin in lacking if pin not in wanted)

    def _index(self, versions: str) -> tuple[Pin, ...]:
        self._apt("apt-get", "update")
        text = self._apt("apt-cache", "show", versions, *DEBS)
        return tuple(sorted(read_stanza(stanza, self.arch) for stanza in text.split("\n\n") if stanza.strip()))

    def _apt(self, program: str, *arguments: str, folder: Path | None = None) -> str:
        return programs.run((program, "-c", str(self.root / "apt.conf"), "-qq", *arguments), folder=folder)


@dataclass(frozen=True, slots=True)
class Sources:
    """apt, told to look at the source packages of one release. Make it with `open_sources`."""

    root: Path

    def fetch(self, name: str, version: str, folder: Path) -> str:
        """Get the files of a source package into `folder`, which is new; empty, or a sentence why it cannot be had."""
        folder.mkdir()
        only = ("source", "--download-only", "--only-source", f"{name}={version}")
        done = programs.attempt(("apt-get", "-c", str(self.root / "apt.conf"), "-qq", *only), folder=folder)
        if done.returncode == 0:
            return ""
        said = next((line for line in done.stderr.splitlines() if line.startswith("E: ")), "E: apt said nothing")
        answered = _HTTP_ANSWER.search(said)
        why = f"{answered[1]} {answered[2]}" if answered else said.removeprefix("E: ")
        return f"the archive does not give the source of {name} {version}: {why}"


def open_sources(cache: Path, suite: str = SUITE) -> Sources:
    """Prepare the private root for source packages of a release under `cache`, with the archive's index of now."""
    root = cache / f"apt-{suite}-source"
    _prepare(root, "deb-src", _SOURCE_TARGET, "amd64", suite)
    programs.run(("apt-get", "-c", str(root / "apt.conf"), "-qq", "update"))
    return Sources(root)


def open_archive(arch: str, cache: Path) -> Archive:
    """Prepare the private root of `arch` (as the kernel names it) under `cache`."""
    root = cache / f"apt-{SUITE}-{arch}"
    _prepare(root, "deb", _BINARY_TARGET, ARCHITECTURES[arch])
    return Archive(arch, root)


def _prepare(root: Path, kind: str, target: str, debian_arch: str, suite: str = SUITE) -> None:
    if not KEYRING.is_file():
        raise ApplianceError(f"{KEYRING} is missing", hint="apt install debian-archive-keyring")
    for folder in ("lists/partial", "cache/archives/partial"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    write_text(root / "status", "")
    write_text(root / "sources.list", _sources(_mirrors(), kind, suite))
    write_text(root / "apt.conf", _configuration(root, debian_arch, target))


def _mirrors() -> dict[str, str]:
    """Where this machine gets Debian from, or Debian's own servers."""
    listing = programs.run(("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"))
    mirrors = dict(_ARCHIVES)
    for uri in reversed(listing.split()):
        name = uri.rstrip("/").rpartition("/")[2]
        if name in mirrors:
            mirrors[name] = uri.rstrip("/")
    return mirrors


def _sources(mirrors: dict[str, str], kind: str, suite: str) -> str:
    return "".join(f"{kind} [signed-by={KEYRING}] {mirrors[archive]} {suite}{part} main\n" for archive, part in _PARTS)


def _configuration(root: Path, debian_arch: str, target: str) -> str:
    return f"""\
#clear APT::Update;
#clear Acquire::IndexTargets;
#clear APT::Architectures;
{target}
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Acquire::Retries "3";
APT::Architecture "{debian_arch}";
APT::Architectures {{ "{debian_arch}"; }};
APT::Sandbox::User "root";
Dir::State "{root}";
Dir::State::lists "{root}/lists";
Dir::State::status "{root}/status";
Dir::Cache "{root}/cache";
Dir::Etc::sourcelist "{root}/sources.list";
Dir::Etc::sourceparts "-";
Dir::Etc::preferences "-";
Dir::Etc::preferencesparts "-";
"""


def read_stanza(stanza: str, arch: str) -> Pin:
    """The pin of one package of apt's index (Debian policy, 5.3)."""
    fields = dict(line.split(": ", 1) for line in stanza.splitlines() if ": " in line and not line.startswith(" "))
    name, version = fields["Package"], fields["Version"]
    source, _, other = fields.get("Source", name).partition(" (")
    return Pin(arch, Kind.DEB, name, version, fields["SHA256"], f"{source}={other.rstrip(')') or version}")
