"""An image becomes one signed file."""

from __future__ import annotations

import os
import shlex
import shutil
from typing import TYPE_CHECKING

from bench.result import Result, at_least, at_most
from bench.sides import Side, interleaved, shell

if TYPE_CHECKING:
    from pathlib import Path

    from bench.material import Material

MIB = int(os.environ.get("APPLIANCE_BENCH_BUNDLE_MIB", "1024"))
ROUNDS = 3


def measure(material: Material) -> Result:
    """`appliance bundle` beside what one would script with stock tools; before each run the last one's output goes."""
    tree, key = material.tree(MIB), material.keys / "signer-key.pem"
    out = material.folder / "out"
    bundle, peer, archive, copy = out / "ours", material.makeself_path(MIB), out / "x.7z", out / "copy"
    source = material.bundle(MIB)
    sides = [
        Side("appliance bundle", material.bundle_command(material.image(MIB), bundle), lambda: _new(out)),
        Side("makeself --nocomp --sha256", material.makeself_command(tree, peer), lambda: _new(out, peer)),
        shell("7zz a -mx0; openssl dgst -sign", _seven_zip(tree, archive, key), prepare=lambda: _new(out)),
        shell("cp; openssl dgst", _copy(source, copy), prepare=lambda: _new(out)),
        shell("cp; sync; openssl dgst", _copy(source, copy, sync=True), prepare=lambda: _new(out)),
        shell("cp; sync; sha256sum", _copy(source, copy, sync=True, dgst="sha256sum"), prepare=lambda: _new(out)),
    ]
    took = interleaved(sides, rounds=ROUNDS)
    shutil.rmtree(out)
    ours = took["appliance bundle"].seconds
    return Result(
        "bundle",
        f"an image of {MIB} MiB in the store → signed .run of {source.stat().st_size / 2**20:.0f} MiB, on the disk",
        tuple(took.values()),
        (
            at_least("≥ 4 × faster than makeself", took["makeself --nocomp --sha256"].seconds / ours, 4),
            at_most("≤ 1.5 × cp; sync; openssl dgst", ours / took["cp; sync; openssl dgst"].seconds, 1.5),
            at_most("≤ 1.5 × cp; openssl dgst", ours / took["cp; openssl dgst"].seconds, 1.5),
        ),
        (
            "ours is synced to the disk before it has its name; of the others only those with sync are",
            "sources are in the page cache; makeself, 7zz and cp pack or copy the very same bytes",
        ),
    )


def _new(out: Path, *further: Path) -> None:
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    for path in further:
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)


def _seven_zip(tree: Path, archive: Path, key: Path) -> str:
    tree_, archive_, key_ = (shlex.quote(str(path)) for path in (tree, archive, key))
    pack = f"7zz a -mx0 -bso0 -bsp0 {archive_} {tree_}/."
    return f"{pack}; openssl dgst -sha256 -sign {key_} -out {archive_}.sig {archive_}"


def _copy(source: Path, copy: Path, *, sync: bool = False, dgst: str = "openssl dgst -sha256") -> str:
    source_, copy_ = (shlex.quote(str(path)) for path in (source, copy))
    return f"cp --reflink=never {source_} {copy_}; {f'sync {copy_}; ' * sync}{dgst} {copy_}"
