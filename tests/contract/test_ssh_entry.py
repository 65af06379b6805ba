"""Getting in: host keys, keys, the agent and refusals, against a real sshd and with ssh-keygen as the judge."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING

import pytest
from support.sshd import HOST_KEY_TYPES, Sshd, fingerprint, free_port, keygen, sshd

from appliance.errors import AuthRefused, HostKeyChanged, TransportError, Unreachable
from appliance.inventory.scan import keys_of
from appliance.transport.base import Command, Endpoint
from appliance.transport.connect import connector
from appliance.transport.ssh.hostkeys import HostKey, HostKeys, accept_new

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with sshd(tmp_path_factory.mktemp("sshd")) as running:
        yield running


@pytest.fixture
def known(tmp_path: Path, server: Sshd) -> HostKeys:
    """The server's ed25519 key is pinned, by a line that OpenSSH's user would write."""
    path = tmp_path / "known_hosts"
    path.write_text(f"# ours\n[127.0.0.1]:{server.port} {server.public_key()}")
    return HostKeys(path)


def enter(endpoint: Endpoint, known: HostKeys) -> str:
    with connector(known, timeout=5)(endpoint) as connection:
        return connection.run(Command(("echo", "in"))).stdout


def refusal(endpoint: Endpoint, known: HostKeys) -> TransportError:
    with pytest.raises(TransportError) as error:
        enter(endpoint, known)
    return error.value


# --- who the host is ---


def test_a_pinned_host_is_entered(server: Sshd, known: HostKeys) -> None:
    assert enter(server.endpoint, known) == "in\n"


@pytest.mark.parametrize("kind", HOST_KEY_TYPES)
def test_the_pinned_type_of_key_is_asked_for(server: Sshd, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "known_hosts"
    path.write_text(f"[127.0.0.1]:{server.port} {server.public_key(kind)}")
    assert enter(server.endpoint, HostKeys(path)) == "in\n"


def test_an_unknown_host_is_refused_by_its_fingerprint(server: Sshd, tmp_path: Path) -> None:
    error = refusal(server.endpoint, HostKeys(tmp_path / "known_hosts"))
    assert error.message == f"the host's key is not known: ssh-ed25519 {server.fingerprint()}"
    assert "--accept-new-host-keys" in error.hint
    assert not (tmp_path / "known_hosts").exists()


def test_an_unknown_host_is_asked_about_and_pinned_for_openssh_too(server: Sshd, tmp_path: Path) -> None:
    asked: list[tuple[str, int, HostKey]] = []

    def yes(*question: str | int | HostKey) -> bool:
        asked.append(question)  # type: ignore[arg-type]  # it is the question
        return True

    path = tmp_path / "pins" / "known_hosts"
    keys = HostKeys(path, decide=yes)
    assert enter(server.endpoint, keys) == enter(server.endpoint, keys) == "in\n"
    assert [(address, port, key.fingerprint) for address, port, key in asked] == [
        ("127.0.0.1", server.port, server.fingerprint())
    ]
    found = _output("ssh-keygen", "-lF", f"[127.0.0.1]:{server.port}", "-f", str(path))
    assert server.fingerprint() in found
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_changed_key_is_refused_by_every_policy_with_both_fingerprints(server: Sshd, tmp_path: Path) -> None:
    other = keygen(tmp_path / "other").with_suffix(".pub")
    path = tmp_path / "known_hosts"
    path.write_text(f"[127.0.0.1]:{server.port} {other.read_text()}")
    for keys in (
        HostKeys(path),
        HostKeys(path, decide=accept_new),
        HostKeys(tmp_path / "no", also=(path,), decide=accept_new),
    ):
        error = refusal(server.endpoint, keys)
        assert isinstance(error, HostKeyChanged)
        assert server.fingerprint() in error.message
        assert fingerprint(other) in error.message
    assert path.read_text().count("\n") == 1


def test_a_new_host_that_shows_a_key_of_its_inventory_is_entered_and_pinned(server: Sshd, tmp_path: Path) -> None:
    keys = HostKeys(tmp_path / "known_hosts")
    carried = (server.fingerprint("rsa"), server.fingerprint())
    assert enter(replace(server.endpoint, fingerprints=carried), keys) == "in\n"
    assert [key.fingerprint for key in keys.pinned("127.0.0.1", server.port)] == [server.fingerprint()]
    assert enter(server.endpoint, keys) == "in\n"


def test_of_all_keys_that_a_new_host_proves_those_of_its_inventory_are_pinned(server: Sshd, tmp_path: Path) -> None:
    keys, carried = HostKeys(tmp_path / "known_hosts"), (server.fingerprint("rsa"),)
    ((_, shown),) = keys_of([server.endpoint], keys)
    keys.pin_carried("127.0.0.1", server.port, *shown, carried=carried)
    assert [key.fingerprint for key in keys.pinned("127.0.0.1", server.port)] == [*carried]
    assert enter(replace(server.endpoint, fingerprints=carried), keys) == "in\n"


def test_a_new_host_that_shows_no_key_of_its_inventory_is_refused_by_every_policy(server: Sshd, tmp_path: Path) -> None:
    other = fingerprint(keygen(tmp_path / "other").with_suffix(".pub"))
    keys = HostKeys(tmp_path / "known_hosts", decide=accept_new)
    error = refusal(replace(server.endpoint, fingerprints=(other,)), keys)
    assert isinstance(error, HostKeyChanged)
    assert error.message.startswith(
        f"the host shows ssh-ed25519 {server.fingerprint()}, but its inventory has {other}:"
    )
    assert keys.pinned("127.0.0.1", server.port) == ()


def test_a_key_of_another_type_than_the_pinned_is_a_changed_key(tmp_path: Path) -> None:
    with sshd(tmp_path, kinds=("ed25519",)) as server:
        rsa = keygen(tmp_path / "rsa", "rsa").with_suffix(".pub")
        path = tmp_path / "known_hosts"
        path.write_text(f"[127.0.0.1]:{server.port} {rsa.read_text()}")
        assert isinstance(refusal(server.endpoint, HostKeys(path, decide=accept_new)), HostKeyChanged)


def test_a_host_that_was_installed_anew_is_entered_once_its_old_key_is_forgotten(server: Sshd, tmp_path: Path) -> None:
    other = keygen(tmp_path / "other").with_suffix(".pub").read_text()
    path = tmp_path / "known_hosts"
    path.write_text(f"elsewhere {other}[127.0.0.1]:{server.port} {other}")
    keys = HostKeys(path, decide=accept_new)
    assert keys.forget("127.0.0.1", server.port) == 1
    assert keys.forget("127.0.0.1", server.port) == 0
    assert enter(server.endpoint, keys) == "in\n"
    assert keys.pinned("elsewhere", 22)


def test_files_that_openssh_wrote_are_understood(server: Sshd, tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    names = f"db1,[127.0.0.1]:{server.port},!web9,web*,::1"
    path.write_text(f"{names} {server.public_key()}@cert-authority * {server.public_key('rsa')}nonsense\n@odd x y z\n")
    keys = HostKeys(path)
    for address, port, count in (("db1", 22, 1), ("WEB1", 22, 1), ("web9", 22, 0), ("::1", 22, 1), ("db1", 2222, 0)):
        assert len(keys.pinned(address, port)) == count


def test_hashed_names_are_understood(server: Sshd, tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    path.write_text(f"db1,[127.0.0.1]:{server.port} {server.public_key()}")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", path], check=True, capture_output=True)
    assert "|1|" in path.read_text()
    assert enter(server.endpoint, HostKeys(path)) == "in\n"
    assert HostKeys(path).pinned("db2", 22) == ()


def test_a_revoked_key_is_never_believed(server: Sshd, tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    path.write_text(f"[127.0.0.1]:{server.port} {server.public_key()}@revoked * {server.public_key()}")
    error = refusal(server.endpoint, HostKeys(path, decide=accept_new))
    assert isinstance(error, HostKeyChanged)
    assert "revoked" in error.message


def test_pins_made_at_once_are_all_kept(tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: HostKeys(path).pin(f"h{n}", 22, HostKey("ssh-ed25519", bytes([n]))), range(24)))
    assert all(HostKeys(path).pinned(f"h{n}", 22) == (HostKey("ssh-ed25519", bytes([n])),) for n in range(24))


# --- who we are ---


def allow(server: Sshd, key: Path) -> Path:
    with (server.folder / "authorized_keys").open("a") as keys:
        keys.write(key.with_name(f"{key.name}.pub").read_text())
    return key


@pytest.mark.parametrize("made", list(product(HOST_KEY_TYPES, ("", "open sesame"), ("", "PEM"))))
def test_keys_of_every_type_with_and_without_passphrase(
    server: Sshd, known: HostKeys, tmp_path: Path, made: tuple[str, str, str]
) -> None:
    kind, passphrase, form = made
    key = allow(server, keygen(tmp_path / "key", kind, passphrase=passphrase, form=form))
    assert enter(server.with_credential(key=key, key_passphrase=passphrase or None), known) == "in\n"


@pytest.mark.parametrize("kind", HOST_KEY_TYPES)
def test_a_protected_key_that_cannot_be_opened_is_named(
    server: Sshd, known: HostKeys, tmp_path: Path, kind: str
) -> None:
    key = keygen(tmp_path / "key", kind, passphrase="open sesame")
    for passphrase, why in (
        (None, "protected, and no passphrase was given"),
        ("no", "the passphrase does not open it"),
    ):
        error = refusal(server.with_credential(key=key, key_passphrase=passphrase), known)
        assert isinstance(error, AuthRefused)
        assert f"key {key} ({why}" in error.message


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "not a private key"),
        (os.urandom(300), "not a private key"),
        (b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n", "not a private key"),
        (None, "cannot be read: No such file"),
    ],
)
def test_a_file_that_is_no_key_is_named(
    server: Sshd, known: HostKeys, tmp_path: Path, content: bytes | None, why: str
) -> None:
    if content is not None:
        (tmp_path / "key").write_bytes(content)
    error = refusal(server.with_credential(key=tmp_path / "key"), known)
    assert isinstance(error, AuthRefused)
    assert why in error.message


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    said = _output("ssh-agent", "-s")
    settings = dict(re.findall(r"(SSH_\w+)=([^;]+);", said))
    monkeypatch.setenv("SSH_AUTH_SOCK", settings["SSH_AUTH_SOCK"])
    yield
    os.kill(int(settings["SSH_AGENT_PID"]), signal.SIGTERM)


def test_the_agents_keys_are_tried(server: Sshd, known: HostKeys, tmp_path: Path, agent: None) -> None:
    subprocess.run(["ssh-add", "-q", keygen(tmp_path / "stranger")], check=True)
    subprocess.run(["ssh-add", "-q", server.folder / "user_ed25519"], check=True)
    assert enter(server.with_credential(key=None, agent=True), known) == "in\n"


def test_a_protected_key_is_used_through_the_agent_that_holds_it(
    server: Sshd, known: HostKeys, tmp_path: Path, agent: None
) -> None:
    subprocess.run(["ssh-add", "-q", server.folder / "user_ed25519"], check=True)
    protected = keygen(tmp_path / "key", passphrase="open sesame")
    assert enter(server.with_credential(key=protected, agent=True), known) == "in\n"


def test_an_agent_that_is_gone_is_no_agent(
    server: Sshd, known: HostKeys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "gone"))
    assert enter(server.with_credential(agent=True), known) == "in\n"


def test_without_anything_named_the_usual_keys_are_tried(
    server: Sshd, known: HostKeys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    nothing = server.with_credential(key=None)
    assert "nothing to try" in refusal(nothing, known).message
    (tmp_path / ".ssh").mkdir()
    allow(server, keygen(tmp_path / ".ssh" / "id_ecdsa", "ecdsa"))
    assert enter(nothing, known) == "in\n"


def test_a_refusal_names_all_that_was_tried(server: Sshd, known: HostKeys, tmp_path: Path) -> None:
    stranger = keygen(tmp_path / "stranger")
    error = refusal(server.with_credential(key=stranger, password="s3cret"), known)
    assert isinstance(error, AuthRefused)
    user = server.endpoint.user
    tried = f"key {stranger} (refused); the password (the host takes only publickey)"
    assert error.message == f"the host does not let {user} in; tried: {tried}"
    assert error.where == f"127.0.0.1:{server.port}"
    assert "s3cret" not in f"{error}{error.hint}{error.__cause__!r}"


def test_a_user_who_is_not_there_is_refused(server: Sshd, known: HostKeys) -> None:
    endpoint = replace(server.endpoint, user="nobody-of-that-name")
    assert "does not let nobody-of-that-name in" in refusal(endpoint, known).message


# --- whether anybody is there ---


def test_a_port_where_nothing_listens_is_unreachable(known: HostKeys) -> None:
    error = refusal(Endpoint("127.0.0.1", free_port(), "root"), known)
    assert isinstance(error, Unreachable)
    assert error.message == "the host answers, but nothing listens on this port"


def test_a_name_without_an_address_is_unreachable(known: HostKeys) -> None:
    error = refusal(Endpoint("no-such-host.invalid", 22, "root"), known)
    assert isinstance(error, Unreachable)
    assert error.where == "no-such-host.invalid:22"


@pytest.mark.parametrize(
    "greeting", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-x\r\n", b"SSH-2.0-x\r\n" + b"\0" * 64]
)
def test_what_does_not_speak_ssh_is_unreachable(known: HostKeys, greeting: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        chat = threading.Thread(target=_greet, args=(server, greeting))
        chat.start()
        error = refusal(Endpoint("127.0.0.1", server.getsockname()[1], "root"), known)
        chat.join()
    assert isinstance(error, Unreachable)
    assert "SSH handshake" in error.message


def _greet(server: socket.socket, greeting: bytes) -> None:
    link, _ = server.accept()
    with link:
        link.sendall(greeting)


def test_who_says_nothing_is_given_up(known: HostKeys) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        endpoint = Endpoint("127.0.0.1", server.getsockname()[1], "root")
        with (
            pytest.raises(Unreachable, match=r"handshake within 0\.2 seconds"),
            connector(known, timeout=0.2)(endpoint),
        ):
            pass


def test_legal_notices_before_the_version_and_a_door_that_shuts_once_are_borne(server: Sshd, tmp_path: Path) -> None:
    """Lines before the version are allowed (RFC 4253, 4.2); an sshd with too many guests hangs up without a word."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        porter = threading.Thread(target=_porter, args=(door, server.port), daemon=True)
        porter.start()
        endpoint = replace(server.endpoint, port=door.getsockname()[1])
        assert enter(endpoint, HostKeys(tmp_path / "known_hosts", decide=accept_new)) == "in\n"
        porter.join()


