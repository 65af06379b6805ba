"""Checks of hosts, as tables: facts on one side, a requirement on the other, what comes of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from appliance.errors import Unreachable
from appliance.inventory.facts import NEEDED_COMMANDS, DiskSpace, Facts, NodeStamp, Receipt
from appliance.inventory.fitness import inodes_for, judge, room_for, space_at
from appliance.inventory.hosts import Host
from appliance.inventory.measures import Measures
from appliance.inventory.preflight import CheckResult, Verdict, check_hosts, own_stamp
from appliance.inventory.surroundings import Surroundings
from appliance.recipe.bundlefile import RoleSpec
from appliance.recipe.networking import Network
from appliance.recipe.quantities import size_text
from appliance.recipe.requirements import Level, Requirement, RequirementKind
from appliance.transport.base import Endpoint

GIB = 1 << 30
GOOD = Facts(
    hostname="one",
    machine_id="m1",
    architecture="amd64",
    kernel="6.1.0-18-amd64",
    os_id="debian",
    os_version="12",
    os_name="Debian GNU/Linux 12 (bookworm)",
    cpus=2,
    memory=4 * GIB,
    disks=(
        DiskSpace("/", 10 * GIB, 20 * GIB, 100_000, "ext4", "1"),
        DiskSpace("/opt", 10 * GIB, 20 * GIB, 100_000, "ext4", "1"),
        DiskSpace("/var/lib/etcd", 2 * GIB, 3 * GIB, -1, "btrfs", "2"),
    ),
    listening_ports=(22, 2379),
    commands=NEEDED_COMMANDS,
    systemd=252,
    root=True,
    clock_skew=-0.3,
    addresses=("10.0.0.1",),
)
STAMP = NodeStamp("site-a", "etcd", "m1", ("etcd",), "sha256:aa", "1.0.0", 0, "systemd", Receipt())


@dataclass(frozen=True)
class Found:
    host: Host
    facts: Facts


def host(number: int = 1, *, roles: tuple[str, ...] = ("etcd",)) -> Host:
    return Host(f"etcd-{number}", Endpoint(f"10.0.0.{number}", 22, "root"), roles)


def check(facts: Facts = GOOD, *requirements: Requirement, **options: object) -> dict[str, CheckResult]:
    results = check_hosts([Found(host(), facts)], requirements, **{"cluster": "site-a", **options})  # type: ignore[arg-type]
    return {result.check: result for result in results}


def requirement(kind: str, amount: int = 0, *names: str, path: str = "") -> Requirement:
    return Requirement(RequirementKind(kind), amount=amount, names=names, path=path)


def test_a_good_host_passes_every_check() -> None:
    results = check(GOOD, architectures=["amd64"], bytes_needed={"etcd-1": {"/opt": GIB}})
    assert {name: result.verdict.value for name, result in results.items()} == dict.fromkeys(
        (
            "duplicates", "root", "systemd", "commands", "machine-id", "arch", "clockSkew", "mac", "hostname", "room",
            "inodes", "stamp",
            "lease",
        ),
        "pass",
    )  # fmt: skip
    assert not any(result.hint for result in results.values())


@pytest.mark.parametrize(
    ("asked", "fit", "detail"),
    [
        (requirement("cpu", 2), True, "2 cores; needed: 2"),
        (requirement("cpu", 4), False, "2 cores; needed: 4"),
        (requirement("memory", 4 * GIB), True, "4.0 GiB of memory; needed: 4.0 GiB"),
        (requirement("memory", 4 * GIB + GIB // 5), True, "4.0 GiB of memory; needed: 4.2 GiB"),
        (requirement("memory", 5 * GIB), False, "4.0 GiB of memory; needed: 5.0 GiB"),
        (requirement("disk", 10 * GIB, path="/"), True, "/: 10.0 GiB free for 10.0 GiB"),
        (requirement("disk", 2 * GIB, path="/var/lib/etcd/member"), True, "2.0 GiB free for 2.0 GiB"),
        (
            requirement("disk", 3 * GIB, path="/var/lib/etcd"),
            False,
            "missing: 1.0 GiB on the file system of /var/lib/etcd",
        ),
        (requirement("kernel", 0, "5.4"), True, "6.1.0-18-amd64; needed: 5.4 or newer"),
        (requirement("kernel", 0, "6.1"), True, "6.1.0-18-amd64; needed: 6.1 or newer"),
        (requirement("kernel", 0, "6.12"), False, "6.1.0-18-amd64; needed: 6.12 or newer"),
        (requirement("arch", 0, "amd64", "arm64"), True, "amd64; accepted: amd64, arm64"),
        (requirement("arch", 0, "x86_64"), True, "amd64; accepted: amd64"),
        (requirement("arch", 0, "arm64"), False, "amd64; accepted: arm64"),
        (requirement("os", 0, "ubuntu", "debian"), True, "Debian GNU/Linux 12 (bookworm); accepted: ubuntu, debian"),
        (requirement("os", 0, "debian-12"), True, "accepted: debian-12"),
        (requirement("os", 0, "debian-1"), False, "accepted: debian-1"),
        (requirement("os", 0, "debian-11", "rhel"), False, "accepted: debian-11, rhel"),
        (requirement("ports", 0, "2380", "7000-7010"), True, "free: 2380, 7000-7010"),
        (requirement("ports", 0, "2379"), False, "in use: 2379; needed: 2379"),
        (requirement("ports", 0, "2370-2380", "22"), False, "in use: 22, 2379; needed: 2370-2380, 22"),
        (requirement("clockSkew", 1), True, "0.3 s behind this machine; allowed: 1 s"),
        (requirement("clockSkew", 0), False, "0.3 s behind this machine; allowed: 0 s"),
    ],
)
def test_a_requirement_is_held_against_facts(asked: Requirement, fit: bool, detail: str) -> None:
    judgement = judge(asked, GOOD)
    assert judgement.fit is fit
    assert detail in judgement.detail
    assert fit or judgement.hint


def test_a_point_release_is_of_its_release() -> None:
    rhel = replace(GOOD, os_id="rhel", os_version="9.3")
    assert judge(requirement("os", 0, "rhel-9"), rhel).fit
    assert not judge(requirement("os", 0, "rhel-9.4"), rhel).fit


def test_folders_on_one_file_system_share_its_room() -> None:
    assert room_for({"/opt/x": 5 * GIB, "/var/lib/appliance": 5 * GIB, "/var/lib/etcd": GIB}, GOOD).fit
    judgement = room_for({"/opt/x": 6 * GIB, "/var/lib/appliance": 5 * GIB}, GOOD)
    assert not judgement.fit
    assert "10.0 GiB free for 11.0 GiB; missing: 1.0 GiB" in judgement.detail


def test_room_that_is_not_known_is_no_room() -> None:
    assert not room_for({"/opt": 1}, replace(GOOD, disks=())).fit


@pytest.mark.parametrize(
    ("path", "found"),
    [("/", "/"), ("/opt", "/opt"), ("/opt/a/b", "/opt"), ("/optional", "/"), ("/var/lib/etcd/", "/var/lib/etcd")],
)
def test_room_is_that_of_the_nearest_folder_above(path: str, found: str) -> None:
    space = space_at(path, GOOD)
    assert space is not None
    assert space.path == found


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (GIB, "1.0 GiB"), (5000 * GIB * 1024, "5000.0 TiB")],
)
def test_sizes_are_for_people(count: int, text: str) -> None:
    assert size_text(count) == text


@pytest.mark.parametrize(
    ("name", "changes", "verdict", "detail"),
    [
        ("root", {"root": False}, "fail", "commands do not run as root"),
        ("systemd", {"systemd": 0}, "fail", "systemd does not run this machine"),
        ("commands", {"commands": ("tar", "gzip", "mktemp", "sync")}, "fail", "not there: sha256sum, systemctl"),
        ("machine-id", {"machine_id": ""}, "fail", "/etc/machine-id is empty"),
        ("clockSkew", {"clock_skew": 6.0}, "warn", "6.0 s ahead of this machine; allowed: 5 s"),
        ("stamp", {"stamp": STAMP}, "pass", "version 1.0.0 of this cluster is installed"),
        ("stamp", {"stamp": replace(STAMP, cluster="b")}, "fail", "belongs to cluster b (1.0.0)"),
        (
            "stamp",
            {"stamp": replace(STAMP, machine_id="m9", cluster="b")},
            "warn",
            "the stamp of another machine, of cluster b, is treated as absent",
        ),
        ("stamp", {"stamp_error": "no"}, "fail", "/etc/appliance/node.json cannot be read: no"),
        ("lease", {"lease": "{"}, "warn", "leased by a run that cannot be named"),
        (
            "lease",
            {"lease": '{"run":"r1","operator":"eva","cluster":"b","started":"x"}'},
            "warn",
            "leased by eva for run r1 of cluster b",
        ),
    ],
)
def test_what_every_host_must_be(name: str, changes: dict[str, object], verdict: str, detail: str) -> None:
    result = check(replace(GOOD, **changes))[name]  # type: ignore[arg-type]
    assert (result.verdict.value, result.detail) == (verdict, detail)
    assert bool(result.hint) is (verdict != "pass")


@pytest.mark.parametrize(
    ("known", "own", "warned"),
    [
        ("10.0.0.1", ("192.168.0.1", "10.0.0.1"), False),
        ("192.0.2.7", ("10.0.0.1", "fd00::1"), True),
        ("FD00:0::1", ("10.0.0.1", "fd00::1"), False),
        ("fd00::2", ("fd00::1",), True),
        ("fe80::2%eth0", ("fd00::1",), False),
        ("127.0.0.2", ("10.0.0.1",), False),
        ("db1.example", ("10.0.0.1",), False),
        ("", ("10.0.0.1",), False),
        ("192.0.2.7", (), False),
    ],
)
def test_a_host_that_has_not_the_address_it_is_known_by_is_warned_of(
    known: str, own: tuple[str, ...], warned: bool
) -> None:
    examined = Found(replace(host(), endpoint=Endpoint(known, 22, "root")), replace(GOOD, addresses=own))
    found = [each for each in check_hosts([examined], (), cluster="site-a") if each.check == "address"]
    assert [each.verdict for each in found] == [Verdict.WARN] * warned
    assert all(f"{known} is none of its own addresses ({', '.join(own)})" in each.detail for each in found)


def test_our_own_lease_is_nobody_elses() -> None:
    leased = replace(GOOD, lease='{"run":"r1","operator":"eva","cluster":"site-a","started":"x"}')
    assert check(leased, run="r1")["lease"].verdict is Verdict.PASS
    assert check(leased, run="r")["lease"].verdict is Verdict.WARN


def test_a_stamp_counts_only_on_the_machine_that_it_was_written_for() -> None:
    assert own_stamp(replace(GOOD, stamp=STAMP)) == STAMP
    assert own_stamp(replace(GOOD, stamp=replace(STAMP, machine_id="m2"))) is None
    assert own_stamp(GOOD) is None


def test_ports_of_our_own_services_are_not_in_the_way() -> None:
    asked = requirement("ports", 0, "2379")
    assert check(GOOD, asked)["ports"].verdict is Verdict.FAIL
    assert check(GOOD, asked, ports={"etcd-1": {2379}})["ports"].verdict is Verdict.PASS
    assert check(GOOD, asked, ports={"etcd-2": {2379}})["ports"].verdict is Verdict.FAIL
    assert check(replace(GOOD, stamp=STAMP), asked)["ports"].verdict is Verdict.PASS
    assert check(replace(GOOD, stamp=replace(STAMP, cluster="b")), asked)["ports"].verdict is Verdict.FAIL


def test_a_host_that_has_the_image_needs_no_more_room() -> None:
    assert check(GOOD, bytes_needed={"etcd-1": {"/": 99 * GIB}})["room"].verdict is Verdict.FAIL
    installed = replace(GOOD, stamp=STAMP)
    assert "room" not in check(installed, bytes_needed={"etcd-1": {"/": 99 * GIB}}, image="sha256:aa")
    assert check(installed, bytes_needed={"etcd-1": {"/": 99 * GIB}}, image="sha256:bb")["room"].verdict is Verdict.FAIL


def test_a_disk_full_of_files_is_told() -> None:
    full = replace(GOOD, disks=(replace(GOOD.disks[0], free_inodes=12),))
    assert check(full, bytes_needed={"etcd-1": {"/opt": 1}})["inodes"].detail == "12 inodes free at /; needed: 10000"
    assert check(GOOD, bytes_needed={"etcd-1": {"/var/lib/etcd": 1}})["inodes"].detail == "not limited"


def test_more_bytes_need_more_inodes_and_folders_on_one_file_system_share_them() -> None:
    assert inodes_for({"/opt/x": GIB, "/": GIB // 2}, GOOD).fit
    judgement = inodes_for({"/opt/x": GIB, "/": GIB, "/var/lib/etcd": 99 * GIB}, GOOD)
    assert (judgement.fit, judgement.detail) == (False, "100000 inodes free at /; needed: 131072")


def test_a_requirement_is_for_its_roles_and_of_its_level() -> None:
    mine = replace(requirement("cpu", 8), level=Level.WARN)
    assert check(GOOD, mine)["cpu"].verdict is Verdict.WARN
    assert check(GOOD, replace(mine, roles=("etcd", "x")))["cpu"].verdict is Verdict.WARN
    assert check(GOOD, replace(mine, roles=("all",)))["cpu"].verdict is Verdict.WARN
    assert "cpu" not in check(GOOD, replace(mine, roles=("proxy",)))


def test_a_machine_under_two_names_is_found() -> None:
    results = check_hosts([Found(host(1), GOOD), Found(host(2), GOOD)], (), cluster="site-a")
    doubles = [result for result in results if result.verdict is Verdict.FAIL]
    assert [(one.check, one.host) for one in doubles] == [("machine-id", "etcd-1"), ("machine-id", "etcd-2")]


def test_an_address_listed_twice_is_found() -> None:
    twice = [Found(host(1), GOOD), Found(replace(host(1), name="etcd-2"), replace(GOOD, machine_id="m2"))]
    failed = check_hosts(twice, (), cluster="site-a")[0]
    assert (failed.check, failed.verdict, failed.detail) == ("duplicates", Verdict.FAIL, "listed twice: 10.0.0.1:22")


@pytest.mark.parametrize(("count", "verdict"), [(1, "pass"), (2, "warn"), (3, "pass"), (4, "warn")])
def test_an_even_number_of_voters_is_warned_of(count: int, verdict: str) -> None:
    hosts = [Found(host(n), replace(GOOD, machine_id=f"m{n}")) for n in range(count - 1)]
    missing = [(host(9), Unreachable("no answer"))]
    results = check_hosts(
        hosts, (), cluster="a", missing=missing, roles=(RoleSpec("etcd", odd=True), RoleSpec("x", odd=True))
    )
    assert [r.verdict.value for r in results if r.check == "odd number"] == [verdict]


def test_failures_come_first_and_name_the_host_that_did_not_answer() -> None:
    error = Unreachable("no answer within 10 seconds", where="10.0.0.9:22", hint="check the address")
    results = check_hosts([Found(host(), replace(GOOD, clock_skew=9))], (), cluster="a", missing=[(host(9), error)])
    assert results[0] == CheckResult(
        "reach", "etcd-9", Verdict.FAIL, "10.0.0.9:22: no answer within 10 seconds", "check the address"
    )
    order = [result.verdict.value for result in results]
    assert order == sorted(order, key=["fail", "warn", "pass"].index)
    assert set(order) == {"fail", "warn", "pass"}


AROUND = Surroundings(macs=("52:54:00:00:00:01",), product_uuid="u1", swap=GIB, left=("cni0",))


def asked(kind: str, *names: str, level: str = "fail", roles: tuple[str, ...] = ()) -> Requirement:
    return Requirement(RequirementKind(kind), level=Level(level), roles=roles, names=names)


def both(*requirements: Requirement, **options: object) -> dict[tuple[str, str], str]:
    """Two hosts, one of them the other's copy; what each check says of each."""
    copied = replace(GOOD, machine_id="m2", around=AROUND)
    found = [Found(host(1), replace(GOOD, around=AROUND)), Found(host(2), copied)]
    results = check_hosts(found, requirements, **{"cluster": "site-a", **options})  # type: ignore[arg-type]
    return {(result.check, result.host): result.verdict.value for result in results}


