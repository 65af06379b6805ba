"""The storage that is laid out for the site's registry: by any shell, of links only, and real distribution reads it."""

from __future__ import annotations

import json
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.carrying import skopeo
from support.containers import DOCKER, container
from support.registry import Registry, registry
from support.sites import site

from appliance.image import oci
from appliance.image.blobs import Blob
from appliance.image.store import Store
from appliance.plan.runtime import CarriedImage, ImagePart
from appliance.runtimes.parts import asking, registrystorage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from appliance.image.oci import Descriptor
    from appliance.runtimes.parts.registrystorage import Contents

SHELLS = (("sh",), ("bash", "--posix"), ("busybox", "ash"), ("mksh",), ("yash",))
every_shell = pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[-1])


def parts(store: Store, named: dict[str, Descriptor]) -> list[ImagePart]:
    """What a bundle carries for two architectures when these indexes and manifests are in a store."""
    base = site(()).parts["amd64"]
    return [
        replace(
            base,
            architecture=architecture,
            carried=tuple(filter(None, (_carried(store, name, root, architecture) for name, root in named.items()))),
        )
        for architecture in ("amd64", "arm64")
    ]


def _carried(store: Store, name: str, root: Descriptor, architecture: str) -> CarriedImage | None:
    if root.media_type in oci.INDEXES:
        children = oci.index_from_json(store.get(root)).manifests
        manifest = next(one for one in children if one.platform and one.platform.architecture == architecture)
    else:
        manifest = root
        config = json.loads(store.get(oci.manifest_from_json(store.get(root)).config))
        if config["architecture"] != architecture:
            return None
    blobs = tuple(Blob(one.digest, one.size) for one in oci.children(manifest.media_type, store.get(manifest)))
    index = Blob(root.digest, root.size) if manifest is not root else None
    return CarriedImage(name, Blob(manifest.digest, manifest.size), manifest.media_type, blobs, index, root.media_type)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def contents(store: Store) -> Contents:
    named = {
        "docker.io/library/web:1": container(store, "web"),
        "quay.io/library/web:1": container(store, "other", kinds=DOCKER),
        "localhost:5000/web:1": container(store, "alone", ("amd64",)),
    }
    return registrystorage.contents(parts(store, named))


class Host:
    """A folder in place of a host: received blobs, storage, listing."""

    def __init__(self, folder: Path, store: Store, contents: Contents, shell: tuple[str, ...]) -> None:
        self.blobs = store.root / "blobs/sha256"
        self.root = folder / "data"
        self.list = folder / "list"
        self.list.write_text(contents.listing)
        self.shell = shell

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        argv = [*self.shell, "-c", script, "sh", self.blobs, self.root, self.list, self.list.parent / "apps"]
        return subprocess.run(argv, capture_output=True, text=True, check=False)

    @property
    def stands(self) -> bool:
        return self.run(registrystorage.LAID_OUT).returncode == 0

    def files(self) -> dict[str, tuple[int, bytes]]:
        return {
            str(path.relative_to(self.root)): (path.stat().st_ino, path.read_bytes())
            for path in self.root.rglob("*")
            if path.is_file()
        }


@every_shell
def test_any_shell_lays_it_out_of_links_and_sees_that_it_stands(
    tmp_path: Path, store: Store, contents: Contents, shell: tuple[str, ...]
) -> None:
    host = Host(tmp_path, store, contents, shell)
    assert not host.stands
    assert host.run(registrystorage.LAY_OUT).returncode == 0
    assert host.stands
    files = host.files()
    assert len(files) == contents.listing.count("\n")
    for blob in contents.blobs:
        path = f"docker/registry/v2/blobs/sha256/{blob.digest.hex[:2]}/{blob.digest.hex}/data"
        assert files[path][0] == (host.blobs / blob.digest.hex).stat().st_ino
    assert host.run(registrystorage.LAY_OUT).returncode == 0
    assert host.files() == files


