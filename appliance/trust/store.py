"""The trust store of a site on disk: load, add, remove (its layout stands in `appliance.trust.policy`).

Each change is one file that appears or goes in one step, so that nothing is ever half trusted.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from appliance.digest import Digest
from appliance.errors import RecipeError, StateError
from appliance.files import disk_errors, sync_folder, write_bytes
from appliance.trust import certificates, rules
from appliance.trust.policy import STORE, Anchors, Pin, Root, Trust, read_anchors

_SUFFIXES = {"roots": (".pem",), "keys": (".pem", ".pub")}


def load_store(folder: Path = STORE) -> Trust:
    """What a site believes; nobody and the default policy where there is no `folder`.

    `StateError` when a file cannot be used or when others than root and the caller could have written it.
    """
    anchors = Anchors()
    for path in _files(folder):
        anchors = anchors.merged(_load(path))
    policy = folder / "policy.json"
    if not policy.exists():
        return Trust(anchors)
    _check_owner(policy)
    return Trust(anchors, rules.parse(certificates.read_file(policy, "a policy"), source=str(policy)), str(policy))


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


def _add_root(root: Root, folder: Path) -> Root:
    path = _write(
        folder / "roots", root.keyid, root.info.subject, certificates.certificate_pem(root.certificate), ".pem"
    )
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
            _check_owner(folder)
            _check_owner(folder / name)
            found += sorted(p for p in (folder / name).iterdir() if p.suffix in suffixes and not p.name.startswith("."))
    return found


def _load(path: Path) -> Anchors:
    _check_owner(path)
    try:
        anchors = read_anchors(path)
    except RecipeError as error:
        raise StateError(
            error.message, where=str(path), hint="remove it from the trust store, or put it right"
        ) from error
    if (path.parent.name == "roots") != bool(anchors.roots):
        raise StateError("roots/ is for certificate authorities, keys/ for signers", where=str(path))
    return anchors


def _check_owner(path: Path) -> None:
    """Who may write here may sign for anybody: only root and the caller."""
    status = path.stat()
    if status.st_uid not in (0, os.geteuid()) or stat.S_IMODE(status.st_mode) & 0o022:
        raise StateError(
            "others may write to what this site trusts", where=str(path), hint=f"chown root {path} && chmod go-w {path}"
        )
