"""What changed between two deliveries: settings, container images, packages, files, and every script as a diff.

What is said of packages and files is what the two SBOMs say; scripts are read out of the layers themselves.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from appliance.bundle.inventory import listing
from appliance.bundle.verify import VerifiedBundle
from appliance.image import difference, oci
from appliance.image.oci import CARRIED_REFERENCE
from appliance.operations import look

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from appliance.bundle.inventory.listing import ListedPackage, Listing
    from appliance.bundle.verify import UnverifiedBundle
    from appliance.digest import Digest
    from appliance.image.difference import Change, ValueChange
    from appliance.image.scripts import Script

_IMAGE_VALUES = "image."
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Identity:
    """Which delivery: its name, version and epoch, and the digest that its signers put their names to."""

    name: str
    version: str
    epoch: int
    manifest_digest: Digest
    verified: bool


@dataclass(frozen=True, slots=True)
class Changed:
    """Something with a name that came, went or changed; `where` is the image or platform that it is in."""

    change: Change
    where: str
    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class ScriptChange:
    """A script that came, went or changed: its digests, and the unified diff of its text."""

    change: Change
    where: str
    path: str
    before: Digest | None
    after: Digest | None
    diff: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """What changed from one delivery to the next; `scripts` is None where one of them is not trusted here."""

    before: Identity
    after: Identity
    settings: tuple[ValueChange, ...]
    images: tuple[Changed, ...]
    packages: tuple[Changed, ...]
    files: tuple[Changed, ...]
    scripts: tuple[ScriptChange, ...] | None

    @property
    def nothing(self) -> bool:
        """Whether both are the same in all that is compared."""
        return not (self.settings or self.images or self.packages or self.files or self.scripts)


def compare(old: VerifiedBundle | UnverifiedBundle, new: VerifiedBundle | UnverifiedBundle) -> Difference:
    """What `new` has that `old` had not, and the other way; `BundleError` when either cannot be read."""
    before, after = (listing.read(bundle.read(bundle.manifest.sbom)) for bundle in (old, new))
    scripts: tuple[ScriptChange, ...] | None = None
    if isinstance(old, VerifiedBundle) and isinstance(new, VerifiedBundle):
        scripts = tuple(_scripts(look.scripts_of(old), look.scripts_of(new)))
    return Difference(
        before=_identity(old),
        after=_identity(new),
        settings=tuple(_settings(old, new)),
        images=tuple(_changes(_images(old), _images(new), str)),
        packages=tuple(_packages(before, after)),
        files=tuple(_changes(_files(before), _files(after), lambda sha256: sha256)),
        scripts=scripts,
    )


def _identity(bundle: VerifiedBundle | UnverifiedBundle) -> Identity:
    manifest = bundle.manifest
    verified = isinstance(bundle, VerifiedBundle)
    return Identity(manifest.name, manifest.version, manifest.epoch, bundle.manifest_digest, verified)


def _settings(old: VerifiedBundle | UnverifiedBundle, new: VerifiedBundle | UnverifiedBundle) -> Iterator[ValueChange]:
    """Platforms, signers, and what the image's config says: environment, requirements, parameters, commands."""
    before, after = (_values(bundle) for bundle in (old, new))
    return difference.value_changes(before, after)


def _values(bundle: VerifiedBundle | UnverifiedBundle) -> dict[str, str]:
    signers = sorted({f"{signer.name} {signer.fingerprint}" for signer in bundle.verdict.signers})
    found = {"arch": ", ".join(bundle.manifest.arch), "signers": "; ".join(signers)}
    values = difference.config_values(look.platforms(bundle)[0].config)
    return found | {name: value for name, value in values.items() if not name.startswith(_IMAGE_VALUES)}


def _images(bundle: VerifiedBundle | UnverifiedBundle) -> dict[tuple[str, str], Digest]:
    """The container images that are carried, by platform and reference."""
    index = oci.index_from_json(bundle.read(bundle.manifest.image))
    return {
        (str(child.platform or ""), child.annotations[CARRIED_REFERENCE]): child.digest
        for child in index.manifests
        if CARRIED_REFERENCE in child.annotations
    }


def _files(found: Listing) -> dict[tuple[str, str], str]:
    return {(file.where, file.path): f"{file.sha256} {file.mode}" for file in found.files}


def _packages(before: Listing, after: Listing) -> Iterator[Changed]:
    """Packages by where they are and their names; of one that is there in several versions, all of them."""
    return _changes(_versions(before.packages), _versions(after.packages), ", ".join)


def _versions(packages: Iterable[ListedPackage]) -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    for package in packages:
        found.setdefault((_place(package.where), package.name), []).append(package.version)
    return {key: sorted(set(versions)) for key, versions in found.items()}


def _place(where: str) -> str:
    """A container image without tag and digest: so a newer one is compared with the one that it replaces."""
    path, _, _ = where.partition("@")
    head, slash, last = path.rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}"


def _changes(
    before: Mapping[tuple[str, str], _T], after: Mapping[tuple[str, str], _T], text: Callable[[_T], str]
) -> Iterator[Changed]:
    for where, name in sorted({*before, *after}):
        old, new = before.get((where, name)), after.get((where, name))
        if old != new:
            change = difference.change(there=old is not None, here=new is not None)
            yield Changed(change, where, name, "" if old is None else text(old), "" if new is None else text(new))


def _scripts(before: look.Scripts, after: look.Scripts) -> Iterator[ScriptChange]:
    old, new = (
        {(where, script.path): script for where, scripts in found.platforms for script in scripts}
        for found in (before, after)
    )
    for where, path in sorted({*old, *new}):
        was, now = old.get((where, path)), new.get((where, path))
        if (was and was.digest) != (now and now.digest):
            yield ScriptChange(
                difference.change(there=was is not None, here=now is not None),
                where,
                path,
                was.digest if was else None,
                now.digest if now else None,
                _diff(was, now),
            )


def _diff(was: Script | None, now: Script | None) -> tuple[str, ...]:
    """The unified diff; empty where a text is none that can be shown."""
    if any(script is not None and script.text is None for script in (was, now)):
        return ()
    old, new = ((script.text or "").splitlines() if script else [] for script in (was, now))
    return tuple(difflib.unified_diff(old, new, "before", "after", lineterm=""))
