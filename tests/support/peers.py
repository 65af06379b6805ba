"""Places for peers of one machine: each room an address of its own on loopback, all with one port."""

from __future__ import annotations

import io
import socket
from typing import TYPE_CHECKING

from appliance.distribute.node import Node, make_home
from appliance.image.blobs import Blob, LayerBlob
from appliance.image.layers import unpack
from appliance.image.packing import Source, write_layer
from appliance.image.trees import Entry, Kind

if TYPE_CHECKING:
    from pathlib import Path


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


def swarm_part(root: Path) -> LayerBlob:
    """What stands for the part that a swarm needs, on the host of this room: it finds this machine's libtorrent."""
    out = io.BytesIO()
    written = write_layer([Source(Entry("site", Kind.FOLDER))], out)
    folder = Node(root).layer(written.diff_id)
    if not folder.exists():
        make_home(Node(root))
        unpack(io.BytesIO(out.getvalue()), folder, diff_id=written.diff_id)
    return LayerBlob(Blob(written.digest, written.size), written.diff_id)
