"""A runtime to bare hosts: the operator sends it to the first ones, and each that has it gives it to the next.

A bare host has a shell and no Python. It takes by bash's ``/dev/tcp`` from the port of a host that has the runtime by
now, and hashes what came, as it does with what the operator sends; where that does not work, the operator sends.
"""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from appliance.bundle.pyruntime.layout import install_script
from appliance.clock import SystemClock
from appliance.distribute import words
from appliance.distribute.conversation import Ack, PieceStream, converse
from appliance.distribute.giving import PACKED, Offer, pack
from appliance.distribute.unicast import RECEIVE, TRANSFER_SECONDS, Unicast, hostside, pieces_of
from appliance.errors import ApplianceError, Unreachable
from appliance.files import COPY_BYTES
from appliance.transport.base import Command

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from appliance.clock import Clock
    from appliance.distribute.base import BlobSource, Hearing
    from appliance.image.blobs import Blob
    from appliance.transport.base import Transport

TAKE_SECONDS = 60
"""For taking a runtime; more where givers are held to a bandwidth."""
INSTALL_SECONDS = 600.0
WINDOW_SECONDS = 2.0
"""For so long feeding is watched before more hosts are fed at once, or fewer."""

_MORE, _LESS = 1.3, 0.7
_LOOK_SECONDS = 0.25
_NO_BASH = 69

# The taker's word comes on standard input. Afterwards it is as if the operator sent.
_TAKE = f"""
command -v bash >/dev/null 2>&1 || {{ echo 'it has no bash' >&2; exit {_NO_BASH}; }}
within() {{ if command -v timeout >/dev/null 2>&1; then timeout "$@"; else shift; "$@"; fi; }}
address=$1 port=$2 seconds=$3 receive=$4
shift 4
within "$seconds" bash -c 'exec 3<>"/dev/tcp/$0/$1" && cat >&3 && exec cat <&3' "$address" "$port" |
    sh -c "$receive" sh "$@"
"""


class Feeds:
    """How many hosts the operator feeds at once: one after the other, but more where that carries more. Pure.

    The first of them can give sooner then. A host with a slow link leaves the operator's free for another.
    """

    def __init__(self) -> None:
        self._active = 0
        self._most = self._good = 1
        self._rate = 0.0
        self._since = 0.0
        self._sent = 0

    def free(self, *, now: float) -> bool:
        """Whether another may be fed."""
        if self._active >= self._most and now - self._since >= WINDOW_SECONDS:
            self._judge(self._sent / (now - self._since))
            self._watch(now)
        return self._active < self._most

    def _judge(self, rate: float) -> None:
        if rate > _MORE * self._rate:
            self._good, self._rate = self._active, rate
            self._most = 2 * self._active
        elif rate <= _LESS * self._rate:
            self._most = self._active + 1
        else:
            self._most = self._good

    def begin(self, *, now: float) -> None:
        """A host is fed."""
        self._active += 1
        self._watch(now)

    def end(self, *, now: float) -> None:
        """One is not fed any more."""
        self._active -= 1
        self._watch(now)

    def sent(self, size: int) -> None:
        """Bytes have left for any of them."""
        self._sent += size

    def _watch(self, now: float) -> None:
        self._since, self._sent = now, 0


@dataclass(slots=True, eq=False)
class _Giver:
    host: str
    address: str
    listens: bool = False
    busy: bool = False
    over: bool = False
    gave: int = 0


@dataclass(slots=True)
class _Tree:
    """One blob's way: who waits for it, and who gives it. `packed` is made once."""

    token: str = field(default_factory=lambda: secrets.token_hex(16))
    feeds: Feeds = field(default_factory=Feeds)
    waiting: int = 0
    givers: list[_Giver] = field(default_factory=list)
    packing: threading.Lock = field(default_factory=threading.Lock)
    packed: bytes = b""


