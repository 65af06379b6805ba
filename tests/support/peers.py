"""Places for peers of one machine: each room an address of its own on loopback, all with one port."""

from __future__ import annotations

import io
import os
import signal
import socket
from pathlib import Path

from appliance.distribute.node import Node, make_home
from appliance.image.blobs import Blob, LayerBlob
from appliance.image.layers import unpack
from appliance.image.packing import Source, write_layer
from appliance.image.trees import Entry, Kind


def free_port(*addresses: str) -> int:
    """A port that nobody listens on, on any of these addresses of this machine."""
    while True:
        with socket.create_server((addresses[0], 0)) as first:
            port: int = first.getsockname()[1]
            try:
                for address in addresses[1:]:
                    socket.create_server((address, port)).close()
            except OSError:
                continue
        return port


PATCHES = "/run/patches"
"""In each room: what its Python imports first, if it is on the path."""


def patch_helper(root: Path, text: str) -> None:
    """Have the Python of the room with this root begin with `text`: another helper than was brought there."""
    folder = Path(f"{root}{PATCHES}")
    folder.mkdir(parents=True)
    (folder / "sitecustomize.py").write_text(text)


def stopped_helper(root: Path) -> int:
    """Stop the helper that runs in the room with this root, as a host that thinks of something else does; its pid."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            said = (process / "cmdline").read_bytes().split(b"\0")
            mounts = [line.split()[3:5] for line in (process / "mountinfo").read_text().splitlines()]
        except OSError:  # it ended
            continue
        mine = any(place == "/var/lib" and f"{root}/var/lib".endswith(bound) for bound, place in mounts)
        if mine and b"appliance.distribute.hostside" in said:
            os.kill(int(process.name), signal.SIGSTOP)
            return int(process.name)
    raise LookupError(f"no helper runs in {root}")


def swarm_part(root: Path) -> LayerBlob:
    """What stands for the part that a swarm needs, on the host of this room: it finds this machine's libtorrent."""
    out = io.BytesIO()
    written = write_layer([Source(Entry("site", Kind.FOLDER))], out)
    folder = Node(root).layer(written.diff_id)
    if not folder.exists():
        make_home(Node(root))
        unpack(io.BytesIO(out.getvalue()), folder, diff_id=written.diff_id)
    return LayerBlob(Blob(written.digest, written.size), written.diff_id)
