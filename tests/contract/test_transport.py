"""The transports' contract, on this machine and over a real sshd on loopback."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from support.sshd import Sshd, sshd
from support.transport_contract import TransportContract

from appliance.transport.base import Become, Command, Credential, Endpoint, Transport
from appliance.transport.connect import connector
from appliance.transport.ssh.hostkeys import HostKeys, accept_new

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="it is about root's programs and files")
HERE = Endpoint("", 0, "root", Credential(become=Become.SUDO))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with sshd(tmp_path_factory.mktemp("sshd")) as running:
        yield running


class TestThisMachine(TransportContract):
    @pytest.fixture
    def transport(self, tmp_path: Path) -> Iterator[Transport]:
        with connector(HostKeys(tmp_path / "known_hosts"))(HERE) as here:
            yield here

    def test_nothing_of_the_operators_environment_reaches_a_program(
        self, transport: Transport, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("APPLIANCE_SSH_PASSWORD", "hunter2")
        names = {line.split("=")[0] for line in transport.run(Command(("env",))).stdout.splitlines()}
        assert {"PATH", "HOME"} <= names <= {"PATH", "HOME", "USER", "LOGNAME", "LANG", "PWD", "SHLVL", "_"}


class TestSsh(TransportContract):
    @pytest.fixture
    def transport(self, server: Sshd, tmp_path: Path) -> Iterator[Transport]:
        host_keys = HostKeys(tmp_path / "known_hosts", decide=accept_new)
        with connector(host_keys)(server.endpoint) as connection:
            yield connection