@pytest.mark.slow
@pytest.mark.parametrize("rules", [60, 1000])
def test_a_host_that_thinks_before_and_amid_its_notices_is_waited_for(
    server: Sshd, known: HostKeys, rules: int
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        porter = threading.Thread(
            target=_porter, args=(door, server.port), kwargs={"seconds": 3.0, "rules": rules}, daemon=True
        )
        porter.start()
        endpoint = replace(server.endpoint, address="localhost", port=door.getsockname()[1])
        known.pin("localhost", endpoint.port, *known.pinned("127.0.0.1", server.port))
        with connector(known)(endpoint) as connection:
            assert connection.run(Command(("echo", "in"))).stdout == "in\n"
        porter.join()


def _porter(door: socket.socket, port: int, *, seconds: float = 0.0, rules: int = 60) -> None:
    """Turn the first guest away; think, read the rules to the second, think again, and lead him to the server."""
    door.accept()[0].close()
    guest, _ = door.accept()
    with guest, socket.create_connection(("127.0.0.1", port)) as host:
        threading.Event().wait(seconds)
        guest.sendall(b"".join(b"This is rule %d of this house.\r\n" % number for number in range(rules)))
        threading.Event().wait(seconds)
        back = threading.Thread(target=_carry, args=(host, guest))
        back.start()
        _carry(guest, host)
        back.join()


def test_notices_without_an_end_are_given_up(known: HostKeys) -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        talker = threading.Thread(target=_talk_on, args=(door,), daemon=True)
        talker.start()
        with (
            pytest.raises(Unreachable, match="says much, and not its version"),
            connector(known)(Endpoint("127.0.0.1", door.getsockname()[1], "root")),
        ):
            pass
        talker.join()


def _talk_on(door: socket.socket) -> None:
    for _ in range(4):  # an sshd that hangs up may only have many guests
        guest, _ = door.accept()
        with guest, contextlib.suppress(OSError):
            while True:
                guest.sendall(b"And another thing.\r\n" * 1000)


def _carry(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("old", ["Ciphers aes256-cbc", "MACs hmac-sha1\nCiphers aes128-ctr"])
def test_algorithms_that_are_not_safe_are_refused_unless_asked_for_by_their_ugly_name(tmp_path: Path, old: str) -> None:
    with sshd(tmp_path, more=old) as server:
        known = HostKeys(tmp_path / "known_hosts", decide=accept_new)
        error = refusal(server.endpoint, known)
        assert isinstance(error, Unreachable)
        assert "no algorithm in common with us that is safe" in error.message
        assert "--unsafe-legacy-ssh-algorithms" in error.hint
        assert enter(replace(server.endpoint, unsafe_legacy_algorithms=True), known) == "in\n"


def _output(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout
