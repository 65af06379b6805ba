"""Places for peers of one machine: each room an address of its own on loopback, all with one port."""

from __future__ import annotations

import socket


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
