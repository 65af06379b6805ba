"""Looking at many hosts: each is asked once for everything, and few threads do it for all."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import pytest
from support.rooms import Break, rooms

from appliance.clock import SystemClock
from appliance.inventory.facts import facts_command
from appliance.inventory.hosts import Host
from appliance.operations.survey import AT_ONCE, survey
from appliance.transport.base import Command, CommandResult, Endpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RECORDED = (Path(__file__).parents[1] / "data/facts/debian-12.txt").read_text()
MANY = 500


@pytest.mark.skipif(os.geteuid() != 0, reason="it is about root's programs and files")
def test_a_host_tells_all_its_facts_in_one_round_trip(tmp_path: Path) -> None:
    asked = Break()
    hosts = tuple(Host(name, Endpoint(name, 22, "root"), ("node",)) for name in ("one", "two"))
    with survey(hosts, rooms(tmp_path, before=asked), clock=SystemClock()) as found:
        assert [each.name for each in found.hosts] == ["one", "two"]
        assert all(each.facts.root and each.facts.machine_id and each.facts.memory for each in found.hosts)
    assert asked.commands == [facts_command()] * 2


class Counted:
    """A simulated host that notes how many threads there are while it is asked."""

    def __init__(self, note: Callable[[], None]) -> None:
        self._note = note

    def run(
        self, command: Command, *, stdin: bytes | BinaryIO = b"", output: Callable[[bytes], None] | None = None
    ) -> CommandResult:
        self._note()
        return CommandResult(0, RECORDED, "")

    def put(self, source: bytes | BinaryIO, path: str, *, mode: int = 0o600, owner: str = "root:root") -> None:
        raise AssertionError("nothing is written")

    def get(self, path: str, *, limit: int) -> bytes:
        raise AssertionError("nothing is read")


def test_many_hosts_are_asked_by_few_threads() -> None:
    before, most = threading.active_count(), [0]

    def note() -> None:
        most[0] = max(most[0], threading.active_count())

    @contextlib.contextmanager
    def connect(_: Endpoint) -> Iterator[Counted]:
        yield Counted(note)

    hosts = tuple(Host(f"host-{n}", Endpoint(f"10.0.{n >> 8}.{n & 255}", 22, "root"), ("node",)) for n in range(MANY))
    with survey(hosts, connect, clock=SystemClock()) as found:
        assert len(found.hosts) == MANY
    assert before < most[0] <= before + AT_ONCE
