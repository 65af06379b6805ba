"""What Kubernetes asks of hosts, by version and role, and that the runtime's page says all of it."""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest
from support.kubesites import kube_site

from appliance.errors import Unreachable
from appliance.inventory.facts import DiskSpace, Facts, NodeStamp, Receipt
from appliance.inventory.hosts import Host
from appliance.inventory.measures import Measures
from appliance.inventory.preflight import Verdict, check_hosts
from appliance.inventory.surroundings import Part, Proxying, Route, Surroundings
from appliance.plan.runtime import SiteHost
from appliance.recipe.bundlefile import RoleSpec
from appliance.recipe.quantities import size_text
from appliance.recipe.requirements import MODULES, Level, Requirement, RequirementKind
from appliance.runtimes.kubernetes.needs import requirements
from appliance.runtimes.kubernetes.runtime import KubernetesRuntime
from appliance.transport.base import Endpoint


def asked(version: str, kind: RequirementKind, *roles: str) -> list[Requirement]:
    return [one for one in requirements(version) if one.kind is kind and (not one.roles or set(one.roles) & set(roles))]


@pytest.mark.parametrize(
    ("version", "kernel", "cgroups"),
    [
        ("1.20.2", "3.10", 1),
        ("v1.31.4", "3.10", 1),
        ("1.32.0", "4.19", 1),
        ("1.34", "4.19", 1),
        ("1.35.0", "4.19", 2),
        ("", "4.19", 2),
        ("newest", "4.19", 2),
    ],
)
def test_later_versions_ask_for_newer_kernels(version: str, kernel: str, cgroups: int) -> None:
    assert [one.names for one in asked(version, RequirementKind.KERNEL)] == [(kernel,)]
    assert [one.amount for one in asked(version, RequirementKind.CGROUPS)] == [cgroups]


@pytest.mark.parametrize(
    ("role", "ports"),
    [
        ("control-plane", {2379, 2380, 6443, 10248, 10249, 10250, 10256, 10257, 10259}),
        ("worker", {10248, 10249, 10250, 10256}),
    ],
)
def test_each_role_needs_its_ports(role: str, ports: set[int]) -> None:
    assert {int(port) for one in asked("1.31", RequirementKind.PORTS, role) for port in one.names} == ports


def test_only_a_control_plane_needs_a_disk_that_syncs_fast() -> None:
    assert asked("1.31", RequirementKind.FSYNC, "worker") == []
    (found,) = asked("1.31", RequirementKind.FSYNC, "control-plane")
    assert (found.path, found.amount, found.level) == ("/var/lib/etcd", 10, Level.WARN)


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("leftovers", "fail"),
        ("engines", "fail"),
        ("network-clash", "fail"),
        ("swap", "warn"),
        ("firewall", "warn"),
        ("proxy", "warn"),
        ("wrong-name", "warn"),
        ("selinux", "warn"),
    ],
)
def test_what_hinders_a_cluster_fails_and_what_may_do_so_warns(name: str, level: str) -> None:
    assert [one.level for one in asked("1.31", RequirementKind.WITHOUT) if name in one.names] == [level]


