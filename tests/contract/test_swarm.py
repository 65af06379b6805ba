"""A swarm on this machine: real helpers, libtorrent with TLS, real files; each room has its own address on loopback."""

from __future__ import annotations

import io
import os
import re
import socket
import ssl
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import libtorrent
import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from support.peers import PATCHES, free_port, patch_helper, stopped_helper, swarm_part
from support.rooms import Room

import appliance
from appliance.clock import SystemClock
from appliance.digest import Digest
from appliance.distribute import torrent
from appliance.distribute.base import BlobFolder, Hearing
from appliance.distribute.chain import Chain
from appliance.distribute.keypair import KeyPair
from appliance.distribute.node import Node
from appliance.distribute.pace import Pace
from appliance.distribute.partial import SWARM
from appliance.distribute.swarm import Load, Swarm
from appliance.distribute.swarmsession import Certified, Files, Session
from appliance.distribute.talk import GIVEN_UP_SECONDS, Way
from appliance.distribute.unicast import Unicast
from appliance.errors import StateError, TimedOut, TransferFailed
from appliance.files import put_blob
from appliance.image.blobs import Blob
from appliance.trust import certificates, issue

if TYPE_CHECKING:
    from collections.abc import Callable

    from appliance.clock import Clock
    from appliance.distribute.base import BlobSource

PYTHON = ("env", f"PYTHONPATH={Path(appliance.__file__).parent.parent}:{PATCHES}", sys.executable)
ADDRESSES = {"one": "127.0.0.2", "two": "127.0.0.3", "three": "127.0.0.4"}
RUNTIME = Digest.of(b"runtime")
MIB = 1 << 20
PIECE = 64 << 10
SLOWLY = 8_000_000
THINLY = 1_000_000
CHECK = "check the memory and disk of both, and who works there"


@dataclass
class Scene:
    """An operator with blobs, three rooms, and a swarm of them."""

    folder: Path
    said: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in ADDRESSES})
    noted: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in ADDRESSES})
    blobs: list[Blob] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.port = free_port(*ADDRESSES.values())
        self.source = BlobFolder(self.folder / "operator")

    def blob(self, size: int) -> Blob:
        content = os.urandom(size)
        put_blob(self.source.folder, io.BytesIO(content), Digest.of(content), size=size)
        self.blobs.append(Blob(Digest.of(content), size))
        return self.blobs[-1]

    def begin(
        self,
        *,
        bandwidth: int = 0,
        clock: Clock | None = None,
        python: tuple[str, ...] = PYTHON,
        silence: float = GIVEN_UP_SECONDS,
    ) -> None:
        unicast = Unicast(python=lambda _: python, pace=Pace(bandwidth))
        way = Way(ADDRESSES, self.port)
        part = next(swarm_part(self.folder / name) for name in ADDRESSES)
        for name in ADDRESSES:
            swarm_part(self.folder / name)
        load = Load(tuple(self.blobs), {RUNTIME: part})
        chain = Chain(way, unicast=unicast)
        self.swarm = Swarm(way, load, unicast=unicast, otherwise=chain, clock=clock, silence=silence)

    def send(
        self,
        name: str,
        *blobs: Blob,
        progress: Callable[[int, int], None] = lambda _d, _t: None,
        source: BlobSource | None = None,
    ) -> None:
        room = Room(self.folder / name).transport()
        hearing = Hearing(progress, self.said[name].append, self.noted[name].append)
        blobs, source = blobs or tuple(self.blobs), source or self.source
        self.swarm.send(room, blobs, host=name, source=source, runtime=RUNTIME, hearing=hearing)

    def send_all(self, source: BlobSource | None = None) -> None:
        with ThreadPoolExecutor() as pool:
            for job in [pool.submit(self.send, name, source=source) for name in ADDRESSES]:
                job.result()

    def has(self, name: str, *blobs: Blob) -> bool:
        folder = Node(self.folder / name).blobs
        contents = {path.name: path.read_bytes() for path in folder.glob("*")}
        wanted = blobs or self.blobs
        return contents == {blob.digest.hex: (self.source.folder / blob.digest.hex).read_bytes() for blob in wanted}

    def given(self, name: str) -> int:
        """The bytes that the operator sent to a host, by its own words."""
        found = re.search(r"\((\d+) bytes of them from the operator\)", " ".join(self.said[name]))
        assert found
        return int(found[1])


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_blobs_of_all_sizes_reach_all_hosts_and_one_copy_of_the_large_ones_leaves_the_operator(scene: Scene) -> None:
    small = [scene.blob(size) for size in (0, 1, MIB - 1)]
    large = [scene.blob(size) for size in (MIB, MIB + 1, 3 * MIB + PIECE - 5)]
    scene.begin()
    scene.send_all()
    assert all(scene.has(name) for name in ADDRESSES)
    every = sum(blob.size for blob in small)
    assert sum(map(scene.given, ADDRESSES)) == sum(blob.size for blob in large) + 3 * every
    left = [path for name in ADDRESSES for path in Node(scene.folder / name).blobs.glob(".*")]
    assert left == []