class Relay:
    """Brings a runtime's blob to hosts that have no runtime; each host's lane calls `send`, several at a time."""

    def __init__(
        self,
        addresses: Mapping[str, str],
        *,
        port: int,
        bandwidth: int = 0,
        unicast: Unicast,
        clock: Clock | None = None,
    ) -> None:
        """`addresses` of hosts by which others reach them; those that have none give to nobody. `bandwidth`: bit/s."""
        self._addresses = addresses
        self._port = port
        self._bandwidth = bandwidth
        self._unicast = unicast
        self._clock = clock or SystemClock()
        self._changed = threading.Condition()
        self._trees: dict[Blob, _Tree] = {}

    def send(
        self, transport: Transport, blobs: Sequence[Blob], *, host: str, source: BlobSource, hearing: Hearing
    ) -> None:
        """Bring `blobs`, which are runtimes, into the store of `host`, and let it give them to those who wait for them.

        Raises what `Distributor.send` raises.
        """
        missing, unpacks = self._unicast.asked(transport, blobs)
        total = sum(blob.size for blob in blobs)
        held = total - sum(blob.size for blob in missing)
        hearing.progress(held, total)
        for blob in missing:
            tree = self._tree(blob)
            self._bring(tree, transport, blob, source=source, unpacks=unpacks, hearing=hearing)
            held += blob.size
            hearing.progress(held, total)
            if giver := self._new_giver(tree, host):
                self._give(tree, giver, transport, blob, hearing)

    def _tree(self, blob: Blob) -> _Tree:
        with self._changed:
            return self._trees.setdefault(blob, _Tree())

    def _bring(
        self,
        tree: _Tree,
        transport: Transport,
        blob: Blob,
        *,
        source: BlobSource,
        unpacks: bool,
        hearing: Hearing,
    ) -> None:
        if unpacks:
            self._pack(tree, blob, source)
        giver = self._turn(tree, wary=False)
        if giver and self._take(tree, giver, transport, blob, unpacks=unpacks, hearing=hearing):
            return
        if giver:
            self._turn(tree, wary=True)
        try:
            pieces = self._counted(tree, _cut(tree.packed) if unpacks else pieces_of(blob, source))
            self._unicast.send_plainly(transport, blob, pieces, packed=unpacks)
        finally:
            with self._changed:
                tree.feeds.end(now=self._clock.monotonic())
                self._changed.notify_all()

    def _pack(self, tree: _Tree, blob: Blob, source: BlobSource) -> None:
        with tree.packing:
            tree.packed = tree.packed or b"".join(pack(pieces_of(blob, source)))

    def _counted(self, tree: _Tree, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            yield piece
            with self._changed:
                tree.feeds.sent(len(piece))

    def _turn(self, tree: _Tree, *, wary: bool) -> _Giver | None:
        """Wait for a giver that is free, or for the operator to feed the host (None); `wary`: for the operator only."""
        with self._changed:
            tree.waiting += 1
            try:
                while True:
                    for giver in () if wary else tree.givers:
                        if giver.listens and not giver.busy and not giver.over:
                            giver.busy = True
                            return giver
                    now = self._clock.monotonic()
                    if tree.feeds.free(now=now):
                        tree.feeds.begin(now=now)
                        return None
                    self._changed.wait(_LOOK_SECONDS)
            finally:
                tree.waiting -= 1
                self._changed.notify_all()

    # Taking from a host

    def _take(
        self, tree: _Tree, giver: _Giver, transport: Transport, blob: Blob, *, unpacks: bool, hearing: Hearing
    ) -> bool:
        """Whether the host has it from `giver` now; one from whom another could not take gives no more."""
        form = PACKED if unpacks else ""
        seconds = TAKE_SECONDS + (2 * 8 * blob.size // self._bandwidth if self._bandwidth else 0)
        place = (giver.address, str(self._port), str(seconds))
        kept = (str(self._unicast.node.blobs), blob.digest.hex, str(blob.size), form)
        command = Command.shell(_TAKE, *place, RECEIVE, *kept, timeout=TRANSFER_SECONDS)
        status = _NO_BASH
        try:
            result = transport.run(command, stdin=f"{tree.token} {form}\n".encode())
            status = result.status
        finally:  # a taker that has no bash, or has gone, says nothing of who gives
            with self._changed:
                giver.busy = False
                giver.over |= status not in (0, _NO_BASH)
                giver.gave += status == 0
                self._changed.notify_all()
        if result.ok:
            hearing.say(f"took the helper from {giver.host}")
            return True
        why = (result.stderr.strip().splitlines() or [f"status {result.status}"])[-1]
        hearing.say(f"could not take the helper from {giver.host}: {why}")
        return False

    # Giving to others

    def _new_giver(self, tree: _Tree, host: str) -> _Giver | None:
        """A giver, when more hosts wait than there are givers."""
        address = self._addresses.get(host, "")
        with self._changed:
            if not address or tree.waiting <= sum(not giver.over for giver in tree.givers):
                return None
            tree.givers.append(giver := _Giver(host, address))
            return giver

    def _give(self, tree: _Tree, giver: _Giver, transport: Transport, blob: Blob, hearing: Hearing) -> None:
        """Unpack the runtime and let it give, until nobody waits; a host that cannot do that has its runtime anyway."""
        offer = Offer(blob.digest, giver.address, self._port, self._bandwidth, tree.token)
        argv = hostside(self._unicast.python(blob.digest), "give", node=self._unicast.node)

        def listens(ack: Ack) -> None:
            address = words.address_said(ack.detail) or giver.address
            with self._changed:
                giver.address, giver.listens = address, True
                self._changed.notify_all()

        try:
            self._unpack(transport, blob)
            stdin = PieceStream(self._offered(tree, giver, offer))
            converse(transport, Command(argv, timeout=TRANSFER_SECONDS), stdin, heard=listens)
        except Unreachable:
            raise
        except ApplianceError as error:
            hearing.say(f"gives the helper to nobody: {error.message}")
        else:
            hearing.say(f"gave the helper to {giver.gave} other hosts")
        finally:
            with self._changed:
                giver.over = True
                tree.givers.remove(giver)
                self._changed.notify_all()

    def _unpack(self, transport: Transport, blob: Blob) -> None:
        node, name = self._unicast.node, blob.digest.hex
        place = (str(node.blobs / name), name, str(node.runtime(blob.digest)))
        done = transport.run(Command.shell(install_script(), *place, timeout=INSTALL_SECONDS))
        if not done.ok:
            raise ApplianceError(done.stderr.strip() or f"status {done.status}")

    def _offered(self, tree: _Tree, giver: _Giver, offer: Offer) -> Iterator[bytes]:
        """The offer, and then nothing, as long as the giver is needed."""
        yield offer.to_json()
        with self._changed:
            while giver.busy or (tree.waiting and not giver.over):
                self._changed.wait(_LOOK_SECONDS)


def _cut(data: bytes) -> Iterator[bytes]:
    view = memoryview(data)
    return (bytes(view[start : start + COPY_BYTES]) for start in range(0, len(view), COPY_BYTES))
