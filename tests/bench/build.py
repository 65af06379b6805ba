"""A folder becomes a cluster image."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from typing import TYPE_CHECKING

from bench.material import FILE_BYTES, random_bytes
from bench.result import Result, Target, at_most
from bench.sides import Series, Side, interleaved, shell

if TYPE_CHECKING:
    from pathlib import Path

    from bench.material import Material

MIB = 1024
ROUNDS = 3


def measure(material: Material) -> Result:
    """`appliance build` beside a pipe of the stock tools, which packs all three folders as one."""
    context = material.context(MIB, compressible=True)
    out, store = material.folder / "layer.tar.zst", material.folder / "build-store"
    argv = material.build(context, "bench-build:1.0.0", store=store)
    env = {"XDG_CACHE_HOME": str(material.folder / "build-cache")}
    names = f"-C {shlex.quote(str(context))} a b c"
    pipe = f"tar -cf - {names} | zstd -q -3 -T0 | tee {shlex.quote(str(out))}"
    sides = [
        Side("appliance build, cold", (*argv, "--no-cache"), lambda: _empty(store), env=env),
        shell("tar | zstd -3 -T0 | sha256sum", f"{pipe} | sha256sum", prepare=lambda: _remove(out)),
        shell("… | openssl dgst; sync", f"{pipe} | openssl dgst -sha256; sync {out}", prepare=lambda: _remove(out)),
        Side("appliance build, cached", argv, env=env),
        Side("appliance build, one file changed", argv, lambda: _change(context), env=env),
    ]
    took = interleaved(sides, rounds=ROUNDS)
    ours, only = took["appliance build, cold"].seconds, _only_its_layer(argv, context, env)
    shutil.rmtree(context)
    shutil.rmtree(store)
    return Result(
        "build",
        f"a context of {MIB} MiB in {FILE_BYTES >> 20} MiB files, three quarters of it random → image of three layers",
        tuple(took.values()),
        (
            at_most("cold ≤ 1.2 × the pipe", ours / took["tar | zstd -3 -T0 | sha256sum"].seconds, 1.2),
            at_most("cold ≤ 1.2 × … | openssl dgst; sync", ours / took["… | openssl dgst; sync"].seconds, 1.2),
            at_most("cached ≤ 1 s", took["appliance build, cached"].seconds, 1, "s"),
            only,
        ),
        (
            "ours also hashes the tar itself (its diff id), and is synced to the disk",
            f"processor time, cold: {_share(took)} × the pipe's",
            "the changed file is in the smallest layer, a quarter of the context",
        ),
    )


def _only_its_layer(argv: tuple[str, ...], context: Path, env: dict[str, str]) -> Target:
    _change(context)
    done = subprocess.run([*argv, "-o", "json"], capture_output=True, check=True, env={**os.environ, **env})
    built = [layer["instruction"] for layer in json.loads(done.stdout)["layers"] if not layer["cached"]]
    return Target("one changed file: only its layer", f"built: {', '.join(built)}", built == ["COPY c c"])


def _change(context: Path) -> None:
    (context / "c" / "0000").write_bytes(random_bytes(FILE_BYTES, compressible=True))


def _empty(store: Path) -> None:
    if store.exists():
        shutil.rmtree(store)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def _share(took: dict[str, Series]) -> str:
    return f"{took['appliance build, cold'].cpu_seconds / took['tar | zstd -3 -T0 | sha256sum'].cpu_seconds:.2f}"