def test_what_two_hosts_have_alike_is_warned_of_and_fails_where_that_is_asked() -> None:
    assert both()["mac", "etcd-1"] == both()["hostname", "etcd-2"] == "warn"
    results = both(asked("unique", "mac", "product-uuid"))
    assert results["mac", "etcd-1"] == results["product-uuid", "etcd-2"] == "fail"
    assert results["hostname", "etcd-1"] == "warn"


def test_each_hindrance_is_a_check_of_its_own() -> None:
    results = both(asked("without", "swap", "leftovers"), asked("without", "firewall", level="warn"))
    assert [results[name, "etcd-1"] for name in ("swap", "leftovers", "firewall")] == ["fail", "fail", "pass"]


def test_what_is_left_of_this_cluster_is_not_in_its_way() -> None:
    mine = replace(GOOD, around=AROUND, stamp=STAMP)
    assert check(mine, asked("without", "leftovers"))["leftovers"].verdict is Verdict.PASS
    assert check(replace(mine, stamp=replace(STAMP, cluster="b")), asked("without", "leftovers"))["leftovers"].hint


def test_the_bundle_knows_better_than_its_runtime() -> None:
    by_runtime = [asked("without", "swap", "leftovers"), asked("clockSkew"), requirement("memory", 99 * GIB)]
    results = both(asked("without", "swap", level="warn"), requirement("memory", GIB), by_runtime=by_runtime)
    assert [results[name, "etcd-1"] for name in ("swap", "leftovers", "memory", "clockSkew")] == [
        "warn", "fail", "pass", "fail",
    ]  # fmt: skip
    elsewhere = both(asked("without", "swap", level="warn", roles=("other",)), by_runtime=by_runtime)
    assert elsewhere["swap", "etcd-1"] == "fail"


