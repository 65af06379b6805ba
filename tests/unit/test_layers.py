"""Layers go in and out of trees; what is hostile or damaged is refused."""

import hashlib
import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from backports import zstd

from appliance.bundle.inventory import layer, tree
from appliance.digest import Digest
from appliance.errors import BundleError, RecipeError
from appliance.image import compression, layers, oci, packing, scripts, trees
from appliance.image.packing import Source
from appliance.image.tarstream import Limits
from appliance.image.trees import Entry, Kind


def sources_of(root: Path) -> list[Source]:
    return [Source(e, root / e.path if e.kind is Kind.FILE else None) for e in trees.scan_tree(root)]


def pack(sources: list[Source]) -> tuple[bytes, packing.Layer]:
    out = io.BytesIO()
    layer = packing.write_layer(sources, out)
    return out.getvalue(), layer


def make_tree(root: Path) -> Path:
    (root / "bin").mkdir(parents=True)
    (root / "bin/run").write_bytes(b"#!/bin/sh\n")
    (root / "bin/run").chmod(0o775)
    (root / "etc").mkdir()
    (root / "etc/empty").touch()
    (root / ("long" * 40)).mkdir()
    (root / ("long" * 40) / ("näme" * 30)).write_bytes(os.urandom(3 << 20))
    (root / "link").symlink_to("bin/run")
    return root


