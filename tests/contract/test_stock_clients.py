"""A cluster image with container images in it, in the hands of others: oras copies it whole, containerd pulls from it.

Both are Debian's; the registry is real and on loopback. containerd only fetches: what a kernel allows of snapshots and
namespaces is not asked.
"""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest
from support import parts
from support.containers import DOCKER, container, publish
from support.registry import Registry, registry

from appliance.digest import Digest
from appliance.image import carried, oci
from appliance.image.oci import Platform
from appliance.image.reference import Reference
from appliance.image.store import Store
from appliance.operations import build, registries
from appliance.operations.build import BuildRequest
from appliance.operations.registries import Upstream

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PLATFORMS = (Platform("linux", "amd64"), Platform("linux", "arm64"))


class Delivered:
    """An image for two platforms that carries two container images: in our `store`, and at a registry."""

    def __init__(self, root: Path, to: Registry) -> None:
        self.registry = to
        self.reach = to.access(root)
        self.store = Store(root / "store")
        self.away = Reference.parse(f"{to.host}/site/app:1.0.0")
        published = Store(root / "published")
        containers = (container(published, "an image"), container(published, "a docker image", kinds=DOCKER))
        self.images = [
            publish(to, f"upstream/{number}:1", published, one, config=root) for number, one in enumerate(containers)
        ]
        context = root / "context"
        (context / "manifests").mkdir(parents=True)
        (context / "manifests/imageList").write_text("".join(f"{image}\n" for image in self.images))
        (context / "Kubefile").write_text("FROM scratch\nCOPY manifests manifests\n")
        request = BuildRequest(context, self.away, self.store.root, root / "cache", platforms=PLATFORMS)
        self.digest = build.build_image(request, upstream=lambda: Upstream(self.reach)).digest
        registries.push(self.store.root, self.away, self.reach)

    @property
    def carried(self) -> list[Digest]:
        """The manifests of the container images for amd64."""
        index = oci.index_from_json(self.store.get(self.store.resolve(self.away)))
        return [one.manifest.digest for one in carried.read(index) if one.manifest.platform == PLATFORMS[0]]


@pytest.fixture(scope="module")
def delivered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Delivered]:
    root = tmp_path_factory.mktemp("delivered")
    with registry(root / "registry") as running:
        yield Delivered(root, running)


def run(*argv: str | Path) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def blobs(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "blobs/sha256").iterdir()}


def oras(*words: str) -> str:
    return run(parts.program("oras", "usr/bin/oras"), *words)


def test_oras_copies_it_out_of_a_registry_and_back_bit_by_bit(delivered: Delivered, tmp_path: Path) -> None:
    copied = Reference.parse(f"{delivered.registry.host}/site/copied:1")
    oras("cp", "-r", "--from-plain-http", str(delivered.away), "--to-oci-layout", f"{tmp_path}/there:1")
    oras("cp", "-r", "--from-oci-layout", f"{tmp_path}/there:1", "--to-plain-http", str(copied))
    back = Store(tmp_path / "back")
    assert registries.pull(back.root, copied, delivered.reach).digest == delivered.digest
    assert back.verify() == ()
    assert blobs(back.root) == blobs(tmp_path / "there")
    assert blobs(back.root).items() <= blobs(delivered.store.root).items()


def test_oras_takes_our_own_store_as_a_layout(delivered: Delivered) -> None:
    there = f"{delivered.registry.host}/site/from-layout:1"
    ours = f"{delivered.store.root}@{delivered.digest}"
    oras("cp", "-r", "--from-oci-layout", ours, "--to-plain-http", there)
    assert Digest.of(oras("manifest", "fetch", "--plain-http", there).encode()) == delivered.digest


@pytest.fixture
def ctr(tmp_path: Path) -> Iterator[Ctr]:
    """A containerd of the test's own, which keeps what it fetches below its folder."""
    (tmp_path / "config.toml").write_text(
        f"version = 2\nroot = '{tmp_path}/root'\nstate = '{tmp_path}/state'\n[grpc]\naddress = '{tmp_path}/socket'\n"
        "disabled_plugins = []\n"
    )
    daemon = [parts.program("containerd", "usr/bin/containerd"), "--config", tmp_path / "config.toml"]
    with subprocess.Popen(daemon, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        said = []
        for line in process.stderr:
            said.append(line)
            if b"containerd successfully booted" in line:
                break
        else:
            raise AssertionError(b"".join(said).decode())
        yield Ctr(tmp_path)
        process.terminate()
        process.stderr.read()


class Ctr:
    """Asks the containerd in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *words: str) -> str:
        return run(parts.program("containerd", "usr/bin/ctr"), "--address", self.folder / "socket", *words)


def test_containerd_fetches_a_carried_image_by_its_digest(delivered: Delivered, ctr: Ctr) -> None:
    for digest in delivered.carried:
        name = f"{delivered.away.registry}/{delivered.away.repository}@{digest}"
        ctr("content", "fetch", "--plain-http", name)
        manifest = ctr("content", "get", str(digest)).encode()
        assert Digest.of(manifest) == digest
        for part in oci.children(json.loads(manifest)["mediaType"], manifest):
            there = ctr.folder / "root/io.containerd.content.v1.content/blobs/sha256" / part.digest.hex
            assert Digest.of(there.read_bytes()) == part.digest
        assert name in ctr("images", "ls")


def test_containerd_pulls_by_the_tag_that_a_registry_gives_a_carried_image(delivered: Delivered, ctr: Ctr) -> None:
    there = Reference.parse(f"{delivered.registry.host}/mirror/upstream:1")
    (digest, *_) = delivered.carried
    oras("cp", "--from-plain-http", f"{delivered.away.registry}/{delivered.away.repository}@{digest}",
         "--to-plain-http", str(there))  # fmt: skip
    ctr("images", "pull", "--plain-http", "--snapshotter", "native", str(there))
    assert str(digest) in ctr("images", "ls")
