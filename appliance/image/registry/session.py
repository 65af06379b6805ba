"""`Session`: HTTP with one registry. The door to httpx: its exceptions end here.

Each request shows what the registry asked for (see `Login`) and only to it; answers that pass with time (429, 5xx, a
cut line) are a `PassingFault`, which `Patience` waits out.
"""

from __future__ import annotations

import contextlib
import ipaddress
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from appliance.clock import Clock, SystemClock
from appliance.errors import ApplianceError, RecipeError, TransferFailed, TransportError, Unreachable
from appliance.image.oci import DOCUMENT_BYTES
from appliance.image.reference import DEFAULT_REGISTRY
from appliance.image.registry.answers import Answer, login_needed, said
from appliance.image.registry.login import Login
from appliance.image.registry.patience import PassingFault, Patience

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self

    from appliance.image.registry.credentials import Credential

_CONNECT_SECONDS = 10.0
_PIECE_BYTES = 256 << 10
_PASSING = frozenset(
    (
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_EARLY,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    )
)
_DOCKER_HUB = "registry-1.docker.io"
_CERTIFICATES = Path("/etc/docker/certs.d")
_EVERY: Mapping[str, str] = {"User-Agent": "appliance", "Accept-Encoding": "identity"}

Content = bytes | Callable[[], Iterator[bytes]]
"""A body: its bytes, or what opens it anew, whose length the headers say."""


@dataclass(frozen=True, slots=True)
class Access:
    """How registries are reached: without TLS, with whose certificates.

    An answer may take `timeout` seconds; larger blobs than `chunk` bytes go in such pieces.
    """

    plain_http: bool = False
    ca_file: Path | None = None
    timeout: float = 60.0
    chunk: int = 32 << 20


