"""Trees on disk: checked against their mtree, linked, copied, laid over each other."""

import io
from pathlib import Path

import pytest

from appliance.errors import StateError
from appliance.image import layers, packing, trees
from appliance.image.packing import Source
from appliance.image.trees import Entry, Kind


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    """An unpacked layer with a program, a configuration, an empty file and a link."""
    source = tmp_path / "source"
    (source / "bin").mkdir(parents=True)
    (source / "bin/tool").write_bytes(b"tool")
    (source / "bin/empty").touch()
    (source / "etc").mkdir()
    (source / "etc/conf").write_bytes(b"conf")
    (source / "link").symlink_to("bin/tool")
    return unpacked(tmp_path / "low", source)


def unpacked(folder: Path, source: Path, *marks: Entry) -> Path:
    out = io.BytesIO()
    entries = [Source(e, source / e.path if e.kind is Kind.FILE else None) for e in trees.scan_tree(source)]
    packing.write_layer([*entries, *map(Source, marks)], out)
    layers.unpack(io.BytesIO(out.getvalue()), folder)
    return folder


def test_a_tree_as_unpacked_agrees_with_its_mtree(layer: Path) -> None:
    assert trees.check_mtree(layer) == ()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: (t / "bin/tool").write_bytes(b"TOOL"), "bin/tool has other content"),
        (lambda t: (t / "bin/tool").write_bytes(b"longer"), "bin/tool has another"),
        (lambda t: (t / "bin/tool").chmod(0o755), "bin/tool has another"),
        (lambda t: (t / "bin/tool").unlink(), "bin/tool is missing"),
        (lambda t: (t / "bin/more").touch(), "bin/more does not belong there"),
        (lambda t: ((t / "link").unlink(), (t / "link").symlink_to("etc")), "link has another"),
    ],
)
def test_every_change_to_a_tree_is_told(layer: Path, change: object, words: str) -> None:
    change(layer / "tree")  # type: ignore[operator]
    (difference,) = trees.check_mtree(layer)
    assert words in difference


def test_a_damaged_mtree_is_told_as_state_error(layer: Path) -> None:
    (layer / "mtree").write_text('{"format": 2}\n')
    with pytest.raises(StateError):
        trees.check_mtree(layer)


def test_pristine_trees_are_hard_links_but_for_empty_files_and_etc(layer: Path, tmp_path: Path) -> None:
    trees.link_trees([layer], tmp_path / "image")
    assert (tmp_path / "image/bin/tool").samefile(layer / "tree/bin/tool")
    assert not (tmp_path / "image/bin/empty").samefile(layer / "tree/bin/empty")
    assert not (tmp_path / "image/etc/conf").samefile(layer / "tree/etc/conf")
    assert (tmp_path / "image/link").readlink() == Path("bin/tool")


def test_upper_layers_hide_replace_and_add(layer: Path, tmp_path: Path) -> None:
    source = tmp_path / "source2"
    (source / "link").mkdir(parents=True)
    (source / "link/file").write_bytes(b"in what was a link")
    (source / "etc").mkdir()
    (source / "etc/new").write_bytes(b"new")
    high = unpacked(tmp_path / "high", source, Entry("bin/tool", Kind.REMOVED), Entry("etc", Kind.OPAQUE))
    trees.link_trees([layer, high], tmp_path / "image")
    assert sorted(str(p.relative_to(tmp_path / "image")) for p in (tmp_path / "image").rglob("*")) == [
        "bin", "bin/empty", "etc", "etc/new", "link", "link/file",
    ]  # fmt: skip
    assert (layer / "tree/bin/tool").read_bytes() == b"tool"


def test_a_link_is_replaced_and_never_written_through(layer: Path, tmp_path: Path) -> None:
    source = tmp_path / "source2"
    source.mkdir()
    (source / "link").write_bytes(b"file")
    trees.link_trees([layer, unpacked(tmp_path / "high", source)], tmp_path / "image")
    assert (tmp_path / "image/link").read_bytes() == b"file"
    assert (tmp_path / "image/bin/tool").read_bytes() == b"tool"


def test_a_copy_shares_nothing_with_its_source(layer: Path, tmp_path: Path) -> None:
    trees.copy_tree(layer / "tree", tmp_path / "copy")
    (tmp_path / "copy/bin/tool").write_bytes(b"changed")
    assert (layer / "tree/bin/tool").read_bytes() == b"tool"
    assert (tmp_path / "copy/link").is_symlink()
    assert (tmp_path / "copy/bin/tool").stat().st_mode == (layer / "tree/bin/tool").stat().st_mode


def test_a_copy_of_some_top_folders_holds_only_these(layer: Path, tmp_path: Path) -> None:
    trees.copy_tree(layer / "tree", tmp_path / "copy", only=("bin",))
    assert [p.name for p in (tmp_path / "copy").iterdir()] == ["bin"]


def test_a_tree_that_fails_half_way_leaves_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/old").touch()
    with pytest.raises(RuntimeError):
        _fail_half_way(tmp_path / "tree")
    assert [p.name for p in tmp_path.rglob("*")] == ["tree", "old"]


def _fail_half_way(path: Path) -> None:
    with trees.new_tree(path) as work:
        (work / "new").touch()
        raise RuntimeError


def test_a_new_tree_replaces_the_old_one_wholly(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/old").touch()
    with trees.new_tree(tmp_path / "tree") as work:
        (work / "new").touch()
    assert [p.name for p in tmp_path.rglob("*")] == ["tree", "new"]
