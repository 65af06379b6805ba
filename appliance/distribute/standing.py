"""Layers that come to stand while their blobs still come: another process unpacks what is checked by now.

It is another process so that unpacking, which is work for the interpreter, holds up no byte that others wait for. What
it does not bring to its end is left to the step that unpacks, which says why, too.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, BinaryIO, cast

from appliance.digest import Digest
from appliance.distribute.node import make_home

if TYPE_CHECKING:
    from collections.abc import Mapping

    from appliance.distribute.node import Node
    from appliance.distribute.partial import Partial

_NICE = 10
_LOOK_SECONDS = 1.0
_LONGEST_LINE = 4096


class Standing:
    """A peer's layers, by the hexadecimal digests of their blobs; each with the digest of its tar, in the same form."""

    def __init__(self, node: Node, layers: Mapping[str, str]) -> None:
        self._node = node
        self._layers = {blob: name for blob, name in layers.items() if not node.layer(Digest(name)).exists()}
        self._partials: queue.SimpleQueue[Partial | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def follow(self, partial: Partial) -> None:
        """Unpack the blob as it grows, after those before it, if it is a layer that does not stand yet."""
        if partial.digest.hex not in self._layers:
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="standing", daemon=True)
            self._thread.start()
        self._partials.put(partial)

    def finish(self) -> None:
        """Return when all stand, or cannot."""
        if self._thread:
            self._partials.put(None)
            self._thread.join()

    def _work(self) -> None:
        python = sys.orig_argv[: sys.orig_argv.index("-m")]
        argv = [*python, "-m", "appliance.distribute.hostside", "--root", str(self._node.root), "stand"]
        quiet = subprocess.DEVNULL
        with (
            contextlib.suppress(OSError),  # it ended early
            subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet, cwd="/") as helper,
        ):
            while (partial := self._partials.get()) is not None:
                self._feed(partial, cast("BinaryIO", helper.stdin))

    def _feed(self, partial: Partial, out: BinaryIO) -> None:
        document = {"diff_id": self._layers[partial.digest.hex], "size": partial.size}
        out.write(json.dumps(document).encode() + b"\n")
        offset = 0
        while offset < partial.size:
            piece = partial.read(offset, seconds=_LOOK_SECONDS)
            out.write(piece)
            offset += len(piece)
        out.flush()


def stand(source: BinaryIO, node: Node) -> None:
    """Be that process: per layer a JSON line ``{"diff_id", "size"}`` and the blob, until `source` ends.

    Raises `BundleError` for a layer that is not what was named, or whose blob breaks off.
    """
    from appliance.image.layers import unpack  # noqa: PLC0415  (archives are slow to import, and peers need none)

    os.nice(_NICE)
    make_home(node)
    while line := source.readline(_LONGEST_LINE):
        document = json.loads(line)
        diff_id = Digest(document["diff_id"])
        blob = _Bounded(source, int(document["size"]))
        unpack(blob, node.layer(diff_id), diff_id=diff_id)
        while blob.read(1 << 16):
            pass


class _Bounded:
    """The next `size` bytes of a stream."""

    def __init__(self, source: BinaryIO, size: int) -> None:
        self._source = source
        self._left = size

    def read(self, size: int, /) -> bytes:
        data = self._source.read(min(size, self._left))
        self._left -= len(data)
        return data
