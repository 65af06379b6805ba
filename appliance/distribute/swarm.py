"""Blobs to many hosts by a swarm: one copy leaves the operator, in shares; hosts give each other the rest.

The operator is no peer. It gives each host pieces over the host's own connection (`shares` says which), with the
torrent that says what is right, a certificate of the run's authority, which never leaves this process's memory, and
the places of the others. Each lane that calls `Swarm.send` brings its host into the swarm, whenever it comes.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.clock import SystemClock
from appliance.distribute import torrent, words
from appliance.distribute.base import NOBODY, damaged
from appliance.distribute.conversation import PieceStream, converse
from appliance.distribute.describing import Describing
from appliance.distribute.shares import Shares, Why
from appliance.distribute.swarmtalk import SwarmTalk
from appliance.distribute.talk import GIVEN_UP_SECONDS, PING_SECONDS, Authority
from appliance.distribute.unicast import TRANSFER_SECONDS, hostside
from appliance.distribute.words import LARGE_BYTES, UNIT_BYTES, Data, End, Got, Lost, Meet, Ping, Ready, Start
from appliance.errors import TransferFailed
from appliance.transport.base import Command

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from appliance.clock import Clock
    from appliance.digest import Digest
    from appliance.distribute.base import BlobSource, Distributor, Hearing
    from appliance.distribute.talk import Way
    from appliance.distribute.torrent import Piece
    from appliance.distribute.unicast import Unicast
    from appliance.image.blobs import Blob, LayerBlob
    from appliance.transport.base import Transport

LOOK_SECONDS = 0.5
"""How long nothing may be given before it is asked again whether something should be."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a run's swarm carries: its blobs, and for the digest of each host runtime the part that it needs."""

    blobs: tuple[Blob, ...]
    parts: Mapping[Digest, LayerBlob]


