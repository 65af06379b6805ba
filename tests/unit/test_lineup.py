"""Who takes from whom: stories of a line of hosts, told by seconds and bytes."""

from __future__ import annotations

import pytest

from appliance.distribute.lineup import OPERATOR, Lineup, Member

BLOB, OTHER = "blob", "other"
MIB = 1 << 20
SIZE = 590 * MIB
FAST = 100  # MiB a second: so little is left that no other first host is tried


class Story:
    """Hosts that all need one blob of 590 MiB, in the order in which they are named."""

    def __init__(self, *names: str) -> None:
        self.now = 0.0
        self.line = Lineup()
        self.members = {name: Member(name, {BLOB: SIZE}, set(), address=f"of {name}") for name in names}
        for name in names:
            self.line.join(self.members[name], now=0.0)
            self.ask(name)

    def ask(self, name: str) -> str:
        member = self.members[name]
        return self.line.want(member, BLOB, member.offset, now=self.now)

    def sources(self) -> dict[str, str | None]:
        return {name: member.source for name, member in self.members.items()}

    def order(self) -> list[str]:
        return [member.host for member in self.line]

    def go_on(self, seconds: float, **rates: float) -> list[str]:
        """Let hosts report every half second; `rates` in MiB a second. Those told to ask again do; their names."""
        asked: list[str] = []
        for _ in range(int(seconds * 2)):
            self.now += 0.5
            for name, rate in rates.items():
                member = self.members[name]
                done = min(SIZE, member.offset + int(rate * MIB / 2))
                self.line.moved(member, blob=BLOB, offset=done, done=done, now=self.now)
            for member in self.line.review(now=self.now):
                asked.append(member.host)
                self.ask(member.host)
        return asked


def test_each_takes_from_the_one_before_it_and_the_first_from_the_operator() -> None:
    assert Story("a", "b", "c").sources() == {"a": OPERATOR, "b": "a", "c": "b"}


def test_a_line_that_goes_well_is_left_alone() -> None:
    story = Story("a", "b", "c")
    assert story.go_on(2.5, a=FAST, b=FAST, c=FAST) == []


@pytest.mark.parametrize("why", ["silent", "dead", "unreachable"])
def test_who_fails_is_cut_out_and_the_next_takes_from_the_one_before_it(why: str) -> None:
    story = Story("a", "b", "c")
    story.go_on(2, a=FAST, b=FAST, c=FAST)
    match why:
        case "silent":
            story.go_on(5, a=FAST, c=0)
        case "dead":
            story.line.leave(story.members["b"])
            story.go_on(1, a=FAST, c=FAST)
        case "unreachable":
            story.line.lost(story.members["c"], "b")
            story.ask("c")
    assert story.members["c"].source == "a"


def test_from_a_liar_nobody_takes_any_more() -> None:
    story = Story("a", "b", "c")
    story.members["a"].lied = True
    assert story.go_on(0.5, a=FAST, b=FAST, c=FAST) == ["b"]
    assert story.sources() == {"a": OPERATOR, "b": OPERATOR, "c": "b"}
    story.members["b"].address = ""
    assert story.ask("c") == OPERATOR


def test_who_is_said_to_lie_by_one_is_tried_by_one_other_and_only_once() -> None:
    story = Story("a", "b", "c", "d")
    story.go_on(1, a=FAST, b=FAST / 2, c=FAST / 2, d=FAST / 2)
    story.line.lost(story.members["b"], "a")
    story.members["a"].doubted = True
    assert story.ask("b") == OPERATOR
    assert story.go_on(1.5, a=FAST, b=FAST / 2, c=FAST / 2, d=FAST / 2) == ["c"]
    assert story.sources() == {"a": OPERATOR, "b": OPERATOR, "c": "a", "d": "c"}


def test_nobody_tries_one_that_has_nothing_for_it() -> None:
    """Not the one before it, which would wait for itself, nor the one that says so."""
    story = Story("a", "b", "c")
    story.go_on(1, a=FAST, b=FAST, c=FAST)
    story.line.lost(story.members["c"], "b")
    story.members["b"].doubted = True
    story.ask("c")
    assert story.go_on(1, a=FAST, b=FAST, c=FAST) == []
    assert story.sources() == {"a": OPERATOR, "b": "a", "c": "a"}


