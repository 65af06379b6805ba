"""libtorrent behind a door: one torrent with TLS, among peers that are named to it, and nothing else of BitTorrent.

No tracker, no DHT, no local discovery, no exchange of peers, no mapping of ports, no µTP, no listener without TLS.
"""

from __future__ import annotations

import ctypes
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from appliance.errors import ApplianceError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

_SETTINGS: dict[str, Any] = {
    "enable_dht": False,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    "enable_incoming_utp": False,
    "enable_outgoing_utp": False,
    "ignore_limits_on_local_network": False,
    "allow_multiple_connections_per_ip": True,
    "smooth_connects": False,
    "connection_speed": 500,
    "connections_limit": 2000,
    "min_reconnect_time": 2,
    "max_failcount": 1000,
    "peer_timeout": 20,
    "request_timeout": 10,
    "piece_timeout": 5,
    "unchoke_slots_limit": -1,
    "mixed_mode_algorithm": 0,
    "max_out_request_queue": 64,
    "request_queue_time": 1,
    "piece_extent_affinity": False,
    "initial_picker_threshold": 0,
    "send_buffer_watermark": 3 << 20,
    "send_buffer_low_watermark": 256 << 10,
    "tick_interval": 100,
    "mmap_file_size_cutoff": (1 << 31) - 1,  # a full disk under a mapped file would be a signal
}
_DH_PARAMETERS = """\
-----BEGIN DH PARAMETERS-----
MIIBCAKCAQEA//////////+t+FRYortKmq/cViAnPTzx2LnFg84tNpWp4TZBFGQz
+8yTnc4kmz75fS/jY2MMddj2gbICrsRhetPfHtXV/WVhJDP1H18GbtCFY2VVPe0a
87VXE15/V8k1mE8McODmi3fipona8+/och3xWKE2rec1MKzKT0g6eXq8CrGCsyT7
YdEIqUuyyOP7uWrat2DX9GgdT0Kj3jlN9K5W7edjcrsZCwenyO4KbXCeAvzhzffi
7MA0BM0oNC9hkXL+nOmFg/+OTxIy7vKBg8P+OxtMb61zO7X8vC7CIAXFjvGDfRaD
ssbzSibBsu/6iGtCOGEoXJf//////////wIBAg==
-----END DH PARAMETERS-----
"""
"""ffdhe2048 (RFC 7919): libtorrent wants some, TLS 1.3 uses none."""


@dataclass(frozen=True, slots=True)
class Files:
    """`folder` is where the torrent's own folder is; `names` of those of its files that this host takes or gives."""

    folder: Path
    names: Collection[str]


@dataclass(frozen=True, slots=True)
class Certified:
    """What a peer shows and proves, PEM."""

    certificate: str
    key: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file is in its torrent: the number of its first piece, of how many, each of `piece_bytes`."""

    first: int
    count: int
    piece_bytes: int

    @property
    def numbers(self) -> range:
        """The numbers of its pieces."""
        return range(self.first, self.first + self.count)


@dataclass(frozen=True, slots=True)
class State:
    """Numbers of the pieces that are there and checked; bytes from and to others, and those of no use."""

    pieces: frozenset[int]
    came: int
    sent: int
    twice: int


@dataclass(frozen=True, slots=True)
class Banned:
    """A peer at this address sent other bytes than it should."""

    address: str


@dataclass(frozen=True, slots=True)
class Broken:
    """A file or the torrent cannot be used; `number` is errno's, if it is one, else 0."""

    number: int
    path: str
    why: str


Event = Banned | Broken


def load(tree: Path) -> None:
    """Make libtorrent importable out of the unpacked part of a bundle; its C++ library is loaded first, by its path."""
    try:
        for library in sorted((tree / "lib").glob("*.so*")):
            ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
        sys.path.insert(0, str(tree / "site"))
        import libtorrent  # noqa: F401, PLC0415  (it is there only now)
    except (OSError, ImportError) as error:
        raise ApplianceError(f"libtorrent cannot be loaded: {error}", hint="distribute by chain or unicast") from error


