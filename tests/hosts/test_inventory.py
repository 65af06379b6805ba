"""Scanning a network of real hosts, their facts by sudo, and whether they are fit."""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import TYPE_CHECKING

import pytest
from support.lab import DEPUTY, DEPUTY_PASSWORD

from appliance.cli import main
from appliance.cli.access import AccessOptions, confirm_keys
from appliance.cli.output import Format, Output
from appliance.clock import SystemClock
from appliance.errors import HostKeyChanged
from appliance.inventory import measures, sampling
from appliance.inventory.facts import NEEDED_COMMANDS, Facts, NodeStamp, Receipt, gather, stamp_to_text
from appliance.inventory.hindrances import Meeting, judge
from appliance.inventory.hosts import Access, Host, written_hosts
from appliance.inventory.scan import scan
from appliance.inventory.surroundings import Part, Proxying
from appliance.lab.spec import HostSpec
from appliance.recipe import clusterfile
from appliance.recipe.networking import Network
from appliance.recipe.requirements import Hindrance
from appliance.transport.base import Become, Command, Credential, Endpoint
from appliance.transport.connect import connector
from appliance.transport.ssh.hostkeys import HostKeys
from appliance.transport.sshconfig import SshConfig

if TYPE_CHECKING:
    from pathlib import Path

    from support.lab import MakeLab

    from appliance.lab.registry import Lab

pytestmark = pytest.mark.hosts
MIB = 1 << 20
RATE = 50_000_000


def facts_of(lab: Lab, name: str, user: str, credential: Credential) -> Facts:
    with connector(HostKeys(lab.known_hosts))(Endpoint(lab.host(name).address, 22, user, credential)) as transport:
        return gather(transport, clock=SystemClock())


def test_a_scan_of_the_whole_network_finds_the_hosts_by_their_keys(lab: Lab) -> None:
    addresses = [str(address) for address in ip_network(lab.network.subnet).hosts()]
    found = {each.address: [key.fingerprint for key in each.keys] for each in scan(addresses)}
    for each in lab.hosts:
        assert each.fingerprint in found[each.address]
    assert len(found) == len(lab.hosts)


