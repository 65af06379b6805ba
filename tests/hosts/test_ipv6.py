"""Hosts that are known by IPv6 addresses only: found, entered, fed by the chain, installed, reached by a jump host."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.lab import lab_of
from support.operators import Operator, deliver
from support.sending import Sending

from appliance.cli import main
from appliance.errors import Unreachable
from appliance.lab import host as machines
from appliance.lab.spec import HostSpec
from appliance.recipe import clusterfile
from appliance.transport.connect import connector
from appliance.transport.ssh.hostkeys import HostKeys

if TYPE_CHECKING:
    from collections.abc import Iterator

    from appliance.lab.registry import Lab

pytestmark = [pytest.mark.hosts, pytest.mark.slow]

RECIPE = Path(__file__).parents[2] / "bundles" / "etcd"
NAMES = ("one", "two", "three")
LARGE = 24 << 20


@pytest.fixture(scope="module")
def lab(swept: None) -> Iterator[Lab]:
    """Hosts to which nothing but IPv6 leads."""
    with lab_of(*(HostSpec(name, bandwidth=200_000_000) for name in NAMES), ipv6=True) as standing:
        for host in standing.hosts:
            machines.run_inside(host, ("ip", "-4", "addr", "flush", "dev", "eth0"))
        yield standing


def test_from_a_scan_to_a_cluster_and_back(
    lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    bundle, root = deliver(tmp_path, RECIPE)
    made = tmp_path / "cluster.yaml"
    network = f"{lab.hosts[0].address6.rpartition(':')[0]}:0/118"
    assert main.run(["scan", network, "--write-inventory", str(made), "--role", "etcd"], bundle=None) == 0
    (group,) = clusterfile.load(made.read_text(), source="").cluster.hosts
    assert group.addresses == tuple(host.address6 for host in lab.hosts)
    assert group.fingerprints == {host.address6: (host.fingerprint,) for host in lab.hosts}

    ann = Operator(
        lab, tmp_path / "ann", bundle, root, made, clusterfile.load(made.read_text(), source="").cluster.name
    )
    done = ann.appliance("apply")
    assert done.returncode == 0, done.stderr
    members = machines.run_inside(lab.hosts[0], ("/etc/etcd/etcdctl", "member", "list")).stdout
    assert all(f"https://[{host.address6}]:2380" in members for host in lab.hosts)
    logs = [path.read_text() for path in (ann.runs[0].path / "hosts").iterdir()]
    assert sum("takes from etcd-" in log for log in logs) >= len(NAMES) - 1
    again = ann.appliance("apply")
    assert "nothing to do" in again.stdout, again.stderr
    assert ann.appliance("reset").returncode == 0


def test_behind_a_jump_host_one_copy_goes_through_it(lab: Lab, tmp_path: Path) -> None:
    sending = Sending(lab, tmp_path, addresses={host.name: host.address6 for host in lab.hosts})
    blob = sending.blob(LARGE)
    operator = f"{lab.hosts[0].address6.rpartition(':')[0]}:1/128"
    behind = ("two", "three")
    for name in behind:
        machines.run_inside(lab.host(name), ("ip", "-6", "route", "add", "blackhole", operator))
    try:
        with pytest.raises(Unreachable), connector(HostKeys(lab.known_hosts), timeout=1)(sending.endpoint("two")):
            pass
        sending.jump = "one"
        run = sending.start("chain", dict.fromkeys(behind, (blob,)))
        assert sending.ending(run).failed == ()
    finally:
        for name in behind:
            machines.run_inside(lab.host(name), ("ip", "-6", "route", "del", "blackhole", operator))
    assert all(blob.digest.hex in sending.stored(name) for name in behind)
    assert sum(sending.given(run, name) for name in behind) == LARGE
