"""What is made of what dd and a counting host say."""

from __future__ import annotations

import pytest

from appliance.inventory.measures import Measures, read
from appliance.inventory.sampling import Piece, joint_rate, rate

MIB = 1 << 20


def test_gnu_and_busybox_tell_how_long_they_wrote() -> None:
    gnu = "write 16+0 records in\nwrite 16+0 records out\nwrite 16777216 bytes (17 MB, 16 MiB) copied, 0.5 s, 34 MB/s\n"
    busybox = "write 16777216 bytes (16.0MB) copied, 0.500000 seconds, 32.0MB/s\n"
    assert read(gnu, ()) == read(busybox, ()) == Measures(writing=32 * MIB)


@pytest.mark.parametrize(
    ("seconds", "p99"), [([0.001] * 98 + [0.5, 0.9], 0.5), ([0.003, 0.002], 0.003), ([8.5e-05] * 100, 8.5e-05)]
)
def test_syncs_are_told_by_all_but_the_slowest_of_a_hundred(seconds: list[float], p99: float) -> None:
    text = "".join(f"/var/lib/etcd 2300 bytes (2.3 kB, 2.2 KiB) copied, {one} s, 1 MB/s\n" for one in seconds)
    found = read(text, ("/var/lib/etcd", "/data"))
    assert found.syncs("/var/lib/etcd") == p99
    assert found.syncs("/data") is None


@pytest.mark.parametrize(
    "text", ["", "write dd: no space left\n", "write 1 byte copied, -.e s, x\n", "write 5 copied, 0 s"]
)
def test_what_a_host_cannot_tell_is_not_measured(text: str) -> None:
    assert read(text, ("/x",)) == Measures()


def test_a_rate_is_that_of_the_best_large_piece_without_what_one_byte_takes() -> None:
    one_byte, small = Piece(1, 0.0, 0.2), Piece(100, 1.0, 1.2)
    assert rate([one_byte, small, Piece(1000, 2.0, 2.7)]) == pytest.approx(2000)
    assert rate([one_byte, small, Piece(400, 2.0, 2.3), Piece(1000, 3.0, 4.2)]) == pytest.approx(400 / 0.15)
    assert rate([one_byte]) == rate([]) == 0


def test_a_byte_that_took_as_long_as_a_piece_says_nothing_of_the_line() -> None:
    slow_byte = Piece(1, 0.0, 0.5)
    assert rate([slow_byte, Piece(1000, 1.0, 1.5)]) == pytest.approx(4000)
    assert joint_rate([(slow_byte, Piece(1000, 1.0, 1.4))]) == pytest.approx(5000)


def test_lines_carry_together_what_arrived_between_the_first_and_the_last() -> None:
    one = (Piece(1, 0.0, 0.1), Piece(500, 1.0, 1.6))
    other = (Piece(1, 0.0, 0.3), Piece(1500, 1.1, 3.1))
    assert joint_rate([one, other]) == pytest.approx(1000)
    assert joint_rate([one, other[:1]]) == joint_rate([]) == 0
