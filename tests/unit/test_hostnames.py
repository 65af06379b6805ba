"""Names in /etc/hosts: the very scripts of the steps, run on a file."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from support.sites import hosts, site
from support.stepping import StandIn

from appliance.runtimes.parts import hostnames

if TYPE_CHECKING:
    from pathlib import Path


THEIRS = "127.0.0.1 localhost\n10.0.0.12 worker-9  # kept\n# of cluster\n"


class EtcHosts(StandIn):
    """A file in the place of /etc/hosts."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def moved(self, word: str) -> str:
        return str(self.path) if word == hostnames.PATH else word


@pytest.fixture
def etc_hosts(tmp_path: Path) -> EtcHosts:
    path = tmp_path / "hosts"
    path.write_text(THEIRS)
    path.chmod(0o644)
    return EtcHosts(path)


def test_hosts_and_aliases_have_names_by_address() -> None:
    named = replace(site(hosts(2, "db")), aliases=(("10.0.0.12", ("b.example", "db-2")), ("10.1.0.1", ("gw",))))
    assert hostnames.nodes(named) == {
        "10.0.0.11": ("db-1",),
        "10.0.0.12": ("db-2", "b.example"),
        "10.1.0.1": ("gw",),
    }


def test_our_lines_go_before_theirs_and_each_block_replaces_its_own(etc_hosts: EtcHosts) -> None:
    etc_hosts.carry_out(hostnames.put("a", "site-a", "hosts", {"10.0.0.11": ("db-1", "b.example")}))
    etc_hosts.carry_out(hostnames.put("a", "site-a", "registry", {"10.0.0.11": ("registry.local",)}))
    etc_hosts.carry_out(hostnames.put("a", "site-a", "hosts", {"10.0.0.12": ("db-2",)}))
    assert etc_hosts.path.read_text() == (
        "10.0.0.12 db-2 # of cluster site-a: hosts\n10.0.0.11 registry.local # of cluster site-a: registry\n" + THEIRS
    )
    assert etc_hosts.path.stat().st_mode & 0o777 == 0o644


def test_removal_takes_every_line_of_this_cluster_and_no_other(etc_hosts: EtcHosts) -> None:
    etc_hosts.carry_out(hostnames.put("a", "site-a", "hosts", {"10.0.0.11": ("db-1",)}))
    etc_hosts.carry_out(hostnames.put("a", "site-ab", "hosts", {"10.0.0.21": ("x-1",)}))
    etc_hosts.carry_out(hostnames.put("a", "site-a", "registry", {"10.0.0.11": ("registry.local",)}))
    etc_hosts.carry_out(hostnames.remove("a", "site-a"))
    assert etc_hosts.path.read_text() == "10.0.0.21 x-1 # of cluster site-ab: hosts\n" + THEIRS


def test_no_names_take_the_block_away(etc_hosts: EtcHosts) -> None:
    etc_hosts.carry_out(hostnames.put("a", "site-a", "hosts", {"10.0.0.11": ("db-1",)}))
    etc_hosts.carry_out(hostnames.put("a", "site-a", "hosts", {}))
    assert etc_hosts.path.read_text() == THEIRS


def test_a_host_without_the_file_gets_one(tmp_path: Path) -> None:
    etc_hosts = EtcHosts(tmp_path / "hosts")
    etc_hosts.carry_out(hostnames.put("a", "site-a", "hosts", {"10.0.0.11": ("db-1",)}))
    assert etc_hosts.path.read_text() == "10.0.0.11 db-1 # of cluster site-a: hosts\n"
