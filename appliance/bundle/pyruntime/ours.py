"""Which files of this program go along: all of them for an operator; for a host what the host's side imports."""

from __future__ import annotations

import ast
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from appliance.bundle.pyruntime.project import package_root
from appliance.bundle.pyruntime.selection import RuntimeKind

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST_ENTRY = "appliance.distribute.hostside"


def our_files(kind: RuntimeKind) -> dict[PurePosixPath, Path]:
    """Files by their names under ``site/``, sorted."""
    root = package_root()
    match kind:
        case RuntimeKind.OPERATOR:
            found = [path for package in ("appliance", "tui") for path in (root / package).rglob("*")]
        case RuntimeKind.HOST:
            found = sorted(_imported(root))
        case RuntimeKind.SWARM:
            return {}
    files = {PurePosixPath(path.relative_to(root)): path for path in sorted(found) if path.is_file()}
    return {name: path for name, path in files.items() if "__pycache__" not in name.parts}


def _imported(root: Path) -> set[Path]:
    """`HOST_ENTRY`, the modules that it imports, directly or not, and the packages that they stand in."""
    found: set[Path] = set()
    wanted = list(_files(root, HOST_ENTRY))
    while wanted:
        path = wanted.pop()
        if path not in found:
            found.add(path)
            names = _imports(ast.parse(path.read_bytes(), filename=str(path)))
            wanted += [file for name in names for file in _files(root, name)]
    return found


def _files(root: Path, module: str) -> Iterator[Path]:
    """The file of a module of ours, if it is one, and those of the packages around it."""
    place = PurePosixPath(*module.split("."))
    if place.parts[0] != "appliance":
        return
    for name in (place.with_suffix(".py"), *(above / "__init__.py" for above in (place, *place.parents[:-1]))):
        if (root / name).is_file():
            yield root / name


def _imports(node: ast.AST) -> Iterator[str]:
    """Modules named by imports anywhere below `node`, but for those under ``if TYPE_CHECKING``."""
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                for other in child.orelse:
                    yield from _imports(ast.Module([other], []))
            case ast.Import(names=names):
                yield from (name.name for name in names)
            case ast.ImportFrom(module=str(module), names=names, level=0):
                yield module
                yield from (f"{module}.{name.name}" for name in names)
            case _:
                yield from _imports(child)
