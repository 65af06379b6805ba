"""What runs on a host, once, during a step: receive blobs, unpack layers, check what stands there.

Started as ``python -m appliance.distribute.hostside [--root DIR] receive|unpack|check``. Imports nothing but the
standard library and `appliance.{errors,digest,clock,files,image.layers,image.trees}`: a host carries no more.

Standard input. ``receive``: per blob a JSON line ``{"digest", "size"}`` and its bytes, then ``{"end": true}``;
``unpack`` and ``check``: one JSON line ``{"cluster", "image", "layers": [{"digest", "size", "diff_id"}], "paths"}``.

Standard output, a JSON object a line: ``{"done", "detail"}`` underway (bytes), then ``{"end": true}``, or ``{"error":
{"kind", "message", "hint"}}`` and status 1. It ends when its input breaks off or nobody reads its output any more.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO

from appliance.digest import Digest
from appliance.errors import ApplianceError, StateError, TransferFailed
from appliance.files import hash_file, new_file, put_blob, sync_folder
from appliance.image import trees
from appliance.image.layers import unpack
from appliance.image.trees import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

LONGEST_REQUEST = 1 << 20


@dataclass(frozen=True, slots=True)
class Node:
    """Where things lie on a host; `root` is ``/`` but in tests."""

    root: Path = Path("/")

    @property
    def home(self) -> Path:
        """All that a run keeps on a host, 0700."""
        return self.root / "var/lib/appliance/node"

    @property
    def blobs(self) -> Path:
        """Blobs by the hexadecimal form of their digest, 0444."""
        return self.home / "blobs/sha256"

    @property
    def pending(self) -> Path:
        """A file for each step that must be carried out although its guard holds; see `Step.after`."""
        return self.home / "pending"

    def runtime(self, digest: Digest) -> Path:
        """The unpacked host runtime."""
        return self.home / "runtime" / digest.hex

    def layer(self, diff_id: Digest) -> Path:
        """An unpacked layer: ``tree/`` and ``mtree``."""
        return self.home / "layers" / diff_id.hex

    def image(self, digest: Digest) -> Path:
        """The image's tree, of links to layers; never written."""
        return self.home / "images" / digest.hex

    def programs(self, cluster: str, image: Digest) -> Path:
        """What services run."""
        return self.root / "opt/appliance" / cluster / image.hex

    def program_list(self, cluster: str, image: Digest) -> Path:
        """The files of `programs`, ``./PATH`` a line, written after all of them: what is newer was changed."""
        return self.home / "clusters" / cluster / "programs" / f"{image.hex}.list"


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer as a request names it; `size` is the blob's, in bytes."""

    digest: Digest
    size: int
    diff_id: Digest


@dataclass(frozen=True, slots=True)
class Request:
    """What ``unpack`` and ``check`` are asked."""

    cluster: str
    image: Digest
    layers: tuple[Layer, ...]
    paths: tuple[str, ...]

    def to_json(self) -> bytes:
        """The request as its line."""
        layers = [
            {"digest": str(layer.digest), "size": layer.size, "diff_id": str(layer.diff_id)} for layer in self.layers
        ]
        document = {"cluster": self.cluster, "image": str(self.image), "layers": layers, "paths": list(self.paths)}
        return json.dumps(document).encode() + b"\n"

    @classmethod
    def from_json(cls, line: bytes) -> Request:
        """Read what `to_json` wrote; `ValueError`, `KeyError` or `TypeError` for anything else."""
        document = json.loads(line)
        layers = tuple(
            Layer(Digest.parse(layer["digest"]), int(layer["size"]), Digest.parse(layer["diff_id"]))
            for layer in document["layers"]
        )
        return cls(_name(document["cluster"]), Digest.parse(document["image"]), layers, tuple(document["paths"]))


def _name(text: str) -> str:
    if not text or "/" in text or text.startswith("."):
        raise ValueError(f"not a cluster's name: {text!r}")
    return text


def receive(source: BinaryIO, node: Node, *, say: Callable[[int, str], None]) -> None:
    """Store the blobs that come on `source`, each hashed and synced; `say` gets bytes of all, as they are written.

    Raises `TransferFailed` when the stream breaks off or brings other bytes than it names.
    """
    done = 0

    def count(size: int) -> None:
        nonlocal done
        done += size
        say(done, "")

    make_home(node)
    for stale in node.blobs.glob(".*.part"):
        stale.unlink()
    while (frame := _frame(source)) is not None:
        digest, size = frame
        put_blob(node.blobs, source, digest, size=size, progress=count)


def _frame(source: BinaryIO) -> tuple[Digest, int] | None:
    line = source.readline(4096)
    if not line.endswith(b"\n"):
        raise TransferFailed("the connection ended before all blobs had come", hint="run the command again")
    document = json.loads(line)
    return None if "end" in document else (Digest.parse(document["digest"]), int(document["size"]))


def make_home(node: Node) -> None:
    """Make the folders that hold what only root may see."""
    node.blobs.mkdir(parents=True, exist_ok=True)
    node.home.chmod(0o700)


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


def main(arguments: Sequence[str], source: BinaryIO, out: BinaryIO) -> int:
    """Carry out one command; the exit status."""
    try:
        _carry_out(arguments, source, out)
        _write(out, {"end": True})
    except BrokenPipeError:
        return 1
    except ApplianceError as error:
        return _fail(out, error)
    except OSError as error:
        return _fail(out, ApplianceError(f"{error.filename or 'a file'}: {error.strerror or error}"))
    except (ValueError, KeyError, TypeError) as error:
        return _fail(out, TransferFailed(f"the request cannot be read: {error}"))
    return 0


def _carry_out(arguments: Sequence[str], source: BinaryIO, out: BinaryIO) -> None:
    def say(done: int, detail: str) -> None:
        _write(out, {"done": done, "detail": detail})

    match list(arguments):
        case ["--root", root, command]:
            node = Node(Path(root))
        case [command]:
            node = Node()
        case _:
            raise ValueError("usage: hostside [--root DIR] receive|unpack|check")
    match command:
        case "receive":
            receive(source, node, say=say)
        case "unpack":
            install(Request.from_json(source.readline(LONGEST_REQUEST)), node, say=say)
        case "check":
            for finding in check(Request.from_json(source.readline(LONGEST_REQUEST)), node):
                say(0, finding)
        case _:
            raise ValueError(f"no such command: {command}")


def _fail(out: BinaryIO, error: ApplianceError) -> int:
    _write(out, {"error": {"kind": error.kind, "message": error.message, "hint": error.hint}})
    return 1


def _write(out: BinaryIO, message: dict[str, Any]) -> None:
    out.write(json.dumps(message).encode() + b"\n")
    out.flush()


if __name__ == "__main__":
    os.umask(0o022)
    sys.exit(main(sys.argv[1:], sys.stdin.buffer, sys.stdout.buffer))
