"""Blobs on their way to a host, and what the host makes of them: real shells, a real helper process, real files."""

from __future__ import annotations

import io
import json
import os
import shutil
import stat
import sys
from pathlib import Path

import pytest
from support.peers import free_port, swarm_part
from support.rooms import Break, Room, busybox_path

import appliance
from appliance.digest import Digest
from appliance.distribute import hostside, programs, words
from appliance.distribute.base import BlobFolder, Distributor, Hearing
from appliance.distribute.chain import Chain
from appliance.distribute.conversation import converse
from appliance.distribute.node import Layer, Node, Request
from appliance.distribute.pace import Pace
from appliance.distribute.swarm import Load, Swarm
from appliance.distribute.talk import Way
from appliance.distribute.unicast import Unicast
from appliance.errors import ApplianceError, BundleError, StateError, TransferFailed, Unreachable
from appliance.files import put_blob
from appliance.image.blobs import Blob
from appliance.image.packing import Source, write_layer
from appliance.image.trees import Entry, Kind
from appliance.transport.base import Command

SOURCE_ROOT = Path(appliance.__file__).parent.parent
PYTHON = ("env", f"PYTHONPATH={SOURCE_ROOT}", sys.executable)
RUNTIME = Digest.of(b"runtime")
IMAGE = Digest.of(b"image")
UNICAST = Unicast(python=lambda _: PYTHON)
CONTENTS = (b"", b"small", os.urandom(5 << 20))


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path / "host")


@pytest.fixture
def source(tmp_path: Path) -> BlobFolder:
    folder = tmp_path / "operator"
    for content in CONTENTS:
        put_blob(folder, io.BytesIO(content), Digest.of(content), size=len(content))
    return BlobFolder(folder)


@pytest.fixture(params=["unicast", "chain", "swarm"])
def way(request: pytest.FixtureRequest, room: Room) -> Distributor:
    """Each way that there is; hosts get the same by all of them."""
    if request.param == "unicast":
        return UNICAST
    way = Way({"one": "127.0.0.1"}, free_port("127.0.0.1"))
    chain = Chain(way, unicast=UNICAST)
    if request.param == "chain":
        return chain
    return Swarm(way, Load(BLOBS, {RUNTIME: swarm_part(room.root)}), unicast=UNICAST, otherwise=chain)


BLOBS = tuple(Blob(Digest.of(content), len(content)) for content in CONTENTS)


def received(room: Room) -> dict[str, bytes]:
    folder = Node(room.root).blobs
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.is_dir() else {}


WHOLE = {Digest.of(content).hex: content for content in CONTENTS}


@pytest.mark.parametrize("runtime", [None, RUNTIME])
def test_blobs_arrive_read_only_with_confirmed_progress(
    room: Room, source: BlobFolder, way: Distributor, runtime: Digest | None
) -> None:
    progress: list[tuple[int, int]] = []
    hearing = Hearing(lambda d, t: progress.append((d, t)))
    way.send(room.transport(), BLOBS, host="one", source=source, runtime=runtime, hearing=hearing)
    assert received(room) == WHOLE
    total = sum(blob.size for blob in BLOBS)
    assert progress == sorted(progress)
    assert progress[0] == (0, total)
    assert progress[-1] == (total, total)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in Node(room.root).blobs.iterdir()}
    assert modes == {0o444}
    assert stat.S_IMODE(Node(room.root).home.stat().st_mode) == 0o700


@pytest.mark.parametrize("runtime", [None, RUNTIME])
def test_only_what_is_missing_or_short_is_sent_again(
    room: Room, source: BlobFolder, way: Distributor, runtime: Digest | None
) -> None:
    folder = Node(room.root).blobs
    folder.mkdir(parents=True, exist_ok=True)
    (folder / BLOBS[1].digest.hex).write_bytes(b"small")
    (folder / BLOBS[2].digest.hex).write_bytes(CONTENTS[2][:1000])
    (folder / f".{BLOBS[2].digest.hex}.x.part").write_bytes(b"what a killed helper left")
    assert UNICAST.missing(room.transport(), BLOBS) == (BLOBS[0], BLOBS[2])
    way.send(room.transport(), BLOBS, host="one", source=source, runtime=runtime)
    assert received(room) == WHOLE


def test_what_is_all_there_costs_one_command(room: Room, source: BlobFolder, way: Distributor) -> None:
    way.send(room.transport(), BLOBS, host="one", source=source, runtime=None)
    heard = Break()
    way.send(room.transport(before=heard), BLOBS, host="one", source=source, runtime=RUNTIME)
    assert len(heard.commands) == 1


