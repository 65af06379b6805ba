"""A line of peers on this machine: real helpers, real TLS, real files; each room has its own address on loopback."""

from __future__ import annotations

import io
import os
import socket
import ssl
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from support.peers import PATCHES, free_port, patch_helper, stopped_helper
from support.rooms import Room

import appliance
from appliance.clock import SystemClock
from appliance.digest import Digest
from appliance.distribute import words
from appliance.distribute.base import BlobFolder, Hearing
from appliance.distribute.chain import Chain
from appliance.distribute.keypair import KeyPair
from appliance.distribute.listener import own_address
from appliance.distribute.node import Node
from appliance.distribute.pace import Pace
from appliance.distribute.talk import GIVEN_UP_SECONDS, Way
from appliance.distribute.unicast import Unicast
from appliance.errors import StateError, TimedOut, TransferFailed
from appliance.files import put_blob, write_bytes
from appliance.image.blobs import Blob
from appliance.image.packing import Source, write_layer
from appliance.image.trees import Entry, Kind, check_mtree
from appliance.trust import certificates, issue

if TYPE_CHECKING:
    from collections.abc import Callable

    from appliance.clock import Clock

PYTHON = ("env", f"PYTHONPATH={Path(appliance.__file__).parent.parent}:{PATCHES}", sys.executable)
ADDRESSES = {"one": "127.0.0.2", "two": "127.0.0.3", "three": "127.0.0.4"}
RUNTIME = Digest.of(b"runtime")
UNIT = words.UNIT_BYTES
SLOWLY = 24_000_000
CHECK = "check the memory and disk of both, and who works there"


@dataclass
class Scene:
    """An operator with blobs, three rooms, and a line that brings them there."""

    folder: Path
    said: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in ADDRESSES})
    noted: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in ADDRESSES})

    def __post_init__(self) -> None:
        self.port = free_port(*ADDRESSES.values())
        self.source = BlobFolder(self.folder / "operator")
        self.slow_down(0)

    def slow_down(self, bandwidth: int) -> None:
        self.chain = self.line(bandwidth, SystemClock())

    def line(self, bandwidth: int, clock: Clock, *, silence: float = GIVEN_UP_SECONDS) -> Chain:
        unicast = Unicast(python=lambda _: PYTHON, pace=Pace(bandwidth))
        return Chain(Way(ADDRESSES, self.port), unicast=unicast, clock=clock, silence=silence)

    def blob(self, size: int) -> Blob:
        content = os.urandom(size)
        put_blob(self.source.folder, io.BytesIO(content), Digest.of(content), size=size)
        return Blob(Digest.of(content), size)

    def send(self, name: str, *blobs: Blob, progress: Callable[[int, int], None] = lambda _d, _t: None) -> None:
        room = Room(self.folder / name).transport()
        hearing = Hearing(progress, self.said[name].append, self.noted[name].append)
        self.chain.send(room, blobs, host=name, source=self.source, runtime=RUNTIME, hearing=hearing)

    def send_after(self, first: str, *others: str, blob: Blob) -> dict[str, Future[None]]:
        """Send `blob` to one host, and once that has some of it to others; how each ended, when all have."""
        begun = threading.Event()
        with ThreadPoolExecutor() as pool:
            jobs = {first: pool.submit(self.send, first, blob, progress=lambda done, _: begun.set() if done else None)}
            assert begun.wait(30)
            jobs |= {name: pool.submit(self.send, name, blob) for name in others}
        return jobs

    def send_all(self, *blobs: Blob) -> None:
        with ThreadPoolExecutor() as pool:
            for job in [pool.submit(self.send, name, *blobs) for name in ADDRESSES]:
                job.result()

    def has(self, name: str, *blobs: Blob) -> bool:
        folder = Node(self.folder / name).blobs
        contents = {path.name: path.read_bytes() for path in folder.glob("*")}
        return contents == {blob.digest.hex: (self.source.folder / blob.digest.hex).read_bytes() for blob in blobs}


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_blobs_of_all_sizes_reach_all_hosts_and_the_operator_sends_one_copy(scene: Scene) -> None:
    blobs = [scene.blob(size) for size in (0, 1, UNIT - 1, UNIT, UNIT + 1, 5 * UNIT + 7)]
    scene.send_all(*blobs)
    assert all(scene.has(name, *blobs) for name in ADDRESSES)
    fed = [name for name, said in scene.said.items() if "takes from the operator" in said]
    assert len(fed) == 1


