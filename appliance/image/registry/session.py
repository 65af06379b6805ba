"""`Session`: HTTP with one registry. The door to httpx: its exceptions end here.

Each request shows what the registry asked for (RFC 7617 basic, or distribution's token flow) and only to it; answers
that pass with time (429, 5xx, a cut line) are a `PassingFault`, which `Patience` waits out.
"""

from __future__ import annotations

import base64
import contextlib
import ipaddress
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from appliance.clock import Clock, SystemClock
from appliance.errors import ApplianceError, AuthRefused, RecipeError, TransferFailed, TransportError, Unreachable
from appliance.image.oci import DOCUMENT_BYTES
from appliance.image.reference import DEFAULT_REGISTRY
from appliance.image.registry import challenge

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self

    from appliance.image.registry.credentials import Credential

ATTEMPTS = 6
_FIRST_WAIT = 0.5
_LONGEST_WAIT = 30.0
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
_REFUSED = frozenset((HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN))
_DOCKER_HUB = "registry-1.docker.io"
_CERTIFICATES = Path("/etc/docker/certs.d")
_CLIENT_ID = "appliance"
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


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, its body read; names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str


class PassingFault(Exception):
    """It did not work this time; `error` is what to say when it never does, `after` how long to wait (seconds)."""

    def __init__(self, error: ApplianceError, *, after: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.after = after


class Patience:
    """Waits between the attempts of one piece of work, longer each time; after `ATTEMPTS` it is at an end."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._faults = 0

    def wait(self, fault: PassingFault) -> None:
        """Wait before the next attempt, or raise what the fault stands for."""
        self._faults += 1
        if self._faults >= ATTEMPTS:
            raise fault.error from fault
        grown = self._clock.jitter(_FIRST_WAIT * 2 ** (self._faults - 1))
        self._clock.sleep(min(max(grown, fault.after or 0.0), _LONGEST_WAIT))

    def renew(self) -> None:
        """Count from the start again: it went on."""
        self._faults = 0


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
        self._credential = credential
        self._shown: dict[tuple[str, ...], str] = {}
        self._lock = threading.Lock()
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
        said = _said(answer)
        message = f"the registry does not {what}: {said}"
        if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            return self._login_needed(message)
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
        shown = self._shown.get(scopes, "") if ours else ""
        with contextlib.ExitStack() as stack:
            response = stack.enter_context(self._try(method, full, {**headers, **_authorization(shown)}, content))
            if response.status_code == HTTPStatus.UNAUTHORIZED and ours:
                asked = response.headers.get_list("www-authenticate")
                self._answer(response)
                shown = self._log_in(", ".join(asked), scopes, refused=shown)
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
                    f"the registry does not answer as it should: {_said(answer)}",
                    where=self.registry,
                    hint="try again later",
                )
                raise PassingFault(error, after=_seconds(answer.headers.get("retry-after", "")))
            yield response
        finally:
            response.close()

    def _log_in(self, asked: str, scopes: tuple[str, ...], *, refused: str) -> str:
        """What to show from now on; `AuthRefused` when that is what was refused, or we have nothing."""
        with self._lock:
            now = self._shown.get(scopes, "")
            if now and now != refused:
                return now
            found = {one.scheme: one.parameters for one in reversed(challenge.parse(asked))}
            if "bearer" in found:
                shown = f"Bearer {self._token(found['bearer'], scopes)}"
            elif "basic" in found and self._credential and self._credential.username:
                pair = f"{self._credential.username}:{self._credential.secret}"
                shown = f"Basic {base64.b64encode(pair.encode()).decode()}"
            else:
                raise self._login_needed("the registry asks who we are, and we have nothing that it takes")
            if shown == refused:
                raise self._login_needed("the registry refuses the user or password")
            self._shown[scopes] = shown
            return shown

    def _token(self, parameters: Mapping[str, str], scopes: tuple[str, ...]) -> str:
        """Distribution's token flow; with an identity token, its OAuth 2 form."""
        realm = parameters.get("realm", "")
        if not realm.startswith("https://") and not (realm.startswith("http://") and self._base.startswith("http://")):
            raise TransportError(
                f"the registry sends us for a token to {realm[:200]!r}, which has no TLS", where=self.registry
            )
        wanted = list(scopes) or parameters.get("scope", "").split()
        fields = {"service": parameters["service"]} if "service" in parameters else {}
        secret = self._credential
        if secret and not secret.username:
            form = {**fields, "grant_type": "refresh_token", "client_id": _CLIENT_ID, "refresh_token": secret.secret}
            body = str(httpx.QueryParams({**form, "scope": " ".join(wanted)})).encode()
            kind = {"Content-Type": "application/x-www-form-urlencoded"}
            with self._try("POST", realm, kind, body) as response:
                return self._token_in(self._answer(response))
        pairs = [*fields.items(), *(("scope", scope) for scope in wanted)]
        headers: dict[str, str] = {}
        if secret:
            pair = base64.b64encode(f"{secret.username}:{secret.secret}".encode()).decode()
            headers["Authorization"] = f"Basic {pair}"
        url = str(httpx.URL(realm).copy_merge_params(pairs))  # type: ignore[arg-type]  # pairs repeat "scope"
        with self._try("GET", url, headers, b"") as response:
            return self._token_in(self._answer(response))

    def _token_in(self, answer: Answer) -> str:
        if answer.status in _REFUSED:
            raise self._login_needed(f"the registry's token server refuses us: {_said(answer)}")
        with contextlib.suppress(ValueError, KeyError, AttributeError):
            document = json.loads(answer.body)
            token = document.get("token") or document["access_token"]
            if answer.status == HTTPStatus.OK and isinstance(token, str) and token.isprintable():
                return token
        raise TransferFailed(f"the registry's token server gives no token: {_said(answer)}", where=self.registry)

    def _login_needed(self, message: str) -> AuthRefused:
        return AuthRefused(message, where=self.registry, hint=f"log in: appliance login {self.registry}")

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


def _said(answer: Answer) -> str:
    """What a registry says went wrong (distribution-spec, § Error Codes), or its status."""
    status = f"status {answer.status}"
    with contextlib.suppress(ValueError, KeyError, TypeError, IndexError, AttributeError):
        document: Any = json.loads(answer.body)
        first = document["errors"][0]
        words = str(first.get("message") or first.get("code") or "")[:300]
        return f"{words} ({status})" if words.isprintable() and words else status
    return status