def tar_of(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, data in members:
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return zstd.compress(out.getvalue())


def member(
    name: str, kind: bytes = tarfile.REGTYPE, *, link: str = "", data: bytes = b"", mode: int = 0o644
) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, link, mode
    return info, data


def test_the_bytes_of_a_layer_do_not_depend_on_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several jobs of zstd, of what compresses and of what does not, fed in pieces of different sizes."""
    data = b"".join(hashlib.shake_256(bytes([n])).digest(1 << 20) + b"text" * (1 << 17) for n in range(11))

    def packed(cores: int | None) -> str:
        monkeypatch.setattr(os, "cpu_count", lambda: cores)
        stream, digest, size = compression.compressor(), hashlib.sha256(), 500_000 * (cores or 5)
        for start in range(0, len(data), size):
            digest.update(stream.compress(data[start : start + size]))
        digest.update(stream.flush())
        return digest.hexdigest()

    assert len({packed(cores) for cores in (1, 2, 3, 4, 64, None)}) == 1


def test_a_tree_packed_and_unpacked_is_the_same_tree(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "in")
    blob, layer = pack(sources_of(root))
    assert layer.digest == Digest.of(blob)
    assert layer.size == len(blob)
    unpacked = layers.unpack(io.BytesIO(blob), tmp_path / "out", diff_id=layer.diff_id)
    assert unpacked.diff_id == layer.diff_id
    assert trees.check_mtree(tmp_path / "out") == ()
    for entry in trees.scan_tree(root):
        there = tmp_path / "out/tree" / entry.path
        if entry.kind is Kind.FILE:
            assert there.read_bytes() == (root / entry.path).read_bytes()
    assert (tmp_path / "out/tree/bin/run").stat().st_mode & 0o7777 == 0o755
    assert (tmp_path / "out/tree/link").readlink() == Path("bin/run")


def test_stock_tar_reads_a_layer(tmp_path: Path) -> None:
    blob, layer = pack(sources_of(make_tree(tmp_path / "in")))
    plain = zstd.decompress(blob)
    assert Digest.of(plain) == layer.diff_id
    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
        members = tar.getmembers()
    assert [m.name for m in members] == sorted(m.name for m in members)
    assert {(m.uid, m.gid, m.uname, m.gname, m.mtime) for m in members} == {(0, 0, "", "", 0)}


def test_the_bytes_of_a_layer_do_not_depend_on_the_number_of_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "in"
    root.mkdir()
    (root / "data").write_bytes(os.urandom(1 << 20) * 12 + bytes(5 << 20))
    digests = set()
    for workers in (1, 2, 7):
        parameters = dict(compression._PINNED) | {zstd.CompressionParameter.nb_workers: workers}
        monkeypatch.setattr(compression, "_PINNED", parameters)
        digests.add(pack(sources_of(root))[1].digest)
    assert len(digests) == 1


def test_setuid_bits_and_group_writing_do_not_survive(tmp_path: Path) -> None:
    blob = tar_of(member("su", data=b"x", mode=0o6777), member("d", tarfile.DIRTYPE, mode=0o2777))
    layers.unpack(io.BytesIO(blob), tmp_path / "out")
    assert (tmp_path / "out/tree/su").stat().st_mode & 0o7777 == 0o755
    assert (tmp_path / "out/tree/d").stat().st_mode & 0o7777 == 0o755


def test_a_file_that_changes_while_it_is_packed_is_refused(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"12345")
    for size in (4, 6):
        with pytest.raises(RecipeError, match="changed while it was packed"):
            pack([Source(Entry("f", Kind.FILE, 0o644, size), tmp_path / "f")])


def test_a_path_that_comes_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="a comes twice"):
        pack([Source(Entry("a", Kind.FOLDER)), Source(Entry("a", Kind.LINK, target="b"))])


HOSTILE = {
    "absolute path": [member("/etc/passwd", data=b"x")],
    "parent path": [member("a/../../x", data=b"x")],
    "double slash": [member("a//b", data=b"x")],
    "control character": [member("a\x1b[2J", data=b"x")],
    "newline": [member("a\nb", data=b"x")],
    "too deep": [member("/".join("a" * 201), data=b"x")],
    "too long a name": [member("a" * 256, data=b"x")],
    "absolute link": [member("a", tarfile.SYMTYPE, link="/etc")],
    "link upwards": [member("a/b", tarfile.SYMTYPE, link="../../x")],
    "empty link": [member("a", tarfile.SYMTYPE, link="")],
    "file through a link": [member("a", tarfile.SYMTYPE, link="b"), member("a/x", data=b"x")],
    "folder over a link": [member("a", tarfile.SYMTYPE, link="b"), member("a", tarfile.DIRTYPE)],
    "file over a link": [member("a", tarfile.SYMTYPE, link="b"), member("a", data=b"x")],
    "file below a file": [member("a", data=b"x"), member("a/b", data=b"x")],
    "the same file twice": [member("a", data=b"x"), member("a", data=b"y")],
    "hard link outside": [member("a", tarfile.LNKTYPE, link="/etc/passwd")],
    "hard link upwards": [member("a", tarfile.LNKTYPE, link="../x")],
    "hard link to a link": [member("l", tarfile.SYMTYPE, link="x"), member("a", tarfile.LNKTYPE, link="l")],
    "character device": [member("a", tarfile.CHRTYPE)],
    "block device": [member("a", tarfile.BLKTYPE)],
    "pipe": [member("a", tarfile.FIFOTYPE)],
    "contiguous oddity": [member("a", b"V")],
    "link through what may be a link": [
        member("d/x", tarfile.SYMTYPE, link="."),
        member("d/l", tarfile.SYMTYPE, link="x/../../y"),
    ],
    "link of many kilobytes": [member("a", tarfile.SYMTYPE, link="x/" * 3000)],
    "path that no file system takes": [member("/".join(["n" * 250] * 16) + "/end", data=b"x")],
    "whiteout of the parent": [member("a/.wh..", data=b"")],
    "whiteout upwards": [member("a/.wh...", data=b"")],
    "unknown mark": [member("a/.wh..wh.plnk", data=b"")],
}


@pytest.mark.parametrize("members", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_archives_are_refused_and_leave_nothing(
    members: list[tuple[tarfile.TarInfo, bytes]], tmp_path: Path
) -> None:
    with pytest.raises(BundleError):
        layers.unpack(io.BytesIO(tar_of(*members)), tmp_path / "a/b/out")
    assert list((tmp_path / "a/b").iterdir()) == []


def _cut(blob: bytes) -> bytes:
    return blob[: len(blob) // 2]


def _flip(blob: bytes) -> bytes:
    at = len(blob) // 2
    return blob[:at] + bytes([blob[at] ^ 1]) + blob[at + 1 :]


def _recompressed(change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    return lambda blob: zstd.compress(change(zstd.decompress(blob)))


DAMAGED: dict[str, Callable[[bytes], bytes]] = {
    "cut": _cut,
    "flipped bit": _flip,
    "nothing": lambda _: b"",
    "not zstd": lambda _: b"hello, world" * 50,
    "tar cut inside a file": _recompressed(_cut),
    "tar without end mark": _recompressed(lambda tar: tar[: (len(tar) - 10240) // 512 * 512]),
    "more behind the end": _recompressed(lambda tar: tar + b"x"),
    "much more behind the end": _recompressed(lambda tar: tar + bytes(4 << 20)),
    "header checksum": _recompressed(lambda tar: b"X" + tar[1:]),
}


@pytest.mark.parametrize("damage", DAMAGED.values(), ids=DAMAGED.keys())
def test_damaged_layers_are_refused_and_leave_nothing(damage: Callable[[bytes], bytes], tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/f").write_bytes(os.urandom(20_000))
    blob, _ = pack(sources_of(tmp_path / "in"))
    (tmp_path / "place").mkdir()
    with pytest.raises(BundleError):
        layers.unpack(io.BytesIO(damage(blob)), tmp_path / "place/out")
    assert list((tmp_path / "place").iterdir()) == []


def test_another_layer_than_the_one_named_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="other content"):
        layers.unpack(io.BytesIO(tar_of(member("a"))), tmp_path / "out", diff_id=Digest.of(b"another"))


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (Limits(size=3071), "more than 3071 bytes"),
        (Limits(entries=2), "more than 2 entries"),
        (Limits(names=5), "more than 5 characters"),
    ],
)
def test_a_layer_that_expands_beyond_its_limits_is_refused(limits: Limits, words: str, tmp_path: Path) -> None:
    blob = tar_of(*(member(f"f{n}", data=b"12345") for n in range(3)))
    with pytest.raises(BundleError, match=words):
        layers.unpack(io.BytesIO(blob), tmp_path / "out", limits=limits)


def test_an_extended_header_of_many_megabytes_is_refused(tmp_path: Path) -> None:
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 2 << 20
    blob = zstd.compress(info.tobuf(tarfile.USTAR_FORMAT) + bytes(2 << 20))
    with pytest.raises(BundleError, match="header of 2097152 bytes"):
        layers.unpack(io.BytesIO(blob), tmp_path / "out")


def raw_member(name: str, size: bytes) -> bytes:
    """A header with any bytes as its size, and the right sum."""
    info = tarfile.TarInfo(name)
    header = bytearray(info.tobuf(tarfile.USTAR_FORMAT))
    header[124:136] = size
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


def pax(record: bytes) -> bytes:
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, len(record)
    return info.tobuf(tarfile.USTAR_FORMAT) + record.ljust(512, b"\0")[:512]


ENDED = bytes(1024)
UNSOUND = {
    "a size below nothing": raw_member("a", b"\xff" * 12) + ENDED,
    "an immense size": raw_member("a", b"\x80" + b"\xff" * 11) + ENDED,
    "a size with a sign": pax(b"11 size=-5\n") + raw_member("a", b"0" * 11 + b"\0") + ENDED,
    "a size with underscores": pax(b"12 size=1_0\n") + raw_member("a", b"0" * 11 + b"\0") + ENDED,
    "a size in other digits": pax("12 size=٣\n".encode()) + raw_member("a", b"0" * 11 + b"\0") + ENDED,
    "a record that goes back": pax(b"-3 a=b\n") + raw_member("a", b"0" * 11 + b"\0") + ENDED,
    "a record of no length": pax(b"0 a=b\n") + raw_member("a", b"0" * 11 + b"\0") + ENDED,
    "a record over its end": pax(b"99 a=b\n") + raw_member("a", b"0" * 11 + b"\0") + ENDED,
    "headers for nothing": pax(b"7 a=bc\n") * 9 + raw_member("a", b"0" * 11 + b"\0") + ENDED,
    "a header without its file": pax(b"7 a=bc\n"),
}


@pytest.mark.parametrize("tar", UNSOUND.values(), ids=UNSOUND.keys())
def test_headers_that_stock_tools_read_differently_are_refused(tar: bytes, tmp_path: Path) -> None:
    with pytest.raises(BundleError):
        layers.unpack(io.BytesIO(zstd.compress(tar)), tmp_path / "place/out")
    assert list((tmp_path / "place").iterdir()) == []


def test_texts_are_read_without_unpacking_and_big_ones_refused(tmp_path: Path) -> None:
    big = b"x" * (layers.TEXT_BYTES + 1)
    blob = tar_of(
        member("services/a.service", data=b"[Unit]\n"),
        member("bin/big", data=big),
        member("etc/x", data=b"", mode=0o600),
    )
    found = layers.read_merged([io.BytesIO(blob)], lambda path: not path.startswith("bin/"))
    assert found == {"services/a.service": (0o644, b"[Unit]\n"), "etc/x": (0o600, b"")}
    assert "bin/big" not in layers.read_merged([io.BytesIO(blob)], lambda _: True, small=lambda _: False)
    with pytest.raises(BundleError, match="bin/big"):
        layers.read_merged([io.BytesIO(blob)], lambda _: True)


def test_texts_of_several_layers_are_read_as_if_unpacked_over_each_other() -> None:
    low = tar_of(*(member(p, data=p.encode()) for p in ("a/1", "a/2", "b/1", "c", "d/1")))
    high = tar_of(
        member("a/.wh.1"), member("b/.wh..wh..opq"), member("b/2", data=b"b/2"), member("c", data=b"new"),
        member("d", tarfile.SYMTYPE, link="a"),
    )  # fmt: skip
    merged = layers.read_merged([io.BytesIO(low), io.BytesIO(high)], lambda _: True)
    assert {path: data for path, (_, data) in merged.items()} == {"a/2": b"a/2", "b/2": b"b/2", "c": b"new"}


COVERINGS = {
    "everything goes": (member(".wh..wh..opq"),),
    "a folder becomes a file": (member("a", data=b"file"),),
    "a folder becomes a link": (member("a", tarfile.SYMTYPE, link="z"),),
    "a file becomes a folder": (member("z", tarfile.DIRTYPE),),
    "a file becomes a folder of something": (member("z/y/x", data=b"x"),),
    "a folder is marked": (member(".wh.a"),),
}


@pytest.mark.parametrize("upper", COVERINGS.values(), ids=COVERINGS.keys())
def test_texts_are_those_of_the_unpacked_tree(upper: tuple[tuple[tarfile.TarInfo, bytes], ...], tmp_path: Path) -> None:
    """What is shown and planned with is what stands on a host afterwards."""
    blobs = [tar_of(*(member(p, data=p.encode()) for p in ("a/1", "a/b/2", "ab", "z"))), tar_of(*upper)]
    for number, blob in enumerate(blobs):
        layers.unpack(io.BytesIO(blob), tmp_path / str(number))
    trees.link_trees([tmp_path / "0", tmp_path / "1"], tmp_path / "image")
    found = {e.path: (tmp_path / "image" / e.path).read_bytes() for e in trees.scan_tree(tmp_path / "image") if e.size}
    merged = layers.read_merged(map(io.BytesIO, blobs), lambda _: True)
    assert {path: data for path, (_, data) in merged.items()} == found
    shown = scripts.read(map(io.BytesIO, blobs), lambda _: True)
    assert {script.path: (script.text or "").encode() for script in shown} == found
    listed = tree.over_each_other(layer.read(io.BytesIO(blob), oci.MEDIA_LAYER, files=True) for blob in blobs)
    assert {file.path: file.digest for file in listed.files} == {path: Digest.of(data) for path, data in found.items()}


def test_a_header_may_hold_bytes_that_are_no_text() -> None:
    """Docker writes the capabilities of a program so."""
    record = b"SCHILY.xattr.security.capability=\x01\x00\x00\x02\xff\xfe\n"
    header = pax(b"%d %s" % (len(record) + 3, record))
    blob = zstd.compress(header + raw_member("a", b"0" * 11 + b"\0") + ENDED)
    assert [entry.path for entry in layers.read_entries(io.BytesIO(blob))] == ["a"]


def test_a_hard_link_among_texts_is_refused() -> None:
    blob = tar_of(member("a", data=b"x"), member("b", tarfile.LNKTYPE, link="a"))
    with pytest.raises(BundleError, match="a hard link where texts are: 'b'"):
        layers.read_merged([io.BytesIO(blob)], lambda _: True)