def test_what_a_killed_helper_left_is_checked_and_only_the_rest_is_sent(scene: Scene) -> None:
    blob = scene.blob(8 * UNIT)
    content = (scene.source.folder / blob.digest.hex).read_bytes()
    folder = Node(scene.folder / "one").blobs
    folder.mkdir(parents=True)
    left = bytearray(content[: 6 * UNIT + 100])
    left[4 * UNIT] ^= 1  # what stands from there on was never checked
    (folder / f".{blob.digest.hex}.partial").write_bytes(left)
    (folder / f".{Digest.of(b'other').hex}.partial").write_bytes(b"of another image")
    scene.send("one", blob)
    assert scene.has("one", blob)
    assert any(f"({4 * UNIT} bytes of them from the operator)" in said for said in scene.said["one"])


def layer(scene: Scene) -> tuple[Blob, Digest]:
    """A layer of the operator's, of several units and many files, and the digest of its tar."""
    files = scene.folder / "files"
    write_bytes(files / "large", os.urandom(5 * UNIT))
    sources = [Source(Entry("large", Kind.FILE, size=5 * UNIT), files / "large")]
    for number in range(300):
        write_bytes(files / f"small-{number}", b"a" * number)
        sources.append(Source(Entry(f"small-{number}", Kind.FILE, size=number), files / f"small-{number}"))
    out = io.BytesIO()
    written = write_layer(sources, out)
    put_blob(scene.source.folder, io.BytesIO(out.getvalue()), written.digest, size=written.size)
    return Blob(written.digest, written.size), written.diff_id


def test_layers_stand_when_their_blobs_have_come_and_only_what_was_named(scene: Scene) -> None:
    """One of three is named wrongly; whoever is to unpack it will say so."""
    first, second, other = scene.blob(3 * UNIT), *layer(scene)
    layers = {
        "one": {second.digest.hex: other.hex},
        "two": {first.digest.hex: Digest.of(b"not a layer").hex, second.digest.hex: other.hex},
        "three": {second.digest.hex: Digest.of(b"another").hex},
    }
    unicast = Unicast(python=lambda _: PYTHON)
    scene.chain = Chain(Way(ADDRESSES, scene.port), unicast=unicast, layers=layers)
    scene.send_all(first, second)
    assert all(scene.has(name, first, second) for name in ADDRESSES)
    found = {name: sorted(Node(scene.folder / name).layer(other).parent.glob("*")) for name in ADDRESSES}
    assert found == {"one": [Node(scene.folder / "one").layer(other)], "two": [], "three": []}
    assert check_mtree(found["one"][0]) == ()


def test_hosts_that_cannot_listen_are_fed_by_the_operator_and_it_is_said(scene: Scene) -> None:
    blob = scene.blob(3 * UNIT)
    servers = [socket.create_server((address, scene.port)) for address in ADDRESSES.values()]
    scene.send_all(blob)
    for server in servers:
        server.close()
    assert all(scene.has(name, blob) for name in ADDRESSES)
    for said in scene.said.values():
        assert f"others cannot take from this host: port {scene.port}: Address already in use" in said
        assert "takes from the operator" in said


