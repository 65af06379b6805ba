"""A host in a swarm: the operator gives it some pieces over its own connection, and hosts give each other the rest.

The operator says what is right (a torrent), whom to meet, and who may (certificates); see `words`. One thread hears
it, one watches libtorrent and says how far it is, one checks blobs that are whole and puts them into the store.
"""

from __future__ import annotations

import contextlib
import io
import os
import queue
import shutil
import threading
import time
from typing import TYPE_CHECKING, BinaryIO

from appliance.digest import Digest
from appliance.distribute import swarmsession, words
from appliance.distribute.keypair import KeyPair
from appliance.distribute.listener import free_place, own_address
from appliance.distribute.node import make_home
from appliance.distribute.partial import SWARM, sweep
from appliance.distribute.swarmsession import Banned, Broken, Certified, Files, Session, State
from appliance.distribute.torrent import FOLDER, NAME
from appliance.distribute.words import LARGE_BYTES, Data, End, Got, Identity, Lost, Meet, Ping, Ready, Start, Torrent
from appliance.errors import ApplianceError, StateError, TransferFailed
from appliance.files import disk_errors, has_blob, hash_file, put_blob, sync_folder
from appliance.image import trees
from appliance.image.layers import unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from appliance.distribute.node import Node

WATCH_SECONDS = 0.1
REPORT_SECONDS = 0.5
SILENCE_SECONDS = 45.0
"""An operator that is not heard for so long is gone, though nobody closed its connection."""
_NOTHING = State(frozenset(), 0, 0, 0)
_FLUSH_SECONDS = 10.0
_MOST_RUNS = 1000
_LONGEST_TORRENT = 64 << 20


