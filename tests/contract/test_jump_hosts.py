"""Through jump hosts: chains of real sshds on loopback, each with keys of its own; the contract at the end of one."""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from support.sshd import Sshd, free_port, sshd
from support.transport_contract import TransportContract

from appliance.errors import AuthRefused, HostKeyChanged, TransportError, Unreachable
from appliance.inventory.scan import keys_of
from appliance.transport.base import Command, Endpoint, Transport
from appliance.transport.connect import connector
from appliance.transport.ssh.hostkeys import HostKeys, accept_new

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="it is about root's programs and files")


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sshd, ...]]:
    """Two jump hosts and the host; the second listens where only its own machine could know."""
    folders = [tmp_path_factory.mktemp(name) for name in ("first", "second", "host")]
    with sshd(folders[0]) as first, sshd(folders[1]) as second, sshd(folders[2]) as host:
        yield first, second, host


def through(*stations: Sshd) -> Endpoint:
    *jumps, last = (station.endpoint for station in stations)
    return replace(last, jumps=tuple(jumps))


@pytest.mark.slow
class TestThroughAChain(TransportContract):
    @pytest.fixture
    def transport(self, chain: tuple[Sshd, ...], tmp_path: Path) -> Iterator[Transport]:
        with connector(HostKeys(tmp_path / "known_hosts", decide=accept_new))(through(*chain)) as connection:
            yield connection


def said(endpoint: Endpoint, known: HostKeys) -> str:
    with connector(known, timeout=5)(endpoint) as connection:
        return connection.run(Command(("echo", "in"))).stdout


def test_each_station_is_pinned_as_itself(chain: tuple[Sshd, ...], tmp_path: Path) -> None:
    known = HostKeys(tmp_path / "known_hosts", decide=accept_new)
    assert said(through(*chain), known) == "in\n"
    for station in chain:
        (key,) = known.pinned("127.0.0.1", station.port)
        assert key.fingerprint == station.fingerprint()


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_changed_key_anywhere_on_the_way_is_refused(chain: tuple[Sshd, ...], tmp_path: Path, which: int) -> None:
    path = tmp_path / "known_hosts"
    foreign = chain[which - 1].public_key()
    path.write_text(f"[127.0.0.1]:{chain[which].port} {foreign}")
    with pytest.raises(HostKeyChanged) as error:
        said(through(*chain), HostKeys(path, decide=accept_new))
    assert error.value.where == f"[127.0.0.1]:{chain[which].port}"


def test_many_hosts_at_once_are_one_login_at_the_jump_host(chain: tuple[Sshd, ...], tmp_path: Path) -> None:
    first, _, host = chain
    connect = connector(HostKeys(tmp_path / "known_hosts", decide=accept_new))
    endpoint = through(first, host)

    def peers(_: int) -> str:
        with connect(endpoint) as connection:
            return connection.run(Command.shell("set -- $SSH_CONNECTION; echo $2; sleep 1")).stdout

    with ThreadPoolExecutor(8) as pool, connect(first.endpoint) as other:
        found = pool.map(peers, range(8))
        count = "ss -Htn state established sport = :$1 | wc -l"
        assert len(set(found)) == 8
        assert other.run(Command.shell(count, str(first.port))).stdout == "1\n"  # all behind it are gone: only this one


def test_what_the_jump_host_cannot_reach_or_does_not_let_through_is_said(
    chain: tuple[Sshd, ...], tmp_path: Path
) -> None:
    known = HostKeys(tmp_path / "known_hosts", decide=accept_new)
    nothing = replace(chain[2].endpoint, port=free_port(), jumps=(chain[0].endpoint,))
    with pytest.raises(Unreachable, match="the jump host does not connect to it"):
        said(nothing, known)
    with (
        sshd(tmp_path, more="AllowTcpForwarding no") as shut,
        pytest.raises(Unreachable, match="the jump host does not connect to it") as error,
    ):
        said(through(shut, chain[2]), known)
    assert "AllowTcpForwarding" in error.value.hint


def test_a_jump_host_that_is_down_or_refuses_is_named(chain: tuple[Sshd, ...], tmp_path: Path) -> None:
    known = HostKeys(tmp_path / "known_hosts", decide=accept_new)
    down = replace(chain[0].endpoint, port=free_port())
    with pytest.raises(Unreachable, match="the jump host: the host answers, but nothing listens") as error:
        said(replace(chain[2].endpoint, jumps=(down,)), known)
    assert error.value.where == down.place
    stranger = replace(chain[0].endpoint, user="nobody-of-that-name")
    with pytest.raises(AuthRefused, match="does not let nobody-of-that-name in"):
        said(replace(chain[2].endpoint, jumps=(stranger,)), known)


def test_keys_behind_a_jump_host_are_fetched_through_it(chain: tuple[Sshd, ...], tmp_path: Path) -> None:
    first, _, host = chain
    known = HostKeys(tmp_path / "known_hosts")
    with pytest.raises(TransportError, match="key is not known"):
        keys_of([through(first, host)], known)
    known.pin("127.0.0.1", first.port, *keys_of([first.endpoint], known)[0][1])
    ((_, keys),) = keys_of([through(first, host)], known)
    assert {key.fingerprint for key in keys} == {host.fingerprint(kind) for kind in ("ed25519", "ecdsa", "rsa")}


def test_a_host_that_falls_silent_behind_its_jump_host_is_given_up(chain: tuple[Sshd, ...], tmp_path: Path) -> None:
    connect = connector(HostKeys(tmp_path / "known_hosts", decide=accept_new), quiet=1)
    with connect(through(chain[0], chain[2])) as connection:
        pid = connection.run(Command.shell('echo "$PPID"')).stdout.strip()
        frozen: list[str] = []

        def freeze(_: bytes) -> None:
            frozen.append(pid)
            subprocess.run(["kill", "-STOP", pid], check=True)

        try:
            with pytest.raises(Unreachable, match="the connection broke while a command ran"):
                connection.run(Command.shell("echo up; sleep 60", timeout=50), output=freeze)
        finally:
            for each in frozen:
                subprocess.run(["kill", "-CONT", each], check=True)
    assert frozen
