"""Doors that are hung otherwise: keyboard-interactive, `requiretty`, sudo that remembers; the contract behind each."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from support.lab import lab_of
from support.transport_contract import BINARY, TransportContract

from appliance.errors import AuthRefused
from appliance.lab import host as hosts
from appliance.lab.spec import HostSpec, LabUser, Sudo
from appliance.transport.base import Become, Command, Credential, Endpoint, Transport
from appliance.transport.connect import connector
from appliance.transport.ssh.hostkeys import HostKeys

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from appliance.lab.registry import Lab

pytestmark = pytest.mark.hosts

ASKED, STRICTER, KNOWN = "asked-pa55", "stricter-pa55", "known-pa55"
ROOTS = "root's own $ecret"
USERS = (
    LabUser("asked", password=ASKED, sudo=Sudo.PASSWORD, lab_key=False),
    LabUser("tied", sudo=Sudo.NOPASSWD),
    LabUser("tieder", password=STRICTER, sudo=Sudo.PASSWORD),
    LabUser("known", password=KNOWN, sudo=Sudo.PASSWORD),
    LabUser("plain"),
)
SETTINGS = """
mkdir -p /etc/ssh/sshd_config.d
printf 'Match User asked\\n PasswordAuthentication no\\n KbdInteractiveAuthentication yes\\n' >>/etc/ssh/sshd_config
printf 'Defaults:tied requiretty\\nDefaults:tieder requiretty\\n' >/etc/sudoers.d/terminals
printf 'Defaults:known timestamp_type=global\\n' >/etc/sudoers.d/stamps
chmod 440 /etc/sudoers.d/*
chpasswd
visudo -cq && sshd -t && systemctl reload ssh
"""


@pytest.fixture(scope="module", params=[pytest.param("trixie", marks=pytest.mark.slow), "bookworm"])
def door(request: pytest.FixtureRequest, swept: None) -> Iterator[Lab]:
    with lab_of(HostSpec("door", suite=request.param, users=USERS)) as standing:
        hosts.run_inside(standing.hosts[0], ("sh", "-c", SETTINGS), stdin=f"root:{ROOTS}\n")
        yield standing


def enter(
    lab: Lab, user: str, *, password: str | None = None, become: Become = Become.SUDO, root: str | None = None
) -> AbstractContextManager[Transport]:
    key = None if password else lab.key
    credential = Credential(key, agent=False, password=password, become=become, become_password=root)
    return connector(HostKeys(lab.known_hosts))(Endpoint(lab.hosts[0].address, 22, user, credential))


def remember(lab: Lab) -> None:
    """Have sudo remember, for all sessions of the user, that it was told the password."""
    argv = ("setpriv", "--reuid=known", "--init-groups", "sudo", "-S", "-v")
    hosts.run_inside(lab.hosts[0], argv, stdin=f"{KNOWN}\n")


DOORS = {
    "keyboard-interactive": ("asked", ASKED, Become.SUDO, ASKED),
    "a terminal is wanted": ("tied", None, Become.SUDO, None),
    "a terminal and a password are wanted": ("tieder", None, Become.SUDO, STRICTER),
    "sudo remembers": ("known", None, Become.SUDO, KNOWN),
    "su": ("plain", None, Become.SU, ROOTS),
}


def open_door(lab: Lab, which: str) -> AbstractContextManager[Transport]:
    remember(lab)
    user, password, become, root = DOORS[which]
    return enter(lab, user, password=password, become=become, root=root)


@pytest.mark.parametrize("which", DOORS)
def test_behind_every_door_input_is_the_same_and_streams_are_apart(door: Lab, which: str) -> None:
    script = "sha256sum; id -u; echo err >&2; tty; [ -t 1 ] || [ -t 2 ] || echo none; exit 7"
    with open_door(door, which) as connection:
        for _ in range(2):
            result = connection.run(Command.shell(script), stdin=BINARY)
            found = f"{hashlib.sha256(BINARY).hexdigest()}  -\n0\nnot a tty\nnone\n"
            assert (result.status, result.stdout, result.stderr) == (7, found, "err\n")


@pytest.mark.slow
@pytest.mark.parametrize("which", DOORS, scope="class")
class TestEveryDoor(TransportContract):
    @pytest.fixture
    def transport(self, door: Lab, which: str) -> Iterator[Transport]:
        with open_door(door, which) as connection:
            yield connection


def test_sudo_asks_for_the_password_although_it_remembers(door: Lab) -> None:
    remember(door)
    with enter(door, "known") as connection, pytest.raises(AuthRefused, match="none was given"):
        connection.run(Command(("true",)))


def test_a_wrong_sudo_password_is_refused_behind_a_terminal_too(door: Lab) -> None:
    with (
        enter(door, "tieder", root="wrong") as connection,
        pytest.raises(AuthRefused, match="sudo refused the password") as error,
    ):
        connection.run(Command(("true",)), stdin=b"payload")
    assert "wrong" not in str(error.value)


@pytest.mark.parametrize(("root", "words"), [("wrong", "su refused the password"), (None, "asks for root's password")])
def test_su_with_a_wrong_password_or_none_is_refused(door: Lab, root: str | None, words: str) -> None:
    with (
        enter(door, "plain", become=Become.SU, root=root) as connection,
        pytest.raises(AuthRefused, match=words),
    ):
        connection.run(Command(("cat",)), stdin=b"payload")


def test_a_wrong_answer_is_refused_and_said(door: Lab) -> None:
    with (
        pytest.raises(AuthRefused, match=r"tried: the password \(refused\)$") as error,
        enter(door, "asked", password="no"),
    ):
        pass
    assert "asked" in error.value.message


def test_without_the_program_that_makes_terminals_it_is_said_what_to_do(door: Lab) -> None:
    hosts.run_inside(door.hosts[0], ("mv", "/usr/bin/script", "/usr/bin/script.away"))
    try:
        with enter(door, "tied") as connection, pytest.raises(AuthRefused, match="no program 'script'") as error:
            connection.run(Command(("true",)))
    finally:
        hosts.run_inside(door.hosts[0], ("mv", "/usr/bin/script.away", "/usr/bin/script"))
    assert "requiretty" in error.value.hint