class SwarmPeer:
    """One host's part in one swarm; `say` may be called by any of its threads."""

    def __init__(self, node: Node, start: Start, *, say: Callable[[words.Report], None]) -> None:
        make_home(node)
        names = {name for name, _ in start.blobs}
        sweep(node.blobs, names, swarming=True)
        self._node = node
        self._say = say
        self._start = start
        self._sizes = dict(start.blobs)
        self._has = tuple(name for name, size in start.blobs if has_blob(node.blobs, Digest(name), size))
        self._lacks = set(names) - set(self._has)
        self._small = 0
        self._ended = False
        self._keys = KeyPair()
        self._identity: Identity | None = None
        self._session: Session | None = None
        self._whole: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._over: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        self._heard = time.monotonic()
        self._listen, self._deaf = free_place(start.address, start.port)

    @property
    def _folder(self) -> Path:
        return self._node.blobs / SWARM

    def _file(self, name: str) -> Path:
        return self._folder / NAME / FOLDER / name

    def run(self, source: BinaryIO) -> None:
        """Be a peer until the operator says that it is over. Raises what kept it from having all blobs."""
        if self._start.part:
            swarmsession.load(_stand(self._node, *self._start.part))
        self._say(Ready(self._keys.request, self._deaf, self._has, own_address(self._start.address)))
        for work in (lambda: self._hear(source), self._watch, self._store):
            threading.Thread(target=self._guarded, args=(work,), daemon=True).start()
        if error := self._over.get():
            raise error
        shutil.rmtree(self._folder, ignore_errors=True)

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001  (a thread that ends unheard would be waited for in vain)
            told = isinstance(error, ApplianceError | OSError | ValueError)
            self._over.put(error if told else TransferFailed(f"the swarm broke: {error!r}"))

    # What the operator says

    def _hear(self, source: BinaryIO) -> None:
        while line := source.readline(words.LONGEST_LINE):
            self._heard = time.monotonic()
            match words.parse(line):
                case End():
                    self._over.put(None)
                    return
                case Identity() as identity:
                    self._identity = identity
                case Torrent(size) if size <= _LONGEST_TORRENT:
                    self._begin(self._exactly(source, size))
                case Meet(address, port) if self._session:
                    self._session.meet(address, port)
                case Data(blob, offset, size):
                    self._data(blob, offset, self._exactly(source, size))
                case Ping():
                    pass
                case word:
                    raise ValueError(f"not an order: {type(word).__name__}")
        raise TransferFailed("the connection ended before all blobs had come", hint="run the command again")

    def _exactly(self, source: BinaryIO, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            more = source.read(min(size - len(data), words.UNIT_BYTES))
            if not more:
                raise TransferFailed("the connection ended before all blobs had come", hint="run the command again")
            self._heard = time.monotonic()
            data += more
        return bytes(data)

    def _begin(self, encoded: bytes) -> None:
        if self._identity is None:
            raise ValueError("a torrent came before a certificate")
        folder = self._folder / NAME / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        mine = {name for name, size in self._sizes.items() if size >= LARGE_BYTES}
        for left in folder.iterdir():
            if left.name not in mine:
                left.unlink()
        for name in mine.intersection(self._has):
            with contextlib.suppress(FileExistsError):
                self._file(name).hardlink_to(self._node.blobs / name)
        certified = Certified(self._identity.certificate, self._keys.pem)
        files = Files(self._folder, mine)
        self._session = Session(encoded, files, certified, listen=self._listen, bandwidth=self._start.bandwidth)

    def _data(self, blob: str, offset: int, data: bytes) -> None:
        if self._sizes[blob] < LARGE_BYTES:
            put_blob(self._node.blobs, io.BytesIO(data), Digest(blob), size=self._sizes[blob])
            self._small += len(data)
            self._lacks.discard(blob)
        elif self._session:
            place = self._session.places[blob]
            self._session.put(place.first + offset // place.piece_bytes, data)

    # Saying how far it is

    def _watch(self) -> None:
        known: frozenset[int] | None = None
        said, ended = time.monotonic(), False
        while True:
            time.sleep(WATCH_SECONDS)
            now = time.monotonic()
            if now - self._heard > SILENCE_SECONDS:
                raise TransferFailed("the operator is not heard any more", hint="run the command again")
            session, state = self._session, _NOTHING
            if session:
                self._look(session)
            if session and (known is not None or session.checked):
                state = session.state()
            new = state.pieces - (known or frozenset())
            if new or self._ended != ended or now - said >= REPORT_SECONDS:
                said, ended = now, self._ended
                self._report(state, new)
            if state is not _NOTHING:
                known = state.pieces

    def _look(self, session: Session) -> None:
        for event in session.events():
            match event:
                case Banned(address):
                    self._say(Lost(address, "it sent other bytes than it should", lied=True))
                case Broken(number, path, _) if number:
                    with disk_errors(self._file(path.rpartition("/")[2])):
                        raise OSError(number, os.strerror(number), path)
                case Broken(_, _, why):
                    raise TransferFailed(f"the swarm broke: {why}", hint="run the command again")

    def _report(self, state: State, new: frozenset[int]) -> None:
        if self._session and state is not _NOTHING:
            if new:
                self._session.flush()
            places = self._session.places
            for name in [n for n in tuple(self._lacks) if n in places and state.pieces.issuperset(places[n].numbers)]:
                self._lacks.discard(name)
                self._whole.put(name)
        runs = _runs(new)
        done = self._small + sum(self._bytes(name, state) for name, _ in self._start.blobs if name not in self._has)
        while len(runs) > _MOST_RUNS:
            self._say(Got(done, state is not _NOTHING, tuple(runs[:_MOST_RUNS])))
            runs = runs[_MOST_RUNS:]
        begun = state is not _NOTHING
        self._say(Got(done, begun, tuple(runs), state.came, state.sent, state.twice, self._ended))

    def _bytes(self, name: str, state: State) -> int:
        """The bytes of a large blob that are there and checked."""
        if not self._session or name not in self._session.places or self._sizes[name] < LARGE_BYTES:
            return 0
        place = self._session.places[name]
        count = sum(number in state.pieces for number in place.numbers)
        return min(count * place.piece_bytes, self._sizes[name])

    # What is whole

    def _store(self) -> None:
        """Put blobs into the store that are whole, each hashed and synced; say when all are there."""
        waiting = sum(name not in self._has and size >= LARGE_BYTES for name, size in self._start.blobs)
        for _ in range(waiting):
            self._put(self._whole.get())
        while self._lacks:
            time.sleep(WATCH_SECONDS)
        self._ended = True

    def _put(self, name: str) -> None:
        path, stored, end = self._file(name), self._node.blobs / name, 0.0
        with disk_errors(path):
            while not _right(path, name):
                end = end or time.monotonic() + _FLUSH_SECONDS
                if time.monotonic() > end:
                    path.unlink(missing_ok=True)
                    raise TransferFailed(f"blob {Digest(name).short} arrived with other content")
                if self._session:
                    self._session.flush()
                time.sleep(WATCH_SECONDS)
            path.chmod(0o444)
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            os.fsync(descriptor)
            os.close(descriptor)
            stored.unlink(missing_ok=True)
            stored.hardlink_to(path)
            sync_folder(self._node.blobs)


def _stand(node: Node, digest: str, diff_id: str) -> Path:
    """The unpacked part of the bundle that a swarm needs; it is unpacked when it does not stand there as it should."""
    folder = node.layer(Digest(diff_id))
    try:
        found = trees.check_mtree(folder)
    except StateError:
        found = ("it is not there",)
    if found:
        trees.remove_tree(folder)
        try:
            with (node.blobs / digest).open("rb") as blob:
                unpack(blob, folder, diff_id=Digest(diff_id))
        except FileNotFoundError as error:
            short = Digest(digest).short
            raise StateError(f"the blob {short} is not on the host", hint="run the command again") from error
    return folder / "tree"


def _right(path: Path, name: str) -> bool:
    """Whether all of a blob is there; some may be in libtorrent's buffers still, or all of it."""
    try:
        return hash_file(path).hex == name
    except FileNotFoundError:
        return False


def _runs(numbers: frozenset[int]) -> list[tuple[int, int]]:
    """The numbers as first and last of those that follow each other."""
    return list(_runs_of(sorted(numbers)))


def _runs_of(numbers: list[int]) -> Iterator[tuple[int, int]]:
    first = last = -1
    for number in numbers:
        if number != last + 1 or first < 0:
            if first >= 0:
                yield first, last
            first = number
        last = number
    if first >= 0:
        yield first, last