GIB = 1 << 30
BAD = Facts(
    hostname="a_b",
    machine_id="m1",
    architecture="amd64",
    kernel="2.6.32",
    os_id="debian",
    os_version="12",
    os_name="Debian",
    cpus=1,
    memory=GIB,
    disks=(DiskSpace("/", GIB // 2, 20 * GIB, 10, "ext4", "1"),),
    listening_ports=tuple(range(1, 11_000)),
    commands=(),
    systemd=0,
    root=False,
    clock_skew=9.0,
    addresses=("192.0.2.1",),
    stamp=NodeStamp("other", "kubernetes", "m1", ("worker",), "sha256:aa", "1.0.0", 0, "kubernetes", Receipt()),
    lease='{"run":"r1","operator":"eva","cluster":"b","started":"x"}',
    around=Surroundings(
        product_uuid="u1",
        swap=GIB,
        macs=("52:54:00:00:00:01",),
        routes=(Route(ip_network("10.244.3.0/24"), direct=True),),
        left=("cni0",),
        engines=("docker",),
        walls=("firewalld",),
        proxies=(Proxying("systemd", ()),),
        selinux=True,
        parts=tuple((name, Part.MISSING) for name in MODULES),
    ),
)


def found_on_bad_hosts() -> set[tuple[str, str]]:
    """What preflight says of two machines on which nothing is right, and of one that does not answer."""
    everyone = [Host(f"control-plane-{n}", Endpoint(f"10.0.0.{n}", 22, "x"), ("control-plane",)) for n in (1, 2, 1, 9)]
    facts = (BAD, replace(BAD, clock_skew=-9.0))
    results = check_hosts(
        [SiteHost(host, each) for host, each in zip(everyone, facts, strict=False)],
        (),
        cluster="site-a",
        missing=[(host, Unreachable("no answer")) for host in everyone[2:]],
        roles=(RoleSpec("control-plane", odd=True),),
        architectures=["arm64"],
        bytes_needed={"control-plane-1": {"/var/lib/containerd": GIB}},
        by_runtime=KubernetesRuntime().requirements(kube_site(1, 0, version="1.34.1").config),
        measures={"control-plane-1": Measures(synced=(("/var/lib/etcd", 0.1),))},
    )
    return {(result.check, result.verdict.value) for result in results if result.verdict is not Verdict.PASS}


def rows() -> list[tuple[str, str, str, str]]:
    """The rows of what is asked of hosts: the check, what comes of it, of whom, and what is found."""
    page = (Path(__file__).parents[2] / "docs/kubernetes-runtime.md").read_text()
    section = page.partition("## What is asked of hosts\n")[2].partition("\n## ")[0]
    found = re.findall(r"^\| `(.+?)` \| (fails|warns) \| (.+?) \| (.+?) \| .+ \|$", section, re.MULTILINE)
    assert len(found) == section.count("\n| `")
    return found


def test_the_runtime_s_page_lists_every_check_and_what_comes_of_it() -> None:
    verdicts = {"fails": "fail", "warns": "warn"}
    assert {(check, verdicts[comes]) for check, comes, _, _ in rows()} == found_on_bad_hosts()


AMOUNTS = {
    RequirementKind.CPU: "{} cores",
    RequirementKind.FSYNC: "{} ms",
    RequirementKind.CLOCK_SKEW: "{} s",
    RequirementKind.CGROUPS: "version {}",
}
EACH_BY_ITSELF = (RequirementKind.UNIQUE, RequirementKind.WITHOUT)


def values_of(asked: Requirement) -> list[str]:
    """What the row of a requirement must say."""
    if asked.kind in (RequirementKind.MEMORY, RequirementKind.DISK):
        return [size_text(asked.amount), asked.path]
    amount = [AMOUNTS[asked.kind].format(asked.amount)] if asked.kind in AMOUNTS and asked.amount != 1 else []
    names = [] if asked.kind in EACH_BY_ITSELF else [each for name in asked.names for each in name.split("|")]
    return [*amount, asked.path, *names]


@pytest.mark.parametrize("version", ["1.20.2", "1.32.0", "1.35.0"])
def test_the_runtime_s_page_says_what_is_asked(version: str) -> None:
    config = kube_site(1, 0, version="1.34.1").config
    config = replace(config, spec=replace(config.spec, runtime_version=version))
    for one in KubernetesRuntime().requirements(config):
        checks = one.names if one.kind in EACH_BY_ITSELF else (one.kind.value,)
        of = "control planes" if one.roles else "all"
        for check in checks:
            said = [found for row, comes, whom, found in rows() if (row, comes, whom) == (check, f"{one.level}s", of)]
            assert any(all(value in found for value in values_of(one)) for found in said), one
