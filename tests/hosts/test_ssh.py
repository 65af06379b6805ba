"""SSH on real hosts: users with and without sudo, passwords, and the contract through sudo."""

from __future__ import annotations

import io
from ipaddress import ip_network
from typing import TYPE_CHECKING

import pytest
from support.lab import DEPUTY, DEPUTY_PASSWORD, GUEST, GUEST_PASSWORD, OPS, lab_of
from support.transport_contract import TransportContract

from appliance.errors import AuthRefused, Unreachable
from appliance.lab import host as hosts
from appliance.lab.spec import HostSpec
from appliance.transport.base import Become, Command, Credential, Endpoint, Transport
from appliance.transport.connect import connector
from appliance.transport.ssh.hostkeys import HostKeys, accept_new

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from support.lab import MakeLab

    from appliance.lab.registry import Lab

pytestmark = pytest.mark.hosts


def enter(lab: Lab, name: str, user: str, credential: Credential | None = None) -> AbstractContextManager[Transport]:
    """Connect as `user`, by the lab's key unless the credential says otherwise."""
    chosen = credential or Credential(key=lab.key, agent=False)
    return connector(HostKeys(lab.known_hosts))(Endpoint(lab.host(name).address, 22, user, chosen))


def by_sudo(lab: Lab, password: str | None = None) -> Credential:
    return Credential(key=lab.key, agent=False, become=Become.SUDO, become_password=password)


class TestRoot(TransportContract):
    @pytest.fixture
    def transport(self, lab: Lab) -> Iterator[Transport]:
        with enter(lab, "one", "root") as connection:
            yield connection


class TestSudoWithoutPassword(TransportContract):
    @pytest.fixture
    def transport(self, lab: Lab) -> Iterator[Transport]:
        with enter(lab, "one", OPS.name, by_sudo(lab)) as connection:
            yield connection

    def test_a_password_that_is_not_asked_for_does_not_reach_the_program(self, lab: Lab) -> None:
        with enter(lab, "one", OPS.name, by_sudo(lab, "not needed")) as connection:
            assert connection.run(Command(("cat",)), stdin=b"payload").stdout == "payload"


class TestSudoWithPassword(TransportContract):
    @pytest.fixture
    def transport(self, lab: Lab) -> Iterator[Transport]:
        with enter(lab, "one", DEPUTY.name, by_sudo(lab, DEPUTY_PASSWORD)) as connection:
            yield connection

    def test_the_password_is_in_no_process_and_no_log(self, transport: Transport) -> None:
        traces = "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ /var/log/*; journalctl -q --no-pager"
        counts = "grep -acF -f - /tmp/traces; grep -ac sudo-.*begin- /tmp/traces"
        script = f"({traces}) >/tmp/traces 2>/dev/null; {counts}"
        result = transport.run(Command.shell(script), stdin=DEPUTY_PASSWORD.encode())
        assert result.stdout.splitlines()[0] == "0"
        assert int(result.stdout.splitlines()[1]) >= 1


def test_a_wrong_sudo_password_is_refused(lab: Lab) -> None:
    with enter(lab, "two", DEPUTY.name, by_sudo(lab, "wrong")) as connection:
        with pytest.raises(AuthRefused, match="sudo refused the password") as error:
            connection.run(Command(("id",)), stdin=b"payload")
        assert "wrong" not in str(error.value)


def test_a_sudo_password_that_is_needed_and_not_given_is_said(lab: Lab) -> None:
    with enter(lab, "two", DEPUTY.name, by_sudo(lab)) as connection:
        with pytest.raises(AuthRefused, match="asks for a password and none was given") as error:
            connection.run(Command(("id",)))
        assert "--become-password-file" in error.value.hint


def test_a_user_whom_sudo_does_not_know_is_told_what_sudo_says(lab: Lab) -> None:
    with (
        enter(lab, "two", GUEST.name, by_sudo(lab, GUEST_PASSWORD)) as connection,
        pytest.raises(AuthRefused, match=r"guest is not in the sudoers file"),
    ):
        connection.run(Command(("id",)))


def test_without_become_a_user_stays_who_he_is(lab: Lab) -> None:
    with enter(lab, "two", OPS.name) as connection:
        assert connection.run(Command(("id", "-un"))).stdout == f"{OPS.name}\n"


