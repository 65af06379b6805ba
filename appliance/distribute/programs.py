"""An image's tree and its programs on a host: made out of the blobs that are there, checked, and put right."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import IO, TYPE_CHECKING

from appliance.distribute.node import make_home
from appliance.errors import StateError
from appliance.files import hash_file, new_file, sync_folder
from appliance.image import trees
from appliance.image.layers import unpack
from appliance.image.trees import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from appliance.distribute.node import Layer, Node, Request


def install(request: Request, node: Node, *, say: Callable[[int, str], None]) -> None:
    """Make the image's tree and its programs stand, out of blobs that are here; what is right already stays.

    Layers are checked against their mtree before they are used again. `say` gets bytes of layer blobs done, and at
    what it is. Raises `BundleError` for a layer that is not what was named, `StateError` for a missing blob.
    """
    make_home(node)
    _sweep(node, request)
    done = 0
    for layer in request.layers:
        say(done, f"layer {layer.diff_id.short}")
        _stand(layer, node, say=lambda more, base=done: say(base + more, ""))  # type: ignore[misc]
        done += layer.size
    say(done, "linking")
    image = node.image(request.image)
    trees.link_trees([node.layer(layer.diff_id) for layer in request.layers], image)
    say(done, "programs")
    _copy_programs(image, node.programs(request.cluster, request.image), request.paths)
    _write_list(request, node)


def _sweep(node: Node, request: Request) -> None:
    """Remove what a helper that was killed left half made; the lease says that no other works here."""
    for folder in (node.layer(request.image), node.image(request.image), node.programs(request.cluster, request.image)):
        for pattern in (".*.part", ".*.gone"):
            for left in folder.parent.glob(pattern):
                _clear(left)


def _stand(layer: Layer, node: Node, *, say: Callable[[int], None]) -> None:
    folder = node.layer(layer.diff_id)
    if _intact(folder):
        return
    trees.remove_tree(folder)
    path = node.blobs / layer.digest.hex
    try:
        with path.open("rb") as blob:
            unpack(_Counted(blob, say), folder, diff_id=layer.diff_id)
    except FileNotFoundError as error:
        raise StateError(f"the blob {layer.digest.short} is not on the host", hint="run the command again") from error


def _intact(folder: Path) -> bool:
    try:
        return not trees.check_mtree(folder)
    except StateError:
        return False


class _Counted:
    """A reader that says how much was read."""

    def __init__(self, source: IO[bytes], say: Callable[[int], None]) -> None:
        self._source = source
        self._say = say
        self._done = 0

    def read(self, size: int, /) -> bytes:
        data = self._source.read(size)
        self._done += len(data)
        self._say(self._done)
        return data


def _copy_programs(image: Path, target: Path, paths: Sequence[str]) -> None:
    if target.is_dir():
        _repair(image, target, paths)
    else:
        trees.copy_tree(image, target, only=paths)
    for folder in (target, *target.parents[:2]):
        folder.chmod(0o755)
    _label(target)


def _repair(image: Path, target: Path, paths: Sequence[str]) -> None:
    """Put right, one by one, what differs: services that run from here never miss a file."""
    for entry in _wanted(image, paths):
        path = target / entry.path
        if _same(image / entry.path, path, entry):
            continue
        beside = path.with_name(f".{path.name[:80]}.part")
        beside.unlink(missing_ok=True)
        match entry.kind:
            case Kind.FOLDER:
                _clear(path)
                path.mkdir()
                path.chmod(entry.mode)
                continue
            case Kind.LINK:
                beside.symlink_to(entry.target)
            case _:
                trees.copy_file(image / entry.path, beside, mode=entry.mode)
        if path.is_dir() and not path.is_symlink():
            _clear(path)
        beside.replace(path)
    trees.sync_file_system(target)


def _wanted(image: Path, paths: Sequence[str]) -> Iterator[Entry]:
    return (entry for entry in trees.scan_tree(image) if not paths or entry.path.partition("/")[0] in paths)


def _same(source: Path, path: Path, entry: Entry) -> bool:
    if not os.path.lexists(path):
        return False
    if entry.kind is Kind.LINK:
        return path.is_symlink() and str(path.readlink()) == entry.target
    if path.is_symlink() or path.is_dir() != (entry.kind is Kind.FOLDER):
        return False
    status = path.stat()
    if status.st_mode & 0o7777 != entry.mode:
        return False
    return entry.kind is Kind.FOLDER or (status.st_size == entry.size and hash_file(path) == hash_file(source))


def _clear(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _label(target: Path) -> None:
    if Path("/sys/fs/selinux/enforce").exists() and (restorecon := shutil.which("restorecon")):
        subprocess.run([restorecon, "-R", str(target)], check=False, stdin=subprocess.DEVNULL, capture_output=True)


def _write_list(request: Request, node: Node) -> None:
    path = node.program_list(request.cluster, request.image)
    entries = trees.scan_tree(node.programs(request.cluster, request.image))
    names = sorted(f"./{entry.path}\n" for entry in entries if entry.kind is not Kind.FOLDER)
    with new_file(path, mode=0o600) as out:
        out.write("".join(names).encode())
    sync_folder(path.parent)


def check(request: Request, node: Node) -> Iterator[str]:
    """What is not as the image says, a sentence each; hashes every file."""
    for layer in request.layers:
        try:
            found = trees.check_mtree(node.layer(layer.diff_id))
        except StateError as error:
            found = (error.message,)
        yield from (f"layer {layer.diff_id.short}: {finding}" for finding in found)
    image, programs = node.image(request.image), node.programs(request.cluster, request.image)
    if not image.is_dir():
        yield f"the image {request.image.short} is not unpacked"
        return
    for entry in _wanted(image, request.paths):
        if not _same(image / entry.path, programs / entry.path, entry):
            yield f"{programs / entry.path} is not as the image has it"
