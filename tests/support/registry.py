"""A real registry on loopback (Debian's docker-registry), a token server for it, a line to it that fails at will."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import re
import subprocess
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import bcrypt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from appliance.image.registry.session import Access
from appliance.operations.registries import Registries
from appliance.trust import issue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

USER, PASSWORD = "ci", "correct horse: battery"
_LISTENING = re.compile(rb"listening on (127\.0\.0\.1:[0-9]+)(, tls)?")


class TestClock:
    """Remembers how long it was asked to sleep, and does not."""

    __test__ = False

    def __init__(self) -> None:
        self.slept: list[float] = []

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return 0.0

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def jitter(self, seconds: float) -> float:
        return seconds


@dataclass(frozen=True)
class Registry:
    """A running registry: where it listens, its files, the authority that vouches for it (None without TLS)."""

    host: str
    folder: Path
    ca_file: Path | None = None

    def access(self, config: Path, *, clock: TestClock | None = None) -> Registries:
        """How to reach it, with Docker's configuration in the folder `config`."""
        access = Access(plain_http=self.ca_file is None, ca_file=self.ca_file)
        return Registries(config, access, clock or TestClock())

    def blobs(self) -> set[str]:
        """The hexadecimal digests of all that it stores."""
        return {path.parent.name for path in (self.folder / "data").rglob("blobs/sha256/*/*/data")}


@contextlib.contextmanager
def registry(
    folder: Path, *, tls: bool = False, basic: bool = False, token: TokenServer | None = None
) -> Iterator[Registry]:
    """Run a registry whose files lie in `folder` until the block ends."""
    folder.mkdir(parents=True, exist_ok=True)
    ca_file = _make_tls(folder) if tls else None
    (folder / "config.json").write_text(json.dumps(_config(folder, tls=tls, basic=basic, token=token)))
    with subprocess.Popen(
        ["docker-registry", "serve", str(folder / "config.json")], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append(line)
            if found := _LISTENING.search(line):
                break
        else:
            raise AssertionError(b"".join(lines).decode())
        drain = threading.Thread(target=process.stderr.read)
        drain.start()
        try:
            yield Registry(found[1].decode(), folder, ca_file)
        finally:
            process.terminate()
            process.wait()
            drain.join()


def _config(folder: Path, *, tls: bool, basic: bool, token: TokenServer | None) -> dict[str, Any]:
    http: dict[str, Any] = {"addr": "127.0.0.1:0", "secret": "test"}
    if tls:
        http["tls"] = {"certificate": str(folder / "tls.pem"), "key": str(folder / "tls.key")}
    config: dict[str, Any] = {
        "version": "0.1",
        "log": {"level": "info"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}, "delete": {"enabled": True}},
        "http": http,
    }
    if basic:
        hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
        (folder / "htpasswd").write_text(f"{USER}:{hashed}\n")
        config["auth"] = {"htpasswd": {"realm": "test", "path": str(folder / "htpasswd")}}
    if token:
        (folder / "token.pem").write_bytes(token.certificate_pem)
        options = {"realm": token.realm, "service": "test", "issuer": "issuer"}
        config["auth"] = {"token": {**options, "rootcertbundle": str(folder / "token.pem")}}
    return config


def _make_tls(folder: Path) -> Path:
    now = datetime.now(UTC)
    authority = issue.authority("registry test", now=now, days=1)
    usages = frozenset({issue.Usage.SERVER})
    made = issue.leaf(authority, common_name="registry", sans=("127.0.0.1",), usages=usages, now=now, days=1)
    (folder / "ca.pem").write_bytes(authority.certificate_pem)
    (folder / "tls.pem").write_bytes(made.certificate_pem)
    (folder / "tls.key").write_bytes(made.key_pem)
    return folder / "ca.pem"


