"""The small files beside a ``.run``.

What stock tools check, byte for byte what the file itself holds::

    NAME.run.p7s .sig .sshsig .cosign.sig   its signatures (of several keys: NAME.run.KEYID.p7s, KEYID being 12 digits)
    NAME.run.manifest.json                  what they are made over
    NAME.SHA256SUMS  .p7s                   every file of the delivery but signatures, and that list's own signature

The signatures in the file count. One beside it may be missing; one that differs is a finding. And what came later and
is in no file of the vendor's, here or in a folder of its own, because the medium may be read-only::

    NAME.run.sigs/KEYID.p7s .sshsig         countersignatures over the manifest, KEYID being 64 digits
    …p7s.tsr                                a time stamp over the .p7s of that name
    NAME.run.permit.json  .sigs/            the permit to go back to this bundle, and who gave it
    *.crl                                   revocation lists
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.bundle.layout import LIMITS
from appliance.errors import BundleError, VerificationError
from appliance.trust import envelope, revocation, timestamp
from appliance.trust.formats import Form

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from appliance.digest import Digest
    from appliance.trust.envelope import Signature

MANIFEST_SUFFIX = ".manifest.json"
SUMS_SUFFIX = ".SHA256SUMS"
SIGNATURES_SUFFIX = ".sigs"
PERMIT_SUFFIX = ".permit.json"


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


@dataclass(frozen=True, slots=True)
class Beside:
    """What lies beside a bundle, read and not believed: copies of what is in it, and what came later."""

    exports: tuple[Sidecar, ...] = ()
    countersignatures: tuple[Sidecar, ...] = ()
    stamps: tuple[Sidecar, ...] = ()
    permit: Sidecar | None = None
    permit_signatures: tuple[Sidecar, ...] = ()
    lists: tuple[Sidecar, ...] = ()


def read(bundle: Path, *, also: Sequence[Path] = ()) -> Beside:
    """What lies beside `bundle`, and of what came later what lies in the folders `also`.

    Cut where it is too long; `BundleError` for too many.
    """
    folders = (bundle.parent, *(folder for folder in also if folder != bundle.parent))
    exported = _pattern(bundle.name)
    name = re.escape(bundle.name)
    permits = _matching(folders, re.compile(rf"{name}{re.escape(PERMIT_SUFFIX)}"))
    return Beside(
        exports=_matching(folders[:1], exported),
        countersignatures=_signatures(folders, bundle.name),
        stamps=_matching(
            [*folders, *(folder / f"{bundle.name}{SIGNATURES_SUFFIX}" for folder in folders)],
            re.compile(rf"(?:{name}(?:\.[0-9a-f]{{12,64}})?|[0-9a-f]{{64}})\.p7s{re.escape(timestamp.SUFFIX)}"),
        ),
        permit=permits[0] if permits else None,
        permit_signatures=_signatures(folders, f"{bundle.name}{PERMIT_SUFFIX}"),
        lists=_matching(folders, re.compile(r"[^.].*\.crl")),
    )


def _signatures(folders: Sequence[Path], name: str) -> tuple[Sidecar, ...]:
    forms = "|".join(re.escape(form.suffix) for form in Form if form.says_role)
    return _matching(
        [folder / f"{name}{SIGNATURES_SUFFIX}" for folder in folders], re.compile(rf"[0-9a-f]{{64}}({forms})")
    )


def signatures_beside(document: Path) -> tuple[Sidecar, ...]:
    """The countersignatures in the folder beside a document; `BundleError` for too many."""
    return _signatures([document.parent], document.name)


def _matching(folders: Sequence[Path], pattern: re.Pattern[str]) -> tuple[Sidecar, ...]:
    """The files of that name in folders that may not be there, each name once: the first folder's."""
    found: dict[str, Path] = {}
    for folder in folders:
        if folder.is_dir():
            for path in sorted(folder.iterdir()):
                if pattern.fullmatch(path.name) and path.is_file():
                    found.setdefault(path.name, path)
    if len(found) > LIMITS.sidecars_count:
        raise BundleError(f"{len(found)} files beside the bundle claim to be its signatures", where=str(folders[0]))
    return tuple(Sidecar(name, _start(path)) for name, path in sorted(found.items()))


def _start(path: Path) -> bytes:
    limits = {MANIFEST_SUFFIX: LIMITS.manifest, ".crl": revocation.FILE_BYTES}
    limit = next((limit for suffix, limit in limits.items() if path.name.endswith(suffix)), LIMITS.sidecar)
    with path.open("rb") as source:
        return source.read(limit + 1)


def countersignatures(found: Sequence[Sidecar]) -> tuple[tuple[Signature, ...], tuple[str, ...]]:
    """The countersignatures that can be read, and a sentence for each file that cannot."""
    signatures, faults = [], []
    for sidecar in found:
        form = next(form for form in Form if form.says_role and sidecar.name.endswith(form.suffix))
        try:
            signature = envelope.countersignature(form, sidecar.data)
        except VerificationError as error:
            faults.append(f"{sidecar.name} is no countersignature: {error.message}")
            continue
        if sidecar.name.startswith(signature.keyid.hex):
            signatures.append(signature)
        else:
            faults.append(f"{sidecar.name} is by another key than its name says")
    return tuple(signatures), tuple(faults)


def countersigned(name: str, signatures: Sequence[Signature]) -> tuple[Sidecar, ...]:
    """Countersignatures of the file called `name`, as files in the folder ``NAME.sigs``."""
    return tuple(Sidecar(f"{name}{SIGNATURES_SUFFIX}/{s.keyid.hex}{s.form.suffix}", s.value) for s in signatures)


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