def test_what_was_measured_is_judged_and_what_was_not_stops_nothing() -> None:
    syncs = requirement("fsync", 10, path="/var/lib/etcd")
    line = requirement("bandwidth", 100_000_000)
    found = {"etcd-1": Measures(bandwidth=94e6, synced=(("/var/lib/etcd", 0.0121),))}
    results = check(GOOD, syncs, line, measures=found)
    assert results["fsync"].verdict is results["bandwidth"].verdict is Verdict.FAIL
    assert results["fsync"].detail == "small writes are synced within 12.1 ms (p99); allowed: 10 ms"
    assert results["bandwidth"].detail == "94 Mbit/s from this machine; needed: 100 Mbit/s"
    good = check(GOOD, syncs, line, measures={"etcd-1": Measures(1e9, synced=(("/var/lib/etcd", 0.001),))})
    assert good["fsync"].verdict is good["bandwidth"].verdict is Verdict.PASS
    unknown = check(GOOD, syncs, line)
    assert {unknown[name].detail for name in ("fsync", "bandwidth")} == {"not measured"}


def test_clocks_of_hosts_are_compared_with_each_other() -> None:
    def clocks(*skews: float, most: int = 0) -> CheckResult:
        hosts = [Found(host(n), replace(GOOD, machine_id=f"m{n}", clock_skew=skew)) for n, skew in enumerate(skews)]
        asks = [requirement("clockSkew", most)] if most else []
        return next(result for result in check_hosts(hosts, asks, cluster="a") if result.check == "clocks")

    assert clocks(-60.0, -58.0).detail == "within 2.0 s of each other"
    assert clocks(-4.0, 4.0).detail == "etcd-1 is 8.0 s ahead of etcd-0; allowed: 5 s"
    assert clocks(-4.0, 4.0).verdict is Verdict.WARN
    assert clocks(0.0, 2.0, most=1).verdict is Verdict.FAIL


def test_a_network_of_the_cluster_is_held_against_every_host() -> None:
    clash = check(GOOD, asked("without", "network-clash"), network=Network(pods="10.0.0.0/16"))["network-clash"]
    assert clash.detail == "the pods' 10.0.0.0/16 and the host 10.0.0.1 overlap"
