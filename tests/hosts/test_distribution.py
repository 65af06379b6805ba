"""Blobs to real hosts over shaped links, by each way: all healthy hosts get the right bytes, the others are named."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from support.lab import MakeLab, lab_of
from support.sending import BLOBS, NODE, Sending
from support.travelling import real_pythons

from appliance.bundle.pyruntime.layout import host_python
from appliance.errors import Unreachable
from appliance.events import Outcome
from appliance.files import put_blob
from appliance.lab import host as hosts
from appliance.lab.spec import HostSpec
from appliance.plan.planner import helper
from appliance.plan.runtime import HostRuntime
from appliance.plan.steps import Plan, Stage
from appliance.transport.connect import connector
from appliance.transport.ssh.hostkeys import HostKeys

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from appliance.image.blobs import Blob
    from appliance.plan.runtime import SiteHost

pytestmark = pytest.mark.hosts

NAMES = ("one", "two", "three")
RATE = 200_000_000
SLOWLY = 30_000_000
METHODS = pytest.mark.parametrize("method", ["unicast", "chain", "swarm"])
SHARING = pytest.mark.parametrize("method", ["chain", "swarm"])
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


@SHARING
def test_one_copy_leaves_the_operator_and_hosts_that_need_other_blobs_get_theirs(fresh: Sending, method: str) -> None:
    """Two hosts need the large blob, and one of those and the third the small one, which may be over when it comes."""
    large, small = fresh.blob(LARGE), fresh.blob(SMALL)
    wanted = {"one": (large,), "two": (large, small), "three": (small,)}
    run = fresh.start(method, wanted)
    assert fresh.ending(run).outcome is Outcome.OK
    for name, blobs in wanted.items():
        assert fresh.stored(name) & hexes(large, small) == hexes(*blobs), name
    assert sum(fresh.given(run, name) for name in wanted) <= LARGE + 2 * SMALL


@METHODS
def test_behind_a_jump_host_that_alone_has_a_way_to_them_hosts_get_their_blobs(fresh: Sending, method: str) -> None:
    """And but by unicast one copy goes through it: they pass it on to each other, not to the operator's machine."""
    blob = fresh.blob(LARGE)
    behind = ("two", "three")
    operator = f"{fresh.lab.network.gateway}/32"
    for name in behind:
        hosts.run_inside(fresh.lab.host(name), ["ip", "route", "add", "blackhole", operator])
    try:
        with pytest.raises(Unreachable), connector(HostKeys(fresh.lab.known_hosts), timeout=1)(fresh.endpoint("two")):
            pass
        fresh.jump = "one"
        run = fresh.start(method, dict.fromkeys(behind, (blob,)))
        assert fresh.ending(run).failed == ()
    finally:
        fresh.jump = ""
        for name in behind:
            hosts.run_inside(fresh.lab.host(name), ["ip", "route", "del", "blackhole", operator])
    assert all(hexes(blob) <= fresh.stored(name) for name in behind)
    if method != "unicast":
        assert sum(fresh.given(run, name) for name in behind) == LARGE


@pytest.mark.slow
@METHODS
def test_a_cable_that_is_pulled_and_put_back_costs_no_host_its_blobs(fresh: Sending, method: str) -> None:
    blob = fresh.blob(LARGE)
    run = fresh.start(method, (blob,), bandwidth=SLOWLY)
    fresh.underway(run, "two", 4 << 20)
    hosts.cut(fresh.lab.host("two"))
    try:
        for name in ("one", "three"):
            fresh.underway(run, name, LARGE)
    finally:
        hosts.mend(fresh.lab.host("two"))
    assert fresh.ending(run).failed == ()
    assert all(hexes(blob) <= fresh.stored(name) for name in NAMES)


