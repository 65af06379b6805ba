"""Where a peer gives others what it has: TLS 1.3 on one port, to holders of the run's certificates only."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import threading
import time
from ipaddress import ip_address
from typing import TYPE_CHECKING

from appliance.distribute import words

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    from appliance.distribute.pace import Pace
    from appliance.distribute.partial import Partial

_PATIENCE_SECONDS = 30.0
"""How long another may take to say what it wants, or to take what it asked for."""
_BREATH_SECONDS = 0.1
_LONGEST_REQUEST = 4096


class Listener:
    """Bound when it is made; `OSError` when it cannot be. `sent` counts bytes given away."""

    def __init__(self, address: str, port: int) -> None:
        self._socket = bound(address, port)
        self._lock = threading.Lock()
        self.sent = 0

    def serve(self, context: ssl.SSLContext, partials: Mapping[str, Partial], pace: Pace) -> None:
        """Answer whoever comes, for good: blobs of `partials`, by hexadecimal digest, as far as they are checked."""

        def answer(line: socket.socket) -> None:
            with contextlib.suppress(OSError, ValueError), line:  # ssl.SSLError is an OSError: a stranger gets nothing
                line.settimeout(_PATIENCE_SECONDS)
                with context.wrap_socket(line, server_side=True) as secured:
                    self._give(secured, partials, pace)

        def accept() -> None:
            while True:
                try:
                    line, _ = self._socket.accept()
                except OSError:  # of one who came, or of too many
                    time.sleep(_BREATH_SECONDS)
                    continue
                threading.Thread(target=answer, args=(line,), daemon=True).start()

        threading.Thread(target=accept, name="listener", daemon=True).start()

    def _give(self, line: ssl.SSLSocket, partials: Mapping[str, Partial], pace: Pace) -> None:
        with line.makefile("rb") as reader:
            request = words.parse(reader.readline(_LONGEST_REQUEST))
        if not isinstance(request, words.Request) or request.blob not in partials:
            return
        partial, offset = partials[request.blob], request.offset
        while 0 <= offset < partial.size:
            unit = partial.read(offset, seconds=_PATIENCE_SECONDS)
            pace.wait(len(unit))
            line.sendall(unit)
            offset += len(unit)
            with self._lock:
                self.sent += len(unit)


def bound(address: str, port: int) -> socket.socket:
    """Listening on `address`, or on all that this machine has when `address` is none of them."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        return socket.create_server((address, port), family=family, backlog=64)
    except OSError as error:
        if error.errno != errno.EADDRNOTAVAIL and not isinstance(error, socket.gaierror):
            raise
        return socket.create_server(("", port), family=family, backlog=64)


def free_place(address: str, port: int) -> tuple[str, str]:
    """Where another library may listen, as ``ADDRESS:PORT``; and why it is another port than that, if so."""
    try:
        with bound(address, port) as place:
            name = place.getsockname()[0]
    except OSError as error:
        anywhere = "[::]:0" if ":" in address else "0.0.0.0:0"
        return anywhere, f"port {port}: {os.strerror(error.errno) if error.errno and error.errno > 0 else error}"
    return (f"[{name}]:{port}" if ":" in name else f"{name}:{port}"), ""


def own_address(known: str) -> str:
    """An address of this machine's for others near it, where the one by which it is `known` is none of its own.

    That is so behind a translator of addresses. Empty where `known` will do, and where there is no other.
    """
    family = socket.AF_INET6 if ":" in known else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((known, 0))
        except OSError as error:
            if error.errno != errno.EADDRNOTAVAIL:
                return ""
        else:
            return ""
        with contextlib.suppress(OSError):  # nothing is sent: the kernel says from which address it would be
            probe.connect((known, 9))
            own = str(probe.getsockname()[0])
            return "" if ip_address(own).is_loopback else own
    return ""
