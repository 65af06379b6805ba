"""Blobs to a host over its own SSH connection, one copy a host."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from appliance.bundle.pyruntime.layout import host_python
from appliance.distribute.base import NOBODY
from appliance.distribute.conversation import Ack, PieceStream, converse
from appliance.distribute.giving import pack
from appliance.distribute.node import Node
from appliance.distribute.pace import Pace
from appliance.errors import TransferFailed
from appliance.files import COPY_BYTES
from appliance.transport.base import Command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from appliance.digest import Digest
    from appliance.distribute.base import BlobSource, Hearing
    from appliance.image.blobs import Blob
    from appliance.transport.base import Transport

TRANSFER_SECONDS = 24 * 3600.0

MISSING = """
command -v gzip >/dev/null 2>&1 && echo gzip
cd "$1" 2>/dev/null || { cat; exit 0; }
while read -r hex size; do
    [ -f "$hex" ] && [ "$(wc -c <"$hex")" -eq "$size" ] || echo "$hex $size"
done
"""

RECEIVE = """
set -eu
folder=$1 hex=$2 size=$3 packed=$4
umask 077
mkdir -p "$folder"
cd "$folder"
rm -f ."$hex".*.part
part=.$hex.$$.part
trap 'rm -f "$part"' EXIT
trap 'exit 129' HUP INT TERM
if [ "$packed" ]; then gzip -dc 2>/dev/null; else cat; fi | head -c "$((size + 1))" >"$part" || :
[ "$(wc -c <"$part")" -eq "$size" ] || { echo "$(wc -c <"$part") bytes arrived, not $size" >&2; exit 65; }
sum=$(sha256sum <"$part" || openssl dgst -sha256 -r <"$part")
[ "${sum%% *}" = "$hex" ] || { echo "other bytes arrived than were named" >&2; exit 65; }
chmod 0444 "$part"
sync "$part" 2>/dev/null || sync
mv -f "$part" "$hex"
sync . 2>/dev/null || sync
"""


def python_on(node: Node) -> Callable[[Digest], tuple[str, ...]]:
    """How the Python of a runtime digest is started on a host laid out as `node`."""
    return lambda runtime: host_python(str(node.runtime(runtime)))


@dataclass(frozen=True, slots=True)
class Unicast:
    """The `Distributor` that needs nothing but the connection. `python` starts a host's Python; `pace` is shared."""

    node: Node = field(default_factory=Node)
    python: Callable[[Digest], tuple[str, ...]] = field(default_factory=lambda: python_on(Node()))
    pace: Pace = field(default_factory=lambda: Pace(0))

    def send(
        self,
        transport: Transport,
        blobs: Sequence[Blob],
        *,
        host: str,
        source: BlobSource,
        runtime: Digest | None,
        hearing: Hearing = NOBODY,
    ) -> None:
        """See `Distributor.send`. The host says first what it has, and only its own words count as progress."""
        progress = hearing.progress
        total = sum(blob.size for blob in blobs)
        missing, unpacks = self.asked(transport, blobs)
        held = total - sum(blob.size for blob in missing)
        progress(held, total)
        if not missing:
            return
        if runtime is None:
            for blob in missing:
                pieces = pieces_of(blob, source)
                self.send_plainly(transport, blob, pack(pieces) if unpacks else pieces, packed=unpacks)
                held += blob.size
                progress(held, total)
            return
        argv = hostside(self.python(runtime), "receive", node=self.node)
        stream = PieceStream(self._frames(missing, source))

        def heard(ack: Ack) -> None:
            progress(held + ack.done, total)

        converse(transport, Command(argv, timeout=TRANSFER_SECONDS), stream, heard=heard)

    def missing(self, transport: Transport, blobs: Sequence[Blob]) -> tuple[Blob, ...]:
        """Those of `blobs` that are not on the host in full size, in order."""
        return self.asked(transport, blobs)[0]

    def asked(self, transport: Transport, blobs: Sequence[Blob]) -> tuple[tuple[Blob, ...], bool]:
        """What is missing, and whether the host can unpack gzip."""
        asked = "".join(f"{blob.digest.hex} {blob.size}\n" for blob in blobs)
        result = transport.run(Command.shell(MISSING, str(self.node.blobs)), stdin=asked.encode())
        if not result.ok:
            raise TransferFailed(f"the host cannot say which blobs it has: {result.stderr.strip()}")
        absent = {line.split(" ")[0] for line in result.stdout.splitlines()}
        return tuple(blob for blob in blobs if blob.digest.hex in absent), "gzip" in absent

    def send_plainly(self, transport: Transport, blob: Blob, pieces: Iterable[bytes], *, packed: bool) -> None:
        """Send a blob, of which `pieces` are the bytes, or gzip of them when it is `packed`, to a shell.

        Raises `TransferFailed` when the host has not what was named then.
        """
        asked = (str(self.node.blobs), blob.digest.hex, str(blob.size), "packed" if packed else "")
        command = Command.shell(RECEIVE, *asked, timeout=TRANSFER_SECONDS)
        stream = PieceStream(self._paced(pieces))
        result = transport.run(command, stdin=stream)  # type: ignore[arg-type]
        if not result.ok:
            raise TransferFailed(
                f"the blob {blob.digest.short} did not arrive: {result.stderr.strip() or result.status}",
                hint="run the command again: what arrived is kept",
            )

    def _frames(self, blobs: Sequence[Blob], source: BlobSource) -> Iterator[bytes]:
        for blob in blobs:
            yield json.dumps({"digest": str(blob.digest), "size": blob.size}).encode() + b"\n"
            yield from self._paced(pieces_of(blob, source))
        yield b'{"end":true}\n'

    def _paced(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self.pace.wait(len(piece))
            yield piece


def pieces_of(blob: Blob, source: BlobSource) -> Iterator[bytes]:
    """The bytes of a blob, checked while they are read. Raises what `source` raises."""
    with source.open(blob.digest) as opened:
        while piece := opened.read(COPY_BYTES):
            yield piece


def hostside(python: tuple[str, ...], command: str, *, node: Node) -> tuple[str, ...]:
    """The arguments that start `hostside` on a host."""
    return (*python, "-m", "appliance.distribute.hostside", "--root", str(node.root), command)
