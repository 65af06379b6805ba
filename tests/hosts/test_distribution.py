"""Blobs to real hosts over shaped links, by each way: the right bytes on all healthy hosts, and the others are named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.lab import MakeLab, lab_of
from support.sending import BLOBS, Sending

from appliance.events import Outcome
from appliance.lab import host as hosts
from appliance.lab.spec import HostSpec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from appliance.image.blobs import Blob

pytestmark = pytest.mark.hosts

NAMES = ("one", "two", "three")
RATE = 200_000_000
METHODS = pytest.mark.parametrize("method", ["unicast", "chain"])
SMALL, LARGE = 300_001, 24 << 20


@pytest.fixture(scope="module")
def sending(swept: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sending]:
    with lab_of(*(HostSpec(name, bandwidth=RATE) for name in NAMES)) as lab:
        yield Sending(lab, tmp_path_factory.mktemp("operator"))


@pytest.fixture
def fresh(sending: Sending) -> Sending:
    for name in NAMES:
        hosts.run_inside(sending.lab.host(name), ["find", BLOBS, "-type", "f", "-size", "-24M", "-delete"])
    return sending


def hexes(*blobs: Blob) -> set[str]:
    return {blob.digest.hex for blob in blobs}


@METHODS
def test_all_hosts_get_the_right_bytes_and_nothing_is_left_running(fresh: Sending, method: str) -> None:
    blobs = (fresh.blob(SMALL), fresh.blob(LARGE))
    ended = fresh.ending(fresh.start(method, blobs))
    assert (ended.outcome, ended.failed) == (Outcome.OK, ())
    for name in NAMES:
        assert hexes(*blobs) <= fresh.stored(name), name
        assert fresh.helpers(name) == "", name