class Counted(Pace):
    """Counts what is sent."""

    sent = 0

    def wait(self, size: int) -> None:
        self.sent += size


def test_the_plain_way_needs_nothing_but_busybox_and_packs_what_that_unpacks(
    tmp_path: Path, source: BlobFolder
) -> None:
    room = Room(tmp_path / "host", busybox_path(tmp_path / "busybox"))
    blob = repetitive(source)
    pace = Counted(0)
    Unicast(pace=pace).send(room.transport(), (blob,), host="one", source=source, runtime=None)
    assert pace.sent < blob.size // 10
    Unicast(pace=pace).send(room.transport(), BLOBS, host="one", source=source, runtime=None)
    assert received(room).keys() == {blob.digest.hex, *WHOLE}


def test_a_host_without_gzip_gets_its_blobs_as_they_are(tmp_path: Path, source: BlobFolder) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("sh", "cat", "head", "wc", "mkdir", "rm", "sha256sum", "chmod", "sync", "mv"):
        (programs / name).symlink_to(shutil.which(name) or name)
    room = Room(tmp_path / "host", str(programs))
    blob = repetitive(source)
    pace = Counted(0)
    Unicast(pace=pace).send(room.transport(), (blob,), host="one", source=source, runtime=None)
    assert (pace.sent, received(room).keys()) == (blob.size, {blob.digest.hex})


def repetitive(source: BlobFolder) -> Blob:
    """A blob of the operator's that packs well."""
    content = b"much of the same" * 100_000
    blob = Blob(Digest.of(content), len(content))
    put_blob(source.folder, io.BytesIO(content), blob.digest, size=blob.size)
    return blob


@pytest.mark.parametrize("runtime", [None, RUNTIME])
def test_an_operators_blob_that_rotted_is_named_and_never_stored(
    room: Room, source: BlobFolder, way: Distributor, runtime: Digest | None
) -> None:
    rotten = source.folder / BLOBS[2].digest.hex
    rotten.chmod(0o644)
    rotten.write_bytes(CONTENTS[2][:-1] + b"?" if not CONTENTS[2].endswith(b"?") else CONTENTS[2][:-1] + b"!")
    with pytest.raises(StateError, match="is damaged"):
        way.send(room.transport(), BLOBS, host="one", source=source, runtime=runtime)
    assert BLOBS[2].digest.hex not in received(room)


def test_a_blob_that_the_operator_lacks_is_named(room: Room, source: BlobFolder, way: Distributor) -> None:
    stranger = Blob(Digest.of(b"stranger"), 8)
    with pytest.raises(StateError, match=stranger.digest.short):
        way.send(room.transport(), (stranger,), host="one", source=source, runtime=RUNTIME)


@pytest.mark.parametrize("runtime", [None, RUNTIME])
def test_a_line_that_breaks_leaves_what_arrived_and_the_next_attempt_completes_it(
    room: Room, source: BlobFolder, way: Distributor, runtime: Digest | None
) -> None:
    commands = 1 if runtime and not isinstance(way, Unicast) else 2  # a peer says itself what it has
    with pytest.raises(Unreachable):
        way.send(room.transport(after=Break(commands)), BLOBS, host="one", source=source, runtime=runtime)
    way.send(room.transport(), BLOBS, host="one", source=source, runtime=runtime)
    assert received(room) == WHOLE


def hear(arguments: list[str], stdin: bytes) -> tuple[int, list[dict[str, object]]]:
    out = io.BytesIO()
    status = hostside.main(arguments, io.BytesIO(stdin), out)
    return status, [json.loads(line) for line in out.getvalue().splitlines()]


def frame(content: bytes, named: bytes | None = None) -> bytes:
    document = {"digest": str(Digest.of(content if named is None else named)), "size": len(content)}
    return json.dumps(document).encode() + b"\n" + content


END = b'{"end":true}\n'


@pytest.mark.parametrize(
    ("stream", "kept", "words"),
    [
        (b"", [], "ended before all blobs"),
        (frame(b"one"), [b"one"], "ended before all blobs"),
        (frame(b"one") + frame(b"two")[:-1], [b"one"], "ended after 2 of 3 bytes"),
        (frame(b"one") + frame(b"two", named=b"other") + END, [b"one"], "other content"),
        (b'{"digest": "md5:1", "size": 1}\n', [], "cannot be read"),
        (b'{"size": 1}\n', [], "cannot be read"),
        (b"x" * 5000 + b"\n", [], "ended before"),
        (b"not json\n", [], "cannot be read"),
    ],
)
def test_a_stream_that_is_not_whole_is_refused_and_what_was_whole_is_kept(
    tmp_path: Path, stream: bytes, kept: list[bytes], words: str
) -> None:
    status, said = hear(["--root", str(tmp_path), "receive"], stream)
    assert status == 1
    error = said[-1]["error"]
    assert isinstance(error, dict)
    assert error["kind"] == "TransferFailed"
    assert words in error["message"]
    folder = Node(tmp_path).blobs
    assert sorted(path.name for path in folder.iterdir()) == sorted(Digest.of(content).hex for content in kept)


