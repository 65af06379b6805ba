"""A registry, or the line to it, that fails: it is waited for, gone on with, or refused in words, nothing half-kept."""

import contextlib
import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.images import put_image
from support.registry import PASSWORD, USER, Fault, Line, Registry, TestClock, line, registry, token_server

from appliance.errors import ApplianceError, AuthRefused, TransferFailed, TransportError, Unreachable
from appliance.image.reference import Reference
from appliance.image.registry.credentials import Credential
from appliance.image.registry.patience import ATTEMPTS
from appliance.image.registry.session import Access
from appliance.image.store import Store
from appliance.operations import registries
from appliance.operations.registries import Registries

CHUNK = 256 << 10


class Bench:
    """An image in a store, and a line to a real registry."""

    def __init__(self, root: Path, to: Registry, over: Line) -> None:
        self.root = root
        self.registry = to
        self.line = over
        self.clock = TestClock()
        self.reach = Registries(root, Access(plain_http=True, chunk=CHUNK), self.clock)
        self.store = Store(root / "store")
        self.back = Store(root / "back")
        self.name = Reference.parse(f"{over.host}/app:1.0.0")
        made = put_image(self.store, root / "scratch", [{"bin/a": b"small"}, {"bin/large": incompressible(1 << 20)}])
        self.store.tag(self.name, self.store.resolve(made))
        self.store.untag(made)

    def push(self) -> None:
        registries.push(self.store.root, self.name, self.reach)

    def pull(self) -> None:
        registries.pull(self.back.root, self.name, self.reach)

    def came_back(self) -> bool:
        """Whether what was pulled is what was pushed."""
        same = self.back.resolve(self.name).digest == self.store.resolve(self.name).digest
        return same and self.back.verify() == ()

    def kept(self) -> list[str]:
        """Everything that the store pulled into has, but for its lock."""
        return sorted(str(p.relative_to(self.back.root)) for p in self.back.root.rglob("*") if p.is_file())


def incompressible(size: int) -> bytes:
    """The same bytes each time, of which no compression makes fewer."""
    out, state = bytearray(), 1
    while len(out) < size:
        state = state * 6364136223846793005 + 1442695040888963407 & (1 << 64) - 1
        out += (state >> 24).to_bytes(5, "big")
    return bytes(out[:size])


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with registry(tmp_path_factory.mktemp("registry")) as found:
        yield found


@pytest.fixture
def bench(running: Registry, tmp_path: Path) -> Iterator[Bench]:
    with line(running) as over:
        yield Bench(tmp_path, running, over)


def once(method: str, part: str, fault: Fault, *, times: int = 1) -> "Once":
    return Once(method, part, fault, times)


class Once:
    """The first requests of a kind fail."""

    def __init__(self, method: str, part: str, fault: Fault, times: int) -> None:
        self.method, self.part, self.fault, self.left = method, re.compile(part), fault, times

    def __call__(self, method: str, path: str, number: int) -> Fault | None:
        if method == self.method and self.part.search(path) and self.left:
            self.left -= 1
            return self.fault
        return None


@pytest.mark.parametrize(
    ("method", "part"),
    [("HEAD", "blobs/sha256"), ("POST", "uploads"), ("PATCH", "uploads"), ("PUT", "uploads"), ("PUT", "manifests")],
)
@pytest.mark.parametrize("status", [429, 503])
def test_a_push_waits_for_a_registry_that_is_busy(bench: Bench, method: str, part: str, status: int) -> None:
    bench.name = dataclasses.replace(bench.name, repository=f"busy/{method.lower()}{status}/{part[:5]}")
    bench.store.tag(bench.name, bench.store.list()[0][1])
    bench.store.untag(bench.store.list()[0][0])
    bench.line.fault = once(method, part, Fault(status=status), times=2)
    bench.push()
    assert len(bench.clock.slept) >= 2
    bench.pull()
    assert bench.came_back()


def test_a_registry_says_itself_how_long_to_wait(bench: Bench) -> None:
    bench.line.fault = once("HEAD", "blobs", Fault(status=429, headers=(("Retry-After", "7"),)))
    bench.push()
    assert bench.clock.slept == [7.0]


