"""Laws of layers: the same files give the same bytes, and no archive ever writes outside its folder."""

import io
import os
import tarfile
import tempfile
from pathlib import Path

from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from appliance.errors import BundleError
from appliance.image import layers, packing, trees
from appliance.image.packing import Source
from appliance.image.trees import Kind

_names = st.sampled_from(["a", "b", "c d", "é", "n" * 120])
_paths = st.lists(_names, min_size=1, max_size=3).map("/".join)
_files = st.dictionaries(_paths, st.binary(max_size=1500), max_size=8)


def _make(root: Path, files: dict[str, bytes], order: list[str], *, umask: int, time: float) -> list[Source]:
    before = os.umask(umask)
    try:
        for path in order:
            full = root / path
            if not any(parent.is_file() for parent in full.parents) and not full.is_dir():
                full.parent.mkdir(parents=True, exist_ok=True)
                full.write_bytes(files[path])
                os.utime(full, (time, time))
    finally:
        os.umask(before)
    return [Source(e, root / e.path if e.kind is Kind.FILE else None) for e in trees.scan_tree(root)]


@given(_files, st.randoms(use_true_random=False), st.sampled_from([0o002, 0o022]), st.integers(0, 2**31))
def test_order_times_and_umask_do_not_change_a_layer(
    files: dict[str, bytes], random: object, umask: int, time: int
) -> None:
    blobs = set()
    for mask, stamp in ((0o022, 0), (umask, time)):
        with tempfile.TemporaryDirectory() as folder:
            sources = _make(Path(folder), files, sorted(files), umask=mask, time=stamp)
            random.shuffle(sources)  # type: ignore[attr-defined]
            out = io.BytesIO()
            packing.write_layer(sources, out)
            blobs.add(out.getvalue())
    assert len(blobs) == 1


_evil_names = st.lists(
    st.sampled_from(["a", "b", "..", ".", "", "x", ".wh.a", ".wh..wh..opq", "\x07"]), min_size=1, max_size=4
).map("/".join)
_members = st.lists(
    st.tuples(
        _evil_names,
        st.sampled_from([tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE]),
        _evil_names | st.just("/tmp/outside"),
    ),
    max_size=8,
)


@given(_members)
def test_no_archive_writes_outside_its_folder(members: list[tuple[str, bytes, str]]) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, kind, link in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, link
            info.size = 4 if kind == tarfile.REGTYPE else 0
            tar.addfile(info, io.BytesIO(b"evil"))
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "deep/er"
        place.mkdir(parents=True)
        (place.parent / "a").write_bytes(b"good")
        try:
            layers.unpack(io.BytesIO(zstd.compress(out.getvalue())), place / "out")
        except BundleError:
            assert list(place.iterdir()) == []
        else:
            assert [p.name for p in place.iterdir()] == ["out"]
            assert trees.check_mtree(place / "out") == ()
        assert (place.parent / "a").read_bytes() == b"good"
        assert sorted(p.name for p in place.parent.iterdir()) == ["a", "er"]
