"""A runtime on its way to bare hosts: real shells, real helpers, real sockets; each room has an address on loopback."""

from __future__ import annotations

import gzip
import io
import os
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.peers import free_port
from support.rooms import Room, busybox_path
from support.smallruntime import small_runtime

import appliance
from appliance.clock import SystemClock
from appliance.distribute.base import BlobFolder, Hearing
from appliance.distribute.chain import Chain
from appliance.distribute.giving import Offer
from appliance.distribute.node import Node
from appliance.distribute.pace import Pace
from appliance.distribute.relay import WINDOW_SECONDS, Feeds
from appliance.distribute.talk import Way
from appliance.distribute.unicast import Unicast
from appliance.files import hash_file, put_blob
from appliance.image.blobs import Blob

if TYPE_CHECKING:
    from collections.abc import Callable

    from appliance.transport.base import Command

PYTHON = ("env", f"PYTHONPATH={Path(appliance.__file__).parent.parent}", sys.executable)
NAMES = ("one", "two", "three", "four", "five")
ADDRESSES = {name: f"127.0.0.{number}" for number, name in enumerate(NAMES, 2)}


class Timeless(SystemClock):
    """Nothing takes any time: so the operator feeds one host at a time."""

    def monotonic(self) -> float:
        return 0.0


class Gate(Pace):
    """An operator's link that carries one copy, and another one only when `opened`."""

    def __init__(self) -> None:
        super().__init__(0)
        self.opened = threading.Event()
        self.sent = 0
        self._numbers = threading.Lock()

    def wait(self, size: int) -> None:
        with self._numbers:
            self.sent += 1
            first = self.sent == 1
        assert first or self.opened.wait(60)


@dataclass
class Scene:
    """An operator with a small runtime, and five hosts without any that all want it at once."""

    folder: Path
    said: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in NAMES})
    gate: Gate = field(default_factory=Gate)
    paths: dict[str, str] = field(default_factory=dict)
    before: Callable[[Room, Command], None] = lambda *_: None

    def __post_init__(self) -> None:
        tar = self.folder / "runtime.tar"
        packed = small_runtime(self.folder / "files", tar)
        self.blob = Blob(packed.digest, packed.size)
        put_blob(self.folder / "operator", io.BytesIO(tar.read_bytes()), packed.digest, size=packed.size)
        self.port = free_port(*ADDRESSES.values())

    def room(self, name: str) -> Room:
        return Room(self.folder / name, self.paths.get(name, ""))

    def send(self, *, open_after: int) -> None:
        """Bring the runtime to all; the operator goes on when so many have tried to take it from another."""
        unicast = Unicast(python=lambda _: PYTHON, pace=self.gate)
        way = Chain(Way(ADDRESSES, self.port), unicast=unicast, clock=Timeless())
        together = threading.Barrier(len(NAMES))
        tried = threading.Semaphore(0)

        def lane(name: str) -> None:
            room = self.room(name)

            def say(sentence: str) -> None:
                self.said[name].append(sentence)
                if "the helper from" in sentence:
                    tried.release()

            hearing = Hearing(lambda done, _: together.wait(60) if done == 0 else None, say)  # type: ignore[arg-type, return-value]
            transport = room.transport(before=lambda command: self.before(room, command))
            source = BlobFolder(self.folder / "operator")
            way.send(transport, (self.blob,), host=name, source=source, runtime=None, hearing=hearing)

        with ThreadPoolExecutor(len(NAMES)) as pool:
            lanes = [pool.submit(lane, name) for name in NAMES]
            for _ in range(open_after):
                assert tried.acquire(timeout=60)
            self.gate.opened.set()
            for each in lanes:
                each.result()

    def require_all_there(self) -> None:
        for name in NAMES:
            assert hash_file(Node(self.room(name).root).blobs / self.blob.digest.hex) == self.blob.digest, name

    def sentences(self, beginning: str) -> list[str]:
        return [each for said in self.said.values() for each in said if each.startswith(beginning)]


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_hosts_that_have_it_give_it_to_others_while_the_operators_link_is_busy(scene: Scene) -> None:
    scene.send(open_after=3)
    scene.require_all_there()
    assert len(scene.sentences("took the helper from")) == 3
    assert scene.gate.sent == 2
    for address in ADDRESSES.values():
        socket.create_server((address, scene.port)).close()  # nobody listens any more


