"""What the operator and a peer say to each other, a JSON line each, over the host's own SSH connection.

The operator's lines are `Start`, `Identity`, `Hashes`, `Take`, `Leave`, `Data` (followed by its bytes), `Ping` and
`End`; a peer's are `Ready`, `Want`, `Lost` and `Moved`. Between hosts there is one line, a `Request`, and then bytes.
In a swarm there are no `Hashes`, `Take`, `Leave`, `Want` and `Moved`, but a `Torrent` (followed by its bytes), `Meet`
and `Got`; between hosts it is BitTorrent.
"""

from __future__ import annotations

import dataclasses
import json
import typing
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from appliance.errors import TransferFailed

LARGE_BYTES = 1 << 20
"""Blobs of this size and more are worth what a swarm costs; others come from the operator."""

UNIT_BYTES = 128 << 10
"""What is checked and passed on at once, so a host is this far behind the one before it; the last may be shorter."""

LONGEST_LINE = 1 << 20


@dataclass(frozen=True, slots=True)
class Start:
    """The blobs that the host shall have, as hexadecimal digest and size in bytes; where it listens; its bandwidth.

    `address` is the one by which the operator knows the host, `bandwidth` in bits a second, 0 for no limit. `layers`
    are those blobs that will be unpacked here, each with the digest of its tar. `part` is what a swarm needs on the
    host: the digests of its blob and of its tar.
    """

    blobs: tuple[tuple[str, int], ...]
    address: str
    port: int
    bandwidth: int
    layers: tuple[tuple[str, str], ...] = ()
    part: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """The certificate that answers a peer's request, the run's authority, and the peer's name in it."""

    certificate: str
    authority: str
    name: str


@dataclass(frozen=True, slots=True)
class Hashes:
    """The SHA-256 of units of a blob, from number `first` on, in hexadecimal, one after the other."""

    blob: str
    first: int
    hashes: str


@dataclass(frozen=True, slots=True)
class Take:
    """Where a wanted blob comes from: the peer of this name and place; without a name, the operator sends it."""

    blob: str
    name: str = ""
    address: str = ""
    port: int = 0


@dataclass(frozen=True, slots=True)
class Leave:
    """Let go of where the blob comes from, and ask again."""


@dataclass(frozen=True, slots=True)
class Data:
    """`size` bytes of a blob, from `offset` on; they follow the line."""

    blob: str
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Torrent:
    """`size` bytes follow, which say what is right of all blobs in a swarm."""

    size: int


@dataclass(frozen=True, slots=True)
class Meet:
    """Another peer of the swarm, and where it listens."""

    address: str
    port: int


@dataclass(frozen=True, slots=True)
class Ping:
    """The operator is there."""


@dataclass(frozen=True, slots=True)
class End:
    """Nobody needs this peer any more."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A peer's certificate request (PEM), why it cannot listen, if so, and which of its blobs are there already.

    `address` is one of its own, where the one by which the operator knows it is none of them.
    """

    request: str
    deaf: str = ""
    has: tuple[str, ...] = ()
    address: str = ""


@dataclass(frozen=True, slots=True)
class Want:
    """A blob is wanted from an offset on: up to there it is on the host, and checked."""

    blob: str
    offset: int


@dataclass(frozen=True, slots=True)
class Lost:
    """A peer gives no more: its name, why, and whether it sent other bytes than it should."""

    name: str
    why: str
    lied: bool = False


@dataclass(frozen=True, slots=True)
class Moved:
    """How far a peer is.

    `done`: bytes of all its blobs that are checked; `blob` and `offset`: at what it is; `sent`: bytes that it gave to
    others; `twice`: bytes that came and were of no use; `ended`: whether it has all.
    """

    done: int
    blob: str = ""
    offset: int = 0
    sent: int = 0
    twice: int = 0
    ended: bool = False


@dataclass(frozen=True, slots=True)
class Got:
    """How far a peer of a swarm is.

    `done`: bytes of all its blobs that are checked; `begun`: what an earlier run left is, too; `pieces`: the first and
    last numbers of those that it got since it last said so; `came` and `sent`: bytes that came from others and went to
    them; `twice`: bytes of no use; `ended`: it has all.
    """

    done: int
    begun: bool = False
    pieces: tuple[tuple[int, int], ...] = ()
    came: int = 0
    sent: int = 0
    twice: int = 0
    ended: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """What one peer asks another: a blob from an offset on."""

    blob: str
    offset: int


Order = Start | Identity | Hashes | Take | Leave | Data | Torrent | Meet | Ping | End
Report = Ready | Want | Lost | Moved | Got

_WORDS: dict[str, type[Any]] = {kind.__name__: kind for kind in (*typing.get_args(Order | Report), Request)}


def line(word: Order | Report | Request) -> bytes:
    """The word as its line."""
    return json.dumps({"word": type(word).__name__, **dataclasses.asdict(word)}).encode() + b"\n"


def parse(text: bytes | str) -> Order | Report | Request:
    """Read what `line` wrote; `ValueError` for anything else."""
    try:
        return _restored(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"not a word between peers: {error}") from error


def address_said(text: str) -> str:
    """The IP address that a host gives as its own, or none; `TransferFailed` for anything else."""
    try:
        return str(ip_address(text)) if text else ""
    except ValueError as error:
        raise TransferFailed(
            "the helper on the host has an address that is none", hint="run the command again"
        ) from error


def report(document: dict[str, Any]) -> Report:
    """A peer's word, of a line that was read as JSON; `KeyError` or `TypeError` for anything else."""
    word = _restored(document)
    if not isinstance(word, Ready | Want | Lost | Moved | Got):
        raise TypeError(f"{type(word).__name__} is nothing that a peer says")
    return word


def _restored(document: dict[str, Any]) -> Order | Report | Request:
    fields = {name: _frozen(value) for name, value in document.items() if name != "word"}
    word: Order | Report | Request = _WORDS[document["word"]](**fields)
    for field in dataclasses.fields(word):
        kind = _KINDS.get(str(field.type))
        if kind and type(getattr(word, field.name)) is not kind:
            raise TypeError(f"{field.name} is not {field.type}")
        if kind is int and not 0 <= getattr(word, field.name) < _MOST:
            raise TypeError(f"{field.name} is no count")
    return word


_MOST = 1 << 63
_KINDS: dict[str, type[Any]] = {"str": str, "int": int, "bool": bool}


def _frozen(value: Any) -> Any:
    return tuple(_frozen(each) for each in value) if isinstance(value, list) else value