def test_what_was_interrupted_anywhere_is_seen_and_finished(tmp_path: Path, store: Store, contents: Contents) -> None:
    whole = Host(tmp_path, store, contents, ("sh",))
    whole.run(registrystorage.LAY_OUT)
    for name, (_, data) in sorted(whole.files().items()):
        path = whole.root / name
        path.unlink()
        assert not whole.stands, name
        if path.name == "link":
            path.write_bytes(data[: len(data) // 2])
            assert not whole.stands, name
        assert whole.run(registrystorage.LAY_OUT).returncode == 0
        assert whole.stands
    assert not list(whole.root.rglob("*.part"))


def test_a_blob_that_did_not_come_is_named(tmp_path: Path, store: Store, contents: Contents) -> None:
    host = Host(tmp_path, store, contents, ("sh",))
    gone = contents.blobs[3].digest.hex
    (host.blobs / gone).unlink()
    assert host.run(registrystorage.LAY_OUT).stderr == f"the blob {gone} is not on the host\n"


def test_another_file_system_is_refused(tmp_path: Path, store: Store, contents: Contents) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as elsewhere:
        assert Path(elsewhere).stat().st_dev != tmp_path.stat().st_dev
        host = Host(Path(elsewhere), store, contents, ("sh",))
        done = host.run(registrystorage.LAY_OUT)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith(f"cannot hold links of {host.blobs}: both must lie on one file system")


@every_shell
def test_another_set_has_what_applications_added_to_the_one_before(
    tmp_path: Path, store: Store, contents: Contents, shell: tuple[str, ...]
) -> None:
    new = {
        "docker.io/library/web:1": container(store, "web, mended"),
        "docker.io/library/more:1": container(store, "b"),
    }
    host = Host(tmp_path, store, registrystorage.contents(parts(store, new)), shell)
    (tmp_path / "apps/shop").mkdir(parents=True)
    (tmp_path / "apps/shop/registry.list").write_text(contents.listing)
    assert host.run(registrystorage.LAY_OUT).returncode == 0
    assert host.stands
    assert host.run(registrystorage.LAID_OUT_WITH_ADDED).returncode == 1
    assert host.run(registrystorage.LAY_OUT_WITH_ADDED).returncode == 0
    assert host.run(registrystorage.LAID_OUT_WITH_ADDED).returncode == 0
    assert host.stands, "what the set itself means by a tag goes before what an application meant"
    for blob in contents.blobs:
        assert (host.root / f"docker/registry/v2/blobs/sha256/{blob.digest.hex[:2]}/{blob.digest.hex}/data").is_file()


def test_sets_that_are_no_longer_served_go(tmp_path: Path) -> None:
    def run(script: str) -> int:
        return subprocess.run(["sh", "-c", script, "sh", tmp_path / "registry", "new"], check=False).returncode

    assert run(registrystorage.DROPPED) == 0
    for name in ("old", "new"):
        (tmp_path / "registry" / name / "docker").mkdir(parents=True)
    assert run(registrystorage.DROPPED) != 0
    assert run(registrystorage.DROP) == run(registrystorage.DROPPED) == 0
    assert [path.name for path in (tmp_path / "registry").iterdir()] == ["new"]


@pytest.fixture
def served(tmp_path: Path, store: Store) -> Iterator[tuple[Registry, Contents, dict[str, Descriptor]]]:
    """A real registry with TLS over what was laid out."""
    named = {
        "docker.io/library/web:1": container(store, "web"),
        "quay.io/library/web:1": container(store, "other", kinds=DOCKER),
    }
    each = [container(store, f"for {name}", (name,)) for name in ("amd64", "arm64")]
    made = [parts(store, {**named, "localhost:5000/web:1": root}) for root in each]
    contents = registrystorage.contents([made[0][0], made[1][1]])
    with registry(tmp_path, tls=True) as running:
        assert Host(tmp_path, store, contents, ("sh",)).run(registrystorage.LAY_OUT).returncode == 0
        yield running, contents, {**named, "amd64": each[0], "arm64": each[1]}


def test_distribution_serves_it_as_it_was_published(
    served: tuple[Registry, Contents, dict[str, Descriptor]], store: Store
) -> None:
    running, _, named = served

    def raw(name: str, *options: str) -> bytes:
        certificates = f"--cert-dir={running.folder / 'certs'}"
        return skopeo("inspect", "--raw", certificates, *options, f"docker://{running.host}/{name}")

    (running.folder / "certs").mkdir()
    (running.folder / "certs/ca.crt").write_bytes((running.folder / "ca.pem").read_bytes())
    for name in ("docker.io/library/web", "quay.io/library/web"):
        root = named[f"{name}:1"]
        assert raw(f"{name}:1") == raw(f"{name}@{root.digest}") == store.get(root)
        child = oci.index_from_json(store.get(root)).manifests[1]
        assert raw(f"{name}@{child.digest}") == store.get(child)
    joined = oci.index_from_json(raw("localhost_5000/web:1")).manifests
    assert [one.digest for one in joined] == [named["amd64"].digest, named["arm64"].digest]


def test_the_question_whether_all_is_served_is_answered_in_a_sentence(
    served: tuple[Registry, Contents, dict[str, Descriptor]], capsys: pytest.CaptureFixture[str]
) -> None:
    running, _, _ = served
    words = [running.host.rpartition(":")[2], str(running.ca_file), str(running.folder / "list")]
    assert (asking.main(words), capsys.readouterr().err) == (0, "")
    (
        running.folder / "data/docker/registry/v2/repositories/quay.io/library/web/_manifests/tags/1/current/link"
    ).unlink()
    assert asking.main(words) == 1
    said = capsys.readouterr().err
    assert said.startswith("quay.io/library/web:1 is not served as sha256:")
    assert said.endswith(": HTTP/1.1 404 Not Found\n")
    assert asking.main(["1", *words[1:]]) == 1
    assert capsys.readouterr().err.startswith("the registry does not answer: ")
