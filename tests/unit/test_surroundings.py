"""What a cluster meets on a host: out of what hosts answer, and what is made of it, as tables."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_network

import pytest

from appliance.inventory.facts import DiskSpace, Facts, parse_facts
from appliance.inventory.fitness import judge as judge_alone
from appliance.inventory.hindrances import Meeting, judge
from appliance.inventory.surroundings import Part, Proxying, Route, Surroundings
from appliance.recipe.networking import Network
from appliance.recipe.requirements import MODULES, Hindrance, Requirement, RequirementKind

HERE = Meeting(Network(), ("10.0.0.1", "10.0.0.2"), ("registry.appliance.local",))
WHOLE = Facts(
    hostname="one",
    machine_id="m1",
    architecture="amd64",
    kernel="6.1.0",
    os_id="debian",
    os_version="12",
    os_name="Debian",
    cpus=2,
    memory=1 << 32,
    disks=(DiskSpace("/", 1 << 34, 1 << 35, 9, "ext4"),),
    listening_ports=(),
    commands=(),
    systemd=252,
    root=True,
    clock_skew=0.0,
    addresses=("10.0.0.1",),
    around=Surroundings(
        cgroups=2,
        controllers=("cpu", "memory", "pids"),
        routes=(Route(ip_network("10.0.0.0/24"), direct=True),),
        names=("127.0.1.1",),
        localhost=("127.0.0.1", "::1"),
        parts=tuple((name, Part.THERE) for name in MODULES),
    ),
)


def answered(*lines: str) -> Surroundings:
    return parse_facts("\n".join(("@hostname", " one", *lines, "@end")), at=datetime.now(UTC)).around


def test_swap_is_all_that_is_on() -> None:
    head = " Filename Type Size Used Priority"
    assert (
        answered("@swaps", head, " /dev/sda2 partition 1024 0 -2", " /dev/zram0 partition 4 0 100").swap == 1028 * 1024
    )
    assert answered("@swaps", head).swap == 0


@pytest.mark.parametrize(
    ("lines", "version", "controllers"),
    [
        (("@cgroup2", " cpuset cpu io memory pids"), 2, ("cpuset", "cpu", "io", "memory", "pids")),
        (
            ("@cgroup2", "@cgroups", " #name hierarchy num enabled", " cpu 1 1 1", " blkio 2 1 1", " memory 0 1 0"),
            1,
            ("cpu", "io"),
        ),
        ((), 0, ()),
    ],
)  # fmt: skip
def test_control_groups_of_both_versions(lines: tuple[str, ...], version: int, controllers: tuple[str, ...]) -> None:
    found = answered(*lines)
    assert (found.cgroups, found.controllers) == (version, controllers)


def test_networks_are_those_that_have_a_way_of_their_own() -> None:
    found = answered(
        "@routes",
        "      |-- 0.0.0.0",
        "         /0 universe UNICAST",
        "            |-- 10.244.0.0",
        "               /24 link UNICAST",
        "            |-- 10.0.0.0",
        "               /8 universe UNICAST",
        "            |-- 10.244.0.0",
        "               /24 link UNICAST",
        "@routes6",
        f" {'fd00' + 28 * '0'} 40 {32 * '0'} 00 {32 * '0'} 00000100 1 0 1 eth0",
        f" {'fd01' + 28 * '0'} 30 {32 * '0'} 00 {'fd' + 29 * '0' + '1'} 00000100 1 0 1 eth0",
        f" {'fe80' + 28 * '0'} 40 {32 * '0'} 00 {32 * '0'} 00000100 1 0 1 eth0",
        f" {'ff' + 30 * '0'} 08 {32 * '0'} 00 {32 * '0'} 00000100 1 0 1 eth0",
        f" {32 * '0'} 00 {32 * '0'} 00 {32 * '0'} 00000100 1 0 1 lo",
        f" {31 * '0'}1 80 {32 * '0'} 00 {32 * '0'} 00000000 1 0 1 lo",
    )
    assert [(str(route.network), route.direct) for route in found.routes] == [
        ("10.244.0.0/24", True), ("10.0.0.0/8", False), ("fd00::/64", True), ("fd01::/48", False),
    ]  # fmt: skip


def test_addresses_of_cards_count_and_those_of_what_a_cluster_makes_do_not() -> None:
    found = answered(
        "@links",
        " lo 00:00:00:00:00:00 virtual",
        " ens3 52:54:00:00:00:01 real",
        " p1p1 52:54:00:00:00:02 real",
        " eth0 52:54:00:00:00:03 virtual",
        " cali1 ee:ee:ee:ee:ee:ee virtual",
        " cni0 12:34:56:78:9a:bc virtual",
        " ib0 80:00:00:48:fe:80 real",
    )
    assert found.macs == ("52:54:00:00:00:01", "52:54:00:00:00:02", "52:54:00:00:00:03", "80:00:00:48:fe:80")
    assert found.left == ("cni0",)


def test_services_are_leftovers_or_engines() -> None:
    found = answered(
        "@left", " /etc/kubernetes/pki", "@units", " kubelet.service loaded active running kubelet",
        " docker.service loaded active running Docker", " ssh.service loaded active running ssh",
    )  # fmt: skip
    assert found.left == ("/etc/kubernetes/pki", "kubelet.service")
    assert found.engines == ("docker",)


@pytest.mark.parametrize(
    ("units", "walls", "found"),
    [
        (("firewalld", "ufw"), (), ("firewalld",)),
        (("ufw",), (" ufw", " iptables INPUT"), ("ufw", "iptables INPUT")),
        ((), (" ufw", " nftables filter/input"), ("nftables filter/input",)),
    ],
)
def test_packet_filters_are_services_and_chains_that_drop(
    units: tuple[str, ...], walls: tuple[str, ...], found: tuple[str, ...]
) -> None:
    lines = (f" {unit}.service loaded active exited {unit}" for unit in units)
    assert answered("@units", *lines, "@walls", *walls).walls == found


def test_proxies_are_places_with_what_they_except() -> None:
    found = answered(
        "@proxies", " /etc/environment http_proxy", " /etc/environment HTTPS_PROXY", " /etc/environment no_proxy=a,,B",
        " systemd NO_PROXY=c",
    )  # fmt: skip
    assert found.proxies == (Proxying("/etc/environment", ("a", "b")),)


def test_names_are_told_from_localhost() -> None:
    found = answered("@names", " one 127.0.1.1", " one 127.0.1.1", " localhost ::1", " other 1.2.3.4")
    assert (found.names, found.localhost) == (("127.0.1.1",), ("::1",))


def test_what_a_host_does_not_say_is_not_there() -> None:
    assert answered() == Surroundings()
    assert answered("@parts", " overlay fine", " nonsense there", " overlay there").parts == (("overlay", Part.THERE),)


@pytest.mark.parametrize(
    ("hindrance", "changes", "fit", "detail"),
    [
        ("swap", {}, True, "no swap"),
        ("swap", {"swap": 1 << 30}, False, "1.0 GiB of swap are on"),
        ("firewall", {"walls": ("firewalld",)}, False, "in force: firewalld"),
        ("leftovers", {"left": ("/var/lib/etcd",)}, False, "of another cluster: /var/lib/etcd"),
        ("engines", {"engines": ("docker",)}, False, "runs already: docker"),
        ("selinux", {"selinux": True}, False, "SELinux is enforcing"),
        ("selinux", {"apparmor": True}, True, "SELinux does not enforce; AppArmor is on"),
        ("wrong-name", {}, True, "one is found at 127.0.1.1"),
        ("wrong-name", {"names": ("10.0.0.1",)}, True, "one is found at 10.0.0.1"),
        ("wrong-name", {"names": ("10.9.9.9", "10.0.0.1")}, False, "one is found at 10.9.9.9, which is not this host"),
        ("wrong-name", {"names": ()}, False, "one is found nowhere, or not within a second"),
        ("wrong-name", {"localhost": ("10.0.0.9",)}, False, "localhost is found at 10.0.0.9"),
        ("network-clash", {}, True, "free: 10.244.0.0/16, 10.96.0.0/12"),
        (
            "network-clash",
            {"routes": (Route(ip_network("10.244.3.0/24"), direct=True),)},
            False,
            "the pods' 10.244.0.0/16 and the host's network 10.244.3.0/24 overlap",
        ),
        (
            "network-clash",
            {"routes": (Route(ip_network("10.0.0.0/8"), direct=True),)},
            False,
            "the pods' 10.244.0.0/16 and the host's network 10.0.0.0/8 overlap",
        ),
        ("network-clash", {"routes": (Route(ip_network("10.0.0.0/8"), direct=False),)}, True, "free"),
        (
            "network-clash",
            {"resolvers": ("10.96.0.10",)},
            False,
            "the services' 10.96.0.0/12 and the name server 10.96.0.10 overlap",
        ),
        ("proxy", {}, True, "no proxy is set"),
        ("proxy", {"proxies": (Proxying("systemd", ("*",)),)}, True, "excepts the cluster: systemd"),
        (
            "proxy",
            {"proxies": (Proxying("systemd", ("10.0.0.0/8", ".appliance.local")),)},
            True,
            "excepts the cluster: systemd",
        ),
        (
            "proxy",
            {"proxies": (Proxying("/etc/environment", ("10.0.0.1", "10.244.0.0/16", "local")),)},
            False,
            "/etc/environment sends to a proxy: 10.0.0.2, 10.96.0.0/12",
        ),
    ],
)
def test_what_is_in_the_way(hindrance: str, changes: dict[str, object], fit: bool, detail: str) -> None:
    facts = replace(WHOLE, around=replace(WHOLE.around, **changes))  # type: ignore[arg-type]
    judgement = judge(Hindrance(hindrance), facts, HERE, ours=False)
    assert judgement.fit is fit
    assert detail in judgement.detail
    assert fit or judgement.hint


@pytest.mark.parametrize("name", ["", "One", "a_b", "-a", "localhost", "a" * 64, "ä"])
def test_a_name_that_dns_does_not_take_is_told(name: str) -> None:
    assert "no name for DNS" in judge(Hindrance.WRONG_NAME, replace(WHOLE, hostname=name), HERE, ours=False).detail


def test_what_this_cluster_made_is_not_in_its_way() -> None:
    route = Route(ip_network("10.244.1.0/24"), direct=True)
    around = replace(WHOLE.around, left=("cni0",), engines=("containerd",), routes=(route,))
    facts = replace(WHOLE, around=around)
    for hindrance in (Hindrance.LEFTOVERS, Hindrance.ENGINES, Hindrance.NETWORK_CLASH):
        assert not judge(hindrance, facts, HERE, ours=False).fit
        assert judge(hindrance, facts, HERE, ours=True).fit


def test_a_network_that_holds_a_host_of_the_cluster_clashes_on_all() -> None:
    meeting = replace(HERE, addresses=("10.0.0.1", "10.96.7.7"))
    assert "the host 10.96.7.7 overlap" in judge(Hindrance.NETWORK_CLASH, WHOLE, meeting, ours=True).detail


@pytest.mark.parametrize(
    ("names", "parts", "fit", "detail"),
    [
        (("overlay", "vxlan"), {}, True, "there or loadable: overlay, vxlan"),
        (("overlay",), {"overlay": Part.LOADABLE}, True, "there or loadable: overlay"),
        (("overlay",), {"overlay": Part.UNKNOWN}, True, "not known: overlay"),
        (("overlay", "veth"), {"overlay": Part.MISSING}, False, "not in kernel 6.1.0: overlay"),
        (("overlay",), {"overlay": Part.FORBIDDEN}, False, "not in kernel 6.1.0: overlay"),
        (("ip_tables|nf_tables",), {"ip_tables": Part.MISSING}, True, "there or loadable: ip_tables or nf_tables"),
        (
            ("ip_tables|nf_tables",),
            {"ip_tables": Part.MISSING, "nf_tables": Part.MISSING},
            False,
            "not in kernel 6.1.0: ip_tables or nf_tables",
        ),
    ],
)
def test_parts_of_the_kernel(names: tuple[str, ...], parts: dict[str, Part], fit: bool, detail: str) -> None:
    found = tuple({**dict(WHOLE.around.parts), **parts}.items())
    facts = replace(WHOLE, around=replace(WHOLE.around, parts=found))
    judgement = judge_alone(Requirement(RequirementKind.MODULES, names=names), facts)
    assert (judgement.fit, judgement.detail) == (fit, detail)
    assert fit or judgement.hint


@pytest.mark.parametrize(
    ("least", "names", "cgroups", "fit", "detail"),
    [
        (0, ("cpu",), 2, True, "control groups of version 2"),
        (2, (), 1, False, "control groups of version 1; needed: 2"),
        (1, ("cpu", "io"), 2, False, "control groups of version 2 without io"),
        (0, (), 0, False, "control groups of version unknown"),
    ],
)
def test_control_groups_are_judged(least: int, names: tuple[str, ...], cgroups: int, fit: bool, detail: str) -> None:
    facts = replace(WHOLE, around=replace(WHOLE.around, cgroups=cgroups))
    judgement = judge_alone(Requirement(RequirementKind.CGROUPS, amount=least, names=names), facts)
    assert (judgement.fit, judgement.detail) == (fit, detail)
