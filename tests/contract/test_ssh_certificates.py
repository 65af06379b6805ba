"""OpenSSH certificates, made by ssh-keygen and judged by sshd: users' before a real server, hosts' before us."""

from __future__ import annotations

import base64
import os
import re
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest
from support.sshd import HOST_KEY_TYPES, Sshd, keygen, sshd

from appliance.clock import SystemClock
from appliance.errors import AuthRefused, HostKeyChanged, TransportError
from appliance.transport.base import Command, Endpoint
from appliance.transport.connect import connector
from appliance.transport.ssh.certificates import Certificate
from appliance.transport.ssh.hostkeys import HostKeys, accept_new

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def sign(authority: Path, key: Path, *options: str) -> Path:
    """A certificate of `authority` for `key`: the file that ssh-keygen puts beside it."""
    public = key.with_name(f"{key.name}.pub")
    subprocess.run(["ssh-keygen", "-q", "-s", authority, "-I", "test", *options, public], check=True)
    return key.with_name(f"{key.name}-cert.pub")


def said(endpoint: Endpoint, known: HostKeys) -> str:
    with connector(known, timeout=5)(endpoint) as connection:
        return connection.run(Command(("echo", "in"))).stdout


# --- users' ---


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return keygen(tmp_path_factory.mktemp("authority") / "ca")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, authority: Path) -> Iterator[Sshd]:
    with sshd(tmp_path_factory.mktemp("sshd"), more=f"TrustedUserCAKeys {authority}.pub") as running:
        yield running


@pytest.fixture
def known(tmp_path: Path) -> HostKeys:
    return HostKeys(tmp_path / "known_hosts", decide=accept_new)


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    told = subprocess.run(["ssh-agent", "-s"], capture_output=True, text=True, check=True).stdout
    settings = dict(re.findall(r"(SSH_\w+)=([^;]+);", told))
    monkeypatch.setenv("SSH_AUTH_SOCK", settings["SSH_AUTH_SOCK"])
    yield
    os.kill(int(settings["SSH_AGENT_PID"]), signal.SIGTERM)


@pytest.mark.parametrize("kind", HOST_KEY_TYPES)
def test_a_certificate_beside_the_key_lets_a_user_in(
    server: Sshd, known: HostKeys, authority: Path, tmp_path: Path, kind: str
) -> None:
    key = keygen(tmp_path / "key", kind)
    with pytest.raises(AuthRefused):
        said(server.with_credential(key=key), known)
    sign(authority, key, "-n", server.endpoint.user)
    assert said(server.with_credential(key=key), known) == "in\n"


@pytest.mark.usefixtures("agent")
@pytest.mark.parametrize("kind", HOST_KEY_TYPES)
def test_a_certificate_in_the_agent_lets_a_user_in(
    server: Sshd, known: HostKeys, authority: Path, tmp_path: Path, kind: str
) -> None:
    key = keygen(tmp_path / "key", kind)
    sign(authority, key, "-n", server.endpoint.user)
    subprocess.run(["ssh-add", "-q", key], check=True)
    assert said(server.with_credential(key=None, agent=True), known) == "in\n"


def test_a_certificate_that_ended_is_tried_and_named(
    server: Sshd, known: HostKeys, authority: Path, tmp_path: Path
) -> None:
    key = keygen(tmp_path / "key")
    sign(authority, key, "-n", server.endpoint.user, "-V", "20200101:20200102")
    with pytest.raises(AuthRefused, match=r"key \S+ with its certificate \(refused\); key \S+ \(refused\)"):
        said(server.with_credential(key=key), known)


def test_a_certificate_of_another_key_is_named(server: Sshd, known: HostKeys, authority: Path, tmp_path: Path) -> None:
    other = sign(authority, keygen(tmp_path / "other", "rsa"), "-n", "x")
    key = keygen(tmp_path / "key")
    other.rename(tmp_path / "key-cert.pub")
    with pytest.raises(AuthRefused, match=r"key-cert\.pub is not its certificate"):
        said(server.with_credential(key=key), known)


def test_only_the_agents_keys_that_were_named_are_shown(
    server: Sshd, known: HostKeys, tmp_path: Path, agent: None
) -> None:
    subprocess.run(["ssh-add", "-q", keygen(tmp_path / "stranger")], check=True)
    subprocess.run(["ssh-add", "-q", server.folder / "user_ed25519"], check=True)
    protected = keygen(tmp_path / "key", passphrase="open sesame")
    (tmp_path / "key.pub").write_text((server.folder / "user_ed25519.pub").read_text())
    only = server.with_credential(key=protected, agent=True, identities_only=True)
    assert said(only, known) == "in\n"
    with pytest.raises(AuthRefused) as error:
        said(server.with_credential(key=tmp_path / "none", agent=True, identities_only=True), known)
    assert "the agent's" not in error.value.message


# --- hosts' ---


