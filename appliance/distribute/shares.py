"""Which pieces the operator gives to which host of a swarm, so that one copy of each leaves it. Pure.

A host gets pieces that nobody has yet, each of them one host, as many at a time as it takes within a second; the
others get them from it. When those are given out, a piece goes a second time where it would else be waited for: when
the host that has it is slow or gone, and to a host to which others give nothing.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from collections.abc import Set as AbstractSet

SILENT_SECONDS = 5.0
"""A host that says nothing for so long gives nothing, either."""
STUCK_SECONDS = 4.0
"""For so long a piece may be under way to one host, or stay with one, before another gets it from here, too."""
LOOK_SECONDS = 0.5
"""How often it is looked for what should go again: that takes a look at all pieces."""
_WINDOW = 4
_LARGEST_WINDOW_BYTES = 64 << 20


class Why(enum.Enum):
    """Why a host gets a piece from the operator: it is the first, others wait for it, or nothing comes from others."""

    FIRST = enum.auto()
    AGAIN = enum.auto()
    ALONE = enum.auto()


@dataclass(slots=True)
class _Host:
    """A host in the swarm: pieces that it `lacks` and `has`, and those `given` that it has not confirmed, with when.

    `window`: how many may be on their way to it; `came`: bytes from others, the last of them `at`; `next_look`: when
    it is looked again for what should go to it once more; it is `lost` while it says nothing.
    """

    lacks: set[int]
    has: set[int]
    heard: float
    at: float
    given: dict[int, float] = field(default_factory=dict)
    window: int = _WINDOW
    came: int = 0
    liar: bool = False
    next_look: float = 0.0
    lost: bool = False


class Shares:
    """The shares of all hosts; times are seconds of one clock. Pieces are numbers, `sizes` their bytes."""

    def __init__(self, sizes: Sequence[int]) -> None:
        self._sizes = sizes
        self._most = max(_WINDOW, _LARGEST_WINDOW_BYTES // max(sizes, default=1))
        self._hosts: dict[str, _Host] = {}
        self._fresh: dict[int, None] = {}
        self._since: dict[int, float] = {}

    def join(self, name: str, *, lacks: Iterable[int], has: Iterable[int], now: float) -> None:
        """A host comes, or comes again."""
        self.leave(name)
        self._hosts[name] = _Host(set(lacks), set(has), now, now)
        self._refresh(self._hosts[name].lacks)

    def leave(self, name: str) -> None:
        """A host is gone: what it alone had or was given goes to others."""
        if host := self._hosts.pop(name, None):
            self._refresh((*host.given, *host.has))

    def __contains__(self, name: str) -> bool:
        return name in self._hosts

    def lied(self, name: str) -> None:
        """What this host has does not count any more: others got wrong bytes from it."""
        if host := self._hosts.get(name):
            host.liar = True
            self._refresh(host.has)

    def heard(self, name: str, *, got: Iterable[int], came: int, now: float) -> None:
        """A host says which pieces it got since, and how many bytes came from others in all."""
        host = self._hosts[name]
        host.heard, host.lost = now, False
        if came > host.came:
            host.came, host.at = came, now
        took = []
        for number in got:
            host.lacks.discard(number)
            host.has.add(number)
            self._fresh.pop(number, None)
            self._since.setdefault(number, now)
            if number in host.given:
                took.append(now - host.given.pop(number))
        if took:
            longest = max(took)
            window = host.window + len(took) if longest <= 1.0 else int(host.window / longest)
            host.window = max(_WINDOW // 2, min(window, self._most))

    def review(self, *, now: float) -> None:
        """Give up on hosts that say nothing, until they do."""
        for host in self._hosts.values():
            if self._silent(host, now) and not host.lost:
                host.lost = True
                numbers = (*host.given, *host.has)
                host.given.clear()
                self._refresh(numbers, now=now)

    def give(self, name: str, *, now: float) -> tuple[int, Why] | None:
        """The piece that the host gets next from the operator, if it gets one now."""
        host = self._hosts.get(name)
        if host is None or len(host.given) >= host.window or not host.lacks:
            return None
        found = self._first(host) or self._once_more(host, now)
        if found:
            host.given[found[0]] = now
            self._fresh.pop(found[0], None)
        return found

    def _first(self, host: _Host) -> tuple[int, Why] | None:
        number = next((each for each in self._fresh if each in host.lacks), None)
        return None if number is None else (number, Why.FIRST)

    def _once_more(self, host: _Host, now: float) -> tuple[int, Why] | None:
        if now < host.next_look:
            return None
        found = self._again(host, now) or self._alone(host, now)
        if found is None:
            host.next_look = now + LOOK_SECONDS
        return found

    def _again(self, host: _Host, now: float) -> tuple[int, Why] | None:
        """A piece that one host is slow to take, or that stays with one."""
        for number in host.lacks:
            if number in host.given or now - self._since.get(number, -STUCK_SECONDS) <= STUCK_SECONDS:
                continue
            under_way = [other.given[number] for other in self._hosts.values() if number in other.given]
            since = max(under_way, default=self._since.get(number, now))
            if now - since > STUCK_SECONDS and len(under_way) + self._holders(number, now) <= 1:
                return number, Why.AGAIN
        return None

    def _alone(self, host: _Host, now: float) -> tuple[int, Why] | None:
        if now - host.at <= STUCK_SECONDS:
            return None
        number = min((each for each in host.lacks if each not in host.given), default=None)
        return None if number is None else (number, Why.ALONE)

    def _holders(self, number: int, now: float) -> int:
        return sum(number in host.has and self._gives(host, now) for host in self._hosts.values())

    def _gives(self, host: _Host, now: float) -> bool:
        return not host.liar and not self._silent(host, now)

    def _silent(self, host: _Host, now: float) -> bool:
        return now - host.heard > SILENT_SECONDS

    def _refresh(self, numbers: Iterable[int], *, now: float | None = None) -> None:
        """Make those pieces fresh again that some host lacks and nobody has or is given."""
        hosts = [each for each in self._hosts.values() if now is None or not self._silent(each, now)]
        there: AbstractSet[int] = {n for each in hosts for n in (*each.given, *(() if each.liar else each.has))}
        lacking: AbstractSet[int] = {n for each in hosts for n in each.lacks}
        for number in sorted(numbers):
            if number in lacking and number not in there:
                self._fresh[number] = None
                self._since.pop(number, None)