class Session:
    """One peer in one torrent. Any thread may call."""

    def __init__(self, encoded: bytes, files: Files, certified: Certified, *, listen: str, bandwidth: int) -> None:
        """`listen` is an ``address:port``; `bandwidth` in bits a second, 0 for no limit.

        One that others cannot reach listens, too, on any port (0): libtorrent connects from where it listens.
        """
        import libtorrent  # noqa: PLC0415  (it is there since `load`)

        self._lt = libtorrent
        kinds = libtorrent.alert.category_t
        settings = {
            **_SETTINGS,
            "listen_interfaces": f"{listen}s",
            "upload_rate_limit": bandwidth // 8,
            "alert_mask": kinds.error_notification | kinds.status_notification | kinds.peer_notification,
        }
        self._session = libtorrent.session(cast("Any", settings))
        adding = libtorrent.load_torrent_buffer(encoded)
        adding.save_path = str(files.folder)
        names = _names(adding.ti)
        self.places = _places(adding.ti, names)
        adding.file_priorities = [4 if name in files.names else 0 for name in names]
        adding.flags = libtorrent.torrent_flags.disable_dht | libtorrent.torrent_flags.disable_lsd
        adding.flags |= libtorrent.torrent_flags.disable_pex
        self._torrent = self._session.add_torrent(adding)
        self._torrent.set_ssl_certificate_buffer(certified.certificate, certified.key, _DH_PARAMETERS)

    @property
    def checked(self) -> bool:
        """Whether what an earlier run left is checked; before that no piece can be put in."""
        states = self._lt.torrent_status
        return self._torrent.status().state in (states.downloading, states.finished, states.seeding)

    def meet(self, address: str, port: int) -> None:
        """Connect to another peer, now and whenever the connection is lost."""
        self._torrent.connect_peer((address, port))

    def put(self, number: int, data: bytes) -> None:
        """Put a piece in; it is hashed before it counts."""
        self._torrent.add_piece(number, data, 0)

    def state(self) -> State:
        """How far it is."""
        status = self._torrent.status(self._lt.torrent_handle.query_pieces)
        pieces = frozenset(number for number, there in enumerate(status.pieces) if there)
        twice = status.total_redundant_bytes + status.total_failed_bytes
        return State(pieces, status.total_payload_download, status.total_payload_upload, twice)

    def flush(self) -> None:
        """Have written what is in its buffers: libtorrent keeps much there, which a killed helper would lose."""
        self._torrent.flush_cache()

    def events(self) -> Iterator[Event]:
        """What happened since."""
        lt = self._lt
        for alert in self._session.pop_alerts():
            match alert:
                case lt.peer_ban_alert():
                    yield Banned(alert.endpoint[0])
                case lt.file_error_alert():
                    yield Broken(alert.error.value(), alert.filename(), alert.error.message())
                case lt.torrent_error_alert():
                    yield Broken(0, "", alert.message())
                case _:
                    pass


def _names(info: Any) -> list[str]:
    """The names of the torrent's files, in their order; empty for what libtorrent fills up pieces with."""
    layout = info.layout()
    padding = layout.flag_pad_file
    paths = [layout.file_path(index) for index in range(layout.num_files())]
    return ["" if layout.file_flags(n) & padding else path.rpartition("/")[2] for n, path in enumerate(paths)]


def _places(info: Any, names: list[str]) -> dict[str, Place]:
    """Where each file is, by its name, in their order; each begins with a piece of its own."""
    layout, piece_bytes, first = info.layout(), info.piece_length(), 0
    found: dict[str, Place] = {}
    for index, name in enumerate(names):
        if name:
            found[name] = Place(first, -(-layout.file_size(index) // piece_bytes), piece_bytes)
            first += found[name].count
    return found