def test_a_host_is_entered_unasked_by_the_fingerprints_that_a_scan_wrote_down(
    lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, keys = tmp_path / "cluster.yaml", HostKeys(tmp_path / "known_hosts")
    options = AccessOptions(Access(key=lab.key, config=SshConfig()), host_keys=None, accept_new=False)
    host = lab.host("one")
    assert main.run(["scan", host.address, "--write-inventory", str(made)], bundle=None) == 0
    text = made.read_text()

    def confirm() -> Host:
        written = clusterfile.load(made.read_text(), source="").cluster
        (found,) = written_hosts(written, options.access, secret=str)
        confirm_keys([found], keys, options, Output(Format.TEXT))
        return found

    made.write_text(text.replace(host.fingerprint, f"SHA256:{'o' * 43}"))
    with pytest.raises(HostKeyChanged, match=f"{re.escape(host.fingerprint)}, but .*SHA256:ooo"):
        confirm()
    assert keys.pinned(host.address, 22) == ()
    made.write_text(text)
    found = confirm()
    confirm()
    assert capsys.readouterr().err.count("keys are as in the inventory, now pinned: 1") == 1
    with connector(keys)(found.endpoint) as transport:
        assert transport.run(Command(("hostname",))).stdout == "one\n"


def test_facts_are_the_same_by_root_and_by_sudo(lab: Lab) -> None:
    root = facts_of(lab, "one", "root", Credential(key=lab.key))
    sudo = Credential(key=lab.key, become=Become.SUDO, become_password=DEPUTY_PASSWORD)
    deputy = facts_of(lab, "one", DEPUTY.name, sudo)
    plain = facts_of(lab, "one", DEPUTY.name, Credential(key=lab.key))
    assert (root.root, deputy.root, plain.root) == (True, True, False)
    for facts in (root, deputy):
        assert (facts.hostname, facts.os_id, facts.os_version, facts.systemd) == ("one", "debian", "12", 252)
        assert facts.addresses == (lab.host("one").address,)
        assert 22 in facts.listening_ports
        assert facts.commands == NEEDED_COMMANDS
        assert facts.machine_id == root.machine_id
        assert abs(facts.clock_skew) < 30


def test_a_bare_host_tells_its_small_disk_its_stamp_and_its_lease(make_lab: MakeLab) -> None:
    mine = make_lab(HostSpec("bare", python=False, data_disk=16 * MIB))
    stamp = NodeStamp("site-a", "etcd", "m", ("etcd",), "sha256:00", "1.0.0", 1, "systemd", Receipt(files=("/etc/x",)))
    lease = '{"cluster":"site-a","operator":"eva","run":"r1","started":"2026-01-31T10:00:00.000Z"}'
    endpoint = Endpoint(mine.hosts[0].address, 22, "root", Credential(key=mine.key))
    with connector(HostKeys(mine.known_hosts))(endpoint) as transport:
        transport.put(stamp_to_text(stamp).encode(), "/etc/appliance/node.json")
        transport.put(f"{lease}\n".encode(), "/run/appliance/lease/owner")
        facts = gather(transport, clock=SystemClock())
        assert (facts.stamp, facts.stamp_error, facts.lease) == (stamp, "", lease)
        disks = {disk.path: disk for disk in facts.disks}
        assert disks["/var/lib/appliance"].total < 16 * MIB < disks["/"].total
        assert disks["/var/lib/appliance"].device != disks["/"].device
        transport.put(b"{", "/etc/appliance/node.json")
        assert "Expecting" in gather(transport, clock=SystemClock()).stamp_error


def test_hosts_tell_what_a_cluster_meets_on_them(make_lab: MakeLab) -> None:
    mine = make_lab(HostSpec("met"))
    endpoint = Endpoint(mine.hosts[0].address, 22, "root", Credential(key=mine.key))
    with connector(HostKeys(mine.known_hosts))(endpoint) as transport:
        clean = gather(transport, clock=SystemClock()).around
        assert (clean.left, clean.engines, clean.proxies) == ((), (), ())
        assert (clean.cgroups > 0, len(clean.macs), "memory" in clean.controllers) == (True, 1, True)
        assert mine.network.subnet in [route.network for route in clean.routes if route.direct]
        assert dict(clean.parts)["overlay"] in (Part.THERE, Part.LOADABLE)
        transport.put(b"x", "/etc/kubernetes/pki/ca.crt")
        transport.put(b"http_proxy=http://eve:hush@proxy:3128\n#NO_PROXY=x\nNO_PROXY=10.0.0.0/8\n", "/etc/environment")
        transport.put(b"[Service]\nExecStart=/bin/sleep 1000\n", "/etc/systemd/system/docker.service")
        transport.run(
            Command.shell("ip link add cni0 type bridge; ip address add 10.244.7.1/24 dev cni0; ip link set cni0 up")
        )
        transport.run(Command(("systemctl", "start", "docker.service")))
        met = gather(transport, clock=SystemClock())
    assert met.around.left == ("/etc/kubernetes/pki", "cni0")
    assert met.around.engines == ("docker",)
    assert met.around.proxies == (Proxying("/etc/environment", ("10.0.0.0/8",)),)
    assert "hush" not in repr(met)
    clash = judge(Hindrance.NETWORK_CLASH, met, Meeting(Network()), ours=False)
    assert clash.detail == "the pods' 10.244.0.0/16 and the host's network 10.244.7.0/24 overlap"


def test_a_line_is_measured_and_a_disk_and_nothing_stays(make_lab: MakeLab) -> None:
    """The rate is what the link was shaped to, within a factor of two."""
    mine = make_lab(HostSpec("far", bandwidth=RATE))
    endpoint = Endpoint(mine.hosts[0].address, 22, "root", Credential(key=mine.key))
    with connector(HostKeys(mine.known_hosts))(endpoint) as transport:
        assert RATE / 2 < 8 * max(sampling.alone(transport, clock=SystemClock()) for _ in range(2)) < 2 * RATE
        found = measures.disk(transport, room="/var/lib/appliance/node", paths=("/var/lib/etcd",))
        left = transport.run(Command.shell("find / -xdev -name '.measure*'; ls /var/lib/etcd")).stdout
    assert found.writing > 0
    assert found.syncs("/var/lib/etcd")
    assert left == ""