class Session:
    """Requests to one registry, from any number of threads. `credential` is what we may show when asked."""

    def __init__(
        self, registry: str, access: Access, *, credential: Credential | None = None, clock: Clock | None = None
    ) -> None:
        self.registry = registry
        self.chunk = access.chunk
        self.clock = clock or SystemClock()
        host = _DOCKER_HUB if registry == DEFAULT_REGISTRY else registry
        self._base = f"{'http' if access.plain_http else 'https'}://{host}"
        self._login = Login(registry, credential, self._exchange, plain=access.plain_http)
        self._answered = False
        self._client = httpx.Client(
            verify=_trust(registry, access),
            timeout=httpx.Timeout(access.timeout, connect=min(access.timeout, _CONNECT_SECONDS), pool=None),
            headers=dict(_EVERY),
            trust_env=not _is_here(host),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._client.close()

    def ask(
        self,
        method: str,
        url: str,
        *,
        scopes: tuple[str, ...] = (),
        headers: Mapping[str, str] | None = None,
        content: bytes = b"",
    ) -> Answer:
        """One request that may be repeated, patiently; `url` may be a path. Any final status is an answer."""
        patience = Patience(self.clock)
        while True:
            try:
                return self.ask_once(method, url, scopes=scopes, headers=headers, content=content)
            except PassingFault as fault:
                patience.wait(fault)

    def ask_once(
        self,
        method: str,
        url: str,
        *,
        scopes: tuple[str, ...] = (),
        headers: Mapping[str, str] | None = None,
        content: Content = b"",
    ) -> Answer:
        """One request, not repeated; but a body is opened again if we must log in first. Raises `PassingFault`."""
        with self._send(method, url, scopes, headers or {}, content) as response:
            return self._answer(response)

    @contextlib.contextmanager
    def stream(
        self, url: str, *, scopes: tuple[str, ...], headers: Mapping[str, str]
    ) -> Iterator[tuple[Answer, Iterator[bytes]]]:
        """GET: the answer without its body, and the body in pieces. `PassingFault` also while it is read."""
        with self._send("GET", url, scopes, headers, b"") as response:
            if response.is_success:
                head = Answer(response.status_code, _lower(response), b"", str(response.url))
                yield head, self._pieces(response)
            else:
                yield self._answer(response), iter(())

    def refusal(self, answer: Answer, what: str) -> ApplianceError:
        """The error for an answer that is none of those expected; `what` is what was wanted of the registry."""
        message = f"the registry does not {what}: {said(answer)}"
        if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            return login_needed(message, self.registry)
        return TransferFailed(message, where=self.registry, hint="look at the registry's own log")

    @contextlib.contextmanager
    def _send(
        self,
        method: str,
        url: str,
        scopes: tuple[str, ...],
        headers: Mapping[str, str],
        content: Content,
    ) -> Iterator[httpx.Response]:
        full = str(httpx.URL(self._base).join(url)) if url.startswith("/") else url
        ours = httpx.URL(full).netloc == httpx.URL(self._base).netloc
        shown = self._login.shown(scopes) if ours else ""
        with contextlib.ExitStack() as stack:
            response = stack.enter_context(self._try(method, full, {**headers, **_authorization(shown)}, content))
            if response.status_code == HTTPStatus.UNAUTHORIZED and ours:
                asked = response.headers.get_list("www-authenticate")
                self._answer(response)
                shown = self._login.answer(", ".join(asked), scopes, refused=shown)
                response = stack.enter_context(self._try(method, full, {**headers, **_authorization(shown)}, content))
            yield response

    @contextlib.contextmanager
    def _try(self, method: str, url: str, headers: Mapping[str, str], content: Content) -> Iterator[httpx.Response]:
        """One exchange. Redirects are followed where there is no body; httpx shows credentials to no other host."""
        with self._faults():
            body = content() if callable(content) else content or None
            request = self._client.build_request(method, url, headers=dict(headers), content=body)
            response = self._client.send(request, stream=True, follow_redirects=method in ("GET", "HEAD"))
            self._answered = True
        try:
            if response.status_code in _PASSING:
                answer = self._answer(response)
                error = TransferFailed(
                    f"the registry does not answer as it should: {said(answer)}",
                    where=self.registry,
                    hint="try again later",
                )
                raise PassingFault(error, after=_seconds(answer.headers.get("retry-after", "")))
            yield response
        finally:
            response.close()

    def _exchange(self, method: str, url: str, headers: Mapping[str, str], content: bytes) -> Answer:
        with self._try(method, url, headers, content) as response:
            return self._answer(response)

    def _answer(self, response: httpx.Response) -> Answer:
        body = bytearray()
        for piece in self._pieces(response):
            body += piece
            if len(body) > DOCUMENT_BYTES:
                raise TransferFailed(
                    f"the registry answers with more than {DOCUMENT_BYTES} bytes, where a document was wanted",
                    where=self.registry,
                )
        return Answer(response.status_code, _lower(response), bytes(body), str(response.url))

    def _pieces(self, response: httpx.Response) -> Iterator[bytes]:
        with self._faults():
            yield from response.iter_raw(_PIECE_BYTES)

    @contextlib.contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except httpx.TimeoutException as error:
            raise PassingFault(Unreachable("the registry does not answer", where=self.registry)) from error
        except httpx.TransportError as error:
            if final := self._tls_error(error):
                raise final from error
            cut = Unreachable(
                f"the registry cannot be reached: {error}",
                where=self.registry,
                hint="look at its name, and at the network",
            )
            if isinstance(error, httpx.ConnectError) and not self._answered:
                raise cut from error  # who was never there is not waited for
            raise PassingFault(cut) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise TransferFailed(f"the registry answers what is no HTTP: {error}", where=self.registry) from error

    def _tls_error(self, error: BaseException) -> TransportError | None:
        """The error for a certificate that nobody vouches for, or a port without TLS: neither passes with time."""
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, ssl.SSLError):
            cause = cause.__cause__ or cause.__context__
        if isinstance(cause, ssl.SSLCertVerificationError):
            return TransportError(
                f"the registry's certificate is not one that is trusted here: {cause.verify_message}",
                where=self.registry,
                hint="name its authority's certificate with --ca-file",
            )
        if isinstance(cause, ssl.SSLError) and cause.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"):
            return TransportError(
                "the registry does not speak TLS", where=self.registry, hint="if that is meant to be so: --plain-http"
            )
        return None


def _authorization(shown: str) -> dict[str, str]:
    return {"Authorization": shown} if shown else {}


def _trust(registry: str, access: Access) -> ssl.SSLContext:
    """The system's certificates, Docker's for this registry, and the one that was named."""
    context = ssl.create_default_context()
    folder = _CERTIFICATES / registry
    for path in (*sorted(folder.glob("*.crt")), *((access.ca_file,) if access.ca_file else ())):
        try:
            context.load_verify_locations(path)
        except (OSError, ssl.SSLError) as error:
            raise RecipeError(
                "no certificate can be read from this", where=str(path), hint="name a file in PEM"
            ) from error
    return context


def _is_here(host: str) -> bool:
    """Whether a registry is on this machine, which no proxy reaches."""
    name = httpx.URL(f"http://{host}").host
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(name).is_loopback
    return name == "localhost"


def _lower(response: httpx.Response) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


def _seconds(text: str) -> float | None:
    return float(text) if text.isdecimal() else None