def test_a_helper_that_lives_and_says_nothing_is_given_up_and_holds_nobody(scene: Scene) -> None:
    blob, stopped = scene.blob(100 * UNIT), list[int]()
    scene.chain = scene.line(SLOWLY, SystemClock(), silence=10)

    def stop(done: int, total: int) -> None:
        if 0 < done < total and not stopped:
            stopped.append(stopped_helper(scene.folder / "two"))

    with ThreadPoolExecutor() as pool:
        silent = pool.submit(scene.send, "two", blob, progress=stop)
        others = [pool.submit(scene.send, name, blob) for name in ("one", "three")]
        with pytest.raises(TimedOut, match="said nothing for 10 seconds"):
            silent.result()
        for job in others:
            job.result()
    assert scene.has("one", blob)
    assert scene.has("three", blob)


ACCUSES = """
import appliance.distribute.peer as peer
def accuse(self, line, partial):
    raise peer._Lied
peer.Peer._units = accuse
"""
LIES = """
from appliance.distribute.partial import Partial
read = Partial.read
Partial.read = lambda self, offset, *, seconds: bytes(len(read(self, offset, seconds=seconds)))
"""


def test_a_host_that_accuses_all_others_fails_none_of_them_and_all_are_named(scene: Scene) -> None:
    blob = scene.blob(50 * UNIT)
    scene.slow_down(SLOWLY)
    patch_helper(scene.folder / "two", ACCUSES)
    for job in scene.send_after("one", "two", "three", blob=blob).values():
        job.result()
    assert all(scene.has(name, blob) for name in ADDRESSES)
    accused = {name for name in ("one", "three") if f"takes from {name}" in scene.said["two"]}
    assert "one" in accused
    for name in accused:
        assert scene.noted[name] == [f"passed on other bytes than it was given, says two alone; {CHECK}"]
    assert len(scene.noted["two"]) == 1
    assert all(name in scene.noted["two"][0] for name in accused)


def test_a_host_that_lies_is_tried_by_a_second_one_and_fails_for_what_both_say(scene: Scene) -> None:
    blob = scene.blob(50 * UNIT)
    scene.slow_down(SLOWLY)
    patch_helper(scene.folder / "one", LIES)
    jobs = scene.send_after("one", "two", "three", blob=blob)
    with pytest.raises(TransferFailed, match="passed on other bytes than it was given, say three and two"):
        jobs.pop("one").result()
    for name, job in jobs.items():
        job.result()
        assert scene.has(name, blob)
    assert not any(scene.noted.values())


def test_where_one_says_that_the_only_other_lies_neither_fails_and_both_are_named(scene: Scene) -> None:
    blob = scene.blob(40 * UNIT)
    scene.slow_down(SLOWLY)
    patch_helper(scene.folder / "one", LIES)
    for job in scene.send_after("one", "two", blob=blob).values():
        job.result()
    assert scene.has("two", blob)
    assert scene.noted["one"] == [f"passed on other bytes than it was given, says two alone; {CHECK}"]
    assert scene.noted["two"] == [f"says alone that one passed on other bytes; {CHECK}"]


def test_a_rotten_blob_of_the_operators_fails_all_hosts_and_none_stores_it(scene: Scene) -> None:
    blob = scene.blob(4 * UNIT)
    path = scene.source.folder / blob.digest.hex
    path.chmod(0o644)
    path.write_bytes(bytes(4 * UNIT))
    with ThreadPoolExecutor() as pool:
        for job in [pool.submit(scene.send, name, blob) for name in ADDRESSES]:
            with pytest.raises(StateError, match="is damaged"):
                job.result()
    assert not any(scene.has(name, blob) for name in ADDRESSES)


@dataclass(frozen=True)
class Wrong(SystemClock):
    """A clock that is wrong by some time."""

    by: timedelta = timedelta()

    def now(self) -> datetime:
        return super().now() + self.by


