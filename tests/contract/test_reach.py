"""Whether hosts reach each other, asked of rooms on loopback: each its own address, bash and real ports."""

from __future__ import annotations

import os
import socket
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from support import sites
from support.peers import free_port
from support.rooms import Room, busybox_path

from appliance.inventory.facts import Receipt
from appliance.inventory.preflight import CheckResult, Verdict
from appliance.operations.reach import reach
from appliance.operations.survey import Survey
from appliance.recipe.clusterfile import Distribution

if TYPE_CHECKING:
    from pathlib import Path

    from appliance.plan.runtime import SiteHost

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="it is about root's programs and files")

ADDRESSES = {"one": "127.0.0.2", "two": "127.0.0.3", "three": "127.0.0.4"}
NOWHERE = "255.255.255.255"
"""No connection can be made to everybody: the kernel says at once that there is no way."""


def site_hosts(**addresses: str) -> tuple[SiteHost, ...]:
    return tuple(sites.host(name, "member", address=address) for name, address in addresses.items())


def results(
    folder: Path, hosts: tuple[SiteHost, ...], port: int, *, method: str = "auto", path: str = ""
) -> dict[str, CheckResult]:
    lines = {host.name: Room(folder / host.name, path).transport() for host in hosts}
    found = Survey(datetime.now(UTC), hosts, (), lines)
    return {each.host: each for each in reach(found, Distribution(method, 0, port), image=str(sites.IMAGE))}


def test_hosts_that_reach_each_other_on_a_free_port_are_fit(tmp_path: Path) -> None:
    port = free_port(*ADDRESSES.values())
    found = results(tmp_path, site_hosts(**ADDRESSES), port)
    assert {(each.host, each.verdict, each.detail) for each in found.values()} == {
        (name, Verdict.PASS, f"reaches 2 others on port {port}") for name in ADDRESSES
    }


def test_a_port_on_which_another_program_listens_is_said_by_all_others(tmp_path: Path) -> None:
    port = free_port(*ADDRESSES.values())
    with socket.create_server((ADDRESSES["two"], port)):
        found = results(tmp_path, site_hosts(**ADDRESSES), port)
    said = f"another program listens on port {port} of two"
    assert [(found[name].verdict, found[name].detail) for name in ("one", "three")] == [(Verdict.WARN, said)] * 2
    assert "another port as distribution.port" in found["one"].hint
    assert found["two"].verdict is Verdict.PASS


def test_a_host_that_another_cannot_reach_is_named_with_what_to_do(tmp_path: Path) -> None:
    port = free_port(*ADDRESSES.values())
    found = results(tmp_path, site_hosts(**{**ADDRESSES, "three": NOWHERE}), port)
    assert [(found[name].verdict, found[name].detail) for name in ("one", "two")] == [
        (Verdict.WARN, f"does not reach three on port {port}")
    ] * 2
    assert f"open TCP port {port}" in found["one"].hint
    assert found["three"].verdict is Verdict.PASS


def test_a_host_that_the_operator_knows_by_another_address_is_knocked_at_by_its_own(tmp_path: Path) -> None:
    one, two, three = site_hosts(**{**ADDRESSES, "three": NOWHERE})
    port = free_port(*ADDRESSES.values())
    known = replace(three, facts=replace(three.facts, addresses=(ADDRESSES["three"], "fd00::3")))
    found = results(tmp_path / "one", (one, two, known), port)
    assert [each.detail for each in found.values()] == [f"reaches 2 others on port {port}"] * 3
    several = replace(three, facts=replace(three.facts, addresses=(ADDRESSES["three"], "127.0.0.5")))
    found = results(tmp_path / "several", (one, two, several), port)
    assert found["one"].detail == f"does not reach three on port {port}"


def test_where_nobody_passes_on_nobody_is_asked(tmp_path: Path) -> None:
    one, two, three = site_hosts(**ADDRESSES)
    port = free_port(*ADDRESSES.values())
    assert results(tmp_path, (one, two, three), port, method="unicast") == {}
    assert results(tmp_path, (one,), port) == {}
    done = [sites.stamped(each, Receipt()) for each in (two, three)]
    assert results(tmp_path, (one, *done), port) == {}


def test_a_host_that_has_the_image_is_no_neighbour(tmp_path: Path) -> None:
    one, two, three = site_hosts(**{**ADDRESSES, "three": NOWHERE})
    found = results(tmp_path, (one, two, sites.stamped(three, Receipt())), free_port(*ADDRESSES.values()))
    assert {name: each.verdict for name, each in found.items()} == {"one": Verdict.PASS, "two": Verdict.PASS}
    assert found["one"].detail.startswith("reaches 1 other ")


def test_a_host_without_bash_is_not_asked_and_it_is_said(tmp_path: Path) -> None:
    found = results(
        tmp_path, site_hosts(**ADDRESSES), free_port(*ADDRESSES.values()), path=busybox_path(tmp_path / "busybox")
    )
    assert {each.verdict for each in found.values()} == {Verdict.PASS}
    assert found["one"].detail == "whether it reaches the others cannot be asked there: no bash"
