"""Hosts behind a translator of addresses: the operator reaches them at addresses that are none of their own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.lab import lab_of
from support.operators import Operator, deliver, write_clusterfile

from appliance.lab import host as machines
from appliance.lab.spec import HostSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from appliance.lab.registry import Lab

pytestmark = [pytest.mark.hosts, pytest.mark.slow]

RECIPE = Path(__file__).parents[1] / "data" / "recipes" / "beacon"
NOISE_BYTES = 24 << 20
NAMES = ("one", "two", "three")
FURTHER = 100
"""From a host's own address to the one at which the operator reaches it."""


def outside(address: str) -> str:
    return str(ip_address(address) + FURTHER)


@pytest.fixture(scope="module")
def delivery(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("beacon")
    recipe = shutil.copytree(RECIPE, folder / "recipe")
    (recipe / "noise").write_bytes(os.urandom(NOISE_BYTES))
    (recipe / "zeros").write_text("zeros")
    return deliver(folder, recipe)


@pytest.fixture(scope="module")
def lab(swept: None) -> Iterator[Lab]:
    """Three hosts without a way to the operator but through ``gate``, which lets SSH in to each, and nothing else."""
    with lab_of(*(HostSpec(name, bandwidth=200_000_000) for name in NAMES), HostSpec("gate")) as standing:
        _translate(standing)
        for name in NAMES:
            machines.run_inside(standing.host(name), ("ip", "route", "add", "blackhole", f"{standing.gateway}/32"))
        yield standing


def _translate(lab: Lab) -> None:
    inside = [lab.host(name).address for name in NAMES]
    gate = ["nsenter", f"--net={lab.host('gate').netns}"]
    rules = "".join(f"ip daddr {outside(each)} tcp dport 22 dnat to {each}\n" for each in inside)
    table = f"""table ip gate {{
    chain inwards {{ type nat hook prerouting priority dstnat;
    {rules} }}
    chain outwards {{ type nat hook postrouting priority srcnat; ip daddr {{ {", ".join(inside)} }} masquerade; }}
    chain own {{ type filter hook input priority filter;
    ip daddr {{ {", ".join(map(outside, inside))} }} tcp dport != 22 drop; }}
    }}"""
    subprocess.run([*gate, "nft", "-f", "-"], input=table, text=True, check=True)
    subprocess.run([*gate, "sysctl", "-qw", "net.ipv4.ip_forward=1"], check=True)
    for each in inside:
        subprocess.run([*gate, "ip", "addr", "add", f"{outside(each)}/32", "dev", "eth0"], check=True)


@pytest.fixture
def ann(lab: Lab, delivery: tuple[Path, Path], tmp_path: Path) -> Operator:
    """Who has not written the hosts down yet."""
    return Operator(lab, tmp_path / "ann", *delivery, tmp_path / "cluster.yaml")


def own(lab: Lab) -> list[str]:
    return [lab.host(name).address for name in NAMES]


def logs(ann: Operator) -> list[str]:
    return [path.read_text() for path in sorted((ann.runs[0].path / "hosts").iterdir())]


def given(ann: Operator) -> int:
    return sum(int(size) for log in logs(ann) for size in re.findall(r"\((\d+) bytes of them from the operator\)", log))


def require_installed(ann: Operator, lab: Lab, *more: str) -> None:
    for name in NAMES:
        assert machines.run_inside(lab.host(name), ("systemctl", "is-active", "beacon")).stdout == "active\n"
    assert ann.appliance("reset", *more).returncode == 0


def test_known_by_their_own_addresses_hosts_pass_on_to_each_other(lab: Lab, ann: Operator, tmp_path: Path) -> None:
    """The operator's SSH configuration says at which addresses they are reached from there."""
    config = tmp_path / "config"
    config.write_text("".join(f"Host {each}\n HostName {outside(each)}\n" for each in own(lab)))
    write_clusterfile(ann.clusterfile, own(lab), "beacon", distribution={"method": "chain"})
    done = ann.appliance("apply", "--ssh-config", str(config))
    assert done.returncode == 0, done.stderr
    assert sum("takes from beacon-" in log for log in logs(ann)) >= len(NAMES) - 1
    assert NOISE_BYTES <= given(ann) < len(NAMES) * NOISE_BYTES
    require_installed(ann, lab, "--ssh-config", str(config))


def test_known_by_other_addresses_they_pass_on_at_their_own_and_it_is_said(lab: Lab, ann: Operator) -> None:
    write_clusterfile(ann.clusterfile, [outside(each) for each in own(lab)], "beacon", distribution={"method": "chain"})
    checked = ann.appliance("preflight", *ann.words("apply")[1:], "--accept-new-host-keys")
    assert "0 failed, 3 warnings" in checked.stdout, checked.stdout
    words = " ".join(checked.stdout.split())
    assert all(f"{outside(each)} is none of its own addresses ({each})" in words for each in own(lab))
    done = ann.appliance("apply", "--accept-new-host-keys")
    assert done.returncode == 0, done.stderr
    for log, address in zip(logs(ann), own(lab), strict=True):
        assert f"others take from this host at {address}: {outside(address)} is not its own" in log
    assert sum("takes from beacon-" in log for log in logs(ann)) >= len(NAMES) - 1
    assert NOISE_BYTES <= given(ann) < len(NAMES) * NOISE_BYTES
    require_installed(ann, lab, "--accept-new-host-keys")
