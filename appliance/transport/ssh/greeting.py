"""What a host may say before its version: notices, line by line, as many and as slowly as it likes (RFC 4253, 4.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from appliance.transport.ssh.handshake import Link

_VERSION = b"SSH-"
_MOST_BYTES = 1 << 20


class Greeting:
    """A `Link` without what comes before the version; until that comes, nothing has come."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._said = b""
        self._notices = 0
        self._greeted = False

    def recv(self, size: int, /) -> bytes:
        """See `Link.recv`. Raises `ConnectionError` when the notices do not end."""
        if not self._greeted:
            data = self._link.recv(size)
            if not data:
                return data
            self._hear(data)
        elif not self._said:
            return self._link.recv(size)
        data, self._said = self._said[:size], self._said[size:]
        return data

    def _hear(self, data: bytes) -> None:
        self._said += data
        self._notices += len(data)
        while not self._said.startswith(_VERSION):
            _, line_ended, rest = self._said.partition(b"\n")
            if self._notices > _MOST_BYTES:
                raise ConnectionError("it says much, and not its version")
            if not line_ended:
                raise TimeoutError("not its version yet")
            self._said = rest
        self._greeted = True

    def send(self, data: bytes, /) -> int:
        """See `Link.send`."""
        return self._link.send(data)

    def settimeout(self, seconds: float | None, /) -> None:
        """See `Link.settimeout`."""
        self._link.settimeout(seconds)

    @property
    def _closed(self) -> bool:
        """What paramiko asks of any link while it waits for its own thread to end."""
        return bool(self._link._closed)  # type: ignore[attr-defined]  # noqa: SLF001  (sockets have it, and `Through`)

    def close(self) -> None:
        """See `Link.close`."""
        self._link.close()
