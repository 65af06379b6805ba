"""Signatures that come after a bundle was made: made elsewhere and attached, or a customer's countersignature.

A vendor whose keys lie in an HSM, or with another person, writes the bundle unsigned (`publish` without signers), has
its manifest signed by stock tools, and attaches what comes back. The list of sums is signed last, because it names the
whole bundle. A countersignature never changes the bundle: it is a file beside it, or in a folder of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from appliance import files
from appliance.bundle import layout, manifestjson, sidecars
from appliance.bundle.chunks import BundleFiles
from appliance.digest import Digest
from appliance.errors import BundleError, RecipeError, StateError, VerificationError
from appliance.trust import certificates, cms, envelope, formats, sshsig
from appliance.trust.envelope import Signature
from appliance.trust.formats import Form

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from appliance.clock import Clock
    from appliance.trust.algorithms import PublicKey
    from appliance.trust.keys import Signer


@dataclass(frozen=True, slots=True)
class Signed:
    """What was written, and whose signatures: in which role (the vendor's own are in the bundle) and form."""

    files: tuple[Path, ...]
    signatures: tuple[Signature, ...]


@dataclass(frozen=True, slots=True)
class _Head:
    """The front of a bundle as it is: what is signed, and by whom so far."""

    manifest: bytes
    signatures: tuple[Signature, ...]


def countersign(path: Path, signer: Signer, role: str, *, clock: Clock, folder: Path | None = None) -> Signed:
    """Sign in a role what a bundle's signers signed, or a document (policy, permit), byte for byte.

    The files go into ``NAME.sigs/`` beside it, or below `folder`. `RecipeError` when signer or role cannot;
    `StateError` when that key has signed there already; `BundleError` for what calls itself a bundle and is none.
    """
    made = envelope.countersign(_what_is_signed(path), signer, role, clock)
    return Signed(_write(sidecars.countersigned(path.name, made), folder or path.parent, replace=False), made)


def _what_is_signed(path: Path) -> bytes:
    if path.suffix == ".run":
        return _head(path).manifest
    return certificates.read_file(path, "a document")


def attach(path: Path, values: Sequence[Path], *, key: PublicKey | None = None) -> Signed:
    """Take signatures that others made into the bundle at `path`, and write anew what lies beside it.

    Each must be over its manifest, or over its list of sums as it is now. `key` says by whom bare signatures are that
    come without a `.p7s` or `.sshsig`. A countersignature goes beside. `VerificationError` names what does not hold.
    """
    head = _head(path)
    sums = path.with_name(sidecars.sums_name(path.name))
    listed = sums.read_bytes() if sums.is_file() else b""
    read = [_read(value, key) for value in values]
    known = {s.keyid: made for s, made in read if made is not None}
    mine: list[Signature] = []
    over_sums: list[Signature] = []
    countersigning: list[Signature] = []
    for (signature, _), value in zip(read, values, strict=True):
        if _holds(signature, head.manifest, known, key):
            (countersigning if signature.role else mine).append(signature)
        elif not signature.role and signature.form is Form.CMS and _holds(signature, listed, known, key):
            over_sums.append(signature)
        else:
            raise VerificationError(
                "this signature is neither over the bundle's manifest nor over its list of sums",
                where=str(value),
                hint=f"sign {path.name}{sidecars.MANIFEST_SUFFIX}; the list of sums is signed last",
            )
    written = (
        *(_into(path, head, mine) if mine else ()),
        *_write(sidecars.detached(sums.name, over_sums), path.parent),
        *_write(sidecars.countersigned(path.name, countersigning), path.parent, replace=False),
    )
    return Signed(written, (*mine, *over_sums, *countersigning))


def _head(path: Path) -> _Head:
    with BundleFiles.open(path) as opened:
        try:
            length, more = layout.head_lengths(opened.read(layout.STUB_BYTES, layout.HEAD_BYTES))
        except ValueError as error:
            raise BundleError(f"not a bundle: {error}", where=str(path), hint="name the .run file") from error
        data = opened.read(layout.MANIFEST_OFFSET, length + more)
    return _Head(data[:length], envelope.unpack(data[length:]))


def _read(path: Path, key: PublicKey | None) -> tuple[Signature, PublicKey | None]:
    """A signature and, where it says so itself, by which key it is."""
    value = certificates.read_file(path, "a signature")
    form = max((form for form in Form if path.name.endswith(form.suffix)), key=lambda f: len(f.suffix), default=None)
    if form is None:
        suffixes = ", ".join(form.suffix for form in Form)
        raise RecipeError("this file's name does not say what signature it is", where=str(path), hint=f"use {suffixes}")
    try:
        if form.says_role:
            made = cms.read(value).key if form is Form.CMS else sshsig.read(value).key
            return Signature(certificates.keyid(made), form, value, formats.role_of(form, value)), made
    except VerificationError as error:
        error.where = str(path)
        raise
    if key is None:
        raise RecipeError(f"a {form} signature does not say whose it is", where=str(path), hint="--cert signer.pem")
    return Signature(certificates.keyid(key), form, value), None


def _holds(signature: Signature, data: bytes, known: Mapping[Digest, PublicKey], key: PublicKey | None) -> bool:
    value, by = signature.value, known.get(signature.keyid, key)
    match signature.form:
        case Form.CMS:
            return cms.read(value).holds(data)
        case Form.SSHSIG:
            found = sshsig.read(value)
            return found.namespace == formats.namespace(signature.role) and found.holds(data)
        case Form.COSIGN:
            return by is not None and formats.cosign_holds(by, value, data)
        case Form.RAW:
            return by is not None and formats.raw_holds(by, value, data)


def _into(path: Path, head: _Head, added: Sequence[Signature]) -> tuple[Path, ...]:
    """Write the bundle anew with these signatures too, and what lies beside it; the sums' signature no longer holds."""
    replaced = {(s.keyid, s.form) for s in added}
    every = (*(s for s in head.signatures if (s.keyid, s.form) not in replaced), *added)
    try:
        area = envelope.pack(every)
    except ValueError as error:
        raise RecipeError(f"the bundle cannot take them: {error}", where=str(path), hint="attach fewer") from error
    with files.new_file(path, mode=0o755) as out, path.open("rb") as source, files.disk_errors(path):
        digest = _copy(source, out, head, area)
    exports = sidecars.exports(path.name, head.manifest, envelope.unpack(area))
    sums = _sums(path, digest, exports[0])
    sidecars.remove_stale(path, {sidecar.name for sidecar in (*exports, sums)})
    return (path, *_write((*exports, sums), path.parent))


def _copy(source: BinaryIO, out: BinaryIO, head: _Head, area: bytes) -> Digest:
    """The bundle with another signature area; zeros up to the archive stay zeros."""
    written = files.HashingWriter(out)
    written.write(source.read(layout.STUB_BYTES))
    before = source.read(manifestjson.from_bytes(head.manifest).base - layout.STUB_BYTES)
    written.write(layout.pack_head(head.manifest, area, base=layout.STUB_BYTES + len(before)))
    files.copy(source, written)
    return written.digest


def _sums(path: Path, digest: Digest, export: sidecars.Sidecar) -> sidecars.Sidecar:
    """The list of sums, with the new digests of bundle and manifest; the other files on it stay as they are."""
    name = sidecars.sums_name(path.name)
    before = path.with_name(name)
    listed = before.read_text(encoding="utf-8").splitlines() if before.is_file() else []
    others = [(line[66:], Digest(line[:64])) for line in listed]
    named = {**dict(others), path.name: digest, export.name: Digest.of(export.data)}
    return sidecars.Sidecar(name, sidecars.sums(list(named.items())))


def _write(made: Sequence[sidecars.Sidecar], folder: Path, *, replace: bool = True) -> tuple[Path, ...]:
    paths = tuple(folder / sidecar.name for sidecar in made)
    if not replace and (there := [path for path in paths if path.exists()]):
        raise StateError(f"{there[0]} exists and is not overwritten", hint="this key has signed it already")
    for path, sidecar in zip(paths, made, strict=True):
        files.write_bytes(path, sidecar.data)
    return paths