def test_an_unknown_command_is_an_error_in_words() -> None:
    status, said = hear(["dance"], b"")
    assert status == 1
    assert said[0]["error"] == {
        "kind": "TransferFailed",
        "message": "the request cannot be read: no such command: dance",
        "hint": "",
    }


def test_a_helper_whose_output_nobody_reads_any_more_ends_quietly(tmp_path: Path) -> None:
    class Gone(io.BytesIO):
        def write(self, data: object) -> int:
            raise BrokenPipeError

    assert hostside.main(["--root", str(tmp_path), "receive"], io.BytesIO(frame(b"one") + END), Gone()) == 1


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        ('echo \'{"error":{"kind":"BundleError","message":"m","hint":"h"}}\'; exit 1', BundleError, "m"),
        ('echo \'{"error":{"kind":"Exotic","message":"m"}}\'; exit 1', ApplianceError, "m"),
        ("echo hello; exit 0", TransferFailed, "something unknown: 'hello'"),
        ("echo '{\"done\":Infinity}'; exit 0", TransferFailed, "something unknown"),
        ("head -c 60000 /dev/zero | tr '\\0' '['; echo", TransferFailed, "something unknown"),
        ("head -c 2000000 /dev/zero", TransferFailed, "something else than its messages"),
        ("exit 0", TransferFailed, "did not finish: status 0"),
        ("echo '{\"end\":true}'; echo killed >&2; exit 137", TransferFailed, "did not finish: killed"),
    ],
)
def test_what_a_helper_says_wrong_is_an_error(room: Room, answer: str, error: type[ApplianceError], said: str) -> None:
    with pytest.raises(error, match=said):
        converse(room.transport(), Command.shell(answer), b"", heard=lambda _: None)


@pytest.mark.parametrize("count", [-1, 1 << 63, 10**400, True, 1.0])
def test_a_count_that_is_none_is_no_word(count: float) -> None:
    with pytest.raises(TypeError):
        words.report({"word": "Moved", "done": count})


# Unpacking


def layer_of(tmp_path: Path, node: Node, files: dict[str, bytes], *, links: dict[str, str] | None = None) -> Layer:
    folder = tmp_path / "sources"
    folder.mkdir(exist_ok=True)
    folders = sorted({"/".join(p.split("/")[:n]) for p in [*files, *(links or {})] for n in range(1, p.count("/") + 1)})
    sources = [Source(Entry(path, Kind.FOLDER)) for path in folders]
    for path, content in files.items():
        file = folder / Digest.of(content).hex
        file.write_bytes(content)
        sources.append(Source(Entry(path, Kind.FILE, size=len(content)), file))
    sources += [Source(Entry(path, Kind.LINK, target=target)) for path, target in (links or {}).items()]
    out = io.BytesIO()
    written = write_layer(sources, out)
    put_blob(node.blobs, io.BytesIO(out.getvalue()), written.digest, size=written.size)
    return Layer(written.digest, written.size, written.diff_id)


@pytest.fixture
def request_(tmp_path: Path, room: Room) -> Request:
    node = Node(room.root)
    lower = layer_of(
        tmp_path, node, {"bin/etcd": b"old", "bin/same": b"same", "docs/a": b"a"}, links={"bin/link": "etcd"}
    )
    upper = layer_of(tmp_path, node, {"bin/etcd": b"new", "etc/empty": b""})
    return Request("site", IMAGE, (lower, upper), ("bin", "etc"))


def unpack(room: Room, request: Request) -> list[int]:
    heard: list[int] = []
    command = Command((*PYTHON, "-m", "appliance.distribute.hostside", "unpack"))
    converse(room.transport(), command, request.to_json(), heard=lambda ack: heard.append(ack.done))
    return heard


def findings(room: Room, request: Request) -> list[str]:
    return list(programs.check(request, Node(room.root)))


