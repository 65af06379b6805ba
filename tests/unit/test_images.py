"""Images that are in the store: names, pruning, comparing, saving and loading."""

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from support.images import put_image

from appliance.digest import Digest
from appliance.errors import BundleError, RecipeError, TransferFailed
from appliance.image import oci
from appliance.image.difference import Change, FileChange
from appliance.image.oci import Platform
from appliance.image.reference import Reference
from appliance.image.store import Store
from appliance.operations import images
from appliance.operations.images import Form, Loaded

NAME = Reference.parse("demo:1.2.0")
OTHER = Reference.parse("registry.example/other:1")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "store")
    put_image(made, tmp_path / "scratch", [{"bin/a": b"aa", "bin/b": b"b"}, {"etc/c": b"c"}])
    return made


def put(store: Store, scratch: Path, *contents: Mapping[str, bytes | None], name: Reference) -> Reference:
    made = put_image(store, scratch, contents)
    store.tag(name, store.resolve(made))
    return name


def test_an_image_may_have_several_names(store: Store) -> None:
    digest = images.tag(store.root, NAME, OTHER)
    assert store.resolve(NAME).digest == store.resolve(OTHER).digest == Digest.parse(digest)
    assert images.untag(store.root, NAME) == digest
    assert [name for name, _ in store.list()] == [OTHER]


def test_what_has_no_name_any_more_is_pruned_and_what_has_one_stays(store: Store, tmp_path: Path) -> None:
    put(store, tmp_path / "more", {"bin/only": b"only here"}, name=OTHER)
    put_image(store, tmp_path / "scratch", [{"bin/a": b"aa", "bin/b": b"b"}, {"etc/c": b"c"}])
    images.untag(store.root, OTHER)
    assert images.prune(store.root).blobs == 0
    pruned = images.prune(store.root, now=True)
    assert pruned.blobs == 4
    assert store.verify() == ()
    with pytest.raises(RecipeError, match="there is no image"):
        images.untag(store.root, OTHER)


def test_images_are_told_apart_by_files_and_settings(store: Store, tmp_path: Path) -> None:
    put(store, tmp_path / "a", {"bin/a": b"aa", "bin/b": b"b"}, name=OTHER)
    second = Reference.parse("second:1")
    put(store, tmp_path / "b", {"bin/a": b"aaa"}, {"bin/a": None, "bin/b": b"B"}, {"lib/d": b"#!d"}, name=second)
    (found,) = images.diff(store.root, OTHER, second)
    assert (found.platform, found.change) == (Platform("linux", "amd64"), None)
    assert found.files == (
        FileChange(Change.REMOVED, "bin/a", -2),
        FileChange(Change.CHANGED, "bin/b", 0),
        FileChange(Change.ADDED, "lib/d", 3),
    )


def test_an_image_does_not_differ_from_itself(store: Store) -> None:
    assert images.diff(store.root, NAME, NAME) == ()


def test_a_platform_that_only_one_image_has_is_said(store: Store, tmp_path: Path) -> None:
    images.tag(store.root, NAME, OTHER)
    put_image(store, tmp_path / "both", [{"x": b"x"}], architectures=("amd64", "arm64"))
    found = {one.platform.architecture: one.change for one in images.diff(store.root, OTHER, NAME)}
    assert found == {"amd64": None, "arm64": Change.ADDED}


@pytest.mark.parametrize("form", list(Form))
def test_a_saved_image_comes_back_under_its_name(store: Store, tmp_path: Path, form: Form) -> None:
    target = tmp_path / "out/saved"
    target.parent.mkdir()
    assert images.save(store.root, NAME, target, form=form) > 0
    other = Store(tmp_path / "other")
    assert images.load(other.root, target) == (Loaded(NAME, str(store.resolve(NAME).digest)),)
    assert other.verify() == ()
    assert images.load(other.root, target, reference=OTHER)[0].reference == OTHER
    assert {name for name, _ in other.list()} == {NAME, OTHER}