@pytest.mark.slow
@METHODS
def test_a_host_that_loses_its_power_is_named_and_the_others_get_their_blobs(fresh: Sending, method: str) -> None:
    blob = fresh.blob(LARGE)
    run = fresh.start(method, (blob,), bandwidth=SLOWLY)
    fresh.underway(run, "two", 4 << 20)
    hosts.power_off(fresh.lab.host("two"))
    try:
        ended = fresh.ending(run)
        assert "two FAILED" in fresh.report(run)
    finally:
        hosts.power_on(fresh.lab.host("two"))
        hosts.wait(fresh.lab.host("two"))
    assert [name for name, _ in ended.failed] == ["two"]
    assert all(hexes(blob) <= fresh.stored(name) for name in ("one", "three"))


@pytest.mark.slow
@METHODS
def test_a_host_that_reboots_meanwhile_gets_its_blobs_too(fresh: Sending, method: str) -> None:
    blob = fresh.blob(LARGE)
    run = fresh.start(method, (blob,), bandwidth=SLOWLY)
    fresh.underway(run, "two", 4 << 20)
    hosts.reboot(fresh.lab.host("two"))
    assert fresh.ending(run).failed == ()
    assert all(hexes(blob) <= fresh.stored(name) for name in NAMES)


@pytest.mark.slow
@METHODS
def test_a_full_disk_is_named_and_the_others_get_their_blobs(make_lab: MakeLab, tmp_path: Path, method: str) -> None:
    lab = make_lab(HostSpec("one"), HostSpec("two", data_disk=160 << 20), HostSpec("three"))
    sending = Sending(lab, tmp_path)
    hosts.run_inside(lab.host("two"), ["sh", "-c", f"dd if=/dev/zero of={BLOBS}/../fill bs=1M || :"])
    hosts.run_inside(lab.host("two"), ["truncate", "-s", "-8M", f"{BLOBS}/../fill"])
    blob = sending.blob(LARGE)
    run = sending.start(method, (blob,))
    assert [(name, "no room left" in why) for name, why in sending.ending(run).failed] == [("two", True)]
    assert "no room left" in sending.report(run)
    assert all(hexes(blob) <= sending.stored(name) for name in ("one", "three"))


@pytest.mark.slow
@SHARING
def test_an_operator_whose_worker_was_killed_goes_on_where_it_was(fresh: Sending, method: str) -> None:
    blob = fresh.blob(LARGE)
    run = fresh.start(method, (blob,), bandwidth=SLOWLY)
    for name in NAMES:
        fresh.underway(run, name, 8 << 20)
    fresh.kill(run)
    again = fresh.start(method, (blob,))
    assert fresh.ending(again).failed == ()
    assert all(hexes(blob) <= fresh.stored(name) for name in NAMES)
    assert sum(fresh.given(again, name) for name in NAMES) <= LARGE - (8 << 20)


LIES = ("unit = partial.read(offset, seconds=_PATIENCE_SECONDS)", "unit = bytes(len(partial.read(offset, seconds=30)))")
TRICKLES = (
    "line.sendall(unit)",
    "[line.sendall(unit[n:n+64]) or __import__('time').sleep(0.05) for n in range(0, len(unit), 64)]",
)
WRONG_BYTES = ("add_piece(number, data, 0)", "add_piece(number, bytes(len(data)), 0)")
HARDLY = ('"upload_rate_limit": bandwidth // 8', '"upload_rate_limit": 16_000')
UNCHECKED = ('"tick_interval": 100,', '"tick_interval": 100, "disable_hash_checks": True,')
LATE = ("import queue", "import queue; __import__('time').sleep(3)")


def patched(sending: Sending, name: str, module: str, change: tuple[str, str]) -> None:
    """Another program on a host than was brought there."""
    sending.patch(name, f"{module}.py", *change)


@pytest.fixture
def crooked(fresh: Sending) -> Iterator[Sending]:
    """Hosts two and three come late, so that they take from one; the runtime is put right afterwards."""
    for name in ("two", "three"):
        patched(fresh, name, "peer", LATE)
    yield fresh
    for name in NAMES:
        fresh.install(name)