def test_a_host_without_bash_and_without_gzip_is_served_by_the_operator(scene: Scene, tmp_path: Path) -> None:
    programs = busybox_path(tmp_path / "busybox")
    for name in ("bash", "gzip"):
        Path(programs, name).unlink(missing_ok=True)
    scene.paths = dict.fromkeys(NAMES, programs)
    scene.send(open_after=1)
    scene.require_all_there()
    assert scene.sentences("took the helper") == []
    assert scene.sentences("could not take the helper from")[0].endswith("it has no bash")
    assert scene.gate.sent == len(NAMES)


def test_other_bytes_than_the_operator_named_are_not_kept_and_their_giver_gives_no_more(scene: Scene) -> None:
    def before(room: Room, command: Command) -> None:
        if command.argv[-1] == "give":
            path = Node(room.root).blobs / scene.blob.digest.hex
            path.chmod(0o600)
            path.write_bytes(os.urandom(scene.blob.size))

    scene.before = before
    scene.send(open_after=1)
    refused = scene.sentences("could not take the helper from")
    assert refused
    assert all(each.endswith("other bytes arrived than were named") for each in refused)
    assert len({each.split(":")[0] for each in refused}) == len(refused), "each giver is asked once"
    assert scene.sentences("took the helper from") == []


def answer(offer: Offer, folder: Path, word: bytes) -> bytes:
    """What a host that gives answers to a line."""
    command = [*PYTHON, "-m", "appliance.distribute.hostside", "--root", str(folder), "give"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as helper:
        assert helper.stdin
        assert helper.stdout
        helper.stdin.write(offer.to_json())
        helper.stdin.flush()
        assert helper.stdout.readline() == b'{"done": 0, "detail": ""}\n'
        with socket.create_connection((offer.address, offer.port), timeout=30) as line:
            line.sendall(word)
            said = b"".join(iter(lambda: line.recv(1 << 16), b""))
        helper.stdin.close()
        assert helper.stdout.read() == b'{"end": true}\n'
    return said


def test_only_who_says_the_token_gets_a_byte(scene: Scene) -> None:
    content = (scene.folder / "runtime.tar").read_bytes()
    put_blob(Node(scene.folder).blobs, io.BytesIO(content), scene.blob.digest, size=scene.blob.size)
    offer = Offer(scene.blob.digest, "127.0.0.2", scene.port, 0, "a" * 32)
    assert answer(offer, scene.folder, b"a" * 32 + b" \n") == content
    assert gzip.decompress(answer(offer, scene.folder, b"a" * 32 + b" packed\n")) == content
    for stranger in (b"\n", b"a" * 31 + b"\n", b"b" * 32 + b" packed\n", b"\xff\n", b"a" * 1000):
        assert answer(offer, scene.folder, stranger) == b""


def fed(*rates: float) -> list[int]:
    """How many hosts the operator feeds at once when all of them together get so much in one window after another."""
    feeds, counts, active = Feeds(), [], 0
    for number, rate in enumerate(rates):
        now = number * WINDOW_SECONDS
        while feeds.free(now=now):
            feeds.begin(now=now)
            active += 1
        feeds.sent(int(rate * WINDOW_SECONDS))
        counts.append(active)
    return counts


@pytest.mark.parametrize(
    ("rates", "counts"),
    [
        ((10, 10, 10, 10), [1, 2, 2, 2]),
        ((10, 20, 40, 40, 40), [1, 2, 4, 8, 8]),
        ((100, 100, 20, 50, 100), [1, 2, 2, 3, 4]),
    ],
)
def test_the_operator_feeds_more_at_once_where_that_carries_more(rates: tuple[float, ...], counts: list[int]) -> None:
    assert fed(*rates) == counts


def test_one_link_carries_one_copy_after_the_other() -> None:
    feeds, later = Feeds(), 2.5 * WINDOW_SECONDS
    for now in (0.0, WINDOW_SECONDS, 2 * WINDOW_SECONDS):
        while feeds.free(now=now):
            feeds.begin(now=now)
        feeds.sent(1000)
    assert not feeds.free(now=later)
    feeds.end(now=later)
    assert not feeds.free(now=later), "two were tried, and the one that is left keeps the link busy"
    feeds.end(now=later)
    assert feeds.free(now=later)
