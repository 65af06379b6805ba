"""Scanning loopback, where a real sshd listens among ports and addresses where nothing does."""

from __future__ import annotations

import socket
import threading
from dataclasses import replace
from ipaddress import ip_network
from typing import TYPE_CHECKING

import pytest
from support.sshd import HOST_KEY_TYPES, Sshd, free_port, sshd

from appliance.cli import main
from appliance.events import Event, Outcome, TaskFinished, TaskProgress
from appliance.inventory.scan import keys_of, scan
from appliance.recipe import clusterfile
from appliance.recipe.addresses import expand
from appliance.recipe.clusterfile import HostGroup, SshSettings
from appliance.transport.ssh.hostkeys import HostKeys

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with sshd(tmp_path_factory.mktemp("sshd"), more="ListenAddress 127.0.1.7") as running:
        yield running


def test_a_scan_finds_the_hosts_with_all_their_keys_as_openssh_prints_them(server: Sshd) -> None:
    addresses = [str(address) for address in ip_network("127.0.0.0/23").hosts()]
    events: list[Event] = []
    found = scan(addresses, port=server.port, at_once=100, key_timeout=60, sink=events.append)
    assert [each.address for each in found] == ["127.0.0.1", "127.0.1.7"]
    for each in found:
        assert each.banner.startswith("SSH-2.0-OpenSSH")
        assert {key.fingerprint for key in each.keys} == {server.fingerprint(kind) for kind in HOST_KEY_TYPES}
        assert each.latency >= 0
    assert TaskProgress("scan", len(addresses)) in events
    assert [event.outcome for event in events if isinstance(event, TaskFinished)] == [Outcome.OK, Outcome.OK]


def test_what_does_not_speak_ssh_is_left_out(server: Sshd) -> None:
    with socket.create_server(("127.0.0.9", server.port)) as mute, socket.create_server(("127.0.0.8", 0)) as other:
        chat = threading.Thread(target=_greet_in_http, args=(other,))
        chat.start()
        assert scan(["127.0.0.9", "127.0.0.10"], port=server.port, key_timeout=0.1) == ()
        assert scan(["127.0.0.8"], port=other.getsockname()[1]) == ()
        chat.join()
        assert mute.fileno() > 0


def _greet_in_http(server: socket.socket) -> None:
    for _ in range(2):
        link, _ = server.accept()
        with link:
            link.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def test_an_address_is_asked_once_and_nonsense_not_at_all(server: Sshd) -> None:
    found = scan(["127.0.0.1", "no such name.invalid", "127.0.0.1"], port=server.port)
    assert [each.address for each in found] == ["127.0.0.1"]
    assert scan([], port=server.port) == ()


def test_keys_of_a_host_that_does_not_answer_are_left_out(server: Sshd, tmp_path: Path) -> None:
    shut = replace(server.endpoint, port=free_port())
    ((endpoint, keys),) = keys_of([shut, server.endpoint], HostKeys(tmp_path / "known_hosts"))
    assert endpoint == server.endpoint
    assert {key.fingerprint for key in keys} == {server.fingerprint(kind) for kind in HOST_KEY_TYPES}


def test_a_range_of_ipv6_addresses_is_scanned(tmp_path: Path) -> None:
    with sshd(tmp_path, kinds=("ed25519",), more="ListenAddress ::1") as server:
        found = scan(expand(["::1-::4"]), port=server.port)
    assert [(each.address, [key.fingerprint for key in each.keys]) for each in found] == [
        ("::1", [server.fingerprint()])
    ]


def test_the_hosts_of_an_inventory_become_a_clusterfile_of_those_that_answer(server: Sshd, tmp_path: Path) -> None:
    inventory, made = tmp_path / "hosts.ini", tmp_path / "cluster.yaml"
    said = f"ansible_port={server.port} ansible_user=ops ansible_password=hunter2"
    lines = ("[etcd]", f"alive ansible_host=127.0.0.1 {said}")
    inventory.write_text("\n".join((*lines, "silent ansible_host=127.0.0.1 ansible_port=1")))
    (tmp_path / "group_vars").mkdir()
    words = ["--home", str(tmp_path / "home"), "scan", "--inventory", str(inventory), "--write-inventory", str(made)]
    assert main.run(words, bundle=None) == 2  # both are at one address
    inventory.write_text("\n".join((*lines, "silent ansible_host=127.0.0.9 ansible_port=1")))
    assert main.run(words, bundle=None) == 0
    written = clusterfile.load(made.read_text(), source="").cluster
    prints = tuple(server.fingerprint(kind) for kind in HOST_KEY_TYPES)
    way = SshSettings("ops", server.port)
    assert written.hosts == (HostGroup(("127.0.0.1",), ("etcd",), ssh=way, fingerprints={"127.0.0.1": prints}),)
    assert "hunter2" not in made.read_text()


def test_a_fingerprint_that_the_list_has_is_kept_though_the_host_shows_another(
    server: Sshd, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, made, other = tmp_path / "hosts.csv", tmp_path / "cluster.yaml", f"SHA256:{'o' * 43}"
    table.write_text(f"address,port,fingerprint\n127.0.0.1,{server.port},{other}\n127.0.1.7,{server.port},\n")
    assert main.run(["scan", "--inventory", str(table), "--write-inventory", str(made)], bundle=None) == 0
    (group,) = clusterfile.load(made.read_text(), source="").cluster.hosts
    assert group.fingerprints["127.0.0.1"] == (other,)
    assert server.fingerprint() in group.fingerprints["127.0.1.7"]
    assert f"hosts.csv:2: 127.0.0.1 shows {server.fingerprint()}" in capsys.readouterr().err