@pytest.mark.slow
def test_from_a_host_that_passes_on_other_bytes_nobody_takes_and_it_is_named(crooked: Sending) -> None:
    patched(crooked, "one", "listener", LIES)
    blob = crooked.blob(LARGE)
    run = crooked.start("chain", (blob,), bandwidth=SLOWLY)
    ended = crooked.ending(run)
    assert [(name, "passed on other bytes" in why) for name, why in ended.failed] == [("one", True)]
    assert "passed on other bytes" in crooked.report(run)
    assert all(hexes(blob) <= crooked.stored(name) for name in NAMES)
    assert "takes no more from one: it sent other bytes than it should" in (
        crooked.said(run, "two") + crooked.said(run, "three")
    )


@pytest.mark.slow
def test_where_one_alone_says_that_another_passes_on_other_bytes_both_come_through_and_are_named(
    crooked: Sending,
) -> None:
    patched(crooked, "one", "listener", LIES)
    blob = crooked.blob(LARGE)
    run = crooked.start("chain", dict.fromkeys(("one", "two"), (blob,)), bandwidth=SLOWLY)
    assert crooked.ending(run).failed == ()
    assert all(hexes(blob) <= crooked.stored(name) for name in ("one", "two"))
    report = crooked.report(run)
    assert "one at “Send”: passed on other bytes than it was given, says two alone; check the memory" in report
    assert "two at “Send”: says alone that one passed on other bytes; check the memory" in report


@pytest.mark.slow
def test_in_a_swarm_wrong_bytes_are_found_and_nobody_takes_from_whom_they_came(crooked: Sending) -> None:
    """Host one believes the wrong bytes that it is given, and gives them to others."""
    patched(crooked, "one", "swarmsession", WRONG_BYTES)
    patched(crooked, "one", "swarmsession", UNCHECKED)
    blob = crooked.blob(LARGE)
    run = crooked.start("swarm", (blob,), bandwidth=SLOWLY)
    assert [name for name, _ in crooked.ending(run).failed] == ["one"]
    assert all(hexes(blob) <= crooked.stored(name) for name in ("two", "three"))
    assert not hexes(blob) & crooked.stored("one")
    takes_no_more = "takes no more from one: it sent other bytes than it should"
    said = [crooked.said(run, name).count(takes_no_more) for name in ("two", "three")]
    assert max(said) == 1, "once, though it connects again and again"


@pytest.mark.slow
def test_a_host_that_passes_on_a_trickle_holds_nobody(crooked: Sending) -> None:
    patched(crooked, "one", "listener", TRICKLES)
    blob = crooked.blob(LARGE)
    run = crooked.start("chain", (blob,), bandwidth=SLOWLY)
    assert crooked.ending(run).failed == ()
    assert all(hexes(blob) <= crooked.stored(name) for name in NAMES)
    assert any("takes from the operator" in crooked.said(run, name) for name in ("two", "three"))


@pytest.mark.slow
def test_in_a_swarm_what_a_host_passes_on_as_a_trickle_comes_from_the_operator_again(crooked: Sending) -> None:
    """At its rate the others would wait for ten minutes, and something comes from it all the time."""
    patched(crooked, "one", "swarmsession", HARDLY)
    blob = crooked.blob(LARGE)
    run = crooked.start("swarm", (blob,), bandwidth=SLOWLY)
    assert crooked.ending(run).failed == ()
    assert all(hexes(blob) <= crooked.stored(name) for name in NAMES)
    assert LARGE < sum(crooked.given(run, name) for name in NAMES) <= 2 * LARGE