@dataclass
class Counted:
    """A `BlobSource` that counts what is asked of it."""

    source: BlobFolder
    opened: list[Digest] = field(default_factory=list)
    read_bytes: int = 0

    def open(self, digest: Digest) -> BinaryIO:
        self.opened.append(digest)
        return self.source.open(digest)

    def read(self, digest: Digest, offset: int, size: int) -> bytes:
        self.read_bytes += size
        return self.source.read(digest, offset, size)


def test_blobs_are_read_once_to_be_described_and_once_to_be_sent_to_however_many_hosts(scene: Scene) -> None:
    large = [scene.blob(size) for size in (2 * MIB, 3 * MIB)]
    scene.begin()
    counted = Counted(scene.source)
    scene.send_all(counted)
    assert all(scene.has(name) for name in ADDRESSES)
    assert sorted(digest.hex for digest in counted.opened) == sorted(blob.digest.hex for blob in large)
    assert counted.read_bytes == sum(blob.size for blob in large)


def test_a_helper_that_lives_and_says_nothing_is_given_up_and_holds_nobody(scene: Scene) -> None:
    scene.blob(8 * MIB)
    scene.begin(bandwidth=SLOWLY, silence=10)
    stopped: list[int] = []

    def stop(done: int, total: int) -> None:
        if 0 < done < total and not stopped:
            stopped.append(stopped_helper(scene.folder / "two"))

    with ThreadPoolExecutor() as pool:
        silent = pool.submit(scene.send, "two", progress=stop)
        others = [pool.submit(scene.send, name) for name in ("one", "three")]
        with pytest.raises(TimedOut, match="said nothing for 10 seconds"):
            silent.result()
        for job in others:
            job.result()
    assert scene.has("one")
    assert scene.has("three")


IMPATIENT = """
import appliance.distribute.swarmpeer as peer
peer.SILENCE_SECONDS = 4.0
"""


def test_over_a_thin_link_a_host_hears_the_operator_all_the_time(scene: Scene) -> None:
    """One blob takes the link twice as long as a host would wait for a word; it is sent, and heard, in units."""
    patch_helper(scene.folder / "one", IMPATIENT)
    scene.blob(MIB - 1)
    scene.blob(1)
    scene.begin(bandwidth=THINLY)
    scene.send("one")
    assert scene.has("one")


def test_hosts_get_the_blobs_that_they_need_and_no_others(scene: Scene) -> None:
    first, second = scene.blob(2 * MIB), scene.blob(MIB + 3)
    scene.begin()
    wanted = {"one": (first,), "two": (first, second), "three": (second,)}
    with ThreadPoolExecutor() as pool:
        for job in [pool.submit(scene.send, name, *blobs) for name, blobs in wanted.items()]:
            job.result()
    assert all(scene.has(name, *blobs) for name, blobs in wanted.items())


ACCUSES = """
import appliance.distribute.swarmpeer as peer
look = peer.SwarmPeer._look
def accuse(self, session):
    self._say(peer.Lost("127.0.0.2", "it sent other bytes than it should", lied=True))
    look(self, session)
peer.SwarmPeer._look = accuse
"""


