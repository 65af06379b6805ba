"""The small files beside a ``.run``: what stock tools check, byte for byte what the file itself holds.

::

    NAME.run.p7s  NAME.run.sig      its signatures (of several keys: NAME.run.KEYID.p7s, KEYID being 12 digits)
    NAME.run.manifest.json          what they are made over
    NAME.SHA256SUMS  .p7s           every file of the delivery but signatures, and that list's own signature

The signatures in the file count. One beside it may be missing; one that differs is a finding.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.bundle.layout import LIMITS
from appliance.errors import BundleError
from appliance.trust.formats import Form

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from appliance.digest import Digest
    from appliance.trust.envelope import Signature

MANIFEST_SUFFIX = ".manifest.json"
SUMS_SUFFIX = ".SHA256SUMS"


@dataclass(frozen=True, slots=True)
class Sidecar:
    """A file beside the bundle: its name and bytes."""

    name: str
    data: bytes


def exports(name: str, manifest: bytes, signatures: Sequence[Signature]) -> tuple[Sidecar, ...]:
    """The manifest and signatures as files beside the bundle called `name`."""
    return (Sidecar(name + MANIFEST_SUFFIX, manifest), *detached(name, signatures))


def detached(name: str, signatures: Sequence[Signature]) -> tuple[Sidecar, ...]:
    """Signatures over the file called `name`, as files beside it."""
    several = len({signature.keyid for signature in signatures}) > 1
    return tuple(Sidecar(f"{name}{f'.{s.keyid.short}' if several else ''}{s.form.suffix}", s.value) for s in signatures)


def sums_name(name: str) -> str:
    """The name of the list of sums of the bundle called `name` (``X.run`` → ``X.SHA256SUMS``)."""
    return name.removesuffix(".run") + SUMS_SUFFIX


def sums(entries: Sequence[tuple[str, Digest]]) -> bytes:
    """A list of names and digests as ``sha256sum -c`` reads it."""
    return "".join(f"{digest.hex}  {name}\n" for name, digest in sorted(entries)).encode()


def remove_stale(bundle: Path, current: Collection[str]) -> None:
    """Remove what an earlier bundle in the same place left beside it, but for the `current` names."""
    patterns = (_pattern(bundle.name), _pattern(sums_name(bundle.name)))
    for path in bundle.parent.iterdir():
        if path.name not in current and any(pattern.fullmatch(path.name) for pattern in patterns):
            path.unlink()


def read(bundle: Path) -> tuple[Sidecar, ...]:
    """The manifest and signatures that lie beside `bundle`, cut where they are too long; `BundleError` for too many."""
    pattern = _pattern(bundle.name)
    paths = sorted(path for path in bundle.parent.iterdir() if pattern.fullmatch(path.name) and path.is_file())
    if len(paths) > LIMITS.sidecars_count:
        raise BundleError(f"{len(paths)} files beside the bundle claim to be its signatures", where=str(bundle))
    return tuple(Sidecar(path.name, _start(path)) for path in paths)


def _start(path: Path) -> bytes:
    limit = LIMITS.manifest if path.name.endswith(MANIFEST_SUFFIX) else LIMITS.sidecar
    with path.open("rb") as source:
        return source.read(limit + 1)


def findings(name: str, found: Sequence[Sidecar], manifest: bytes, signatures: Sequence[Signature]) -> tuple[str, ...]:
    """A sentence for each file beside the bundle called `name` that is not what the bundle holds."""
    return tuple(
        f"{sidecar.name} is not what the bundle itself holds"
        for sidecar in found
        if sidecar.data not in _expected(name, sidecar, manifest, signatures)
    )


def _expected(name: str, sidecar: Sidecar, manifest: bytes, signatures: Sequence[Signature]) -> tuple[bytes, ...]:
    match = _pattern(name).fullmatch(sidecar.name)
    if match is None or match["form"] is None:
        return (manifest,)
    key = match["key"] or ""
    return tuple(s.value for s in signatures if s.form.suffix == match["form"] and s.keyid.hex.startswith(key))


def _pattern(name: str) -> re.Pattern[str]:
    forms = "|".join(re.escape(form.suffix) for form in Form)
    signature = rf"(?:\.(?P<key>[0-9a-f]{{12,64}}))?(?P<form>{forms})"
    return re.compile(rf"{re.escape(name)}(?:{re.escape(MANIFEST_SUFFIX)}|{signature})")
