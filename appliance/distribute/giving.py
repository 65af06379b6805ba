"""A host that gives a blob to bare hosts, which have a shell and no Python; what it gives is no secret.

Who asks says one line, the offer's token and whether to pack, and gets the blob's bytes. Nothing is signed or hidden:
the operator names the blob's digest to who takes it, over SSH, and that is compared there before anything is kept.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hmac
import json
import threading
import time
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from appliance.digest import Digest
from appliance.distribute.listener import bound, own_address
from appliance.distribute.pace import Pace
from appliance.errors import StateError, TransferFailed
from appliance.files import COPY_BYTES

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    from appliance.distribute.node import Node

PACKED = "packed"
_PATIENCE_SECONDS = 30.0
_BREATH_SECONDS = 0.1
_LONGEST_LINE = 256


@dataclass(frozen=True, slots=True)
class Offer:
    """A blob by its digest; where the host listens for takers, at most how fast it gives (bits a second, 0: no limit).

    `token` is what takers must say.
    """

    digest: Digest
    address: str
    port: int
    bandwidth: int
    token: str

    def to_json(self) -> bytes:
        """The offer as its line."""
        return json.dumps({**dataclasses.asdict(self), "digest": str(self.digest)}).encode() + b"\n"

    @classmethod
    def from_json(cls, line: bytes) -> Offer:
        """Read what `to_json` wrote; `ValueError`, `KeyError` or `TypeError` for anything else."""
        document = json.loads(line)
        texts = (str(document[name]) for name in ("address", "token"))
        address, token = texts
        digest, port, bandwidth = Digest.parse(document["digest"]), int(document["port"]), int(document["bandwidth"])
        return cls(digest, address, port, bandwidth, token)


def give(offer: Offer, node: Node, source: BinaryIO, *, say: Callable[[int, str], None]) -> None:
    """Give the blob to whoever knows the token, until `source` ends; `say` is called once it can be asked for.

    It gets the address to ask at, where the offer's is none of this host's own.

    Raises `StateError` for a blob that is not here, `TransferFailed` when the port cannot be had.
    """
    path = node.blobs / offer.digest.hex
    if not path.exists():
        raise StateError(f"the blob {offer.digest.short} is not on the host", hint="run the command again")
    try:
        listener = bound(offer.address, offer.port)
    except OSError as error:
        raise TransferFailed(f"port {offer.port}: {error.strerror or error}") from error
    pace = Pace(offer.bandwidth)

    def answer(line: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError), line:
            line.settimeout(_PATIENCE_SECONDS)
            if (packed := _asked(line, offer.token)) is not None:
                with path.open("rb") as blob:
                    for piece in _pieces(blob, packed=packed):
                        pace.wait(len(piece))
                        line.sendall(piece)

    def accept() -> None:
        while True:
            try:
                line, _ = listener.accept()
            except OSError:  # of one who came, or of too many
                time.sleep(_BREATH_SECONDS)
                continue
            threading.Thread(target=answer, args=(line,), daemon=True).start()

    threading.Thread(target=accept, name="giving", daemon=True).start()
    say(0, own_address(offer.address))
    source.read()


def _asked(line: socket.socket, token: str) -> bool | None:
    """Whether to pack; None for somebody who does not know the token."""
    with line.makefile("rb") as reader:
        said, _, form = reader.readline(_LONGEST_LINE).decode("ascii").strip().partition(" ")
    return form == PACKED if hmac.compare_digest(said, token) else None


def _pieces(blob: BinaryIO, *, packed: bool) -> Iterator[bytes]:
    pieces = iter(lambda: blob.read(COPY_BYTES), b"")
    return pack(pieces) if packed else pieces


def pack(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """As gzip (RFC 1952), quickly: a host runtime is less than half as long then. The host hashes what comes out."""
    packer = zlib.compressobj(level=1, wbits=31)
    for piece in pieces:
        if packed := packer.compress(piece):
            yield packed
    yield packer.flush()
