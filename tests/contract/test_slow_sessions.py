"""A host that lets us in and is long in opening sessions: real sshds whose process for us stands still, or is full."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from support.sshd import Sshd, sshd

from appliance.errors import TimedOut, Unreachable
from appliance.transport.base import Command
from appliance.transport.ssh import session
from appliance.transport.ssh.channels import begin, open_session, settle
from appliance.transport.ssh.hostkeys import HostKeys, accept_new

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from appliance.transport.ssh.session import SshTransport

WHERE = "one:22"


@dataclass
class Waiting:
    """A clock that notes for how long somebody waits, and what happens meanwhile."""

    waited: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return 0.0

    def sleep(self, seconds: float) -> None:
        self.waited.append(seconds)

    def jitter(self, seconds: float) -> float:
        return seconds


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with sshd(tmp_path_factory.mktemp("sshd"), more="MaxSessions 1") as running:
        yield running


@pytest.fixture
def line(server: Sshd, tmp_path: Path) -> Iterator[SshTransport]:
    known = HostKeys(tmp_path / "known_hosts", decide=accept_new)
    with session.connect(server.endpoint, known_hosts=known) as connection:
        yield connection


@pytest.fixture
def still(line: SshTransport) -> Iterator[SshTransport]:
    """A connection whose sshd is as good as frozen: the kernel takes what comes, and nobody reads it."""
    pid = int(line.run(Command.shell('echo "$PPID"')).stdout)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield line
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_host_that_opens_no_session_in_time_is_named_with_what_to_look_at(still: SshTransport) -> None:
    with pytest.raises(Unreachable, match=r"lets us in, but opens no session within 0\.3 seconds") as error:
        open_session(still.connection, where=WHERE, seconds=0.3)
    assert error.value.where == WHERE
    assert "systemd-logind" in error.value.hint
    assert not still.connection.is_active()


def test_so_is_one_where_only_the_way_goes_on_from(still: SshTransport) -> None:
    with pytest.raises(Unreachable, match="lets us in, but opens no session"):
        settle(still.connection, where=WHERE, seconds=0.3)


def test_a_host_that_answers_is_settled_at_once(line: SshTransport) -> None:
    settle(line.connection, where=WHERE)
    assert line.run(Command(("echo", "in"))).stdout == "in\n"


def test_a_host_that_does_not_say_whether_it_begins_a_command_is_given_up(line: SshTransport) -> None:
    pid = int(line.run(Command.shell('echo "$PPID"')).stdout)
    channel = open_session(line.connection, where=WHERE)
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(Unreachable, match=r"does not say within 0\.3 seconds that it begins a command"):
            begin(channel, "true", where=WHERE, seconds=0.3)
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_session_that_a_given_up_command_still_has_is_waited_for_and_if_it_stays_named(line: SshTransport) -> None:
    with pytest.raises(TimedOut):
        line.run(Command.shell("sleep 3 & echo $!; wait", timeout=0.3))
    clock = Waiting()
    with pytest.raises(Unreachable, match="opens no further session") as error:
        open_session(line.connection, where=WHERE, clock=clock)
    assert "MaxSessions" in error.value.hint
    assert clock.waited == [0.5, 1.0, 2.0, 4.0]
    assert line.run(Command(("echo", "in"))).stdout == "in\n"
