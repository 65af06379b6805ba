"""Blobs to many hosts in a line: one copy leaves the operator, and each host passes on what it has checked.

The operator feeds the first host over its SSH connection; hosts take from each other by mutual TLS 1.3, under an
authority that is made for the run and never leaves this process's memory. Each lane that calls `Chain.send` brings
its host into the line, whenever it comes; `lineup` says who takes from whom.
"""

from __future__ import annotations

import hashlib
import itertools
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from appliance.clock import SystemClock
from appliance.distribute import words
from appliance.distribute.base import NOBODY, damaged
from appliance.distribute.conversation import PieceStream, converse
from appliance.distribute.lineup import Lineup, Member
from appliance.distribute.relay import Relay
from appliance.distribute.talk import GIVEN_UP_SECONDS, PING_SECONDS, Authority, Talk
from appliance.distribute.unicast import TRANSFER_SECONDS, Unicast, hostside
from appliance.distribute.units import HASH_BYTES, Units
from appliance.distribute.words import UNIT_BYTES, Data, End, Hashes, Leave, Ping, Start, Take
from appliance.errors import TransferFailed
from appliance.recipe.quantities import size_text
from appliance.transport.base import Command

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from appliance.clock import Clock
    from appliance.digest import Digest
    from appliance.distribute.base import BlobSource, Hearing
    from appliance.distribute.talk import Way
    from appliance.image.blobs import Blob
    from appliance.transport.base import Transport

_HASHES_A_LINE = 1024