def test_the_same_image_is_saved_as_the_same_bytes(store: Store, tmp_path: Path) -> None:
    images.save(store.root, NAME, tmp_path / "a.tar", form=Form.ARCHIVE)
    images.save(store.root, NAME, tmp_path / "b.tar", form=Form.ARCHIVE)
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()
    with tarfile.open(tmp_path / "a.tar") as tar:
        names = tar.getnames()
    assert names[:2] == ["oci-layout", "index.json"]
    assert names[2:] == sorted(names[2:])


def test_a_damaged_store_is_not_saved(store: Store, tmp_path: Path) -> None:
    layer = max((store.root / "blobs/sha256").iterdir(), key=lambda path: path.read_bytes()[:4] == b"\x28\xb5\x2f\xfd")
    layer.chmod(0o644)
    layer.write_bytes(b"x" * layer.stat().st_size)
    with pytest.raises(BundleError, match="is damaged"):
        images.save(store.root, NAME, tmp_path / "a.tar", form=Form.ARCHIVE)
    assert not (tmp_path / "a.tar").exists()


def test_a_folder_is_not_written_over(store: Store, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="exists and is not overwritten"):
        images.save(store.root, NAME, tmp_path, form=Form.FOLDER)


def repack(source: Path, target: Path, *, without: str = "", change: str = "") -> None:
    """A tar without the members, or with other bytes in those, whose name begins so."""
    with tarfile.open(source) as old, tarfile.open(target, "w") as new:
        for info in old:
            if without and info.name.startswith(without):
                continue
            data = old.extractfile(info)
            assert data is not None
            changed = change and info.name.startswith(change)
            new.addfile(info, io.BytesIO(bytes(info.size)) if changed else data)


def test_an_archive_that_lacks_a_part_or_was_changed_is_refused(store: Store, tmp_path: Path) -> None:
    whole = tmp_path / "whole.tar"
    images.save(store.root, NAME, whole, form=Form.ARCHIVE)
    layer = next(
        f"blobs/sha256/{path.name}"
        for path in (store.root / "blobs/sha256").iterdir()
        if path.read_bytes().startswith(b"\x28\xb5\x2f\xfd")
    )
    for changes, words in (
        ({"without": layer}, "lacks blob"),
        ({"without": "index.json"}, "is not an OCI image layout"),
        ({"change": layer}, "arrived with other content"),
    ):
        other = Store(tmp_path / words.replace(" ", "-"))
        repack(whole, tmp_path / "part.tar", **changes)
        with pytest.raises((BundleError, TransferFailed), match=words):
            images.load(other.root, tmp_path / "part.tar")
        assert other.list() == ()


@pytest.mark.parametrize("data", [b"", b"text", b"\x1f\x8b" + b"x" * 100, b"\0" * 10240])
def test_what_is_no_archive_is_refused_in_words(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(BundleError):
        images.load(tmp_path / "store", tmp_path / "file")


def test_only_cluster_images_are_taken_in(store: Store, tmp_path: Path) -> None:
    images.save(store.root, NAME, tmp_path / "saved", form=Form.FOLDER)
    index = tmp_path / "saved/index.json"
    root = store.resolve(NAME)
    (first, *_) = oci.index_from_json(store.get(root)).manifests
    index.write_bytes(oci.index_to_json(oci.Index((first,))))
    with pytest.raises(RecipeError, match="is not a cluster image"):
        images.load(tmp_path / "other", tmp_path / "saved")


def test_an_image_without_a_name_must_be_given_one(store: Store, tmp_path: Path) -> None:
    images.save(store.root, NAME, tmp_path / "saved", form=Form.FOLDER)
    root = store.resolve(NAME)
    nameless = oci.Descriptor(root.media_type, root.digest, root.size)
    (tmp_path / "saved/index.json").write_bytes(oci.index_to_json(oci.Index((nameless,))))
    with pytest.raises(RecipeError, match="has no name") as caught:
        images.load(tmp_path / "other", tmp_path / "saved")
    assert "--tag" in caught.value.hint
    assert images.load(tmp_path / "other", tmp_path / "saved", reference=OTHER)[0].reference == OTHER