@pytest.mark.parametrize("part", ["manifests/1.0.0", "manifests/sha256", "blobs/sha256"])
def test_a_pull_waits_for_a_registry_that_is_busy(bench: Bench, part: str) -> None:
    bench.push()
    bench.line.fault = once("GET", part, Fault(status=503), times=ATTEMPTS - 1)
    bench.pull()
    assert bench.came_back()
    assert len(bench.clock.slept) == ATTEMPTS - 1
    if "manifests" in part:  # blobs come in parallel, each with its own patience
        assert bench.clock.slept == [0.5, 1.0, 2.0, 4.0, 8.0]


def test_a_registry_that_stays_busy_is_given_up_and_nothing_is_named(bench: Bench) -> None:
    bench.push()
    bench.line.fault = once("GET", "blobs/", Fault(status=503), times=1000)
    with pytest.raises(TransferFailed, match=r"does not answer as it should: status 503") as caught:
        bench.pull()
    assert caught.value.where == bench.line.host
    assert bench.back.list() == ()
    assert bench.kept() == []


def test_a_download_that_is_cut_goes_on_where_it_was(bench: Bench) -> None:
    bench.push()
    large = max((path.stat().st_size, path.name) for path in (bench.store.root / "blobs/sha256").iterdir())[1]
    bench.line.fault = once("GET", large, Fault(cut=700_000))
    bench.pull()
    assert bench.came_back()
    assert bench.line.count("GET", large) == 2
    assert bench.clock.slept == [0.5]


def test_a_registry_that_cannot_begin_in_the_middle_is_read_from_the_start(bench: Bench) -> None:
    bench.push()
    large = max((path.stat().st_size, path.name) for path in (bench.store.root / "blobs/sha256").iterdir())[1]
    whole = (bench.store.root / "blobs/sha256" / large).read_bytes()
    faults = iter([Fault(cut=700_000), Fault(status=200, body=whole)])
    bench.line.fault = lambda _, path, __: next(faults, None) if large in path else None
    bench.pull()
    assert bench.came_back()


def test_a_line_that_is_cut_again_and_again_without_a_byte_is_given_up(bench: Bench) -> None:
    bench.push()
    bench.line.fault = once("GET", "blobs/", Fault(cut=0), times=1000)
    with pytest.raises(ApplianceError):
        bench.pull()
    assert bench.kept() == []


def test_a_blob_with_other_content_is_refused_and_not_kept(bench: Bench) -> None:
    bench.push()
    lie = b"y" * 100
    headers = (("Content-Length", "100"),)
    bench.line.fault = lambda method, path, _: (
        Fault(body=lie, headers=headers) if method == "GET" and "blobs/" in path else None
    )
    with pytest.raises(TransferFailed, match="blob .* (ended after|arrived with other content)"):
        bench.pull()
    assert bench.kept() == []


def test_a_blob_of_the_right_size_with_other_content_is_refused_at_once(bench: Bench) -> None:
    bench.push()
    sizes = {path.name: path.stat().st_size for path in (bench.store.root / "blobs/sha256").iterdir()}

    def lie(method: str, path: str, _: int) -> Fault | None:
        name = path.rpartition(":")[2]
        return Fault(body=b"y" * sizes[name]) if method == "GET" and "/blobs/" in path else None

    bench.line.fault = lie
    with pytest.raises(TransferFailed, match="arrived with other content"):
        bench.pull()
    assert bench.clock.slept == []
    assert bench.kept() == []


@pytest.mark.parametrize("part", ["manifests/1.0.0", "manifests/sha256"])
def test_a_manifest_that_is_not_what_its_digest_says_is_refused(bench: Bench, part: str) -> None:
    bench.push()
    lie = Fault(body=b'{"schemaVersion":2}', headers=(("Content-Length", "19"),))
    bench.line.fault = once("GET", part, lie)
    with pytest.raises(TransferFailed, match="is not what the registry says|arrived with other content") as caught:
        bench.pull()
    assert "nothing of it was kept" in caught.value.hint
    assert bench.kept() == []


