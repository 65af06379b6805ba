"""Every script of a tree, read out of its layers: what begins with ``#!`` wherever it stands, and what is asked for."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from appliance.digest import Digest
from appliance.image import layers
from appliance.image.layers import TEXT_BYTES, TEXTS_BYTES
from appliance.image.packing import OPAQUE, WHITEOUT
from appliance.image.tarstream import Members, safe_path
from appliance.image.whiteouts import Cover

if TYPE_CHECKING:
    import tarfile
    from collections.abc import Callable, Iterable

    from appliance.image.tarstream import Reader

_MARK = b"#!"


@dataclass(frozen=True, slots=True)
class Script:
    """A script: its mode, bytes and their digest; `text` is None where it is no UTF-8 or longer than a text may be."""

    path: str
    mode: int
    size: int
    digest: Digest
    text: str | None


@dataclass(slots=True)
class _Layer:
    scripts: dict[str, Script] = field(default_factory=dict)
    placed: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    opaque: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    room: int = TEXTS_BYTES


def read(sources: Iterable[Reader], wanted: Callable[[str], bool]) -> tuple[Script, ...]:
    """The scripts and the `wanted` files in layers (tar+zstd), lowest first, as if unpacked over each other; sorted.

    A text of more than 1 MiB, or beyond 64 MiB of them in a layer, is left out; its digest is not.
    """
    found: dict[str, Script] = {}
    for source in sources:
        layer = _read(source, wanted)
        cover = Cover.of(removed=layer.removed, opaque=layer.opaque, placed=layer.placed, folders=layer.folders)
        found = {path: script for path, script in found.items() if not cover.hides(path)} | layer.scripts
    return tuple(found[path] for path in sorted(found))


def _read(source: Reader, wanted: Callable[[str], bool]) -> _Layer:
    layer = _Layer()
    with layers.decompressed(source) as tar:
        members = Members(tar)
        for info in members:
            path = safe_path(info.name)
            folder, _, name = path.rpartition("/")
            if name == OPAQUE:
                layer.opaque.append(folder)
            elif name.startswith(WHITEOUT):
                layer.removed.append(f"{folder}/{name.removeprefix(WHITEOUT)}".lstrip("/"))
            elif info.isdir():
                layer.folders.append(path)
            else:
                layer.placed.append(path)
                _note(layer, path, info, members=members, wanted=wanted(path))
    return layer


def _note(layer: _Layer, path: str, info: tarfile.TarInfo, *, members: Members, wanted: bool) -> None:
    if info.islnk() and (script := layer.scripts.get(safe_path(info.linkname))):
        layer.scripts[path] = Script(path, script.mode, script.size, script.digest, script.text)
    if not info.isreg():
        return
    body = members.body()
    first = next(body, b"")
    if not wanted and not first.startswith(_MARK):
        return
    whole = info.size <= min(TEXT_BYTES, layer.room)
    kept, digest = [first], hashlib.sha256(first)
    for piece in body:
        digest.update(piece)
        kept += [piece] if whole else []
    text = _text(b"".join(kept)) if whole else None
    layer.room -= info.size if text is not None else 0
    layer.scripts[path] = Script(path, info.mode & 0o755, info.size, Digest(digest.hexdigest()), text)


def _text(data: bytes) -> str | None:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None
