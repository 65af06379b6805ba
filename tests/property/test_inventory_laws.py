"""Whatever a host says: facts or a `ValueError`, never anything else."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.inventory.facts import NodeStamp, Receipt, parse_facts, stamp_from_text, stamp_to_text

AT = datetime(2026, 1, 31, tzinfo=UTC)
TEXT = st.characters(exclude_categories=["Cs"])
NAMES = [
    *("date", "uid", "hostname", "machine-id", "uname", "os", "cpus", "nproc", "memory", "tcp", "inet", "inet6"),
    *("systemd", "commands", "disk", "device", "space", "df", "lease", "stamp"),
]
LINES = st.lists(st.text(alphabet=TEXT | st.sampled_from(" 0123.:|-/=\"'\\%")))
SECTIONS = st.lists(st.tuples(st.sampled_from(NAMES), LINES))
WORD = st.text(alphabet=TEXT, max_size=20)
TEXTS = st.lists(st.text(alphabet=TEXT, max_size=20), max_size=4).map(tuple)
RECEIPTS = st.builds(Receipt, TEXTS, TEXTS, TEXTS)
STAMPS = st.builds(NodeStamp, WORD, WORD, WORD, TEXTS, WORD, WORD, st.integers(0, 2**53 - 1), WORD, RECEIPTS)


@given(SECTIONS)
def test_any_answer_that_is_whole_is_facts(sections: list[tuple[str, list[str]]]) -> None:
    text = "".join(
        f"@{name}\n" + "".join(f" {line.replace(chr(10), '')}\n" for line in lines) for name, lines in sections
    )
    facts = parse_facts(text + "@end\n", at=AT)
    assert facts.memory >= 0
    assert all(0 <= port < 65536 for port in facts.listening_ports)


@given(st.text())
def test_any_text_that_is_not_whole_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match="breaks off"):
        parse_facts(text + "@", at=AT)


@given(STAMPS)
def test_stamps_survive_the_way_to_a_host_and_back(stamp: NodeStamp) -> None:
    assert stamp_from_text(stamp_to_text(stamp)) == stamp