@pytest.mark.slow
@SHARING
def test_hosts_that_cannot_reach_each_other_are_fed_by_the_operator_and_it_is_said(fresh: Sending, method: str) -> None:
    others = {name: [fresh.addresses[other] for other in NAMES if other != name] for name in NAMES}
    blob = fresh.blob(LARGE)
    for name in NAMES:
        for address in others[name]:
            hosts.run_inside(fresh.lab.host(name), ["ip", "route", "add", "blackhole", f"{address}/32"])
    try:
        run = fresh.start(method, (blob,))
        assert fresh.ending(run).failed == ()
    finally:
        for name in NAMES:
            for address in others[name]:
                hosts.run_inside(fresh.lab.host(name), ["ip", "route", "del", "blackhole", f"{address}/32"])
    assert all(hexes(blob) <= fresh.stored(name) for name in NAMES)
    assert all("takes from the operator" in fresh.said(run, name) for name in NAMES)


@pytest.mark.slow
@SHARING
def test_a_slow_host_holds_no_other(make_lab: MakeLab, tmp_path: Path, method: str) -> None:
    """Wherever it comes into the line: the others have all before it has half."""
    lab = make_lab(*(HostSpec(name, bandwidth=RATE // 10 if name == "two" else RATE) for name in NAMES))
    sending = Sending(lab, tmp_path)
    blob = sending.blob(96 << 20)
    run = sending.start(method, (blob,))
    for name in ("one", "three"):
        sending.underway(run, name, blob.size)
    assert sending.done(run, "two") < blob.size // 2
    assert sending.ending(run).failed == ()
    assert all(hexes(blob) <= sending.stored(name) for name in NAMES)


@pytest.mark.slow
def test_in_a_swarm_over_mixed_links_no_host_waits_for_one_with_a_thinner_link(
    make_lab: MakeLab, tmp_path: Path
) -> None:
    """Each has all before those with thinner links, which were given less; hardly more than one copy was."""
    rates = {"one": RATE // 10, "two": RATE, "three": RATE // 4, "four": RATE}
    lab = make_lab(*(HostSpec(name, bandwidth=rate) for name, rate in rates.items()))
    sending = Sending(lab, tmp_path)
    blob = sending.blob(48 << 20)
    run = sending.start("swarm", (blob,))
    assert sending.ending(run).failed == ()
    assert all(hexes(blob) <= sending.stored(name) for name in rates)
    whole = [rates[name] for name in sending.in_order(run)]
    assert whole == sorted(rates.values(), reverse=True)
    given = {name: sending.given(run, name) for name in rates}
    assert max(given["one"], given["three"]) < min(given["two"], given["four"])
    assert sum(given.values()) <= blob.size * 5 // 4


@pytest.mark.slow
def test_bare_hosts_take_the_runtime_from_each_other(make_lab: MakeLab, tmp_path: Path) -> None:
    """From an operator who may send a copy in six seconds: who has it gives it, and fewer than all come from there."""
    python = real_pythons().host
    lab = make_lab(*(HostSpec(f"bare-{n}", python=False) for n in range(1, 6)))
    sending = Sending(lab, tmp_path, runtime=python.digest)
    with python.path.open("rb") as source:
        put_blob(sending.home.blobs, source, python.digest, size=python.size)
    part = HostRuntime("x86_64", python.digest, python.size, 0)
    named = [cast("SiteHost", SimpleNamespace(name=name)) for name in sending.addresses]
    steps = [step for host in named for step in helper(host, part)]
    run = sending.begin("chain", Plan("site", "sha256:0", (Stage("Prepare", tuple(steps)),)), bandwidth=16_000_000)
    assert sending.ending(run).failed == ()
    assert "took the helper from" in "".join(sending.said(run, name) for name in sending.addresses)
    for name in sending.addresses:
        assert sending.stored(name) == set()
        argv = [*host_python(f"{NODE}/runtime/{python.digest.hex}"), "-c", "import appliance.distribute.hostside"]
        hosts.run_inside(lab.host(name), argv)
        assert sending.helpers(name) == ""
