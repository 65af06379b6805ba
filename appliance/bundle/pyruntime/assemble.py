"""The tree of other people's code: programs, libraries, standard library and wheels, pruned and compiled.

Packages are unpacked, never run, so any machine assembles for any architecture. Compiled Python is the same on all
of them: it is made by the interpreter of *this* machine's architecture, of the same version.
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from appliance.bundle.pyruntime import elf, notices, programs, wheels
from appliance.bundle.pyruntime.layout import LOADER_FACTS, PYTHON, SITE
from appliance.bundle.pyruntime.lock import Kind
from appliance.bundle.pyruntime.selection import LOADED_BY_NAME, keeps_site
from appliance.digest import Digest
from appliance.errors import ApplianceError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from appliance.bundle.pyruntime.lock import Lock
    from appliance.bundle.pyruntime.packages import Packages
    from appliance.bundle.pyruntime.selection import Selection

STDLIB = PurePosixPath("lib", f"python{PYTHON}")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.+@=/-]+")
_COMPILE = """\
import marshal, sys
from importlib.util import MAGIC_NUMBER, source_hash
for line in sys.stdin.read().splitlines():
    source, target = line.split("\\t")
    with open(source, "rb") as file:
        text = file.read()
    try:
        code = compile(text, source, "exec", dont_inherit=True)
    except SyntaxError as error:
        sys.exit(f"{source}:{error.lineno}: {error.msg}")
    with open(target, "wb") as file:
        file.write(MAGIC_NUMBER + (1).to_bytes(4, "little") + source_hash(text) + marshal.dumps(code))
"""


@dataclass(frozen=True, slots=True)
class Compiler:
    """An assembled tree of this machine's architecture, whose interpreter compiles."""

    tree: Path

    def compile(self, folder: Path, pairs: Iterable[tuple[PurePosixPath, PurePosixPath]]) -> None:
        """Compile each source to its target, both relative to `folder`, as a pyc that never looks at its source.

        The result depends on the sources alone: fixed hash seed, relative names, one process in the order given
        (PEP 552, unchecked).
        """
        lines = []
        for source, target in pairs:
            (folder / target).parent.mkdir(exist_ok=True)
            lines.append(f"{source}\t{target}\n")
        lib = self.tree / "lib"
        loader = (lib / "ld.so", "--inhibit-cache", "--library-path", lib, self.tree / "bin" / "python")
        flags = ("-s", "-S", "-P", "-B", "-W", "ignore", "-X", "utf8", "-c", _COMPILE)
        programs.run((*loader, *flags), folder=folder, feed="".join(lines), environment={"PYTHONHASHSEED": "0"})


def assemble(selection: Selection, pins: Lock, packages: Packages, *, tree: Path, compiler: Compiler | None) -> None:
    """Make `tree` from fetched packages; without a `compiler` it compiles itself. `ApplianceError` if they misfit."""
    with tempfile.TemporaryDirectory(prefix="debs-", dir=tree.parent) as name:
        system = Path(name)
        for pin in pins.pins:
            if pin.kind is Kind.DEB:
                programs.run(("dpkg-deb", "-x", packages.checked(pin), system))
        _add_interpreter(system, tree)
        _add_stdlib(system, tree, selection)
        for pin in pins.pins:
            if pin.kind is Kind.WHEEL:
                _add_wheel(packages.checked(pin), tree)
        _add_libraries(system, tree)
        notices.add(system, tree, (pin.name for pin in pins.pins if pin.kind is Kind.DEB))
    _refuse_odd_names(tree)
    _compile_tree(tree, compiler or Compiler(tree))


def _add_interpreter(system: Path, tree: Path) -> None:
    program, offset = elf.with_loader_room((system / "usr/bin" / f"python{PYTHON}").read_bytes())
    _write(tree / "bin/python", program, mode=0o755)
    _write(tree / LOADER_FACTS, f"{offset} {Digest.of(program[:offset]).hex}\n".encode())


def _add_stdlib(system: Path, tree: Path, selection: Selection) -> None:
    origin = system / "usr" / STDLIB
    for path in sorted(origin.rglob("*")):
        name = PurePosixPath(path.relative_to(origin))
        if path.is_file() and not path.is_symlink() and selection.keeps_stdlib(name):
            _write(tree / STDLIB / name, path.read_bytes())
    _write(tree / STDLIB / "sitecustomize.py", SITE.encode())


def _add_wheel(wheel: Path, tree: Path) -> None:
    for name, data in wheels.contents(wheel):
        if keeps_site(name):
            _write(tree / "site" / name, data)


def _add_libraries(system: Path, tree: Path) -> None:
    """Add every library that something in the tree needs, and what those need, until nothing is missing."""
    there = {path.name: path for path in sorted(system.rglob("*.so*")) if path.resolve().is_file()}
    loader = next((path for name, path in there.items() if name.startswith("ld-linux-")), None)
    if loader is None:
        raise ApplianceError("Debian's C library came without its loader")
    _write(tree / "lib/ld.so", loader.read_bytes(), mode=0o755)
    objects = [tree / "bin/python", *sorted(tree.rglob("*.so"))]
    wanted = [(name, "a thread that ends") for name in LOADED_BY_NAME]
    wanted += [need for path in objects for need in _needs(path.read_bytes(), path.name)]
    done = {loader.name}
    while wanted:
        name, needed_by = wanted.pop()
        if name in done:
            continue
        if name not in there:
            raise ApplianceError(f"{needed_by} needs {name}, which no chosen package holds")
        data = there[name].read_bytes()
        _write(tree / "lib" / name, data)
        done.add(name)
        wanted += _needs(data, name)


def _needs(data: bytes, name: str) -> list[tuple[str, str]]:
    if not elf.is_elf(data):
        raise ApplianceError(f"{name} is not an ELF object")
    links = elf.links(data)
    if links.search:
        raise ApplianceError(f"{name} looks for libraries in {links.search[0]}, past those that travel with it")
    return [(needed, name) for needed in links.needed]


def _refuse_odd_names(tree: Path) -> None:
    for path in tree.rglob("*"):
        name = str(path.relative_to(tree))
        if not _PLAIN_NAME.fullmatch(name) or path.is_symlink():
            raise ApplianceError(f"a package holds {name!r}, which a shell could misread")


def _compile_tree(tree: Path, compiler: Compiler) -> None:
    """Of other people's code only the pyc stays, in its source's place: a third less to copy, check and unpack."""
    sources = [PurePosixPath(path.relative_to(tree)) for path in sorted(tree.rglob("*.py"))]
    compiler.compile(tree, [(source, source.with_suffix(".pyc")) for source in sources])
    for source in sources:
        (tree / source).unlink()


def _write(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(mode)