def certified(folder: Path, authority: Path, *options: str, kind: str = "ed25519") -> str:
    """The line of sshd_config for a host key with a certificate."""
    key = keygen(folder / f"host_{kind}", kind)
    return f"HostCertificate {sign(authority, key, '-h', *options)}"


def vouching(path: Path, authority: Path, names: str = "127.0.0.*") -> HostKeys:
    path.write_text(f"@cert-authority {names} {authority.with_name('ca.pub').read_text()}")
    return HostKeys(path)


@pytest.mark.parametrize("kind", HOST_KEY_TYPES)
def test_a_host_is_believed_by_its_authority_and_nothing_is_pinned(tmp_path: Path, authority: Path, kind: str) -> None:
    more = certified(tmp_path, authority, "-n", "db1,127.0.0.1", kind=kind)
    with sshd(tmp_path, kinds=(kind,), more=more) as server:
        known = vouching(tmp_path / "known_hosts", authority)
        assert said(server.endpoint, known) == "in\n"
        assert known.pinned("127.0.0.1", server.port) == ()
        assert known.vouched("127.0.0.1", server.port)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("-n", "db1,db2"), "it is for db1, db2, not for 127.0.0.1"),
        ((), "it is for nobody, not for"),
        (("-n", "127.0.0.1", "-V", "20200101:20200102"), "it is valid from 20"),
    ],
)
def test_a_certificate_that_does_not_hold_is_refused_whatever_is_accepted(
    tmp_path: Path, authority: Path, options: tuple[str, ...], words: str
) -> None:
    more = certified(tmp_path, authority, *options)
    with sshd(tmp_path, kinds=("ed25519",), more=more) as server:
        vouching(path := tmp_path / "known_hosts", authority)
        with pytest.raises(TransportError, match=words):
            said(server.endpoint, HostKeys(path, decide=accept_new))


def test_an_authority_counts_for_its_names_only_and_strangers_do_not(tmp_path: Path, authority: Path) -> None:
    more = certified(tmp_path, authority, "-n", "127.0.0.1")
    (tmp_path / "foreign").mkdir()
    foreign = keygen(tmp_path / "foreign" / "ca")
    with sshd(tmp_path, kinds=("ed25519",), more=more) as server:
        for known in (
            vouching(tmp_path / "elsewhere", authority, "10.*"),
            vouching(tmp_path / "strange", foreign),
        ):
            with pytest.raises(TransportError, match="the host's key is not known"):
                said(server.endpoint, known)


def test_a_revoked_authority_is_refused(tmp_path: Path, authority: Path) -> None:
    more = certified(tmp_path, authority, "-n", "127.0.0.1")
    with sshd(tmp_path, kinds=("ed25519",), more=more) as server:
        vouching(path := tmp_path / "known_hosts", authority)
        path.write_text(f"{path.read_text()}@revoked * {authority.with_name('ca.pub').read_text()}")
        with pytest.raises(HostKeyChanged, match="revoked authority"):
            said(server.endpoint, HostKeys(path, decide=accept_new))


def test_a_certificate_that_names_another_as_its_signer_is_refused(tmp_path: Path, authority: Path) -> None:
    (tmp_path / "forger").mkdir()
    forger = keygen(tmp_path / "forger" / "ca")
    shown = sign(forger, keygen(tmp_path / "key"), "-h", "-n", "127.0.0.1")
    forged = Certificate.read(
        blob(shown).replace(blob(forger.with_name("ca.pub")), blob(authority.with_name("ca.pub")))
    )
    known = vouching(tmp_path / "known_hosts", authority)
    assert forged.authority == known.authorities("127.0.0.1", 22)[0].raw
    assert forged.fault("127.0.0.1", SystemClock().now()) == "its signature does not hold"


def blob(public: Path) -> bytes:
    return base64.b64decode(public.read_text().split()[1])


@pytest.mark.parametrize("cut", [0, 3, 40, 200])
def test_what_is_no_certificate_is_no_certificate(tmp_path: Path, authority: Path, cut: int) -> None:
    whole = blob(sign(authority, keygen(tmp_path / "key"), "-h", "-n", "x"))
    with pytest.raises(ValueError, match="not a certificate"):
        Certificate.read(whole[:cut])


def test_authorities_of_a_given_file_are_taken_over_once(tmp_path: Path, authority: Path) -> None:
    vouching(given := tmp_path / "given", authority)
    given.write_text(f"{given.read_text()}host1 {authority.with_name('ca.pub').read_text()}")
    keys = HostKeys(tmp_path / "known_hosts")
    keys.adopt(given)
    keys.adopt(given)
    assert (tmp_path / "known_hosts").read_text().count("\n") == 1
    assert keys.authorities("127.0.0.1", 2222)
    assert keys.pinned("host1", 22) == ()
    assert keys.forget("127.0.0.1", 22) == 0
