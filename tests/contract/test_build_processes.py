"""Builds as processes: several at once on one store, one that is killed at any moment, and prune meanwhile."""

from __future__ import annotations

import functools
import os
import signal
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from support.building import NAME, Bench

from appliance.errors import StateError
from appliance.events import Event
from appliance.image.reference import Reference
from appliance.operations import images
from appliance.operations.build import BuildRequest, build_image, list_images

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RECIPE = (
    "FROM scratch AS tools\nCOPY a a\nRUN echo one; echo two; cat a > b\n"
    "FROM scratch\nCOPY --from=tools b b\nCOPY big big\nRUN echo three; rm b; touch c\nLABEL last=1\n"
)
EVENTS = 30


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    bench.write("a", "1")
    bench.write("big", b"0123456789abcdef" * (3 << 16))
    return bench


def start(work: Callable[[], object]) -> int:
    """Begin `work` in a process of its own."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    return child


def ended(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


class Doomed(list[Event]):
    """Events up to a number; there the process is killed, as by the kernel when memory is short."""

    def __init__(self, until: int) -> None:
        self._until = until

    def append(self, event: Event) -> None:
        super().append(event)
        if len(self) == self._until:
            os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("until", range(2, EVENTS, 5))
def test_a_build_killed_at_any_moment_leaves_nothing_half(bench: Bench, until: int) -> None:
    def work() -> None:
        bench.events = Doomed(until)
        bench.build(RECIPE)

    assert ended(start(work)) == -signal.SIGKILL
    left = list_images(bench.store.root)  # none, or the whole: its packages are read once it has its name
    for blob in (bench.store.root / "blobs/sha256").glob("*"):
        assert len(blob.name) == 64
    report = bench.build(RECIPE)
    assert {image.digest for image in left} <= {report.digest}
    assert bench.store.verify() == ()
    assert list((bench.root / "cache/work").glob("build-*")) == []
    images.prune(bench.store.root, now=True)
    assert list((bench.store.root / "ingest").glob("*")) == []
    assert bench.build(RECIPE, use_cache=False).digest == report.digest


def test_all_moments_are_tried(bench: Bench) -> None:
    bench.build(RECIPE)
    assert len(bench.events) == EVENTS


def test_processes_that_build_at_once_share_a_store(bench: Bench) -> None:
    bench.write("Kubefile", RECIPE)

    def work(number: int) -> None:
        reference = Reference.parse(f"app:{number}")
        build_image(BuildRequest(bench.context, reference, bench.store.root, bench.root / "cache"))

    children = [start(functools.partial(work, number)) for number in range(3)]
    assert [ended(child) for child in children] == [0, 0, 0]
    named = list_images(bench.store.root)
    assert len(named) == 3
    assert len({image.digest for image in named}) == 1
    assert bench.store.verify() == ()
    assert list((bench.root / "cache/work").glob("build-*")) == []


def test_prune_during_a_build_takes_nothing_from_it(bench: Bench) -> None:
    refused: list[StateError] = []

    class Pruning(list[Event]):
        def append(self, event: Event) -> None:
            super().append(event)
            images.prune(bench.store.root)
            try:
                images.prune(bench.store.root, now=True)
            except StateError as error:
                refused.append(error)

    bench.events = Pruning()
    bench.build(RECIPE)
    assert len(refused) == len(bench.events)
    assert "a build is using" in refused[0].message
    assert "without --now" in refused[0].hint
    assert bench.store.verify() == ()
    assert images.prune(bench.store.root, now=True).blobs > 0
    assert bench.store.verify() == ()
    assert bench.store.resolve(NAME)


def test_prune_of_a_store_that_is_not_there_makes_none(tmp_path: Path) -> None:
    assert images.prune(tmp_path / "none", now=True).blobs == 0
    assert not (tmp_path / "none").is_file()


def test_prune_leaves_what_is_named_however_old_it_is(bench: Bench) -> None:
    bench.build(RECIPE)
    bench.store.prune(before=datetime(2999, 1, 1, tzinfo=UTC))
    assert bench.store.verify() == ()
    assert "c" in bench.tree()