def test_a_password_login_works_and_a_wrong_one_says_what_was_tried(lab: Lab) -> None:
    with enter(lab, "two", GUEST.name, Credential(password=GUEST_PASSWORD, agent=False)) as connection:
        assert connection.run(Command(("id", "-un"))).stdout == f"{GUEST.name}\n"
    with (
        pytest.raises(AuthRefused, match=r"does not let guest in; tried: the password \(refused\)"),
        enter(lab, "two", GUEST.name, Credential(password="no", agent=False)),
    ):
        pass


def test_an_address_where_nothing_is_is_unreachable(lab: Lab) -> None:
    nobody = str(ip_network(lab.network.subnet)[-2])
    endpoint = Endpoint(nobody, 22, "root", Credential(key=lab.key, agent=False))
    with pytest.raises(Unreachable) as error, connector(HostKeys(lab.known_hosts), timeout=8)(endpoint):
        pass
    assert error.value.where == f"{nobody}:22"
    assert "firewall" in error.value.hint


def test_a_host_whose_cable_is_cut_or_whose_power_is_off_is_unreachable(make_lab: MakeLab) -> None:
    mine = make_lab(HostSpec("one"))
    endpoint = Endpoint(mine.hosts[0].address, 22, "root", Credential(key=mine.key, agent=False))
    with connector(HostKeys(mine.known_hosts), quiet=2)(endpoint) as connection:
        hosts.cut(mine.hosts[0])
        with pytest.raises(Unreachable, match="the connection broke: "):
            connection.run(Command(("true",), timeout=1))
    hosts.power_off(mine.hosts[0])
    with pytest.raises(Unreachable), connector(HostKeys(mine.known_hosts), timeout=1)(endpoint):
        pass


def test_a_host_that_goes_down_under_a_command_is_unreachable(make_lab: MakeLab) -> None:
    mine = make_lab(HostSpec("one"))
    with (
        enter(mine, "one", "root") as connection,
        pytest.raises(Unreachable, match="the connection broke"),
    ):
        connection.run(Command.shell("echo up; sleep 60"), output=lambda _: hosts.power_off(mine.hosts[0]))


@pytest.mark.slow
def test_a_cut_link_is_noticed_mid_command_and_mid_transfer_and_what_was_there_stays(make_lab: MakeLab) -> None:
    mine = make_lab(HostSpec("one"))
    host = mine.hosts[0]
    endpoint = Endpoint(host.address, 22, "root", Credential(key=mine.key, agent=False))
    connect = connector(HostKeys(mine.known_hosts), quiet=2)
    with connect(endpoint) as connection:
        connection.put(b"old", "/root/file")
        with pytest.raises(Unreachable, match="the connection broke"):
            connection.run(Command.shell("echo up; sleep 60", timeout=50), output=lambda _: hosts.cut(host))
    hosts.mend(host)
    hosts.wait(host)

    class Cutting(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 1 << 20:
                hosts.cut(host)
            return super().read(size)

    with connect(endpoint) as connection, pytest.raises(Unreachable, match="the connection broke"):
        connection.put(Cutting(bytes(64 << 20)), "/root/file")
    hosts.mend(host)
    hosts.wait(host)
    with connect(endpoint) as connection:
        assert connection.get("/root/file", limit=100) == b"old"


@pytest.mark.slow
def test_hosts_behind_a_jump_host_that_alone_has_a_way_to_them(lab: Lab, tmp_path: Path) -> None:
    """The jump host is entered as another user than the host, which is reached from there only by its loopback."""
    key = Credential(key=lab.key, agent=False)
    jump = Endpoint(lab.host("one").address, 22, OPS.name, key)
    behind = Endpoint("inner.example", 22, DEPUTY.name, by_sudo(lab, DEPUTY_PASSWORD), (jump,), reach="127.0.0.1")
    known = HostKeys(tmp_path / "known_hosts", also=(lab.known_hosts,), decide=accept_new)
    with connector(known)(behind) as connection:
        assert connection.run(Command(("id", "-un"))).stdout == "root\n"
        assert connection.run(Command(("hostname",))).stdout == "one\n"


@pytest.fixture(scope="module", params=["bullseye", "trixie"])
def other_release(request: pytest.FixtureRequest) -> Iterator[Lab]:
    with lab_of(HostSpec("one", suite=request.param, python=False, users=(DEPUTY,))) as standing:
        yield standing


@pytest.mark.slow
class TestOtherReleases(TransportContract):
    """Other versions of sudo and its tools, without Python; trixie's sudo gives a child a terminal by default."""

    @pytest.fixture
    def transport(self, other_release: Lab) -> Iterator[Transport]:
        with enter(other_release, "one", DEPUTY.name, by_sudo(other_release, DEPUTY_PASSWORD)) as connection:
            yield connection