def test_a_host_that_one_other_accuses_comes_through_and_both_are_named(scene: Scene) -> None:
    """It accuses it again and again."""
    patch_helper(scene.folder / "two", ACCUSES)
    scene.blob(2 * MIB)
    scene.begin()
    scene.send_all()
    assert all(scene.has(name) for name in ADDRESSES)
    assert scene.noted == {
        "one": [f"passed on other bytes than it was given, says two alone; {CHECK}"],
        "two": [f"says alone that one passed on other bytes; {CHECK}"],
        "three": [],
    }
    assert scene.said["two"].count("takes no more from one: it sent other bytes than it should") == 1


def test_a_host_that_two_others_accuse_fails_alone_and_is_named_by_both(scene: Scene) -> None:
    for name in ("two", "three"):
        patch_helper(scene.folder / name, ACCUSES)
    scene.blob(2 * MIB)
    scene.begin()
    with ThreadPoolExecutor() as pool:
        jobs = {name: pool.submit(scene.send, name) for name in ADDRESSES}
        with pytest.raises(TransferFailed, match="passed on other bytes than it was given, say three and two"):
            jobs.pop("one").result()
        for job in jobs.values():
            job.result()
    assert all(scene.has(name) for name in ADDRESSES)
    assert not any(scene.noted.values())


def test_what_a_killed_helper_left_is_checked_and_only_the_rest_is_sent(scene: Scene) -> None:
    blob = scene.blob(2 * MIB)
    scene.begin()
    left = bytearray((scene.source.folder / blob.digest.hex).read_bytes())
    left[5 * PIECE] ^= 1
    left[20 * PIECE :] = b""
    folder = Node(scene.folder / "one").blobs / SWARM / torrent.NAME / torrent.FOLDER
    folder.mkdir(parents=True)
    (folder / blob.digest.hex).write_bytes(left)
    (folder / Digest.of(b"other").hex).write_bytes(b"of another image")
    scene.send("one")
    assert scene.has("one")
    assert scene.given("one") == blob.size - 19 * PIECE


def test_what_a_host_has_already_it_gives_to_others(scene: Scene) -> None:
    first, second = scene.blob(2 * MIB), scene.blob(MIB)
    scene.begin()
    scene.send("one", first)
    for said in scene.said.values():
        said.clear()
    scene.begin()
    with ThreadPoolExecutor() as pool:
        for job in [pool.submit(scene.send, name, first, second) for name in ("one", "two")]:
            job.result()
    assert scene.has("one")
    assert scene.has("two")
    assert scene.given("one") + scene.given("two") == second.size


def test_hosts_that_cannot_listen_are_fed_by_the_operator_and_it_is_said(scene: Scene) -> None:
    scene.blob(2 * MIB)
    scene.begin()
    servers = [socket.create_server((address, scene.port)) for address in ADDRESSES.values()]
    scene.send_all()
    for server in servers:
        server.close()
    assert all(scene.has(name) for name in ADDRESSES)
    for said in scene.said.values():
        assert f"others cannot connect to this host: port {scene.port}: Address already in use" in said
    assert any("takes from the operator: nothing comes from other hosts" in said for said in scene.said.values())


def test_a_rotten_blob_of_the_operators_fails_all_hosts_and_none_stores_it(scene: Scene) -> None:
    blob = scene.blob(2 * MIB)
    scene.begin()
    path = scene.source.folder / blob.digest.hex
    path.chmod(0o644)
    path.write_bytes(bytes(2 * MIB))
    with ThreadPoolExecutor() as pool:
        for job in [pool.submit(scene.send, name) for name in ADDRESSES]:
            with pytest.raises(StateError, match="is damaged"):
                job.result()
    assert not any(scene.has(name) for name in ADDRESSES)


@pytest.mark.parametrize("pieces", ["[[0,0],[0,0]]", "[[0,999]]", "[[-1,0]]", '[["a","b"]]', "[[1,0]]"])
def test_a_host_that_tells_of_pieces_that_cannot_be_is_refused(scene: Scene, pieces: str) -> None:
    blob = scene.blob(MIB)
    ready = f'{{"word":"Ready","request":"","has":["{blob.digest.hex}"]}}'
    says = f"""echo '{ready}'; echo '{{"word":"Got","done":0,"pieces":{pieces}}}'; cat >/dev/null"""
    scene.begin(python=("sh", "-c", says))
    with pytest.raises(TransferFailed, match="has what nobody has|says something unknown"):
        scene.send("one")


