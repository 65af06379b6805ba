import io
import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from appliance.digest import Digest
from appliance.errors import BundleError, RecipeError, StateError, TransferFailed
from appliance.files import new_file
from appliance.image import oci
from appliance.image.oci import MEDIA_INDEX, MEDIA_MANIFEST, Descriptor, Index, Manifest
from appliance.image.reference import Reference
from appliance.image.store import Store

NAME = Reference.parse("app:1.0.0")


def put(store: Store, data: bytes) -> Descriptor:
    store.put(io.BytesIO(data), Digest.of(data), size=len(data))
    return Descriptor("application/octet-stream", Digest.of(data), len(data))


def make_image(store: Store, name: Reference, content: bytes) -> Descriptor:
    manifest = Manifest(put(store, b"config" + content), (put(store, content),))
    child = store.put_document(oci.manifest_to_json(manifest), MEDIA_MANIFEST)
    index = store.put_document(oci.index_to_json(Index((child,))), MEDIA_INDEX)
    store.tag(name, index)
    return index


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def test_an_empty_store_has_nothing_and_says_so(store: Store) -> None:
    assert store.list() == ()
    assert store.verify() == ()
    with pytest.raises(RecipeError, match="no image app:1.0.0") as caught:
        store.resolve(NAME)
    assert "empty" in caught.value.hint


def test_blobs_come_back_and_are_never_writable(store: Store) -> None:
    descriptor = put(store, b"data")
    assert store.has(descriptor.digest, 4)
    assert store.get(descriptor) == b"data"
    assert (store.root / "blobs/sha256" / descriptor.digest.hex).stat().st_mode & 0o777 == 0o444


def test_bytes_that_are_not_what_was_named_leave_nothing(store: Store) -> None:
    with pytest.raises(TransferFailed):
        store.put(io.BytesIO(b"other"), Digest.of(b"data"), size=5)
    assert list((store.root / "blobs/sha256").iterdir()) == []


def test_an_image_is_found_by_its_tag_and_by_its_digest(store: Store) -> None:
    index = make_image(store, NAME, b"1")
    assert store.resolve(NAME).digest == index.digest
    assert store.resolve(Reference.parse(f"app@{index.digest}")).digest == index.digest
    with pytest.raises(RecipeError) as caught:
        store.resolve(Reference.parse("app:2"))
    assert "app:1.0.0" in caught.value.hint


def test_a_tag_moves_to_the_new_image(store: Store) -> None:
    make_image(store, NAME, b"1")
    second = make_image(store, NAME, b"2")
    assert [(name, d.digest) for name, d in store.list()] == [(NAME, second.digest)]


def test_a_digest_cannot_be_a_tag(store: Store) -> None:
    index = make_image(store, NAME, b"1")
    with pytest.raises(RecipeError):
        store.tag(Reference.parse(f"app@{index.digest}"), index)


def test_damage_and_loss_are_told_by_blob(store: Store) -> None:
    index = make_image(store, NAME, b"1")
    layer = store.root / "blobs/sha256" / Digest.of(b"1").hex
    layer.chmod(0o644)
    layer.write_bytes(b"2")
    (store.root / "blobs/sha256" / Digest.of(b"config1").hex).unlink()
    assert sorted(store.verify()) == sorted(
        [f"blob {Digest.of(b'1').short} is damaged", f"blob {Digest.of(b'config1').short} is missing"]
    )
    document = store.root / "blobs/sha256" / index.digest.hex
    document.chmod(0o644)
    document.write_bytes(b"{}")
    with pytest.raises(BundleError, match="damaged"):
        store.get(index)
    with pytest.raises(StateError, match="nothing is removed"):
        store.prune(before=datetime.now(UTC))


def test_pruning_removes_old_blobs_without_a_name_and_leftovers_only(store: Store) -> None:
    make_image(store, NAME, b"1")
    make_image(store, Reference.parse("app:2"), b"2")
    store.untag(Reference.parse("app:2"))
    young = put(store, b"young")
    leftover = store.root / "ingest/left"
    leftover.parent.mkdir()
    leftover.write_bytes(b"half")
    past = (datetime.now(UTC) - timedelta(days=1)).timestamp()
    for path in (*(store.root / "blobs/sha256").iterdir(), leftover):
        if path.name != young.digest.hex:
            os.utime(path, (past, past))
    pruned = store.prune(before=datetime.now(UTC) - timedelta(hours=1))
    assert pruned.blobs == 5
    assert store.verify() == ()
    assert store.has(young.digest, young.size)
    assert not store.has(Digest.of(b"2"), 1)
    assert not leftover.exists()


def test_a_blob_that_is_used_again_is_young_again(store: Store) -> None:
    descriptor = put(store, b"data")
    path = store.root / "blobs/sha256" / descriptor.digest.hex
    os.utime(path, (0, 0))
    assert store.keep(descriptor)
    store.prune(before=datetime.now(UTC) - timedelta(hours=1))
    assert path.exists()


def test_many_writers_at_once_lose_no_name(store: Store) -> None:
    threads = [
        threading.Thread(target=make_image, args=(store, Reference.parse(f"app:{n}"), b"%d" % n)) for n in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.list()) == 12
    assert store.verify() == ()


def test_a_blob_that_was_not_finished_is_not_there(store: Store) -> None:
    with pytest.raises(RuntimeError):
        _fail_while_writing(store)
    assert list((store.root / "ingest").iterdir()) == []


def _fail_while_writing(store: Store) -> None:
    with store.ingest() as path, new_file(path) as out:
        out.write(b"half")
        raise RuntimeError
