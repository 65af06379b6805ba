"""URLs that a Kubefile adds, fetched from a real server, and what the lock says of them."""

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from support.building import Bench

from appliance.errors import RecipeError


class Shelf:
    """A web server with files that can be changed, and the requests that it had."""

    def __init__(self) -> None:
        self.files = {"/tool-1.2.bin": b"tool", "/odd%20name": b"odd", "/": b"root"}
        self.asked: list[tuple[str, str]] = []
        self.faults: list[int] = []
        self.cut = False
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        shelf = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                shelf.answer(self)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Say nothing."""

        return Handler

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        asked = request.headers.get("Range", "")
        self.asked.append((request.path, asked))
        data = self.files.get(request.path)
        if self.faults or data is None:
            request.send_error(self.faults.pop() if self.faults else 404)
            return
        start = int(asked.removeprefix("bytes=").rstrip("-") or 0)
        request.send_response(206 if start else 200)
        request.send_header("Content-Length", str(len(data) - start))
        request.end_headers()
        cut, self.cut = self.cut, False
        request.wfile.write(data[start : start + 2] if cut else data[start:])


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr("appliance.clock.SystemClock.sleep", lambda _clock, _seconds: None)
    return Bench(tmp_path)


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    shelf = Shelf()
    thread = threading.Thread(target=shelf.server.serve_forever, args=(0.01,))
    thread.start()
    yield shelf
    shelf.server.shutdown()
    thread.join()
    shelf.server.server_close()


def sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def test_a_url_is_fetched_once_and_its_digest_stands_in_the_lock(bench: Bench, shelf: Shelf) -> None:
    recipe = f"FROM scratch\nARG V=1.2\nADD {shelf.url}/tool-$V.bin bin/\nADD {shelf.url}/odd%20name named\n"
    first = bench.build(recipe)
    assert bench.tree() == {"bin": "/", "bin/tool-1.2.bin": "tool", "named": "odd"}
    lock = json.loads((bench.context / "Kubefile.lock").read_text())
    assert lock["urls"][f"{shelf.url}/tool-1.2.bin"] == {"digest": sha256(b"tool"), "size": 4}
    assert [(m.uri, m.pinned) for m in bench.config().build.materials] == [
        (f"{shelf.url}/tool-1.2.bin", False), (f"{shelf.url}/odd%20name", False),
    ]  # fmt: skip
    assert first.warnings[0] == (
        f"{bench.context}/Kubefile:3: {shelf.url}/tool-1.2.bin is unpinned: its digest is kept in the lock alone"
    )
    assert bench.build(recipe, locked=True).digest == first.digest
    assert len(shelf.asked) == 2


def test_a_checksum_pins_a_url_and_needs_no_lock(bench: Bench, shelf: Shelf) -> None:
    report = bench.build(f"FROM scratch\nADD --checksum={sha256(b'tool')} {shelf.url}/tool-1.2.bin /x\n", locked=True)
    assert bench.tree() == {"x": "tool"}
    assert [m.pinned for m in bench.config().build.materials] == [True]
    assert report.warnings == ()
    assert not (bench.context / "Kubefile.lock").exists()


@pytest.mark.parametrize("instruction", ["COPY {url}/tool-1.2.bin x", 'APP a {url}/tool-1.2.bin\nAPPCMDS a ["x"]'])
def test_sealers_copy_and_app_take_urls_too(bench: Bench, shelf: Shelf, instruction: str) -> None:
    bench.build(f"FROM scratch\n{instruction.format(url=shelf.url)}\n")
    assert "tool" in bench.tree().values()


def test_a_url_whose_bytes_changed_is_refused(bench: Bench, shelf: Shelf) -> None:
    recipe = f"FROM scratch\nADD {shelf.url}/tool-1.2.bin x\n"
    bench.build(recipe)
    shelf.files["/tool-1.2.bin"] = b"other"
    with pytest.raises(RecipeError, match=r"gives .*, where Kubefile.lock says") as caught:
        Bench.build(_elsewhere(bench), recipe)
    assert caught.value.where.endswith("Kubefile:2")
    assert sha256(b"other") in caught.value.hint


def _elsewhere(bench: Bench) -> Bench:
    """The same context on a machine that never fetched."""
    other = bench.root / "elsewhere"
    other.mkdir()
    fresh = Bench(other)
    (fresh.context / "Kubefile.lock").write_bytes((bench.context / "Kubefile.lock").read_bytes())
    return fresh


REFUSED = {
    "not in the lock": ("ADD {url}/tool-1.2.bin x", True, "is not in Kubefile.lock"),
    "another checksum": (f"ADD --checksum=sha256:{'0' * 64} {{url}}/tool-1.2.bin x", False, "where the checksum says"),
    "not there": ("ADD {url}/none x", False, "is not there: 404"),
    "without a name": ("ADD {url}/ x/", False, "ends with no file name"),
    "nobody listens": ("ADD http://127.0.0.1:9/x x", False, "cannot be reached"),
}


@pytest.mark.parametrize(("line", "locked", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_a_url_that_cannot_be_had_is_told_at_its_line(
    bench: Bench, shelf: Shelf, line: str, locked: bool, words: str
) -> None:
    with pytest.raises(RecipeError) as caught:
        bench.build(f"FROM scratch\n{line.format(url=shelf.url)}", locked=locked)
    assert caught.value.where == f"{bench.context}/Kubefile:2"
    assert words in caught.value.message
    assert caught.value.hint
    assert sorted(path.name for path in (bench.root / "cache/downloads").glob("fetch-*[0-9a-f]")) == []


@pytest.mark.parametrize("text", ["{]", '{"format": 1, "urls": {"x": {}}}', '{"format": 9, "urls": {}}'])
def test_a_lock_that_cannot_be_read_is_named(bench: Bench, shelf: Shelf, text: str) -> None:
    bench.write("Kubefile.lock", text)
    with pytest.raises(RecipeError) as caught:
        bench.build(f"FROM scratch\nADD {shelf.url}/tool-1.2.bin x")
    assert caught.value.where == str(bench.context / "Kubefile.lock")
    assert caught.value.hint


def test_faults_that_pass_are_waited_out_and_a_cut_line_is_resumed(bench: Bench, shelf: Shelf) -> None:
    shelf.faults, shelf.cut = [503, 429], True
    bench.build(f"FROM scratch\nADD {shelf.url}/tool-1.2.bin x")
    assert bench.tree() == {"x": "tool"}
    assert [asked for _, asked in shelf.asked] == ["", "", "", "bytes=2-"]
