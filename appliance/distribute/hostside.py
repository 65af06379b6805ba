"""What runs on a host, once, during a step: receive blobs, pass them on, unpack layers, check what stands there.

Started as ``python -m appliance.distribute.hostside [--root DIR] receive|peer|swarm|give|stand|unpack|check``. Imports
nothing but the standard library, `appliance.{errors,digest,clock,files,image.layers,image.trees}` and what of this room
needs no more: a host carries nothing else; ``swarm`` also what it finds in the part that came for it.

Standard input. ``receive``: per blob a JSON line ``{"digest", "size"}`` and its bytes, then ``{"end": true}``;
``peer`` and ``swarm``: the operator's lines of `words`, the first one a `Start`; ``give``: the line of an `Offer`, and
no end as long as it stands; ``stand``: per layer a JSON line ``{"diff_id", "size"}`` and its blob; ``unpack`` and
``check``: one JSON line ``{"cluster", "image", "layers": [{"digest", "size", "diff_id"}], "paths"}``.

Standard output, a JSON object a line: ``{"done", "detail"}`` underway (bytes), or a peer's words, then ``{"end":
true}``, or ``{"error": {"kind", "message", "hint"}}`` and status 1. It ends when its input breaks off or nobody reads
its output any more.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from appliance.digest import Digest
from appliance.distribute import words
from appliance.distribute.node import Node, Request, make_home
from appliance.distribute.partial import sweep
from appliance.distribute.standing import stand
from appliance.errors import ApplianceError, TransferFailed
from appliance.files import put_blob

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LONGEST_REQUEST = 1 << 20


def receive(source: BinaryIO, node: Node, *, say: Callable[[int, str], None]) -> None:
    """Store the blobs that come on `source`, each hashed and synced; `say` gets bytes of all, as they are written.

    Raises `TransferFailed` when the stream breaks off or brings other bytes than it names.
    """
    done = 0

    def count(size: int) -> None:
        nonlocal done
        done += size
        say(done, "")

    make_home(node)
    sweep(node.blobs, set())
    while (frame := _frame(source)) is not None:
        digest, size = frame
        put_blob(node.blobs, source, digest, size=size, progress=count)


def _frame(source: BinaryIO) -> tuple[Digest, int] | None:
    line = source.readline(4096)
    if not line.endswith(b"\n"):
        raise TransferFailed("the connection ended before all blobs had come", hint="run the command again")
    document = json.loads(line)
    return None if "end" in document else (Digest.parse(document["digest"]), int(document["size"]))


def main(arguments: Sequence[str], source: BinaryIO, out: BinaryIO) -> int:
    """Carry out one command; the exit status."""
    try:
        _carry_out(arguments, source, out)
        _write(out, {"end": True})
    except BrokenPipeError:
        return 1
    except ApplianceError as error:
        return _fail(out, error)
    except OSError as error:
        return _fail(out, ApplianceError(f"{error.filename or 'a file'}: {error.strerror or error}"))
    except (ValueError, KeyError, TypeError) as error:
        return _fail(out, TransferFailed(f"the request cannot be read: {error}"))
    return 0


def _carry_out(arguments: Sequence[str], source: BinaryIO, out: BinaryIO) -> None:
    def say(done: int, detail: str) -> None:
        _write(out, {"done": done, "detail": detail})

    match list(arguments):
        case ["--root", root, command]:
            node = Node(Path(root))
        case [command]:
            node = Node()
        case _:
            raise ValueError("usage: hostside [--root DIR] receive|peer|swarm|give|stand|unpack|check")
    match command:
        case "receive":
            receive(source, node, say=say)
        case "peer" | "swarm":
            _be_peer(command, source, node, out)
        case "stand":
            stand(source, node)
        case "give":
            _give(source, node, say)
        case "unpack" | "check":
            _work(command, Request.from_json(source.readline(LONGEST_REQUEST)), node, say)
        case _:
            raise ValueError(f"no such command: {command}")


def _work(command: str, request: Request, node: Node, say: Callable[[int, str], None]) -> None:
    from appliance.distribute.programs import check, install  # noqa: PLC0415  (archives are slow to import, too)

    if command == "unpack":
        install(request, node, say=say)
    else:
        for finding in check(request, node):
            say(0, finding)


def _be_peer(command: str, source: BinaryIO, node: Node, out: BinaryIO) -> None:
    lock = threading.Lock()

    def say(word: words.Report) -> None:
        with lock:
            out.write(words.line(word))
            out.flush()

    start = words.parse(source.readline(LONGEST_REQUEST))
    if not isinstance(start, words.Start):
        raise TypeError("the operator does not say what to have")
    if command == "peer":
        from appliance.distribute.peer import Peer  # noqa: PLC0415  (TLS is slow to import, and only this needs it)

        Peer(node, start, say=say).run(source)
    else:
        from appliance.distribute.swarmpeer import SwarmPeer  # noqa: PLC0415

        SwarmPeer(node, start, say=say).run(source)


def _give(source: BinaryIO, node: Node, say: Callable[[int, str], None]) -> None:
    from appliance.distribute.giving import Offer, give  # noqa: PLC0415  (sockets and zlib: only this needs them)

    give(Offer.from_json(source.readline(LONGEST_REQUEST)), node, source, say=say)


def _fail(out: BinaryIO, error: ApplianceError) -> int:
    _write(out, {"error": {"kind": error.kind, "message": error.message, "hint": error.hint}})
    return 1


def _write(out: BinaryIO, message: dict[str, Any]) -> None:
    out.write(json.dumps(message).encode() + b"\n")
    out.flush()


if __name__ == "__main__":
    os.umask(0o022)
    status = main(sys.argv[1:], sys.stdin.buffer, sys.stdout.buffer)
    os._exit(status)  # threads of a peer that still wait for others do not keep it, nor does its standard input
