"""Scanning a network of real hosts, their facts by sudo, and whether they are fit."""

from __future__ import annotations

from ipaddress import ip_network
from typing import TYPE_CHECKING

import pytest
from support.lab import DEPUTY, DEPUTY_PASSWORD

from appliance.clock import SystemClock
from appliance.inventory.facts import NEEDED_COMMANDS, Facts, NodeStamp, Receipt, gather, stamp_to_text
from appliance.inventory.scan import scan
from appliance.lab.spec import HostSpec
from appliance.transport.base import Become, Credential, Endpoint
from appliance.transport.connect import connector
from appliance.transport.ssh.hostkeys import HostKeys

if TYPE_CHECKING:
    from support.lab import MakeLab

    from appliance.lab.registry import Lab

pytestmark = pytest.mark.hosts
MIB = 1 << 20


def facts_of(lab: Lab, name: str, user: str, credential: Credential) -> Facts:
    with connector(HostKeys(lab.known_hosts))(Endpoint(lab.host(name).address, 22, user, credential)) as transport:
        return gather(transport, clock=SystemClock())


def test_a_scan_of_the_whole_network_finds_the_hosts_by_their_keys(lab: Lab) -> None:
    addresses = [str(address) for address in ip_network(lab.network.subnet).hosts()]
    found = {each.address: [key.fingerprint for key in each.keys] for each in scan(addresses)}
    for each in lab.hosts:
        assert each.fingerprint in found[each.address]
    assert len(found) == len(lab.hosts)


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
