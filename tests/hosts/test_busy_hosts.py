"""Hosts whose systemd-logind hangs: whoever logs in waits for it, by way of a jump host; nothing runs twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.lab import lab_of

from appliance.errors import TimedOut
from appliance.lab import host as hosts
from appliance.lab.spec import HostSpec, LabUser
from appliance.transport.base import Become, Command, Credential, Endpoint
from appliance.transport.connect import connector
from appliance.transport.ssh.hostkeys import HostKeys

if TYPE_CHECKING:
    from collections.abc import Iterator

    from appliance.lab.registry import Lab, LabHost

pytestmark = pytest.mark.hosts

ROOTS = "root's own $ecret"
HANG_SECONDS = 50  # longer than a link may be silent
HANG = "systemctl kill --signal=STOP systemd-logind"
GO_ON = "systemctl kill --signal=CONT systemd-logind"


@pytest.fixture(scope="module")
def busy(swept: None) -> Iterator[Lab]:
    with lab_of(HostSpec("one", users=(LabUser("plain"),)), HostSpec("two", suite="trixie")) as standing:
        hosts.run_inside(standing.hosts[0], ("chpasswd",), stdin=f"root:{ROOTS}\n")
        yield standing


def hang(host: LabHost) -> None:
    """Have it hang for a while."""
    later = f"systemd-run --quiet --on-active={HANG_SECONDS} --timer-property=AccuracySec=100ms {GO_ON}"
    hosts.run_inside(host, ("sh", "-c", f"{later}; {HANG}"))


@pytest.mark.slow
def test_hosts_that_are_long_in_opening_a_session_are_waited_for_and_a_command_runs_once(busy: Lab) -> None:
    one, two = busy.hosts
    key = Credential(key=busy.key, agent=False)
    jump = Endpoint(one.address, 22, "root", key)
    for host in busy.hosts:
        hang(host)
    with connector(HostKeys(busy.known_hosts))(Endpoint(two.address, 22, "root", key, (jump,))) as connection:
        connection.run(Command.shell("echo once >>/root/said"))
        assert connection.run(Command(("cat", "/root/said"))).stdout == "once\n"


def test_a_command_that_su_does_not_begin_in_time_never_begins_and_it_is_said(busy: Lab) -> None:
    one = busy.hosts[0]
    plain = Credential(key=busy.key, agent=False, become=Become.SU, become_password=ROOTS)
    with connector(HostKeys(busy.known_hosts))(Endpoint(one.address, 22, "plain", plain)) as connection:
        connection.run(Command(("true",)))
        hosts.run_inside(one, ("sh", "-c", HANG))
        try:
            with pytest.raises(TimedOut, match="did not begin within 2 seconds: becoming root takes longer") as error:
                connection.run(Command.shell("echo begun >/root/begun", timeout=2))
        finally:
            hosts.run_inside(one, ("sh", "-c", GO_ON))
        assert "systemd-logind" in error.value.hint
    wait = "for n in $(seq 100); do pgrep -x su >/dev/null || break; sleep 0.1; done; pgrep -x su || ls /root"
    assert hosts.run_inside(one, ("sh", "-c", wait)).stdout.split() == []
