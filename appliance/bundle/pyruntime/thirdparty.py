"""Finds, or fetches and assembles, the tree of other people's code for one kind and architecture."""

from __future__ import annotations

import platform
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.bundle.pyruntime import debian, shelf, swarmpart, wheels
from appliance.bundle.pyruntime import lock as locks
from appliance.bundle.pyruntime.assemble import Compiler, assemble
from appliance.bundle.pyruntime.lock import ARCHITECTURES, Kind, Lock, Pin
from appliance.bundle.pyruntime.packages import Packages
from appliance.bundle.pyruntime.project import Project, this_project
from appliance.bundle.pyruntime.selection import SELECTIONS, SWARM_REQUIREMENTS, RuntimeKind
from appliance.digest import Digest
from appliance.errors import ApplianceError
from appliance.events import TaskProgress
from appliance.files import disk_errors, hash_file, sync_folder, write_bytes

if TYPE_CHECKING:
    from appliance.events import Sink

LOCK_FILE = Path(__file__).with_name("lock.json")


@dataclass(frozen=True, slots=True)
class Tree:
    """An assembled tree, the pins it was made of, and in what these differ from the lock."""

    folder: Path
    pins: Lock
    drift: tuple[str, ...]

    @property
    def key(self) -> str:
        """Changes with anything that the tree depends on."""
        return self.folder.name


@dataclass(frozen=True, slots=True)
class Workshop:
    """Where trees are made: `cache` is ours and may be deleted at any time; `locked` is the lock file's content.

    With `latest`, pins that are not to be had any more are replaced by what is there now, once for each lock.
    """

    cache: Path
    locked: Lock
    project: Project
    latest: bool
    sink: Sink

    @property
    def packages(self) -> Packages:
        """The fetched packages."""
        return Packages(self.cache / "packages")

    def tree(self, kind: RuntimeKind, arch: str) -> Tree:
        """The tree of `kind` for `arch`, made now if it is not there. `ApplianceError` if it cannot be had."""
        if arch not in ARCHITECTURES:
            raise ApplianceError(f"no Python travels for {arch}", hint=f"there is one for {', '.join(ARCHITECTURES)}")
        for lock in self._known_locks(arch):
            if (tree := self._place(kind, lock, arch)).folder.is_dir():
                shelf.used(tree.folder)
                return tree
        tree = self._place(kind, self._obtain(kind, arch), arch)
        self._say(f"assembling Python for {arch} ({kind})")
        self._assemble(kind, arch, tree)
        shelf.used(tree.folder)
        return tree

    def compiler(self, kind: RuntimeKind) -> Compiler:
        """The interpreter of this machine's architecture, of the same packages."""
        return Compiler(self.tree(kind, platform.machine()).folder)

    def _place(self, kind: RuntimeKind, lock: Lock, arch: str) -> Tree:
        pins = SELECTIONS[kind].pins(lock)
        key = Digest.of(f"{kind}\n{_recipe()}\n{pins.digest()}".encode())
        drift = locks.differences(SELECTIONS[kind].pins(self.locked.of(arch)), pins)
        return Tree(self.cache / "trees" / f"{kind}-{arch}-{key.short}", pins, drift)

    def _known_locks(self, arch: str) -> list[Lock]:
        known = [] if self._lacking(arch) else [self.locked.of(arch)]
        resolved = self._resolved_file(arch)
        if self.latest and resolved.is_file():
            known.append(locks.parse(resolved.read_bytes(), where=str(resolved)))
        return known

    def _lacking(self, arch: str) -> list[str]:
        """Requirements of ours that the lock does not know."""
        there = {locks.normalised(pin.name) for pin in self.locked.of(arch).pins if pin.kind is Kind.WHEEL}
        return [name for name in self.project.requirement_names if locks.normalised(name) not in there]

    def _obtain(self, kind: RuntimeKind, arch: str) -> Lock:
        """Fetch what the first usable lock names; resolve anew if that is allowed and needed."""
        gone: tuple[Pin, ...] = ()
        for lock in self._known_locks(arch):
            gone = self._fetch(SELECTIONS[kind].pins(lock), arch)
            if not gone:
                return lock
        if not self.latest:
            if lacking := self._lacking(arch):
                raise ApplianceError(f"the lock lacks {', '.join(lacking)} for {arch}", hint="run scripts/lock")
            raise locks.missing(gone)
        self._say(f"resolving packages for {arch}")
        lock = resolve(self.cache, self.project, arch)
        write_bytes(self._resolved_file(arch), locks.dump(lock))
        if gone := self._fetch(SELECTIONS[kind].pins(lock), arch):
            raise locks.missing(gone)
        return lock

    def _fetch(self, pins: Lock, arch: str) -> tuple[Pin, ...]:
        if all(self.packages.has(pin) for pin in pins.pins):
            return ()
        self._say(f"fetching packages for {arch}")
        return (*debian.open_archive(arch, self.cache).fetch(pins, self.packages), *wheels.fetch(pins, self.packages))

    def _assemble(self, kind: RuntimeKind, arch: str, tree: Tree) -> None:
        beside = self.tree(RuntimeKind.HOST, arch).folder if kind is RuntimeKind.SWARM else None
        compiler = None if beside or arch == platform.machine() else self.compiler(kind)
        parent = tree.folder.parent
        with disk_errors(parent):
            parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".making-", dir=parent) as name:
                work = Path(name) / "tree"
                work.mkdir()
                if beside:
                    swarmpart.assemble(tree.pins, self.packages, tree=work, beside=beside)
                else:
                    assemble(SELECTIONS[kind], tree.pins, self.packages, tree=work, compiler=compiler)
                work.rename(tree.folder)
            sync_folder(parent)

    def _resolved_file(self, arch: str) -> Path:
        asked = f"{self.locked.of(arch).digest()}\n{self.project.requirements}"
        return self.cache / f"resolved-{arch}-{Digest.of(asked.encode()).short}.json"

    def _say(self, detail: str) -> None:
        self.sink(TaskProgress("python", 0, detail))


def open_workshop(cache: Path, *, latest: bool, sink: Sink) -> Workshop:
    """The workshop in the user's cache directory `cache`, with the lock file that this program carries."""
    locked = locks.parse(LOCK_FILE.read_bytes(), where=str(LOCK_FILE))
    return Workshop(cache / "pyruntime", locked, this_project(), latest, sink)


def resolve(cache: Path, project: Project, arch: str) -> Lock:
    """The newest of everything for `arch`, from Debian's signed index and the package index."""
    debs = debian.open_archive(arch, cache).resolve()
    return Lock(tuple(sorted((*debs, *wheels.resolve((*project.requirements, *SWARM_REQUIREMENTS), arch)))))


def relock(cache: Path) -> tuple[str, ...]:
    """Resolve all architectures anew and write the lock file; what changed, a sentence each."""
    old = locks.parse(LOCK_FILE.read_bytes(), where=str(LOCK_FILE)) if LOCK_FILE.is_file() else Lock(())
    project = this_project()
    found = (resolve(cache / "pyruntime", project, arch).pins for arch in ARCHITECTURES)
    new = Lock(tuple(sorted(pin for pins in found for pin in pins)))
    write_bytes(LOCK_FILE, locks.dump(new))
    return locks.differences(old, new)


def _recipe() -> Digest:
    """What assembling depends on besides the packages: the code in this folder."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return Digest.of("".join(f"{path.name} {hash_file(path)}\n" for path in files).encode())
