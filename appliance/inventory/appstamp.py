"""The stamp of an application that was added to a cluster: what it is, and how it is taken away again.

It lies as ``app.json`` in the application's folder on the host where it was launched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from appliance import canonical
from appliance.digest import Digest
from appliance.transport.base import Command

if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDER = "apps"
FILE = "app.json"
FORMAT = 1
STAMP_BYTES = 1 << 16
_ASK = """
cd "$1" 2>/dev/null || exit 0
for stamp in */"$2"; do [ ! -f "$stamp" ] || { head -c "$3" "$stamp"; echo; }; done
"""


@dataclass(frozen=True, slots=True)
class AppStamp:
    """An application on a cluster: its bundle's name, version, epoch and image digest.

    `launches` are the names under which its workloads are listed; `undo` are shell lines that take it away, in order,
    with its working copy as working directory.
    """

    name: str
    version: str
    epoch: int
    image: str
    launches: tuple[str, ...] = ()
    undo: tuple[str, ...] = ()


def question(clusters_folder: str) -> Command:
    """The command whose output `parse` reads: all stamps in the folder of a cluster on a host."""
    return Command.shell(_ASK, f"{clusters_folder}/{FOLDER}", FILE, str(STAMP_BYTES), timeout=30.0)


def parse(output: str) -> tuple[AppStamp, ...]:
    """The stamps that a host told of, by name; what is no stamp is passed over."""
    found = []
    for line in output.splitlines():
        try:
            found.append(from_text(line))
        except ValueError:
            continue
    return tuple(sorted(found, key=lambda stamp: stamp.name))


def to_text(stamp: AppStamp) -> str:
    """The content of ``app.json``: canonical JSON, in one line. `ValueError` if it is larger than `STAMP_BYTES`."""
    document = {
        "format": FORMAT,
        "name": stamp.name,
        "version": stamp.version,
        "epoch": stamp.epoch,
        "image": stamp.image,
        "launches": list(stamp.launches),
        "undo": list(stamp.undo),
    }
    data = canonical.dumps(document)
    if len(data) > STAMP_BYTES:
        raise ValueError(f"a stamp of {len(data)} bytes, where at most {STAMP_BYTES} are allowed")
    return data.decode()


def from_text(text: str) -> AppStamp:
    """Read what `to_text` wrote; `ValueError` for anything else."""
    try:
        document = canonical.loads(text.encode(), limit=STAMP_BYTES)
        if document["format"] != FORMAT:
            raise ValueError(f"format {document['format']!r} is not known here, only {FORMAT}")
        return AppStamp(
            name=_text(document["name"]),
            version=_text(document["version"]),
            epoch=int(document["epoch"]),
            image=str(Digest.parse(_text(document["image"]))),
            launches=_texts(document["launches"]),
            undo=_texts(document["undo"]),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not the stamp of an application: {error}") from error


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a text")
    return value


def _texts(values: Sequence[Any]) -> tuple[str, ...]:
    return tuple(map(_text, values))