@dataclass
class TokenServer:
    """Gives tokens (distribution's token spec) to `USER` with `PASSWORD` or the identity token ``identity``."""

    realm: str = ""
    certificate_pem: bytes = b""
    asked: list[tuple[str, ...]] = field(default_factory=list)
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def token(self, scopes: tuple[str, ...]) -> str:
        """A JSON web token that the registry believes."""
        self.asked.append(scopes)
        certificate = x509.load_pem_x509_certificate(self.certificate_pem)
        der = certificate.public_bytes(serialization.Encoding.DER)
        now = int(datetime.now(UTC).timestamp())
        grants = [dict(zip(("type", "name", "actions"), scope.split(":"), strict=True)) for scope in scopes]
        header = {"typ": "JWT", "alg": "ES256", "x5c": [base64.b64encode(der).decode()]}
        claims = {
            "iss": "issuer",
            "sub": USER,
            "aud": "test",
            "exp": now + 300,
            "nbf": now - 10,
            "iat": now,
            "jti": str(len(self.asked)),
            "access": [{**grant, "actions": grant["actions"].split(",")} for grant in grants],
        }
        signed = ".".join(_base64url(json.dumps(part).encode()) for part in (header, claims))
        r, s = decode_dss_signature(self.key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{_base64url(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@contextlib.contextmanager
def token_server() -> Iterator[TokenServer]:
    """Run a token server on loopback until the block ends."""
    server = TokenServer()
    made = _self_signed(server.key)
    server.certificate_pem = made

    class Handler(_Quiet):
        def do_GET(self) -> None:
            asked = parse_qs(urlsplit(self.path).query)
            pair = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
            self._give(asked.get("scope", []), self.headers.get("Authorization") == f"Basic {pair}")

        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self._give(form.get("scope", [""])[0].split(), form.get("refresh_token") == ["identity"])

        def _give(self, scopes: list[str], known: bool) -> None:
            if known:
                self.answer(200, json.dumps({"token": server.token(tuple(scopes)), "expires_in": 300}).encode())
            else:
                self.answer(401, b'{"errors":[{"code":"UNAUTHORIZED","message":"who are you"}]}')

    with _serving(Handler) as port:
        server.realm = f"http://127.0.0.1:{port}/token"
        yield server


def _self_signed(key: ec.EllipticCurvePrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "token server")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2120, 1, 1, tzinfo=UTC))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM)


@dataclass
class Line:
    """A line to a registry. `fault` looks at each request and its number (from 0), and says what happens to it."""

    host: str = ""
    requests: list[tuple[str, str]] = field(default_factory=list)
    seen: list[set[str]] = field(default_factory=list)
    fault: Callable[[str, str, int], Fault | None] = lambda *_: None
    hang: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, method: str, path: str, headers: set[str]) -> Fault:
        """Write a request down, and the names of its headers; what happens to it."""
        with self.lock:
            self.seen.append(headers)
            self.requests.append((method, path))
            return self.fault(method, path, len(self.requests) - 1) or Fault()

    def count(self, method: str, part: str) -> int:
        """How many requests there were of a method to paths that contain `part`."""
        return sum(1 for name, path in self.requests if name == method and part in path)


@dataclass(frozen=True)
class Fault:
    """What happens to a request: another status or body, a cut within the answer or the request, silence.

    Of a request, `take` bytes are read before the cut; `onward`, if the registry gets to see those.
    """

    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    cut: int = -1
    take: int = -1
    onward: bool = False
    hang: bool = False


@contextlib.contextmanager
def line(target: Registry) -> Iterator[Line]:
    """Run a proxy before a registry without TLS until the block ends."""
    made = Line()

    class Handler(_Carrier):
        line, registry = made, target

    with _serving(Handler) as port:
        made.host = f"127.0.0.1:{port}"
        try:
            yield made
        finally:
            made.hang.set()


class _Quiet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the standard library's name)
        """Say nothing."""

    def answer(self, status: int, body: bytes, headers: tuple[tuple[str, str], ...] = ()) -> None:
        self.send_response_only(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


class _Carrier(_Quiet):
    """Carries requests to a registry and answers back, but for their faults."""

    line: ClassVar[Line]
    registry: ClassVar[Registry]

    def handle_one_request(self) -> None:
        """Take one request, of whatever method."""
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        fault = self.line.note(self.command, self.path, {name.lower() for name in self.headers})
        if fault.hang:
            self.line.hang.wait(20)
            self.close_connection = True
            return
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length if fault.take < 0 else fault.take)
        if fault.take >= 0 or fault.status:
            self.close_connection = True
            if fault.onward:
                self._carry_in_part(body, length)
            if fault.status:
                self.answer(fault.status, fault.body or b"", (*fault.headers, ("Connection", "close")))
            return
        self._carry(body, fault)

    def _carry_in_part(self, body: bytes, length: int) -> None:
        onward = http.client.HTTPConnection(self.registry.host)
        headers = {**dict(self.headers.items()), "Content-Length": str(length)}
        onward.request(self.command, self.path, body=iter((body,)), headers=headers)
        onward.close()

    def _carry(self, body: bytes, fault: Fault) -> None:
        onward = http.client.HTTPConnection(self.registry.host)
        headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
        onward.request(self.command, self.path, body=body, headers=headers)
        answer = onward.getresponse()
        data = answer.read() if fault.body is None else fault.body
        onward.close()
        given = {name.lower(): (name, value) for name, value in (*answer.getheaders(), *fault.headers)}
        given.pop("connection", None)
        self.send_response_only(answer.status)
        for name, value in given.values():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data if fault.cut < 0 else data[: fault.cut])
        self.close_connection = fault.cut >= 0


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is what the tests are about."""


@contextlib.contextmanager
def _serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[int]:
    with _Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=lambda: server.serve_forever(0.02))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
