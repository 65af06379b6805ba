"""Travelling Pythons for tests: a false one made in a moment, and the real ones from the user's cache, in a bundle."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

from support.images import put_image

from appliance.bundle.pyruntime import archive
from appliance.bundle.pyruntime.runtime import Runtime, provide
from appliance.bundle.pyruntime.selection import PYTHONS, RuntimeKind
from appliance.bundle.stub import StubFacts, StubRuntime, render
from appliance.clock import SystemClock
from appliance.digest import Digest
from appliance.image.store import Store
from appliance.operations.publish import PublishRequest, publish, travelling
from appliance.trust import keys

OFFSET = 1 << 20
PROGRAM = """\
#!/bin/sh
[ "$3" != -c ] || exit 0
echo started
echo "umask $(umask)"
for argument; do printf '<%s>\\n' "$argument"; done
env
exit 0
"""


def false_python(folder: Path, *, arch: str = platform.machine(), says: str = "started") -> Runtime:
    """A runtime in the real layout whose ``bin/python`` is a shell script that prints arguments and environment."""
    program = PROGRAM.replace("started", says).encode().ljust(archive.ALIGN, b"\n")
    files = {
        "bin/python": program + bytes(512),
        "lib/ld.so": b"a loader",
        "boot.py": b"a start",
        "loader": f"{len(program)} {Digest.of(program).hex}\n".encode(),
    }
    for name, data in files.items():
        path = folder / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(0o755)
    tar = folder / "operator.tar"
    packed = archive.pack(archive.collect(folder / "tree"), tar)
    facts = (packed.digest, packed.size, packed.file_list, packed.unpacked_bytes)
    return Runtime(arch, RuntimeKind.OPERATOR, tar, *facts, inputs=(), drift=())


def write_run(path: Path, runtime: Runtime, *, payload: bytes = b"payload") -> Path:
    """A file that begins with a stub and carries `runtime`; what follows stands for the rest of a bundle."""
    size = OFFSET + runtime.size + len(payload)
    stub = render(StubFacts("etcd", "1.0.0", size, (StubRuntime.of(runtime, offset=OFFSET),)))
    path.write_bytes(stub.ljust(OFFSET, b"\0") + runtime.path.read_bytes() + payload)
    return path


def user_cache() -> Path:
    """The cache that tests share with each other and with later checkouts."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "appliance"


@dataclass(frozen=True, slots=True)
class Pythons:
    """The real runtimes of this machine's architecture."""

    operator: Runtime
    host: Runtime


def real_pythons() -> Pythons:
    """Fetch and assemble them, or take them from the cache."""
    made = [provide(kind, platform.machine(), cache=user_cache(), latest=True) for kind in PYTHONS]
    return Pythons(*made)


def real_swarm_part() -> Runtime:
    """What hosts swarm with, likewise."""
    return provide(RuntimeKind.SWARM, platform.machine(), cache=user_cache(), latest=True)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A small image as a real bundle with the real Pythons, signed now, and the root to trust for it."""

    bundle: Path
    root: Path


def real_delivery(folder: Path) -> Delivery:
    """Write one into `folder`; about 100 MB."""
    store = Store(folder / "store")
    reference = put_image(store, folder / "scratch", [{"bin/tool": b"#!/bin/sh\n", "etc/tool.conf": b"a = 1\n"}])
    keys.generate(folder / "keys", name="Vendor", clock=SystemClock())
    request = PublishRequest(reference, folder / "out", (keys.load_signer(folder / "keys/signer-key.pem"),))
    pythons = travelling(user_cache(), latest=True)
    made = publish(request, store=store, pythons=pythons, clock=SystemClock())
    return Delivery(made.files[0].path, folder / "keys/root.pem")
