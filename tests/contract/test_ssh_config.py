"""What ``~/.ssh/config`` says, with ``ssh -G`` as the judge; Clusterfile and options go before it."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from appliance.errors import RecipeError
from appliance.inventory.hosts import Access, unheeded, written_hosts
from appliance.recipe import clusterfile
from appliance.transport.sshconfig import SshConfig

if TYPE_CHECKING:
    from pathlib import Path

    from appliance.transport.base import Endpoint

CONFIG = """
# ours
Host db* !db9
    HostName %h.example.org
    user "ops"
    IdentityFile ~/.ssh/%n-key
Include more.conf
Host 10.0.0.?
    HostName 192.0.2.7
Host=*
    Port 2222
    Port 2223
    User nobody
    IdentityFile /keys/common
Match originalhost web1 user ann
    ProxyJump bastion:22
Match host db*.example.org,192.0.2.*
    IdentitiesOnly yes
    ProxyJump ann@first:2022,second
Match all
    Compression yes
"""
MORE = """
Host db1
    Port 4022
Host other
    Port 5022
"""
HEAD = "apiVersion: appliance/v1\nkind: Cluster\nmetadata: {name: a}\nspec:\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder with these settings."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "config").write_text(CONFIG.replace("more.conf", str(tmp_path / ".ssh" / "m*.conf")))
    (tmp_path / ".ssh" / "more.conf").write_text(MORE)
    return tmp_path


@pytest.mark.parametrize("user", ["", "ann"])
@pytest.mark.parametrize("host", ["db1", "db9", "DB2", "web1", "10.0.0.3", "10.0.0.33", "other"])
def test_openssh_reads_the_same(home: Path, host: str, user: str) -> None:
    path = home / ".ssh" / "config"
    argv = ["ssh", "-G", "-F", str(path), *(("-l", user) if user else ()), host]
    lines = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()
    theirs = [tuple(line.split(None, 1)) for line in lines]
    judge = dict(reversed(theirs))
    ours = SshConfig.read(path).settings(host, user=user)
    assert (ours.hostname or host.lower()) == judge["hostname"]
    assert (user or ours.user) == judge["user"]
    assert str(ours.port) == judge["port"]
    assert [str(each) for each in ours.identities] == [
        value.replace("~", str(home)).replace("%n", host) for name, value in theirs if name == "identityfile"
    ]
    assert ours.identities_only == (judge["identitiesonly"] == "yes")
    assert ours.jump == judge.get("proxyjump", "")


def endpoint(spec: str, access: Access) -> Endpoint:
    cluster = clusterfile.load(f"{HEAD}{spec}", source="c.yaml").cluster
    (host,) = written_hosts(cluster, access, secret=lambda name: f"<{name}>")
    return host.endpoint


HOST = "  hosts: [{addresses: 10.0.0.3, roles: [a]%s}]\n"


def test_it_counts_where_nothing_else_is_said(home: Path) -> None:
    found = endpoint(HOST % "", Access(config=SshConfig.of_user()))
    assert (found.address, found.reach, found.port, found.user) == ("10.0.0.3", "192.0.2.7", 2222, "nobody")
    assert found.credential.identities_only
    assert [str(path) for path in found.credential.identities] == ["/keys/common"]
    assert [(j.user, j.address, j.port) for j in found.jumps] == [("ann", "first", 2022), ("nobody", "second", 2222)]


def test_the_clusterfile_and_the_options_go_before_it(home: Path) -> None:
    config = SshConfig.of_user()
    spec = "  ssh: {user: ops, port: 22, jump: none}\n" + HOST
    found = endpoint(spec % "", Access(config=config))
    assert (found.user, found.port, found.jumps) == ("ops", 22, ())
    found = endpoint(spec % "", Access(config=config, jump="by@option:1"))
    assert [(j.user, j.address, j.port) for j in found.jumps] == [("by", "option", 1)]
    found = endpoint(spec % ", ssh: {jump: 'group,[fd00::1]:7'}", Access(config=config, jump="by@option:1"))
    assert [(j.user, j.address, j.port) for j in found.jumps] == [("nobody", "group", 2222), ("nobody", "fd00::1", 7)]


def test_jump_hosts_get_the_jump_password_and_never_the_hosts(home: Path) -> None:
    access = Access(password="h0st", become_password="r00t", jump="b")
    (jump,) = endpoint(HOST % "", access).jumps
    assert (jump.credential.password, jump.credential.become_password) == (None, None)
    spec = "  ssh: {jump: b, jumpPasswordSecret: bastion}\n" + HOST
    (jump,) = endpoint(spec % "", Access()).jumps
    assert jump.credential.password == "<bastion>"


def test_a_jump_host_is_reached_as_the_configuration_says_of_it(home: Path) -> None:
    (home / ".ssh" / "config").write_text("Host b\n ProxyJump a\n User bee\nHost a\n HostName 192.0.2.1\n Port 7\n")
    found = endpoint(HOST % "", Access(config=SshConfig.of_user(), jump="b"))
    assert [(j.user, j.address, j.reach, j.port) for j in found.jumps] == [
        ("root", "a", "192.0.2.1", 7),
        ("bee", "b", "", 22),
    ]
    (home / ".ssh" / "config").write_text("Host *\n ProxyJump b\n")
    with pytest.raises(RecipeError, match="jump host b is to be reached through itself"):
        endpoint(HOST % "", Access(config=SshConfig.of_user()))


def test_what_is_not_heeded_is_said_once_with_its_line(home: Path) -> None:
    path = home / ".ssh" / "config"
    text = "Host 10.*\n ProxyCommand nc %h %p\n Ciphers aes128-ctr\nHost x\n BindAddress ::1\n"
    path.write_text(f"{text}Match exec true\n Port 1\n")
    config = SshConfig.of_user()
    cluster = clusterfile.load(HEAD + "  hosts: [{addresses: 10.0.0.3-5, roles: [a]}]\n", source="c").cluster
    hosts = written_hosts(cluster, Access(config=config), secret=str)
    assert hosts[0].endpoint.port == 22
    assert sorted(unheeded(hosts, config)) == [
        f"{path}:2: ProxyCommand is not heeded",
        f"{path}:3: Ciphers is not heeded",
        f"{path}:7: Match exec is not heeded, nor what stands under it",
    ]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("Port\n", 1, "not a setting"),
        ("\nHost *\n Port many\n", 3, "'many' is not a port"),
        ('User "ops\n', 1, "a quote is not closed"),
        ("Host *\n ProxyJump 'a b'\n ProxyJump x\n", 2, "'a b' is not a jump host"),
        ("Host *\n IdentityFile %Z\n", 2, "%Z is not understood"),
        ("Include %s\n", 1, "too deeply"),
    ],
)
def test_a_mistake_names_its_line(home: Path, text: str, line: int, words: str) -> None:
    path = home / ".ssh" / "config"
    path.write_text(text.replace("%s", str(path)))
    with pytest.raises(RecipeError, match=words) as error:
        SshConfig.of_user().settings("h")
    assert error.value.where == f"{path}:{line}"


def test_a_file_that_is_not_there_says_nothing(tmp_path: Path) -> None:
    settings = SshConfig.read(tmp_path / "none").settings("h")
    assert (settings.hostname, settings.user, settings.port, settings.jump, settings.identities) == ("", "", 0, "", ())
