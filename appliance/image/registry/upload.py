"""`Upload`: one blob into a repository, small ones at once, large ones in chunks that are gone on with after a fault.

Source: OCI distribution-spec 1.1, § Pushing a blob in chunks.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from appliance.errors import TransferFailed
from appliance.files import COPY_BYTES
from appliance.image.registry.patience import PassingFault, Patience

if TYPE_CHECKING:
    from collections.abc import Iterator

    from appliance.files import Source as Bytes
    from appliance.image.oci import Descriptor
    from appliance.image.registry.answers import Answer
    from appliance.image.registry.session import Session

Open = Callable[[int], AbstractContextManager["Bytes"]]
_RANGE = re.compile(r"(?:bytes=)?0-([0-9]+)")
_LOST = frozenset((HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE))


class Upload:
    """Sends a blob to the uploads of a repository at `path`."""

    def __init__(self, session: Session, path: str, scopes: tuple[str, ...], progress: Callable[[int], None]) -> None:
        self._session = session
        self._path = path
        self._scopes = scopes
        self._progress = progress
        self._counted = 0
        self._chunk = session.chunk

    def send(self, descriptor: Descriptor, content: Open, *, start: Answer | None) -> None:
        """Send what `content` opens; `start` is the answer to a POST that began an upload, if there is one."""
        patience = Patience(self._session.clock)
        url, offset = self._begin(start), 0
        while True:
            try:
                while descriptor.size - offset > self._chunk:
                    url, offset = self._send_chunk(url, content, offset)
                    patience.renew()
                answer = self._finish(url, descriptor, content, offset)
            except PassingFault as fault:
                patience.wait(fault)
                url, offset = self._where(url) or (self._begin(None), 0)
                continue
            if answer.status == HTTPStatus.CREATED:
                return
            refusal = self._session.refusal(answer, f"take blob {descriptor.digest.short}")
            if answer.status not in _LOST or offset == 0:
                raise refusal
            patience.wait(PassingFault(refusal))
            url, offset = self._begin(None), 0

    def _begin(self, start: Answer | None) -> str:
        """The place of a new upload."""
        answer = start or self._session.ask("POST", self._path, scopes=self._scopes)
        if answer.status != HTTPStatus.ACCEPTED:
            raise self._session.refusal(answer, "take what we push")
        least = answer.headers.get("oci-chunk-min-length", "")
        self._chunk = max(self._chunk, int(least) if least.isdecimal() else 0)
        return self._location(answer)

    def _send_chunk(self, url: str, content: Open, offset: int) -> tuple[str, int]:
        """Where the next chunk goes, and the bytes that the registry has."""
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(self._chunk),
            "Content-Range": f"{offset}-{offset + self._chunk - 1}",
        }
        pieces = self._pieces(content, offset, self._chunk)
        answer = self._session.ask_once("PATCH", url, scopes=self._scopes, headers=headers, content=pieces)
        if answer.status in _LOST and offset:
            raise PassingFault(self._session.refusal(answer, "go on with an upload"))
        if answer.status not in (HTTPStatus.ACCEPTED, HTTPStatus.NO_CONTENT):
            raise self._session.refusal(answer, "take a chunk of a blob")
        return self._location(answer), self._taken(answer, offset + self._chunk)

    def _finish(self, url: str, descriptor: Descriptor, content: Open, offset: int) -> Answer:
        left = descriptor.size - offset
        if left < 0:
            raise TransferFailed("the registry says that it has more than was sent", where=self._session.registry)
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(left)}
        mark = "&" if "?" in url else "?"
        place = f"{url}{mark}digest={descriptor.digest}"
        pieces = self._pieces(content, offset, left)
        return self._session.ask_once("PUT", place, scopes=self._scopes, headers=headers, content=pieces)

    def _pieces(self, content: Open, offset: int, length: int) -> Callable[[], Iterator[bytes]]:
        def pieces() -> Iterator[bytes]:
            left = length
            with content(offset) as source:
                while left and (data := source.read(min(COPY_BYTES, left))):
                    yield data
                    left -= len(data)
                    self._count(offset + length - left)

        return pieces

    def _count(self, reached: int) -> None:
        """Tell progress; what is sent a second time does not count."""
        if reached > self._counted:
            self._progress(reached - self._counted)
            self._counted = reached

    def _where(self, url: str) -> tuple[str, int] | None:
        """Where an upload goes on, and from which byte; None when the registry knows nothing of it."""
        answer = self._session.ask("GET", url, scopes=self._scopes)
        if answer.status != HTTPStatus.NO_CONTENT:
            return None
        return self._location(answer), self._taken(answer, 0)

    def _taken(self, answer: Answer, expected: int) -> int:
        """The bytes that the registry says it has."""
        found = _RANGE.fullmatch(answer.headers.get("range", ""))
        if found is None:
            return expected
        return int(found[1]) + 1 if int(found[1]) else 0

    def _location(self, answer: Answer) -> str:
        if not (location := answer.headers.get("location", "")):
            raise TransferFailed("the registry does not say where a blob goes", where=self._session.registry)
        return urljoin(answer.url, location)