def test_a_slow_host_goes_to_the_end_and_holds_nobody() -> None:
    story = Story("a", "b", "c")
    asked = story.go_on(5, a=FAST, b=2, c=2)
    assert "b" in asked
    assert "c" in asked
    assert story.order() == ["a", "c", "b"]
    assert story.sources() == {"a": OPERATOR, "c": "a", "b": "c"}


def test_from_a_host_that_is_slow_to_two_others_neither_takes_any_more() -> None:
    story = Story("a", "b", "c", "d")
    story.go_on(5, a=FAST, b=FAST, c=2, d=2)
    assert story.order() == ["a", "b", "d", "c"]
    story.go_on(2.5, a=FAST, b=FAST, d=2, c=2)
    assert story.order() == ["a", "b", "c", "d"]
    assert "b" not in (story.members["c"].source, story.members["d"].source)


def test_a_host_that_is_slow_with_everybody_is_left_alone_in_the_end() -> None:
    story = Story("a", "b", "c")
    story.go_on(30, a=FAST, b=FAST, c=1)
    assert story.go_on(20, a=1, b=1, c=1) == []


def test_a_slow_first_host_is_found_by_trying_another() -> None:
    story = Story("a", "b", "c")
    asked = story.go_on(4, a=2, b=2, c=2)
    assert sorted(asked) == ["a", "b"]
    assert story.sources() == {"b": OPERATOR, "c": "b", "a": "c"}
    assert set(story.go_on(5, b=FAST, c=FAST, a=2)) <= {"a"}
    assert story.members["b"].source == OPERATOR


def test_first_hosts_are_tried_until_two_are_equally_good() -> None:
    """The first was slow for a while only, and the second is slow: that it is better than the first was says little."""
    story = Story("a", "b", "c", "d")
    story.go_on(4, a=1, b=1, c=1, d=1)
    assert story.members["b"].source == OPERATOR
    story.go_on(4, b=3, c=3, d=3, a=3)
    assert story.members["c"].source == OPERATOR
    story.go_on(4, c=20, d=20, a=20, b=3)
    assert story.members["d"].source == OPERATOR
    story.go_on(8, d=20, a=20, c=20, b=3)
    assert story.members["d"].source == OPERATOR


def test_a_worse_first_host_is_given_up_for_the_next() -> None:
    story = Story("a", "b", "c")
    story.go_on(4, a=20, b=20, c=20)
    story.go_on(4, b=2, c=2, a=2)
    assert story.members["c"].source == OPERATOR


def test_no_other_first_host_is_tried_when_little_is_left() -> None:
    story = Story("a", "b")
    for member in story.members.values():
        story.line.moved(member, blob=BLOB, offset=SIZE - 50 * MIB, done=SIZE - 50 * MIB, now=0.0)
    assert story.go_on(2, a=20, b=20) == []


def test_who_joins_late_is_appended_before_those_that_are_slow() -> None:
    story = Story("a", "b", "c")
    story.go_on(12, a=FAST, b=FAST, c=1)
    late = Member("late", {BLOB: SIZE}, set(), address="of late")
    story.line.join(late, now=story.now)
    story.members["late"] = late
    assert story.ask("late") == "b"


def test_a_host_that_has_a_blob_gives_it_to_those_before_it_too() -> None:
    line = Lineup()
    first = Member("first", {BLOB: SIZE}, set(), address="1")
    second = Member("second", {OTHER: 1}, {BLOB}, address="2")
    line.join(first, now=0.0)
    line.join(second, now=0.0)
    assert line.want(first, BLOB, 0, now=0.0) == "second"
    assert line.want(second, OTHER, 0, now=0.0) == OPERATOR


def test_nobody_takes_from_a_host_that_others_cannot_reach() -> None:
    story = Story("a", "b")
    story.members["a"].address = ""
    assert story.ask("b") == OPERATOR