@dataclass(frozen=True)
class Wrong(SystemClock):
    """A clock that is wrong by some time."""

    by: timedelta = timedelta()

    def now(self) -> datetime:
        return super().now() + self.by


@pytest.mark.slow
def test_hosts_whose_clocks_are_far_from_the_operators_are_fed_by_it_and_it_is_said(scene: Scene) -> None:
    scene.blob(2 * MIB)
    scene.begin(clock=Wrong(timedelta(days=-3)))
    scene.send_all()
    assert all(scene.has(name) for name in ADDRESSES)
    assert any("takes from the operator: nothing comes from other hosts" in said for said in scene.said.values())


def certified(authority: issue.Issued, *, ended: bool = False) -> Certified:
    """Who has a certificate of `authority`, one that `ended` half an hour ago."""
    keys = KeyPair()
    issuer, key = issue._load(authority)
    certificate = certificates.certify(
        certificates.subject(torrent.NAME),
        x509.load_pem_x509_csr(keys.request.encode()).public_key(),
        issuer=issuer.subject,
        issuer_key=key,
        not_before=issuer.not_valid_before_utc,
        not_after=SystemClock().now() + timedelta(minutes=-30 if ended else 30),
        extensions=(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]),
            x509.SubjectAlternativeName([x509.DNSName(torrent.NAME)]),
        ),
    )
    return Certified(certificates.certificate_pem(certificate).decode(), keys.pem)


def tried(session: Session, scene: Scene) -> bool:
    """Whether the peer at the first address was met, and ended it."""
    session._session.apply_settings({"alert_mask": libtorrent.alert.category_t.all_categories})
    session.meet(ADDRESSES["one"], scene.port)
    for _ in range(100):
        if any(alert.what() in ("peer_disconnected", "peer_error") for alert in session._session.pop_alerts()):
            return True
        time.sleep(0.1)
    return False


def ask(scene: Scene, trusted: issue.Issued) -> bytes:
    """What the peer at the first address says to who greets it and has no certificate."""
    assert scene.swarm._description
    info = libtorrent.load_torrent_buffer(scene.swarm._description.encoded).ti.info_hashes().v2.to_bytes()[:20]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(cadata=trusted.certificate_pem.decode())
    greeting = b"\x13BitTorrent protocol" + bytes(7) + b"\x10" + info + b"-LT2110-abcdefghijkl"
    try:
        with (
            socket.create_connection((ADDRESSES["one"], scene.port), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname=info.hex()) as line,
        ):
            line.sendall(greeting)
            return line.recv(1)
    except OSError as error:
        return b"" if "CERTIFICATE_REQUIRED" in str(error) else str(error).encode()


def test_only_who_has_a_certificate_of_the_runs_authority_gets_a_byte(scene: Scene, tmp_path: Path) -> None:
    blob = scene.blob(6 * MIB)
    scene.begin(bandwidth=SLOWLY)
    serving = threading.Event()

    def progress(done: int, total: int) -> None:
        if done > MIB:
            serving.set()

    def peer(name: str, shown: Certified) -> Session:
        assert scene.swarm._description
        files = Files(tmp_path / name, {blob.digest.hex})
        return Session(scene.swarm._description.encoded, files, shown, listen="127.0.0.1:0", bandwidth=0)

    with ThreadPoolExecutor() as pool:
        sent = pool.submit(scene.send, "one", progress=progress)
        assert serving.wait(30)
        authority = scene.swarm._authority._issued
        assert authority
        foreign = issue.authority("another", now=SystemClock().now(), days=1)
        strangers = {
            "foreign": peer("foreign", certified(foreign)),
            "old": peer("old", certified(authority, ended=True)),
        }
        assert ask(scene, authority) == b""
        for name, stranger in strangers.items():
            assert tried(stranger, scene), name
        bearer = peer("bearer", certified(authority))
        bearer.meet(ADDRESSES["one"], scene.port)
        while not bearer.state().came and not sent.done():
            time.sleep(0.1)
        assert bearer.state().came
        assert [stranger.state().came for stranger in strangers.values()] == [0, 0]
        sent.result()
    assert scene.has("one")