def test_an_image_is_unpacked_linked_and_its_programs_copied(room: Room, request_: Request) -> None:
    heard = unpack(room, request_)
    node = Node(room.root)
    programs = node.programs("site", IMAGE)
    assert (programs / "bin/etcd").read_bytes() == b"new"
    assert (programs / "bin/same").read_bytes() == b"same"
    assert (programs / "bin/link").readlink() == Path("etcd")
    assert sorted(path.name for path in programs.iterdir()) == ["bin", "etc"]
    assert (node.image(IMAGE) / "docs/a").read_bytes() == b"a"
    assert (programs / "bin/same").stat().st_nlink == 1
    assert (node.image(IMAGE) / "bin/same").stat().st_nlink > 1
    assert heard == sorted(heard)
    assert heard[-1] == sum(layer.size for layer in request_.layers)
    assert findings(room, request_) == []
    listed = node.program_list("site", IMAGE).read_text().splitlines()
    assert listed == ["./bin/etcd", "./bin/link", "./bin/same", "./etc/empty"]


def test_programs_are_open_to_services_and_the_rest_is_not(room: Room, request_: Request) -> None:
    unpack(room, request_)
    node = Node(room.root)
    for folder in (node.root / "opt/appliance", node.root / "opt/appliance/site", node.programs("site", IMAGE)):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o755
    assert stat.S_IMODE(node.home.stat().st_mode) == 0o700


def test_what_a_killed_helper_left_half_made_goes(room: Room, request_: Request) -> None:
    node = Node(room.root)
    places = (node.layer(IMAGE).parent, node.image(IMAGE).parent, node.programs("site", IMAGE).parent)
    for place in places:
        (place / ".x.0123abcd.part/tree").mkdir(parents=True)
        (place / ".x.0123abcd.gone").mkdir()
    unpack(room, request_)
    assert [left.name for place in places for left in place.iterdir() if left.name.startswith(".")] == []


def test_unpacking_again_changes_no_program(room: Room, request_: Request) -> None:
    unpack(room, request_)
    program = Node(room.root).programs("site", IMAGE) / "bin/etcd"
    before = program.stat()
    unpack(room, request_)
    assert (program.stat().st_ino, program.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize("harm", ["edit", "remove", "chmod", "folder for file", "file for folder", "retarget"])
def test_a_harmed_program_is_found_and_put_right_without_touching_the_others(
    room: Room, request_: Request, harm: str
) -> None:
    unpack(room, request_)
    programs = Node(room.root).programs("site", IMAGE)
    same = (programs / "bin/same").stat().st_ino
    match harm:
        case "edit":
            (programs / "bin/etcd").write_bytes(b"bad")
        case "remove":
            (programs / "bin/etcd").unlink()
        case "chmod":
            (programs / "bin/etcd").chmod(0o4777)
        case "folder for file":
            (programs / "bin/etcd").unlink()
            (programs / "bin/etcd/x").mkdir(parents=True)
        case "file for folder":
            (programs / "etc/empty").unlink()
            (programs / "etc").rmdir()
            (programs / "etc").write_bytes(b"x")
        case "retarget":
            (programs / "bin/link").unlink()
            (programs / "bin/link").symlink_to("/etc/shadow")
    assert findings(room, request_) != []
    unpack(room, request_)
    assert findings(room, request_) == []
    assert (programs / "bin/same").stat().st_ino == same
    assert [path.name for path in programs.rglob("*.part")] == []


def test_a_harmed_layer_is_unpacked_again_before_it_is_used(room: Room, request_: Request) -> None:
    unpack(room, request_)
    node = Node(room.root)
    (node.layer(request_.layers[1].diff_id) / "tree/bin/etcd").write_bytes(b"bad")
    assert (node.image(IMAGE) / "bin/etcd").read_bytes() == b"bad"
    assert any("layer" in finding for finding in findings(room, request_))
    unpack(room, request_)
    assert findings(room, request_) == []
    assert (node.programs("site", IMAGE) / "bin/etcd").read_bytes() == b"new"


def test_a_missing_blob_and_a_layer_of_other_content_are_errors(room: Room, request_: Request) -> None:
    node = Node(room.root)
    wrong = Request("site", IMAGE, (Layer(request_.layers[0].digest, 1, request_.layers[1].diff_id),), ())
    with pytest.raises(BundleError):
        unpack(room, wrong)
    (node.blobs / request_.layers[1].digest.hex).unlink()
    with pytest.raises(StateError, match="is not on the host"):
        unpack(room, request_)
    assert not node.programs("site", IMAGE).exists()


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../x"])
def test_a_request_cannot_name_a_place_outside(name: str) -> None:
    line = Request(name, IMAGE, (), ()).to_json()
    with pytest.raises(ValueError, match="not a cluster's name"):
        Request.from_json(line)
