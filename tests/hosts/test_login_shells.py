"""Whoever's login shell it is, and whatever its files say: csh, tcsh, fish, noise, odd umasks, locales, noexec /tmp."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.lab import lab_of
from support.transport_contract import AWKWARD, TransportContract

from appliance.clock import SystemClock
from appliance.errors import AuthRefused
from appliance.inventory.facts import gather
from appliance.lab import host as hosts
from appliance.lab.spec import HostSpec, LabUser, Sudo
from appliance.transport.base import Become, Command, Credential, Endpoint, Transport
from appliance.transport.connect import connector
from appliance.transport.ssh.hostkeys import HostKeys

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from appliance.lab.registry import Lab

pytestmark = [pytest.mark.hosts, pytest.mark.slow]

PASSWORD = "it's $o"
SHELLS = {
    "inbash": "/bin/bash",
    "indash": "/bin/dash",
    "intcsh": "/usr/bin/tcsh",
    "incsh": "/bin/bsd-csh",
    "infish": "/usr/bin/fish",
}
USERS = (*(LabUser(name, password=PASSWORD, sudo=Sudo.PASSWORD) for name in SHELLS), LabUser("nobodys"))
SETTINGS = r"""
set -e
while read -r name shell; do usermod -s "$shell" "$name"; done
usermod -s /usr/sbin/nologin nobodys
noise='echo welcome to the machine; echo lecture >&2'
for name in inbash indash intcsh incsh infish; do
    home=$(getent passwd $name | cut -d: -f6)
    mkdir -p $home/.config/fish
    printf '%s; umask 077\nexport LC_ALL=de_DE.ISO-8859-1 LANGUAGE=de\n' "$noise" >$home/.bashrc
    printf 'echo welcome; umask 077; setenv LC_ALL de_DE.ISO-8859-1; setenv LANGUAGE de\n' >$home/.cshrc
    printf 'echo welcome; echo lecture >&2; umask 077; set -x LC_ALL de_DE.ISO-8859-1\n' >$home/.config/fish/config.fish
    chown -R $name $home/.config
done
printf 'de_DE.ISO-8859-1 ISO-8859-1\n' >/etc/locale.gen && locale-gen >/dev/null
printf 'LC_ALL=de_DE.ISO-8859-1\n' >/etc/default/locale
seq -f 'line %g of the rules of this house' 400 >/etc/ssh/rules
printf 'Banner /etc/ssh/rules\n' >>/etc/ssh/sshd_config
mount -t tmpfs -o noexec tmpfs /tmp && chmod 1777 /tmp
systemctl reload ssh
"""


@pytest.fixture(scope="module")
def house(swept: None) -> Iterator[Lab]:
    with lab_of(HostSpec("house", packages=("csh", "fish", "locales", "tcsh"), users=USERS)) as standing:
        lines = "".join(f"{name} {shell}\n" for name, shell in SHELLS.items())
        hosts.run_inside(standing.hosts[0], ("sh", "-c", SETTINGS), stdin=lines)
        hosts.wait(standing.hosts[0])
        yield standing


def enter(lab: Lab, user: str, become: Become = Become.SUDO) -> AbstractContextManager[Transport]:
    credential = Credential(lab.key, agent=False, become=become, become_password=PASSWORD)
    return connector(HostKeys(lab.known_hosts))(Endpoint(lab.hosts[0].address, 22, user, credential))


@pytest.mark.parametrize("user", SHELLS, scope="class")
class TestEveryShell(TransportContract):
    @pytest.fixture
    def transport(self, house: Lab, user: str) -> Iterator[Transport]:
        with enter(house, user) as connection:
            yield connection

    def test_surroundings_are_ours(self, transport: Transport) -> None:
        told = transport.run(Command.shell("umask; locale charmap; ls /there-is-none")).stdout
        assert told == "0022\nUTF-8\n"

    def test_facts_are_told(self, transport: Transport) -> None:
        facts = gather(transport, clock=SystemClock())
        assert facts.root
        assert facts.hostname == "house"


@pytest.mark.parametrize("user", SHELLS)
def test_without_becoming_root_the_shells_noise_is_not_the_programs(house: Lab, user: str) -> None:
    with enter(house, user, Become.NONE) as connection:
        result = connection.run(Command.shell('for a; do printf "<%s>\\n" "$a"; done; echo err >&2; umask', *AWKWARD))
    assert result.stdout == "".join(f"<{word}>\n" for word in AWKWARD) + "0022\n"
    assert result.stderr == "err\n"


def test_a_login_shell_that_runs_nothing_is_said(house: Lab) -> None:
    with enter(house, "nobodys", Become.NONE) as connection, pytest.raises(AuthRefused, match="not available"):
        connection.run(Command(("true",)))
