"""The part of a bundle by which hosts swarm: libtorrent for the Python that works on hosts, and what that needs.

It is made of pinned packages like the Pythons, and written as a layer: hosts unpack and check it as they do those of
images. Libraries that the host's Python has already are not in it; nothing of it is run here.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.bundle.pyruntime import elf, notices, programs, wheels
from appliance.bundle.pyruntime.archive import ALIGN, Packed
from appliance.bundle.pyruntime.lock import Kind
from appliance.bundle.pyruntime.selection import keeps_site
from appliance.errors import ApplianceError
from appliance.files import disk_errors, hash_file, new_file
from appliance.image.packing import Source, write_layer
from appliance.image.trees import scan_tree

if TYPE_CHECKING:
    from appliance.bundle.pyruntime.lock import Lock
    from appliance.bundle.pyruntime.packages import Packages

_SKIPPED_FRAME = bytes.fromhex("502a4d18")
"""What begins a frame that decompressors skip (RFC 8878, 3.1.2); its length follows, in four bytes."""
_FRAME_HEAD_BYTES = 8


def assemble(pins: Lock, packages: Packages, *, tree: Path, beside: Path) -> None:
    """Make `tree` from fetched packages, for the assembled Python `beside`. `ApplianceError` if they misfit."""
    with tempfile.TemporaryDirectory(prefix="debs-", dir=tree.parent) as name:
        system = Path(name)
        debs = [pin for pin in pins.pins if pin.kind is Kind.DEB]
        for pin in debs:
            programs.run(("dpkg-deb", "-x", packages.checked(pin), system))
        for pin in pins.pins:
            if pin.kind is Kind.WHEEL:
                for path, data in wheels.contents(packages.checked(pin)):
                    if keeps_site(path):
                        _write(tree / "site" / path, data)
        _add_libraries(system, tree, beside)
        notices.add(system, tree, (pin.name for pin in debs))


def _add_libraries(system: Path, tree: Path, beside: Path) -> None:
    there = {path.name: path for path in sorted(system.rglob("*.so*")) if path.resolve().is_file()}
    done = {path.name for path in (beside / "lib").glob("*.so*")}
    wanted = [need for path in sorted(tree.rglob("*.so")) for need in elf.links(path.read_bytes()).needed]
    while wanted:
        name = wanted.pop()
        if name in done or name.startswith("ld-linux-"):
            continue
        if name not in there:
            raise ApplianceError(f"libtorrent needs {name}, which no chosen package holds")
        data = there[name].read_bytes()
        _write(tree / "lib" / name, data)
        done.add(name)
        wanted += elf.links(data).needed


def pack(tree: Path, out: Path) -> Packed:
    """Write `tree` to `out` as a layer, filled up to whole blocks; `file_list` is the digest of its tar."""
    sources = [Source(entry, tree / entry.path) for entry in scan_tree(tree)]
    with new_file(out) as raw, disk_errors(out):
        layer = write_layer(sources, raw)
        room = -(raw.tell() + _FRAME_HEAD_BYTES) % ALIGN
        raw.write(_SKIPPED_FRAME + room.to_bytes(4, "little") + bytes(room))
        size = raw.tell()
    return Packed(hash_file(out), size, layer.diff_id, layer.tar_size)


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(0o644)
