"""Files of a host, written and read by constant scripts over any transport's `run`.

A connection that breaks ends the script's input like a whole file does; so the script is told how many bytes there are,
and leaves what stood there when fewer came.
"""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING, BinaryIO

from appliance.errors import TransferFailed
from appliance.files import copy
from appliance.transport.base import Command

if TYPE_CHECKING:
    from appliance.transport.base import Transport

_TIMEOUT = 24 * 3600.0
_SPOOL_BYTES = 1 << 20

_PUT = """
set -eu
path=$1 mode=$2 owner=$3 size=$4
folder=${path%/*}
[ -n "$folder" ] || folder=/
[ ! -d "$path" ] || { echo "it is a folder" >&2; exit 1; }
(umask 022; mkdir -p "$folder")
part=$(mktemp "$folder/.appliance.XXXXXX")
trap 'rm -f "$part"' EXIT
trap 'exit 1' HUP INT PIPE TERM
cat >"$part"
came=$(wc -c <"$part")
[ "$came" -eq "$size" ] || { echo "only $((came)) of $size bytes came" >&2; exit 1; }
chown "$owner" "$part"
chmod "$mode" "$part"
sync "$part" 2>/dev/null || sync
mv -f "$part" "$path"
sync "$folder" 2>/dev/null || sync
trap - EXIT
"""

_GET = """
[ -f "$1" ] || { echo "no such file" >&2; exit 1; }
exec head -c "$2" <"$1"
"""


def put_file(transport: Transport, source: bytes | BinaryIO, path: str, *, mode: int, owner: str, where: str) -> None:
    """Carry out `Transport.put` with `transport.run`."""
    _check_path(path, where=where)
    if not isinstance(source, bytes) and not source.seekable():
        with tempfile.SpooledTemporaryFile(_SPOOL_BYTES) as spool:
            copy(source, spool)  # type: ignore[arg-type]  # it writes and reads bytes
            spool.seek(0)
            put_file(transport, spool, path, mode=mode, owner=owner, where=where)  # type: ignore[arg-type]  # as above
        return
    command = Command.shell(_PUT, path, f"{mode:04o}", owner, str(_size(source)), timeout=_TIMEOUT)
    result = transport.run(command, stdin=source)
    if not result.ok:
        raise TransferFailed(f"cannot write {path}: {_last_line(result.stderr)}", where=where)


def _size(source: bytes | BinaryIO) -> int:
    if isinstance(source, bytes):
        return len(source)
    here = source.tell()
    end = source.seek(0, os.SEEK_END)
    source.seek(here)
    return end - here


def get_file(transport: Transport, path: str, *, limit: int, where: str) -> bytes:
    """Carry out `Transport.get` with `transport.run`."""
    _check_path(path, where=where)
    came = bytearray()
    result = transport.run(Command.shell(_GET, path, str(limit + 1)), output=came.extend)
    if not result.ok:
        raise TransferFailed(f"cannot read {path}: {_last_line(result.stderr)}", where=where)
    if len(came) > limit:
        raise TransferFailed(f"{path} is larger than the {limit} bytes allowed for it", where=where)
    return bytes(came)


def _check_path(path: str, *, where: str) -> None:
    if not path.startswith("/") or path.endswith("/") or "\0" in path:
        raise TransferFailed(f"not an absolute path of a file: {path[:200]!r}", where=where)


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1].strip()[:300] if lines else "the host does not say why"
