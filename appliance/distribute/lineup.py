"""Who takes from whom: the line of peers, and what is done when one of them is slow, silent, dead or lies. Pure.

The line is in the order in which hosts were ready. A host takes a blob from the nearest one before it that has the
blob or waits for it, the first one from the operator: so one copy leaves the operator. Nobody takes from one behind
it, unless that has all of the blob, so nobody waits for himself.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

OPERATOR = ""
"""The source of a host that the operator feeds."""

SILENT_SECONDS = 5.0
STUCK_SECONDS = 4.0
WINDOW_SECONDS = 3.0
LAG_BYTES = 8 << 20
PROBE_AHEAD_SECONDS = 12.0
"""Whether another host has a better link to the operator is tried only when so much of the way is left.

What is on its way to the first host then goes to another once more: up to half a second of the operator's link.
"""

_SLOW = 0.5
_CLEARLY_WORSE = 0.67
_CHANGES_FOR_ONE = 2
_FAR_SECONDS = 10.0


@dataclass(slots=True)
class Member:
    """A host in the line. `has`: blobs that it had at its start, or since; `needs`: sizes of those that it takes.

    `address` is empty when others cannot take from it. `source` is the host that it takes from, `OPERATOR`, or None
    between two blobs. `since` is when it last got on, or was given a source. One that is `doubted` has lied, says one
    host; another, that `tries` it, shall say so, too, before it counts as one that has `lied`.
    """

    host: str
    needs: Mapping[str, int] = field(default_factory=dict)
    has: set[str] = field(default_factory=set)
    address: str = ""
    source: str | None = None
    blob: str = ""
    offset: int = 0
    done: int = 0
    ended: bool = False
    doubted: bool = False
    lied: bool = False
    tries: str = ""
    heard: float = 0.0
    since: float = 0.0
    avoids: set[str] = field(default_factory=set)
    slow_to: set[str] = field(default_factory=set)
    changes: int = 0
    fed_since: float = 0.0
    counts: deque[tuple[float, int]] = field(default_factory=deque)

    @property
    def left(self) -> int:
        """Bytes that it still needs."""
        return sum(self.needs.values()) - self.done

    def position(self, blob: str) -> int | None:
        """How much of `blob` it has, in bytes; None if it will never have it."""
        if blob in self.has:
            return self.needs.get(blob, 1 << 62)
        if blob not in self.needs:
            return None
        return self.offset if blob == self.blob else 0

    def rate(self, since: float = 0.0) -> float:
        """Bytes a second, from the time `since` or the last change of its source on; 0 when that is not known yet."""
        counts = [each for each in self.counts if each[0] >= since]
        if len(counts) < 2:  # noqa: PLR2004  (a rate has two ends)
            return 0.0
        (then, before), (now, done) = counts[0], counts[-1]
        return (done - before) / (now - then) if now > then else 0.0

    def watched(self, now: float) -> bool:
        """Whether it was watched long enough with this source for its rate to count."""
        return now - self.fed_since >= WINDOW_SECONDS


class Lineup:
    """The line, from its head on. All times are seconds of one clock that never goes back."""

    def __init__(self) -> None:
        self._line: list[Member] = []
        self._heads: dict[str, float] = {}

    def __iter__(self) -> Iterator[Member]:
        return iter(self._line)

    def join(self, member: Member, *, now: float) -> None:
        """Append a host; before those that were found slow."""
        member.heard = member.since = member.fed_since = now
        place = len(self._line)
        while place and self._line[place - 1].changes >= _CHANGES_FOR_ONE:
            place -= 1
        self._line.insert(place, member)

    def leave(self, member: Member) -> None:
        """Take a host out, however it ended."""
        self._line = [other for other in self._line if other is not member]

    def member(self, host: str) -> Member | None:
        """The host of that name, if it is in the line."""
        return next((member for member in self._line if member.host == host), None)

    def want(self, member: Member, blob: str, offset: int, *, now: float) -> str:
        """Choose from whom `member` takes `blob` from `offset` on: a host, or `OPERATOR`."""
        self.moved(member, blob=blob, offset=offset, done=member.done, now=now)
        hosts = [other.host for other in self._candidates(member, blob, now)]
        source = member.tries if member.tries in hosts else next(iter(hosts), OPERATOR)
        member.tries = ""
        if source != member.source:
            member.fed_since = now
            member.counts.clear()
        member.source, member.since = source, now
        return source

    def _candidates(self, member: Member, blob: str, now: float) -> Iterator[Member]:
        """Hosts that can give the blob: the nearest before it first, then those behind it that have all of it."""
        place = self._line.index(member)
        before = reversed(self._line[:place])
        behind = (other for other in self._line[place + 1 :] if blob in other.has)
        for other in (*before, *behind):
            usable = other.address and not other.lied and now - other.heard <= SILENT_SECONDS
            if usable and other.host not in member.avoids and other.position(blob) is not None:
                yield other

    def moved(self, member: Member, *, blob: str, offset: int, done: int, now: float) -> None:
        """Hear how far a host is."""
        member.heard = now
        if member.ended:
            return
        if blob != member.blob and member.blob in member.needs:
            member.has.add(member.blob)
        if (blob, offset) != (member.blob, member.offset):
            member.since = now
        member.blob, member.offset, member.done = blob, offset, done
        member.counts.append((now, done))
        while len(member.counts) > 200:  # noqa: PLR2004  (a hundred seconds of them)
            member.counts.popleft()

    def end(self, member: Member) -> None:
        """Hear that a host has all that it needs."""
        member.ended = True
        member.has.update(member.needs)
        member.source = None

    def lost(self, member: Member, source: str) -> None:
        """Hear that a source failed a host, which takes no more from it; from one that lied nobody does."""
        member.avoids.add(source)
        member.source = None

    def review(self, *, now: float) -> list[Member]:
        """The hosts that shall let go of their source and ask again, in the order of a line that was changed for it."""
        changes = self._try(now) or self._slow(now) or self._held(now) or self._misplaced(now) or self._probe(now)
        return _distinct([*self._without_source(now), *changes])

    def _without_source(self, now: float) -> list[Member]:
        """Those whose source is gone, silent or lied."""
        found = []
        for member in self._taking():
            source = self.member(member.source or "")
            if source is None or source.lied or now - source.heard > SILENT_SECONDS:
                found.append(self._released(member))
        return found

    def _try(self, now: float) -> list[Member]:
        """One host that shall take from one which another says has lied: the first that can, and only once."""
        for doubted in self._line:
            for member in self._line if doubted.doubted else ():
                if member.ended or member.source in (None, doubted.host) or _ahead(doubted, member) <= 0:
                    continue
                if doubted in self._candidates(member, member.blob, now):
                    doubted.doubted, member.tries = False, doubted.host
                    return [self._released(member)]
        return []

    def _taking(self) -> list[Member]:
        """Hosts that take from another host."""
        return [member for member in self._line if not member.ended and member.source]

    def _released(self, member: Member) -> Member:
        member.source = None
        return member

    def _slow(self, now: float) -> list[Member]:
        """One host that gets much less than its source has, and those whom the line's new order concerns."""
        for member in self._taking():
            source = self.member(member.source or "")
            if source and not self._left_as_it_is(member) and _lags(member, source, now, sharing=self._takers(source)):
                return self._rearranged(member, source)
        return []

    def _held(self, now: float) -> list[Member]:
        """One host that has all that a slow one before it has, while others have much more: it goes before that one."""
        for member in self._taking():
            source = self.member(member.source or "")
            if not source or not source.changes or not member.watched(now):
                continue
            others = (other for other in self._line if other not in (member, source) and other.address)
            if _ahead(source, member) <= LAG_BYTES < max((_ahead(other, member) for other in others), default=0):
                self._line.remove(member)
                self._line.insert(self._line.index(source), member)
                return [self._released(member)]
        return []

    def _misplaced(self, now: float) -> list[Member]:
        """One host that waits for a source which is far behind it, or that the operator feeds though another could."""
        for member in self._line:
            if member.ended or member.source is None or not member.watched(now):
                continue
            source = self.member(member.source)
            if source and -_ahead(source, member) > max(LAG_BYTES, _FAR_SECONDS * source.rate(now - WINDOW_SECONDS)):
                before = self._line[: self._line.index(member)]
                further = [place for place, other in enumerate(before) if _ahead(other, member) > 0]
                self._line.remove(member)
                self._line.insert(max(further, default=-1) + 1, member)
                return [self._released(member)]
            better = (_ahead(other, member) > LAG_BYTES for other in self._candidates(member, member.blob, now))
            if not source and not member.changes and any(better):
                return [self._released(member)]
        return []

    def _takers(self, source: Member) -> int:
        return sum(member.source == source.host for member in self._taking())

    def _left_as_it_is(self, member: Member) -> bool:
        """Whether it was helped as often as it may be: then it is slow itself, and last."""
        return member.changes >= _CHANGES_FOR_ONE

    def _rearranged(self, member: Member, source: Member) -> list[Member]:
        """Put the one that takes behind all others, and the other end of the link, too, if two were slow with it."""
        member.avoids.add(source.host)
        member.changes += 1
        source.slow_to.add(member.host)
        slow = [member] if len(source.slow_to) < _CHANGES_FOR_ONE else [source, member]
        concerned = [member, *(each for one in slow for each in self._move_last(one))]
        return [self._released(each) for each in _distinct(concerned)]

    def _move_last(self, member: Member) -> list[Member]:
        """Put a host behind those that are no slower than it; those who took from it, and it, ask again."""
        others = [other for other in self._line if other is not member]
        place = len(others)
        while place and others[place - 1].changes > member.changes:
            place -= 1
        self._line = [*others[:place], member, *others[place:]]
        takers = [other for other in self._taking() if other.source == member.host]
        return [*takers, *([] if member.ended or member.source is None else [member])]

    def _probe(self, now: float) -> list[Member]:
        """Try other heads, each once, where the way is long, until two are equally good: more the operator has not."""
        head = next((member for member in self._line if member.source == OPERATOR and not member.ended), None)
        if head is None or not head.watched(now) or head.host in self._heads or head.position(head.blob) is None:
            return []
        if any(_ahead(other, head) > 0 for other in self._line):  # then it is no head, but a host that others left
            return []
        rate = head.rate(now - WINDOW_SECONDS)
        if not rate or head.left / rate < PROBE_AHEAD_SECONDS:
            return []
        self._heads[head.host] = rate
        untried = [m for m in self._taking() if m.host not in self._heads and m.address and head.blob in m.needs]
        near_best = [each for each in self._heads.values() if each >= _CLEARLY_WORSE * max(self._heads.values())]
        if not untried or (rate in near_best and len(near_best) > 1):
            return []
        return [self._released(each) for each in _distinct(self._move_last(head))]


def _lags(member: Member, source: Member, now: float, *, sharing: int) -> bool:
    """Whether their link is the slow one: the source has much that does not come, or nothing comes at all."""
    ahead = _ahead(source, member)
    if ahead <= 0:
        return False
    if now - member.since > STUCK_SECONDS:
        return True
    since = max(now - WINDOW_SECONDS, member.fed_since, source.fed_since)  # what was before either took so is no sign
    if ahead <= LAG_BYTES or now - since < WINDOW_SECONDS:
        return False
    return member.rate(since) * sharing < _SLOW * source.rate()


def _ahead(source: Member, member: Member) -> int:
    """Bytes of what `member` takes that `source` has beyond it."""
    return (source.position(member.blob) or 0) - member.offset


def _distinct(members: list[Member]) -> list[Member]:
    return list({id(member): member for member in members}.values())
