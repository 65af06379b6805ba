"""A line of hosts over links of any rate: all get all, nobody waits in a circle, slow hosts do not hold fast ones.

Time is counted, not waited for. Every end of a link is shared fairly; a host gives what it had a tenth of a second ago.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.distribute.lineup import OPERATOR, Lineup, Member

MIB = 1 << 20
TICK = 0.1
FAST = 24
LONGEST = 6000.0


@dataclass
class Transfer:
    """One blob of `size` MiB to hosts with links of so many MiB a second each way; the operator's is `FAST`."""

    links: list[float]
    size: int
    noise: float = 0.0

    def __post_init__(self) -> None:
        self.now = 0.0
        self.line = Lineup()
        self.members = [Member(str(n), {"blob": self.size * MIB}, address=str(n)) for n in range(len(self.links))]
        self.random = random.Random(1)
        for member in self.members:
            self.line.join(member, now=0.0)
        for member in self.members:
            self.line.want(member, "blob", 0, now=0.0)

    def run(self) -> list[float]:
        """When each host had all, in seconds."""
        whole, ends = self.size * MIB, [0.0] * len(self.links)
        offsets = [0.0] * len(self.links)
        for tick in range(int(LONGEST / TICK)):
            self.now = round((tick + 1) * TICK, 1)
            offsets = self.moved(offsets)
            ends = [end or (self.now if offset >= whole else 0.0) for end, offset in zip(ends, offsets, strict=True)]
            if all(ends):
                return ends
            if tick % 5 == 0:
                self.review(offsets)
        raise AssertionError(f"after {LONGEST} s there are {[int(offset / MIB) for offset in offsets]} MiB")

    def moved(self, offsets: list[float]) -> list[float]:
        after = list(offsets)
        for source in {member.source for member in self.members} - {None}:
            takers = [n for n, member in enumerate(self.members) if member.source == source]
            left, top = (
                (FAST, self.size * MIB) if source == OPERATOR else (self.links[int(source)], offsets[int(source)])
            )
            takers.sort(key=lambda n: min(self.links[n] * MIB * TICK, top - offsets[n]))
            room = left * MIB * TICK
            for place, n in enumerate(takers):
                share = max(0.0, min(self.links[n] * MIB * TICK, top - offsets[n], room / (len(takers) - place)))
                room -= share
                after[n] += share * (1 - self.noise * self.random.random())
                if self.size * MIB - after[n] < 1:
                    after[n] = self.size * MIB
        return after

    def review(self, offsets: list[float]) -> None:
        for member, offset in zip(self.members, offsets, strict=True):
            self.line.moved(member, blob="blob", offset=int(offset), done=int(offset), now=self.now)
            if offset >= self.size * MIB and not member.ended:
                self.line.end(member)
        for member in self.line.review(now=self.now):
            if not member.ended:
                self.line.want(member, "blob", int(offsets[int(member.host)]), now=self.now)


@settings(max_examples=25)
@given(
    st.lists(st.sampled_from([2.4, 5, 12, FAST, 100]), min_size=1, max_size=8),
    st.sampled_from([16, 96, 256]),
    st.sampled_from([0.0, 0.5]),
)
def test_all_hosts_get_all(links: list[float], size: int, noise: float) -> None:
    assert len(Transfer(links, size, noise).run()) == len(links)


@pytest.mark.parametrize("count", [3, 6])
@pytest.mark.parametrize("size", [96, 1024])
def test_one_slow_host_holds_no_other_wherever_it_is(count: int, size: int) -> None:
    for slow in range(count):
        ends = Transfer([2.4 if n == slow else FAST for n in range(count)], size).run()
        fast = max(end for n, end in enumerate(ends) if n != slow)
        assert fast <= size / FAST + 9, slow


@pytest.mark.parametrize("seed", range(6))
def test_several_slow_hosts_cost_the_fast_ones_seconds_each(seed: int) -> None:
    choice = random.Random(seed)
    links = [FAST, *(choice.choice([2.4, 5, FAST, FAST]) for _ in range(7))]
    ends = Transfer(links, 512, noise=0.3).run()
    slow = sum(link < FAST for link in links)
    assert max(end for end, link in zip(ends, links, strict=True) if link == FAST) <= 512 / FAST * 1.5 + 9 * slow + 3