class Swarm:
    """The `Distributor` for several hosts at a time; one object serves one run."""

    def __init__(
        self,
        way: Way,
        load: Load,
        *,
        unicast: Unicast,
        otherwise: Distributor,
        clock: Clock | None = None,
        silence: float = GIVEN_UP_SECONDS,
    ) -> None:
        """`otherwise` brings what is not in the swarm: the parts themselves, and to hosts whose runtime has none.

        A host whose helper says nothing for `silence` seconds fails, and nobody waits for it any longer.
        """
        self._way = way
        self._load = load
        self._unicast = unicast
        self._silence = silence
        self._otherwise = otherwise
        self._clock = clock or SystemClock()
        self._changed = threading.Condition()
        self._files = torrent.large(load.blobs)
        self._pieces = torrent.pieces(self._files, torrent.piece_bytes(blob.size for blob in self._files))
        self._shares = Shares([piece.size for piece in self._pieces])
        self._talks: dict[str, SwarmTalk] = {}
        self._authority = Authority(self._clock)
        self._description: Describing | None = None

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
        """See `Distributor.send`. A host stays in the swarm until nobody there needs anything any more."""
        part = self._load.parts.get(runtime) if runtime else None
        files = set(self._files)
        if runtime is None or part is None or not files.issuperset(b for b in blobs if b.size >= LARGE_BYTES):
            self._otherwise.send(transport, blobs, host=host, source=source, runtime=runtime, hearing=hearing)
            return
        argv = hostside(self._unicast.python(runtime), "swarm", node=self._unicast.node)
        talk = self._begin(host, blobs, part, hearing)
        try:
            converse(
                transport,
                Command(argv, timeout=TRANSFER_SECONDS, silence=self._silence),
                PieceStream(self._orders(talk, source)),
                spoken=lambda word: self._hear(talk, word, source),
            )
        finally:
            self._part(talk)
        hearing.say(talk.summary())
        talk.judge()

    def _begin(self, host: str, blobs: Sequence[Blob], part: LayerBlob, hearing: Hearing) -> SwarmTalk:
        talk = SwarmTalk(host=host, blobs=tuple(blobs), hearing=hearing, part=part)
        with self._changed:
            self._talks[host] = talk
        return talk

    def _part(self, talk: SwarmTalk) -> None:
        with self._changed:
            talk.closed = True
            if self._talks.get(talk.host) is talk:
                self._shares.leave(talk.host)
                del self._talks[talk.host]
            if not self._talks and self._description and self._description.stop():
                self._description = None
            self._end_all()
            self._changed.notify_all()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    # What a host says

    def _hear(self, talk: SwarmTalk, word: words.Report, source: BlobSource) -> None:
        sentences: list[str] = []
        with self._changed:
            now = self._clock.monotonic()
            match word:
                case Ready():
                    self._admit(talk, word, source, sentences)
                case Got():
                    self._count(talk, word, now)
                case Lost(address, why, lied):
                    self._lose(talk, address, why, sentences, lied=lied)
                case _:
                    raise TransferFailed("the helper on the host is no peer of a swarm", hint="run the command again")
            self._shares.review(now=now)
            self._end_all()
            self._changed.notify_all()
        for sentence in sentences:
            talk.hearing.say(sentence)
        if isinstance(word, Ready | Got):
            talk.hearing.progress(talk.held + talk.got.done, talk.total)

    def _admit(self, talk: SwarmTalk, ready: Ready, source: BlobSource, sentences: list[str]) -> None:
        if talk.ready:
            raise TransferFailed("the helper on the host begins twice", hint="run the command again")
        talk.ready = ready
        talk.address = self._way.address(talk.host, ready)
        talk.missing = tuple(blob for blob in talk.blobs if blob.digest.hex not in ready.has)
        talk.small.extend(blob for blob in talk.missing if blob.size < LARGE_BYTES)
        if ready.deaf:
            sentences.append(f"others cannot connect to this host: {ready.deaf}")
        if any(blob.size >= LARGE_BYTES for blob in talk.missing):
            identity = self._authority.identity(ready.request, name=torrent.NAME)
            talk.orders.append(identity)
            talk.swarms = True
            self._description = self._description or Describing(
                self._files, self._pieces, identity.authority, source=source, changed=self._wake
            )

    def _count(self, talk: SwarmTalk, got: Got, now: float) -> None:
        numbers: list[int] = []
        for first, last in got.pieces:
            before = numbers[-1] if numbers else -1
            if not (talk.ready and before < first <= last < len(self._pieces)):
                raise TransferFailed("the helper on the host has what nobody has", hint="run the command again")
            numbers.extend(range(first, last + 1))
        talk.got = got
        if got.begun and talk.host not in self._shares:
            wanted = {blob.digest.hex for blob in talk.missing}
            lacks = [piece.number for piece in self._pieces if piece.blob in wanted]
            self._shares.join(talk.host, lacks=lacks, has=(), now=now)
        if talk.host in self._shares:
            self._shares.heard(talk.host, got=numbers, came=got.came, now=now)

    def _lose(self, talk: SwarmTalk, address: str, why: str, sentences: list[str], *, lied: bool) -> None:
        known = self._way.addresses
        named = [each for each in self._talks.values() if address and address in (each.address, known.get(each.host))]
        giver = named[0] if len(named) == 1 and named[0] is not talk else None
        if giver and lied:
            if not talk.accuse(giver):  # it came again, and libtorrent tried it again
                return
            if giver.lied:
                self._shares.lied(giver.host)
        sentences.append(f"takes no more from {giver.host if giver else address}: {why}")

    def _end_all(self) -> None:
        if all(talk.got.ended for talk in self._talks.values()):
            for talk in self._talks.values():
                talk.end()

    # What a host is told

    def _orders(self, talk: SwarmTalk, source: BlobSource) -> Iterator[bytes]:
        """All that goes to one host, until it is over: orders first, then bytes."""
        blobs = tuple((blob.digest.hex, blob.size) for blob in talk.blobs)
        part = (talk.part.blob.digest.hex, talk.part.diff_id.hex)
        address = self._way.addresses.get(talk.host, "")
        yield words.line(Start(blobs, address, self._way.port, self._way.bandwidth, part=part))
        while (order := self._next(talk)) is not None:
            talk.spoke = self._clock.monotonic()
            match order:
                case End():
                    yield words.line(order)
                    return
                case words.Torrent() if self._description:
                    yield words.line(order) + self._description.encoded
                case Data():
                    data = self._bytes(talk, order, source)
                    yield words.line(order)
                    for start in range(0, len(data), UNIT_BYTES):  # the host hears something all the time
                        unit = data[start : start + UNIT_BYTES]
                        self._unicast.pace.wait(len(unit))
                        yield unit
                    talk.given += len(data)
                case _:
                    yield words.line(order)

    def _next(self, talk: SwarmTalk) -> words.Order | None:
        """The next order, when there is one; None at the end. Raises what describing the blobs raised."""
        while True:
            said = ""
            with self._changed:
                if talk.closed:
                    return None
                if talk.orders:
                    return talk.orders.popleft()
                if talk.small:
                    blob = talk.small.popleft()
                    return Data(blob.digest.hex, 0, blob.size)
                if self._describe(talk):
                    continue
                if piece := self._given(talk):
                    return Data(piece.blob, piece.offset, piece.size)
                if self._clock.monotonic() - talk.spoke >= PING_SECONDS:
                    return Ping()
                said, talk.says = talk.says, ""
                if not said:
                    self._changed.wait(LOOK_SECONDS)
            if said:
                talk.hearing.say(said)

    def _describe(self, talk: SwarmTalk) -> bool:
        """Tell a host of the swarm what is right and whom to meet, once that is known."""
        if not talk.swarms or talk.described or not (self._description and self._description.ready()):
            return False
        talk.described = True
        talk.orders.append(words.Torrent(len(self._description.encoded)))
        for other in self._talks.values():
            if other is not talk and other.described and not other.closed:
                talk.orders.extend(self._met(other))
                if not other.address:
                    other.orders.extend(self._met(talk))
        return True

    def _met(self, talk: SwarmTalk) -> Iterable[Meet]:
        return (Meet(talk.address, self._way.port),) if talk.address else ()

    def _given(self, talk: SwarmTalk) -> Piece | None:
        found = self._shares.give(talk.host, now=self._clock.monotonic())
        if found is None:
            return None
        number, why = found
        if why is Why.ALONE and not talk.alone:
            talk.alone = True
            talk.says = "takes from the operator: nothing comes from other hosts"
        return self._pieces[number]

    def _bytes(self, talk: SwarmTalk, word: Data, source: BlobSource) -> bytes:
        digest = next(blob.digest for blob in talk.missing if blob.digest.hex == word.blob)
        if word.size < LARGE_BYTES and not (self._description and word.blob in self._description.names):
            with source.open(digest) as blob:
                return blob.read(word.size)
        data = source.read(digest, word.offset, word.size)
        if not (self._description and self._description.is_right(word.blob, word.offset, data)):
            raise damaged(digest.short)
        return data
