"""`provide`: a travelling Python as one tar, from the cache or made now."""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from appliance.bundle.pyruntime import archive, notices, shelf, swarmpart
from appliance.bundle.pyruntime.archive import Packed
from appliance.bundle.pyruntime.layout import BOOT, PYTHON
from appliance.bundle.pyruntime.lock import normalised
from appliance.bundle.pyruntime.ours import our_files
from appliance.bundle.pyruntime.selection import RuntimeKind
from appliance.bundle.pyruntime.thirdparty import Tree, Workshop, open_workshop
from appliance.digest import Digest
from appliance.events import Outcome, Sink, TaskFinished, TaskStarted, silent
from appliance.files import disk_errors, hash_file, lock, write_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from appliance.bundle.pyruntime.project import Project


@dataclass(frozen=True, slots=True)
class RuntimeInput:
    """A package that went in: `digest` of its file, `source`: Debian source package and version, or wheel name.

    `licences` are those that its copyright file or metadata names, as far as they are known.
    """

    name: str
    version: str
    digest: Digest
    source: str
    licences: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Runtime:
    """A tar at `path`, a multiple of 4096 bytes long, that is a travelling Python once unpacked and settled.

    `file_list` is the digest of ``files.sha256`` in it; `unpacked_bytes` is the room it takes; `drift` says, a
    sentence each, where it differs from the lock. The part by which hosts swarm is packed (tar+zstd), and its
    `file_list` is the digest of its tar.
    """

    arch: str
    kind: RuntimeKind
    path: Path
    digest: Digest
    size: int
    file_list: Digest
    unpacked_bytes: int
    inputs: tuple[RuntimeInput, ...]
    drift: tuple[str, ...]


def provide(kind: RuntimeKind, arch: str, *, cache: Path, latest: bool = False, sink: Sink = silent) -> Runtime:
    """The runtime of `kind` for `arch` (``x86_64`` or ``aarch64``), kept under the user's cache directory `cache`.

    With `latest`, packages that the lock names and nobody has any more are replaced by today's. `ApplianceError` if
    a package or a program that is needed cannot be had.
    """
    sink(TaskStarted("python", f"Python for {arch} ({kind})"))
    outcome = Outcome.FAILED
    try:
        workshop = open_workshop(cache, latest=latest, sink=sink)
        with lock(workshop.cache / "lock"):
            runtime = _provide(workshop, kind, arch)
        outcome = Outcome.OK
        return runtime
    finally:
        sink(TaskFinished("python", outcome))


def _provide(workshop: Workshop, kind: RuntimeKind, arch: str) -> Runtime:
    tree = workshop.tree(kind, arch)
    ours = our_files(kind)
    out = workshop.cache / "runtimes" / f"{kind}-{arch}-{_key(tree, ours, workshop.project)}" / f"{kind}-{arch}.tar"
    packed = _recall(out)
    if packed is None and kind is RuntimeKind.SWARM:
        packed = swarmpart.pack(tree.folder, out)
        _remember(out, packed)
    if packed is None:
        with disk_errors(workshop.cache), tempfile.TemporaryDirectory(prefix=".ours-", dir=workshop.cache) as name:
            overlay = Path(name)
            _lay_out(kind, ours, overlay, project=workshop.project)
            workshop.compiler(kind).compile(overlay, _beside(overlay))
            packed = archive.pack(archive.collect(tree.folder, overlay), out)
        _remember(out, packed)
    shelf.used(out.parent)
    licences = notices.licences(tree.folder)
    inputs = tuple(
        RuntimeInput(pin.name, pin.version, Digest(pin.sha256), pin.source, licences.get(normalised(pin.name), ()))
        for pin in tree.pins.pins
    )
    return Runtime(
        arch, kind, out, packed.digest, packed.size, packed.file_list, packed.unpacked_bytes, inputs, tree.drift
    )


def _key(tree: Tree, ours: Mapping[PurePosixPath, Path], project: Project) -> str:
    files = "".join(f"{name} {hash_file(path)}\n" for name, path in ours.items())
    return Digest.of(f"{tree.key}\n{project}\n{files}".encode()).short


def _lay_out(kind: RuntimeKind, ours: Mapping[PurePosixPath, Path], overlay: Path, *, project: Project) -> None:
    for name, path in ours.items():
        target = overlay / "site" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    if kind is RuntimeKind.OPERATOR:
        metadata = overlay / "site" / f"{project.name}-{project.version}.dist-info"
        write_text(metadata / "METADATA", project.metadata)
        write_text(metadata / "entry_points.txt", project.entry_points)
        write_text(overlay / "boot.py", BOOT)


def _beside(overlay: Path) -> list[tuple[PurePosixPath, PurePosixPath]]:
    """Every source under ``site/`` with the place where Python looks for it compiled (PEP 3147)."""
    tag = "cpython-" + PYTHON.replace(".", "")
    sources = [PurePosixPath(path.relative_to(overlay)) for path in sorted((overlay / "site").rglob("*.py"))]
    return [(source, source.parent / "__pycache__" / f"{source.stem}.{tag}.pyc") for source in sources]


def _recall(tar: Path) -> Packed | None:
    """What was written about `tar`, if both are as they were."""
    try:
        facts = json.loads(tar.with_suffix(".json").read_text(encoding="utf-8"))
        packed = Packed(
            Digest(facts["digest"]), int(facts["size"]), Digest(facts["file_list"]), int(facts["unpacked_bytes"])
        )
        return packed if hash_file(tar) == packed.digest else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _remember(tar: Path, packed: Packed) -> None:
    facts = {
        "digest": packed.digest.hex,
        "size": packed.size,
        "file_list": packed.file_list.hex,
        "unpacked_bytes": packed.unpacked_bytes,
    }
    write_text(tar.with_suffix(".json"), json.dumps(facts))
