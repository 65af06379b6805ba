"""The trust store of a site on disk: load, add, remove (its layout stands in `appliance.trust.policy`).

Each change is one file that appears or goes in one step, so that nothing is ever half trusted.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.digest import Digest
from appliance.errors import RecipeError, StateError
from appliance.files import disk_errors, sync_folder, write_bytes
from appliance.trust import certificates, revocation, rules
from appliance.trust.policy import STORE, Anchors, Pin, Root, Trust, read_anchors

if TYPE_CHECKING:
    from cryptography import x509

STAMPERS, LISTS, REVOKED, POLICY = "stampers", "lists", "revoked", "policy.json"

_SUFFIXES = {"roots": (".pem",), "keys": (".pem", ".pub")}


def load_store(folder: Path = STORE) -> Trust:
    """What a site believes; nobody and the default policy where there is no `folder`.

    `StateError` when a file cannot be used or when others than root and the caller could have written it.
    """
    anchors = Anchors()
    for path in _files(folder):
        anchors = anchors.merged(_load(path))
    trust = Trust(
        anchors,
        lists=tuple(revocation.read(path) for path in _listed(folder / LISTS, ".crl")),
        revoked=frozenset(_revoked(path) for path in _listed(folder / REVOKED, ".json")),
        stampers=tuple(_authority(path) for path in _listed(folder / STAMPERS, ".pem")),
    )
    policy = folder / POLICY
    if not policy.exists():
        return trust
    check_owner(policy)
    rule = rules.parse(certificates.read_file(policy, "a policy"), source=str(policy))
    return replace(trust, policy=rule, policy_source=str(policy))


def _listed(folder: Path, suffix: str) -> list[Path]:
    """The files of one kind, nobody else's."""
    if not folder.is_dir():
        return []
    found = sorted(path for path in folder.iterdir() if path.suffix == suffix and not path.name.startswith("."))
    for path in (folder.parent, folder, *found):
        check_owner(path)
    return found


def _revoked(path: Path) -> Digest:
    try:
        return Digest(path.stem)
    except ValueError:
        raise StateError("this is not named by a key's SHA-256", where=str(path), hint="revoke the key anew") from None


def _authority(path: Path) -> x509.Certificate:
    (root,) = read_anchors(path).roots
    return root.certificate


def add_stamper(path: Path, *, folder: Path = STORE) -> tuple[Root, ...]:
    """Believe the stampers whom the authority in a file certifies: what they say of time, and nothing else.

    `RecipeError` when it is not the certificate of one authority.
    """
    found = read_anchors(path)
    if len(found.roots) != 1 or found.pins:
        raise RecipeError("this is not the certificate of one authority", where=str(path), hint="name its root")
    (root,) = found.roots
    return (_add_root(root, folder, STAMPERS),)


def add(path: Path, *, folder: Path = STORE) -> tuple[Root | Pin, ...]:
    """Believe what a file holds from now on; what was added, each a file of its own. What is there already stays.

    `RecipeError` when it holds neither certificate nor public key.
    """
    found = read_anchors(path)
    return (*(_add_root(root, folder) for root in found.roots), *(_add_pin(pin, folder) for pin in found.pins))


def remove(fingerprint: str, *, folder: Path = STORE) -> tuple[Root | Pin, ...]:
    """Stop believing a key, by ``sha256:…`` or the first 12 or more digits; what was removed.

    `RecipeError` when no key, or more than one, has this fingerprint; `StateError` when it shares its file with others.
    """
    digits = fingerprint.lower().removeprefix("sha256:")
    if not re.fullmatch(r"[0-9a-f]{12,64}", digits):
        raise RecipeError(
            f"{fingerprint[:90]!r} is not a fingerprint", hint="12 or more digits, as `trust list` prints it"
        )
    anchors = load_store(folder).anchors
    everything: tuple[Root | Pin, ...] = anchors.roots + anchors.pins
    chosen = tuple(a for a in everything if a.keyid.hex.startswith(digits))
    if len({a.keyid for a in chosen}) != 1:
        raise RecipeError(
            f"{len(chosen)} trusted keys have the fingerprint {fingerprint}", hint="see: appliance trust list"
        )
    _check_alone(chosen, everything)
    for path in {Path(a.source) for a in chosen}:
        with disk_errors(path):
            path.unlink()
            sync_folder(path.parent)
    return chosen


def _check_alone(chosen: tuple[Root | Pin, ...], everything: tuple[Root | Pin, ...]) -> None:
    sources = {a.source for a in chosen}
    if shared := [a.source for a in everything if a.source in sources and a not in chosen]:
        raise StateError("this file trusts other keys too", where=shared[0], hint="edit it by hand")


def _add_root(root: Root, folder: Path, kind: str = "roots") -> Root:
    path = _write(folder / kind, root.keyid, root.info.subject, certificates.certificate_pem(root.certificate), ".pem")
    return Root(root.certificate, str(path))


def _add_pin(pin: Pin, folder: Path) -> Pin:
    if pin.certificate is not None:
        data, suffix = certificates.certificate_pem(pin.certificate), ".pem"
    elif pin.key is not None:
        data, suffix = certificates.public_pem(pin.key), ".pub"
    else:
        raise RecipeError("a bare fingerprint is for one call only", hint="add the certificate or the public key")
    path = _write(folder / "keys", pin.keyid, pin.info.subject, data, suffix)
    return Pin(pin.keyid, str(path), key=pin.key, certificate=pin.certificate)


def _write(folder: Path, keyid: Digest, name: str, data: bytes, suffix: str) -> Path:
    """A file named for people and for its bytes: the same twice is one file, a renewed certificate another."""
    readable = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40]
    stem = "-".join(part for part in (readable, keyid.short, Digest.of(data).hex[:8]) if part)
    path = folder / f"{stem}{suffix}"
    write_bytes(path, data)
    return path


def _files(folder: Path) -> list[Path]:
    found = []
    for name, suffixes in _SUFFIXES.items():
        if (folder / name).is_dir():
            check_owner(folder)
            check_owner(folder / name)
            found += sorted(p for p in (folder / name).iterdir() if p.suffix in suffixes and not p.name.startswith("."))
    return found


def _load(path: Path) -> Anchors:
    check_owner(path)
    try:
        anchors = read_anchors(path)
    except RecipeError as error:
        raise StateError(
            error.message, where=str(path), hint="remove it from the trust store, or put it right"
        ) from error
    if (path.parent.name == "roots") != bool(anchors.roots):
        raise StateError("roots/ is for certificate authorities, keys/ for signers", where=str(path))
    return anchors


def check_owner(path: Path) -> None:
    """Who may write here may sign for anybody: only root and the caller."""
    status = path.stat()
    if status.st_uid not in (0, os.geteuid()) or stat.S_IMODE(status.st_mode) & 0o022:
        raise StateError(
            "others may write to what this site trusts", where=str(path), hint=f"chown root {path} && chmod go-w {path}"
        )
