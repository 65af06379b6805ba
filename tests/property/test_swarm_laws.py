"""The operator's shares in swarms of any hosts: one copy where nothing goes wrong, and all get all where it does.

Time is counted, not waited for. A host takes from the operator and from others, each piece within its own time.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.distribute.shares import SILENT_SECONDS, STUCK_SECONDS, Shares

TICK = 0.1
PIECE = 1 << 18
LONGEST = 2000.0
OPERATOR = 8
"""Pieces that leave the operator in a tick."""


@dataclass
class Host:
    """A host that takes and gives so many pieces in a tick; the first tick it is there, and the one it is dead from."""

    rate: int
    comes: int = 0
    dies: int = 1 << 30
    silent: range = range(0)
    alone: bool = False
    has: set[int] = field(default_factory=set)
    mail: list[int] = field(default_factory=list)
    came: int = 0


@dataclass
class Swarm:
    """`count` pieces, wanted by all hosts."""

    hosts: list[Host]
    count: int

    def __post_init__(self) -> None:
        self.shares = Shares([PIECE] * self.count)
        self.random = random.Random(1)
        self.sent = 0

    def run(self) -> float:
        """When all that live have all, in seconds."""
        for tick in range(int(LONGEST / TICK)):
            now = tick * TICK
            self.come_and_go(tick, now)
            self.give(now)
            before = [set(host.has) for host in self.hosts]
            for number, host in enumerate(self.hosts):
                if host.comes <= tick < host.dies and tick not in host.silent:
                    self.take(host, number, before, tick)
                    got = host.has - before[number]
                    self.shares.heard(str(number), got=got, came=host.came, now=now)
            self.shares.review(now=now)
            if all(len(host.has) == self.count for host in self.hosts if tick < host.dies):
                return now
        raise AssertionError([len(host.has) for host in self.hosts])

    def come_and_go(self, tick: int, now: float) -> None:
        for number, host in enumerate(self.hosts):
            if tick == host.comes:
                self.shares.join(str(number), lacks=range(self.count), has=(), now=now)
            if tick == host.dies + int(SILENT_SECONDS / TICK) * 2:
                self.shares.leave(str(number))

    def give(self, now: float) -> None:
        for _ in range(OPERATOR):
            for number in self.random.sample(range(len(self.hosts)), len(self.hosts)):
                if gift := self.shares.give(str(number), now=now):
                    self.hosts[number].mail.append(gift[0])
                    self.sent += 1
                    break

    def take(self, host: Host, number: int, before: list[set[int]], tick: int) -> None:
        for _ in range(host.rate):
            if host.mail:
                host.has.add(host.mail.pop(0))
        if host.alone:
            return
        for other_number, other in enumerate(self.hosts):
            lives = other.comes <= tick < other.dies and tick not in other.silent and not other.alone
            if lives and other_number != number:
                new = sorted(before[other_number] - host.has)[: other.rate]
                host.has.update(new)
                host.came += len(new) * PIECE


RATES = st.lists(st.integers(1, 8), min_size=1, max_size=12)


@given(RATES, st.integers(1, 200), st.integers(0, 40))
@settings(max_examples=25)
def test_where_nothing_goes_wrong_one_copy_leaves_the_operator(rates: list[int], count: int, late: int) -> None:
    swarm = Swarm([Host(rate, comes=late * (n % 3)) for n, rate in enumerate(rates)], count)
    swarm.run()
    assert swarm.sent == count


@given(RATES.filter(lambda rates: len(rates) > 1), st.integers(1, 200), st.data())
@settings(max_examples=25)
def test_all_that_live_get_all_whoever_dies_or_falls_silent(rates: list[int], count: int, data: st.DataObject) -> None:
    hosts = [Host(rate, comes=data.draw(st.integers(0, 20))) for rate in rates]
    for host in hosts[1:]:
        match data.draw(st.sampled_from(["dies", "silent", "alone", "well"])):
            case "dies":
                host.dies = data.draw(st.integers(0, 200))
            case "silent":
                start = data.draw(st.integers(0, 200))
                host.silent = range(start, start + data.draw(st.integers(1, 200)))
            case "alone":
                host.alone = True
            case _:
                pass
    Swarm(hosts, count).run()


def test_a_host_that_nobody_reaches_gets_all_from_the_operator_and_waits_no_longer_than_it_must() -> None:
    swarm = Swarm([Host(4), Host(4), Host(4, alone=True)], 100)
    took = swarm.run()
    assert swarm.sent <= 200
    assert took < 100 / OPERATOR * TICK * 2 + STUCK_SECONDS + 5


def test_what_a_liar_has_goes_to_others_again() -> None:
    shares = Shares([PIECE] * 3)
    for name in ("one", "two"):
        shares.join(name, lacks=range(3), has=(), now=0.0)
    given_ = [shares.give("one", now=0.0) for _ in range(3)]
    shares.heard("one", got=range(3), came=0, now=0.1)
    assert shares.give("two", now=0.1) is None
    shares.lied("one")
    assert [shares.give("two", now=0.2) for _ in range(3)] == given_