class Chain:
    """The `Distributor` for several hosts at a time; one object serves one run."""

    def __init__(
        self,
        way: Way,
        *,
        unicast: Unicast,
        layers: Mapping[str, Mapping[str, str]] | None = None,
        clock: Clock | None = None,
        silence: float = GIVEN_UP_SECONDS,
    ) -> None:
        """`layers`: for each host the blobs that it will unpack, with the digests of their tars, all hexadecimal.

        A host whose helper says nothing for `silence` seconds fails, and nobody waits for it any longer.
        """
        self._way = way
        self._layers = layers or {}
        self._unicast = unicast
        self._silence = silence
        self._clock = clock or SystemClock()
        self._relay = Relay(way.addresses, port=way.port, bandwidth=way.bandwidth, unicast=unicast, clock=clock)
        self._changed = threading.Condition()
        self._line = Lineup()
        self._numbers = itertools.count(1)
        self._talks: dict[str, _Talk] = {}
        self._units: Units | None = None
        self._authority = Authority(self._clock)

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
        """See `Distributor.send`. A host stays in the line until nobody there needs anything any more."""
        if runtime is None:
            self._relay.send(transport, blobs, host=host, source=source, hearing=hearing)
            return
        argv = hostside(self._unicast.python(runtime), "peer", node=self._unicast.node)
        talk = self._begin(host, blobs, source, hearing)
        try:
            converse(
                transport,
                Command(argv, timeout=TRANSFER_SECONDS, silence=self._silence),
                PieceStream(self._orders(talk, source)),
                spoken=lambda word: self._hear(talk, word),
            )
        finally:
            self._part(talk)
        hearing.say(talk.summary())
        talk.judge()

    def _begin(self, host: str, blobs: Sequence[Blob], source: BlobSource, hearing: Hearing) -> _Talk:
        talk = _Talk(
            host=host,
            blobs=tuple(blobs),
            hearing=hearing,
            name=f"peer-{next(self._numbers)}.chain",
            member=Member(host),
        )
        with self._changed:
            self._units = self._units or Units(source, changed=self._wake)
            self._talks[host] = talk
        return talk

    def _part(self, talk: _Talk) -> None:
        with self._changed:
            talk.closed = True
            self._line.leave(talk.member)
            if self._talks.get(talk.host) is talk:
                del self._talks[talk.host]
            self._review()
            self._changed.notify_all()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    # What a host says

    def _hear(self, talk: _Talk, word: words.Report) -> None:
        sentences: list[str] = []
        with self._changed:
            now = self._clock.monotonic()
            match word:
                case words.Ready():
                    self._admit(talk, word, now, sentences)
                case words.Want(blob, offset):
                    self._answer(talk, blob, offset, now, sentences)
                case words.Lost(name, why, lied):
                    self._lose(talk, name, why, sentences, lied=lied)
                case words.Moved():
                    self._count(talk, word, now)
            self._review()
            self._changed.notify_all()
        for sentence in sentences:
            talk.hearing.say(sentence)
        if isinstance(word, words.Ready | words.Moved):
            talk.hearing.progress(talk.held + talk.moved.done, talk.total)

    def _admit(self, talk: _Talk, ready: words.Ready, now: float, sentences: list[str]) -> None:
        if self._line.member(talk.host):
            raise TransferFailed("the helper on the host begins twice", hint="run the command again")
        talk.has(ready.has)
        if self._units:
            self._units.add(talk.missing)
        known = self._way.addresses.get(talk.host, "")
        talk.member.address = self._way.address(talk.host, ready)
        if ready.deaf:
            sentences.append(f"others cannot take from this host: {ready.deaf}")
        elif talk.member.address != known:
            sentences.append(f"others take from this host at {talk.member.address}: {known} is not its own")
        talk.orders.append(self._authority.identity(ready.request, name=talk.name))
        self._line.join(talk.member, now=now)

    def _answer(self, talk: _Talk, blob: str, offset: int, now: float, sentences: list[str]) -> None:
        size = talk.member.needs.get(blob, -1)
        if not 0 <= offset < size or offset % UNIT_BYTES:
            raise TransferFailed("the helper on the host wants what nobody has", hint="run the command again")
        source = self._line.want(talk.member, blob, offset, now=now)
        giver = self._talks.get(source)
        if giver is None:
            talk.orders.append(Take(blob))
            talk.fed = (blob, offset)
        else:
            talk.orders.append(Take(blob, giver.name, giver.member.address, self._way.port))
        name = source or "the operator"
        if name != talk.said_source:
            talk.said_source = name
            talk.sources.append(name)
            sentences.append(f"takes from {name}")

    def _lose(self, talk: _Talk, name: str, why: str, sentences: list[str], *, lied: bool) -> None:
        giver = next((other for other in self._talks.values() if other.name == name), None)
        if giver is None:
            talk.member.source = None
            return
        if lied and giver.host in talk.sources and talk.accuse(giver):
            giver.member.doubted, giver.member.lied = not giver.lied, giver.lied
        self._line.lost(talk.member, giver.host)
        sentences.append(f"takes no more from {giver.host}: {why}")

    def _count(self, talk: _Talk, moved: words.Moved, now: float) -> None:
        talk.moved = moved
        self._line.moved(talk.member, blob=moved.blob, offset=moved.offset, done=moved.done, now=now)
        if moved.ended:
            self._line.end(talk.member)

    def _review(self) -> None:
        for member in self._line.review(now=self._clock.monotonic()):
            talk = self._talks[member.host]
            talk.fed = None
            talk.orders.append(Leave())
        if all(talk.member.ended for talk in self._talks.values()):
            for talk in self._talks.values():
                talk.end()

    # What a host is told

    def _orders(self, talk: _Talk, source: BlobSource) -> Iterator[bytes]:
        """All that goes to one host, until it is over: orders first, then hashes, then bytes if it is fed."""
        blobs = tuple((blob.digest.hex, blob.size) for blob in talk.blobs)
        address = self._way.addresses.get(talk.host, "")
        layers = tuple(self._layers.get(talk.host, {}).items())
        yield words.line(Start(blobs, address, self._way.port, self._way.bandwidth, layers))
        while (word := self._next(talk)) is not None:
            talk.spoke = self._clock.monotonic()
            if not isinstance(word, Data):
                yield words.line(word)
                if isinstance(word, End):
                    return
                continue
            data = self._unit(talk, word, source)
            self._unicast.pace.wait(len(data))
            yield words.line(word) + data
            talk.given += len(data)

    def _next(self, talk: _Talk) -> words.Order | None:
        """The next order, when there is one; None at the end."""
        with self._changed:
            while not talk.closed:
                if talk.orders:
                    return talk.orders.popleft()
                if word := self._hashes(talk) or self._data(talk):
                    return word
                if self._clock.monotonic() - talk.spoke >= PING_SECONDS:
                    return Ping()
                self._changed.wait(PING_SECONDS)
            return None

    def _hashes(self, talk: _Talk) -> Hashes | None:
        """Hashes of units that the host does not know yet."""
        for blob in talk.missing:
            told = talk.told.get(blob.digest.hex, 0)
            if told * UNIT_BYTES >= blob.size or self._units is None:
                continue
            known = self._units.known(blob.digest, told, most=_HASHES_A_LINE)
            if known:
                talk.told[blob.digest.hex] = told + len(known) // HASH_BYTES
                return Hashes(blob.digest.hex, told, known.hex())
            return None  # blobs are read in this order
        return None

    def _data(self, talk: _Talk) -> Data | None:
        """The next unit of what the host is fed, if its hash is known there."""
        if talk.fed is None:
            return None
        blob, offset = talk.fed
        size = min(UNIT_BYTES, talk.member.needs[blob] - offset)
        if talk.told.get(blob, 0) * UNIT_BYTES <= offset:
            return None
        talk.fed = (blob, offset + size) if offset + size < talk.member.needs[blob] else None
        return Data(blob, offset, size)

    def _unit(self, talk: _Talk, word: Data, source: BlobSource) -> bytes:
        digest = next(blob.digest for blob in talk.missing if blob.digest.hex == word.blob)
        data = source.read(digest, word.offset, word.size)
        known = self._units.known(digest, word.offset // UNIT_BYTES, most=1) if self._units else b""
        if hashlib.sha256(data).digest() != known:
            raise damaged(digest.short)
        return data


@dataclass(slots=True, eq=False, kw_only=True)
class _Talk(Talk):
    """One host of the line; `name` is that of its certificate."""

    name: str
    member: Member
    told: dict[str, int] = field(default_factory=dict)
    fed: tuple[str, int] | None = None
    moved: words.Moved = field(default_factory=lambda: words.Moved(0))
    said_source: str = ""
    sources: list[str] = field(default_factory=list)

    def has(self, names: Sequence[str]) -> None:
        """Learn which of its blobs the host has already, by their hexadecimal digests."""
        self.missing = tuple(blob for blob in self.blobs if blob.digest.hex not in names)
        self.member.has = {blob.digest.hex for blob in self.blobs if blob not in self.missing}
        self.member.needs = {blob.digest.hex: blob.size for blob in self.missing}

    def summary(self) -> str:
        """One sentence for people."""
        moved = self.moved
        sources = ", ".join(dict.fromkeys(self.sources)) or "nobody"
        return (
            f"got {size_text(moved.done)} from {sources} ({self.given} bytes of them from the operator),"
            f" passed on {size_text(moved.sent)}, {moved.twice} bytes came in vain"
        )