def test_a_registry_that_stores_another_manifest_than_ours_is_told_on(bench: Bench) -> None:
    lie = Fault(headers=(("Docker-Content-Digest", f"sha256:{'0' * 64}"),))
    bench.line.fault = once("PUT", "manifests/1.0.0", lie)
    with pytest.raises(TransferFailed, match="it stored app:1.0.0 as 000000000000"):
        bench.push()


@pytest.mark.parametrize("onward", [False, True])
@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_an_upload_that_is_cut_goes_on_or_begins_again(bench: Bench, method: str, onward: bool) -> None:
    name = dataclasses.replace(bench.name, repository=f"cut/{method.lower()}/{onward}".lower())
    bench.store.tag(name, bench.store.resolve(bench.name))
    bench.store.untag(bench.name)
    bench.name = name
    seen = 0

    def cut(this: str, path: str, _: int) -> Fault | None:
        nonlocal seen
        seen += this == method and "uploads" in path
        return Fault(take=100, onward=onward) if this == method and "uploads" in path and seen == 3 else None

    bench.line.fault = cut
    bench.push()
    assert seen > 3
    bench.pull()
    assert bench.came_back()


def test_a_registry_that_hangs_is_not_waited_for_without_end(bench: Bench) -> None:
    reach = dataclasses.replace(bench.reach, access=Access(plain_http=True, timeout=0.1))
    bench.line.fault = lambda *_: Fault(hang=True)
    with pytest.raises(Unreachable, match="the registry does not answer"):
        registries.pull(bench.back.root, bench.name, reach)
    assert len(bench.line.requests) == ATTEMPTS


def test_a_registry_that_died_is_said_to_be_unreachable(bench: Bench, tmp_path: Path) -> None:
    with registry(tmp_path / "registry") as dying:
        pass
    with pytest.raises(Unreachable, match="cannot be reached") as caught:
        registries.pull(bench.back.root, Reference.parse(f"{dying.host}/app:1"), bench.reach)
    assert caught.value.exit_code == 7
    assert bench.clock.slept == []


def test_a_pull_that_failed_goes_on_with_what_it_has(bench: Bench) -> None:
    bench.push()
    bench.line.fault = once("GET", "blobs/", Fault(status=404))
    with pytest.raises(ApplianceError):
        bench.pull()
    had = len([path for path in bench.kept() if "blobs" in path])
    bench.line.fault = lambda *_: None
    before = bench.line.count("GET", "blobs/")
    bench.pull()
    assert bench.line.count("GET", "blobs/") - before == 3 - had
    assert bench.came_back()


def test_another_host_never_sees_who_we_are(tmp_path: Path) -> None:
    """Blobs are fetched where the registry sends us; the password stays."""
    with contextlib.ExitStack() as stack:
        locked = stack.enter_context(registry(tmp_path / "locked", basic=True))
        open_one = stack.enter_context(registry(tmp_path / "open"))
        near, far = stack.enter_context(line(locked)), stack.enter_context(line(open_one))
        bench = Bench(tmp_path, locked, near)
        registries.login(near.host, Credential(USER, PASSWORD), bench.reach)
        bench.push()
        other = Reference.parse(f"{far.host}/app:1.0.0")
        bench.store.tag(other, bench.store.resolve(bench.name))
        registries.push(bench.store.root, other, bench.reach)

        def send_away(method: str, path: str, _: int) -> Fault | None:
            away = (("Location", f"http://{far.host}{path}"),)
            return Fault(status=307, headers=away) if method == "GET" and "/blobs/" in path else None

        near.fault = send_away
        far.seen.clear()
        bench.pull()
        assert bench.came_back()
        assert far.count("GET", "/blobs/") >= 3
        assert all("authorization" not in headers for headers in far.seen)
        assert any("authorization" in headers for headers in near.seen)


def test_a_token_is_not_asked_for_without_tls_by_a_registry_that_has_it(tmp_path: Path) -> None:
    with token_server() as tokens, registry(tmp_path / "registry", tls=True, token=tokens) as locked:
        with pytest.raises(TransportError, match="which has no TLS") as caught:
            registries.login(locked.host, Credential(USER, PASSWORD), locked.access(tmp_path))
        assert not isinstance(caught.value, AuthRefused)
        assert tokens.asked == []
