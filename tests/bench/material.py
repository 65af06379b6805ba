"""What the sides work on: made once, in a folder that goes at the end, by the commands that a user has."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

MIB = 1 << 20
FILE_BYTES = 8 * MIB
_BUNDLEFILE = """\
apiVersion: appliance/v1
kind: Bundle
name: bench-{mib}
version: 1.0.0
runtime: systemd
roles:
  node: {{min: 1, description: a host}}
"""
_KUBEFILE = "FROM scratch\nCOPY a a\nCOPY b b\nCOPY c c\n"


class Material:
    """Contexts, images, keys and bundles below `folder`; each is made when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = sys.executable
        self.appliance = str(Path(sys.executable).with_name("appliance"))
        self.store = folder / "store"

    def say(self, text: str) -> None:
        """Tell whoever waits."""
        print(f"  {text}", file=sys.stderr, flush=True)

    def run(self, *argv: str | Path) -> None:
        """Run a command that must succeed."""
        done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{' '.join(map(str, argv))}\nended with {done.returncode}:\n{done.stderr}")

    def context(self, mib: int, *, compressible: bool) -> Path:
        """A folder of `mib` MiB in 8 MiB files, for three layers (half, a quarter, a quarter).

        Random bytes; with `compressible` every second MiB is hexadecimal digits, which zstd halves.
        """
        context = self.folder / f"context-{mib}{'-compressible' * compressible}"
        for name, share in (("a", mib // 2), ("b", mib // 4), ("c", mib // 4)):
            (context / name).mkdir(parents=True)
            for number in range(share * MIB // FILE_BYTES):
                (context / name / f"{number:04}").write_bytes(random_bytes(FILE_BYTES, compressible=compressible))
        (context / "Kubefile").write_text(_KUBEFILE, encoding="utf-8")
        (context / "bundle.yaml").write_text(_BUNDLEFILE.format(mib=mib), encoding="utf-8")
        return context

    @functools.cached_property
    def keys(self) -> Path:
        """A folder with a new root and signer."""
        keys = self.folder / "keys"
        self.run(self.appliance, "key", "generate", "-O", keys, "--name", "Bench")
        return keys

    @functools.cache  # noqa: B019  (a material lives as long as the program)
    def image(self, mib: int) -> str:
        """The reference of an image of `mib` MiB that does not compress, in `store`."""
        self.say(f"making an image of {mib} MiB")
        context = self.context(mib, compressible=False)
        reference = f"bench-{mib}:1.0.0"
        self.run(*self.build(context, reference))
        shutil.rmtree(context)
        return reference

    def build(self, context: Path, reference: str, *, store: Path | None = None) -> tuple[str, ...]:
        """The command that builds `context` into a store, by default the one that bundles are made from."""
        return (self.appliance, "build", "--store", str(store or self.store), "-t", reference, str(context))

    def bundle_command(self, reference: str, folder: Path) -> tuple[str, ...]:
        """The command that bundles and signs an image of `store` into `folder`."""
        signer = str(self.keys / "signer-key.pem")
        written = ("-O", str(folder), "--key", signer, "--lock-or-latest")
        return (self.appliance, "bundle", "--store", str(self.store), reference, *written)

    @functools.cache  # noqa: B019  (as above)
    def bundle(self, mib: int) -> Path:
        """The signed ``.run`` of that image. The Pythons that travel come from the user's cache, or are made first."""
        folder = self.folder / f"bundle-{mib}"
        self.say(f"bundling the image of {mib} MiB")
        self.run(*self.bundle_command(self.image(mib), folder))
        (path,) = folder.glob("*.run")
        return path

    @functools.cache  # noqa: B019  (as above)
    def tree(self, mib: int) -> Path:
        """What is in that bundle, as files; taken out with stock 7-Zip."""
        tree = self.folder / f"tree-{mib}"
        self.run("7zz", "x", "-bso0", "-bsp0", f"-o{tree}", self.bundle(mib))
        return tree

    def makeself_command(self, tree: Path, path: Path, *start: str) -> tuple[str, ...]:
        """The command with which makeself packs `tree` into `path`, stored and summed."""
        return ("makeself", "--nocomp", "--sha256", "--quiet", str(tree), str(path), "bench", *(start or ("./start",)))

    def makeself_path(self, mib: int) -> Path:
        """Where the same content stands as a makeself archive, once it was packed."""
        return self.folder / "makeself" / f"{mib}.run"

    def makeself(self, mib: int) -> Path:
        """The same content as a makeself archive; one that another benchmark left is taken."""
        path = self.makeself_path(mib)
        if not path.exists():
            self.say(f"packing the same {mib} MiB with makeself")
            path.parent.mkdir(exist_ok=True)
            self.run(*self.makeself_command(self.tree(mib), path))
        return path


def random_bytes(size: int, *, compressible: bool) -> bytes:
    """Bytes that do not compress, or of which every second MiB does, by half."""
    if not compressible:
        return os.urandom(size)
    pieces = (os.urandom(MIB // 2).hex().encode() if number % 2 else os.urandom(MIB) for number in range(size // MIB))
    return b"".join(pieces)