@pytest.mark.parametrize(
    ("by", "why"), [(timedelta(hours=3), "is not yet valid"), (timedelta(days=-3), "has expired")], ids=str
)
def test_hosts_whose_clocks_are_far_from_the_operators_are_fed_by_it_and_it_is_said(
    scene: Scene, by: timedelta, why: str
) -> None:
    blob = scene.blob(3 * UNIT + 1)
    scene.chain = scene.line(0, Wrong(by))
    scene.send_all(blob)
    assert all(scene.has(name, blob) for name in ADDRESSES)
    assert all("takes from the operator" in said for said in scene.said.values())
    refusal = f"its certificate is refused: certificate {why}"
    assert any(each.endswith(refusal) for said in scene.said.values() for each in said)


def test_a_host_that_has_all_already_takes_nothing(scene: Scene) -> None:
    blob = scene.blob(4 * UNIT)
    scene.send("two", blob)
    scene.said["two"].clear()
    scene.send_all(blob)
    assert all(scene.has(name, blob) for name in ADDRESSES)
    assert not any(said.startswith("takes") for said in scene.said["two"])


def ask(scene: Scene, context: ssl.SSLContext, name: str, blob: Blob) -> bytes:
    """What the peer of this name at the first address gives to who asks it for `blob` like this."""
    request = words.line(words.Request(blob.digest.hex, 0))
    try:
        with (
            socket.create_connection((ADDRESSES["one"], scene.port), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname=name) as line,
        ):
            line.sendall(request)
            return line.recv(1)
    except OSError:  # an ssl.SSLError is one, too
        return b""


def bearer(authority: issue.Issued, trusted: issue.Issued, *, ended: bool = False) -> ssl.SSLContext:
    """Who has a certificate of `authority`, one that `ended` half an hour ago, and believes `trusted`."""
    now = SystemClock().now()
    keys = KeyPair()
    issuer, key = issue._load(authority)
    certificate = certificates.certify(
        certificates.subject("stranger.chain"),
        x509.load_pem_x509_csr(keys.request.encode()).public_key(),
        issuer=issuer.subject,
        issuer_key=key,
        not_before=issuer.not_valid_before_utc,
        not_after=now + timedelta(minutes=-30 if ended else 30),
        extensions=(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]),),
    )
    return keys.context(
        ssl.Purpose.SERVER_AUTH,
        certificate=certificates.certificate_pem(certificate).decode(),
        authority=trusted.certificate_pem.decode(),
    )


def stranger(trusted: issue.Issued) -> ssl.SSLContext:
    """Who has no certificate, and believes `trusted`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=trusted.certificate_pem.decode())
    return context


def test_only_who_has_a_certificate_of_the_runs_authority_gets_a_byte(scene: Scene) -> None:
    scene.slow_down(SLOWLY)
    blob = scene.blob(64 * UNIT)
    serving = threading.Event()

    def progress(done: int, total: int) -> None:
        if done:
            serving.set()

    with ThreadPoolExecutor() as pool:
        sent = pool.submit(scene.send, "one", blob, progress=progress)
        assert serving.wait(30)
        authority = scene.chain._authority._issued
        assert authority
        foreign = issue.authority("another", now=SystemClock().now(), days=1)
        old = bearer(authority, authority)
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2
        name = "peer-1.chain"
        assert ask(scene, stranger(authority), name, blob) == b""
        assert ask(scene, bearer(foreign, authority), name, blob) == b""
        assert ask(scene, bearer(authority, authority, ended=True), name, blob) == b""
        assert ask(scene, old, name, blob) == b""
        assert ask(scene, bearer(authority, foreign), name, blob) == b""
        assert ask(scene, bearer(authority, authority), "peer-2.chain", blob) == b""
        assert len(ask(scene, bearer(authority, authority), name, blob)) == 1
        sent.result()
    assert scene.has("one", blob)


@pytest.mark.parametrize("known", ["127.0.0.3", "::1", "", "no such name.invalid", "255.255.255.255"])
def test_a_host_gives_no_other_address_where_it_has_the_known_one_or_none_that_would_do(known: str) -> None:
    assert own_address(known) == ""
