"""`download`: a URL into a file, resumed where the line was cut, tried again with longer waits. A door to httpx."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import httpx

from appliance.clock import Clock, SystemClock
from appliance.errors import TransferFailed, Unreachable
from appliance.files import HashingWriter, disk_errors, new_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from appliance.digest import Digest

ATTEMPTS = 5
_FIRST_WAIT = 0.5
_SECONDS = 60.0
_CONNECT_SECONDS = 10.0
_PASSING = frozenset((408, 425, 429, 500, 502, 503, 504))


def download(
    url: str,
    path: Path,
    *,
    progress: Callable[[int], None] | None = None,
    clock: Clock | None = None,
) -> tuple[Digest, int]:
    """Fetch `url` (http or https) into `path`, which appears when it is whole; its digest and size in bytes.

    `progress` gets the bytes of each piece. Raises `Unreachable` for a server that cannot be reached, and
    `TransferFailed` for one that does not give the file; faults that pass are waited out first.
    """
    clock = clock or SystemClock()
    with new_file(path) as raw, disk_errors(path), _client() as client:
        out = HashingWriter(raw)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                _take(client, url, out, progress)
            except httpx.InvalidURL as error:
                raise TransferFailed(f"{url} is no URL: {error}", hint="correct it") from error
            except (httpx.TransportError, _Passing) as error:
                if attempt == ATTEMPTS or (isinstance(error, httpx.ConnectError) and not out.size):
                    raise _failed(url, error) from error
                clock.sleep(clock.jitter(_FIRST_WAIT * 2 ** (attempt - 1)))
            except httpx.HTTPError as error:
                raise TransferFailed(f"{url} cannot be fetched: {error}", hint="look at the server") from error
            else:
                break
    return out.digest, out.size


class _Passing(Exception):
    """An answer that may be another one later."""


def _client() -> httpx.Client:
    timeout = httpx.Timeout(_SECONDS, connect=_CONNECT_SECONDS)
    headers = {"User-Agent": "appliance", "Accept-Encoding": "identity"}
    return httpx.Client(timeout=timeout, headers=headers, follow_redirects=True)


def _take(client: httpx.Client, url: str, out: HashingWriter, progress: Callable[[int], None] | None) -> None:
    """Take what is missing behind the bytes that `out` has."""
    headers = {"Range": f"bytes={out.size}-"} if out.size else {}
    with client.stream("GET", url, headers=headers) as response:
        if response.status_code in _PASSING:
            raise _Passing(_said(response))
        if response.status_code not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
            raise TransferFailed(f"{url} is not there: {_said(response)}", hint="look at the address in a browser")
        skip = out.size if response.status_code == HTTPStatus.OK else 0
        for piece in response.iter_raw():
            fresh, skip = piece[skip:], max(skip - len(piece), 0)
            out.write(fresh)
            if progress:
                progress(len(fresh))


def _said(response: httpx.Response) -> str:
    return f"{response.status_code} {response.reason_phrase}".strip()


def _failed(url: str, error: Exception) -> TransferFailed | Unreachable:
    if isinstance(error, httpx.TransportError):
        return Unreachable(f"{url} cannot be reached: {error}", hint="look at the name, and at the network")
    return TransferFailed(f"the server does not give {url}: {error}", hint="try again later")
