"""An image with carried ones goes everywhere whole: registries, stock tools, files, bundles."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from support.carrying import AMD64, ARM64, NAME, POD, Bench, files, skopeo
from support.containers import DOCKER, container, docker_archive
from support.images import fake_pythons
from support.registry import Registry, registry

from appliance.cli import main
from appliance.clock import SystemClock
from appliance.digest import Digest
from appliance.errors import VerificationError
from appliance.image import carried, oci
from appliance.image.reference import Reference
from appliance.image.store import Store
from appliance.operations import build, deliver, development, images, look, registries
from appliance.operations.look import Topic
from appliance.state import Home
from appliance.trust import policy
from appliance.trust.policy import Trust

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from appliance.bundle.verify import VerifiedBundle
    from appliance.operations.development import DevelopmentBundle


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with registry(tmp_path_factory.mktemp("registry")) as found:
        yield found


@pytest.fixture
def bench(running: Registry, tmp_path: Path) -> Bench:
    return Bench(tmp_path, running)


@pytest.fixture
def full(bench: Bench) -> Bench:
    """An image for two platforms that carries images of both kinds, one of them under two names."""
    first = bench.publish("full/a:1", container(bench.published, "full a"))
    second = bench.publish("full/b:1", container(bench.published, "full b", kinds=DOCKER))
    third = bench.publish("full/c:1", container(bench.published, "full a"))
    bench.need(first, second, third)
    bench.build(platforms=(AMD64, ARM64))
    return bench


def test_an_image_with_carried_ones_goes_to_a_registry_and_back(full: Bench, tmp_path: Path) -> None:
    away = Reference.parse(f"{full.registry.host}/away/site:1")
    full.store.tag(away, full.store.resolve(NAME))
    registries.push(full.store.root, away, full.reach)
    back = Store(tmp_path / "back")
    assert registries.pull(back.root, away, full.reach).digest == full.store.resolve(NAME).digest
    assert back.verify() == ()
    assert build.inspect(back.root, away).rootfs[0].config == build.inspect(full.store.root, NAME).rootfs[0].config
    for one in carried.read(full.index()):
        raw = skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{away.registry}/{away.repository}"
                     f"@{one.manifest.digest}")  # fmt: skip
        assert Digest.of(raw) == one.manifest.digest


def test_skopeo_copies_it_whole_and_back_bit_by_bit(full: Bench, tmp_path: Path) -> None:
    away = Reference.parse(f"{full.registry.host}/whole/site:1")
    full.store.tag(away, full.store.resolve(NAME))
    registries.push(full.store.root, away, full.reach)
    ours, theirs = f"docker://{away}", f"docker://{full.registry.host}/whole/copied:1"
    flags = ("copy", "--all", "--preserve-digests", "--src-tls-verify=false", "--dest-tls-verify=false")
    skopeo(*flags, ours, f"dir:{tmp_path}/there")
    skopeo(*flags, f"dir:{tmp_path}/there", theirs)
    back = Store(tmp_path / "back")
    pulled = registries.pull(back.root, Reference.parse(theirs.removeprefix("docker://")), full.reach)
    assert pulled.digest == full.store.resolve(NAME).digest
    assert back.verify() == ()


def test_it_is_saved_and_loaded_with_all_that_it_carries(full: Bench, tmp_path: Path) -> None:
    images.save(full.store.root, NAME, tmp_path / "saved.tar", form=images.Form.ARCHIVE)
    back = Store(tmp_path / "back")
    (loaded,) = images.load(back.root, tmp_path / "saved.tar")
    assert loaded.digest == str(full.store.resolve(NAME).digest)
    assert back.verify() == ()
    images.save(back.root, NAME, tmp_path / "folder", form=images.Form.FOLDER)
    assert files(Store(tmp_path / "folder")) == files(back)


def test_prune_keeps_what_is_carried_and_takes_the_rest(full: Bench) -> None:
    images.prune(full.store.root, now=True)
    assert full.store.verify() == ()
    full.store.untag(NAME)
    images.prune(full.store.root, now=True)
    assert files(full.store) == {}


def test_the_difference_names_carried_images(full: Bench) -> None:
    full.store.tag(Reference.parse("before:1"), full.store.resolve(NAME))
    (full.context / "manifests/2.yaml").unlink()
    full.build(platforms=(AMD64, ARM64))
    found = images.diff(full.store.root, Reference.parse("before:1"), NAME)
    gone = f"image.{full.registry.host}/full/c:1"
    assert [[v.change for v in one.values if v.name == gone] for one in found] == [["removed"], ["removed"]]


def test_a_list_of_images_counts_what_each_carries(full: Bench) -> None:
    (summary,) = build.list_images(full.store.root)
    assert (summary.platforms, summary.images) == ((AMD64, ARM64), 3)


def test_the_command_line_says_what_is_carried_and_why(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(bench.root / "cache"))
    docker_archive(bench.context / "images/web.tar", "registry.invalid/web:1", "archived")
    bench.need("registry.invalid/web:1")

    def appliance(*words: str) -> Any:
        assert main.run(["--store", str(bench.store.root), "-o", "json", *words], bundle=None) == 0
        return json.loads(capsys.readouterr().out)

    built = appliance("build", "-t", "site:1.0.0", "--platform", "linux/amd64", str(bench.context))
    why = ["manifests/0.yaml:7 Pod/web containers[web].image"]
    (carried_here,) = built["images"]
    assert carried_here == {"reference": "registry.invalid/web:1", "digest": carried_here["digest"], "why": why}
    (platform,) = appliance("inspect", "site:1.0.0")["platforms"]
    assert [(one["reference"], one["origin"], one["why"]) for one in platform["images"]] == [
        ("registry.invalid/web:1", "docker archive images/web.tar", why)
    ]
    assert appliance("images")["images"][0]["images"] == 1


@pytest.fixture
def delivered(bench: Bench, tmp_path: Path) -> DevelopmentBundle:
    """The bundle of an image that carries a large one."""
    bench.need(bench.publish("delivered/web:1", container(bench.published, "delivered", size=9_000_000)))
    bench.build()
    home, clock = Home.of(tmp_path / "home"), SystemClock()
    return development.bundle_of(NAME, store=bench.store, home=home, pythons=fake_pythons(tmp_path), clock=clock)


def test_a_bundle_has_all_that_is_carried_among_its_members(bench: Bench, delivered: DevelopmentBundle) -> None:
    with opened(delivered) as bundle:
        assert bundle.check_all().bad == ()
        for one in carried.read(oci.index_from_json(bundle.read(bundle.manifest.image))):
            assert bundle.read(one.manifest.digest) == bench.store.get(one.manifest)
            for blob in oci.children(one.manifest.media_type, bench.store.get(one.manifest)):
                assert bundle.size_of(blob.digest) == blob.size
        shown = look.show(bundle, Topic.IMAGES)
        assert isinstance(shown, look.Images)
        assert [image.reference for image in shown.platforms[0].config.images] == [
            f"{bench.registry.host}/delivered/web:1"
        ]


@pytest.mark.parametrize("platform", [AMD64, ARM64], ids=str)
def test_a_bundle_tells_what_it_carries_for_a_platform_and_gives_all_of_it(
    full: Bench, tmp_path: Path, platform: oci.Platform
) -> None:
    for architecture in ("amd64", "arm64"):
        archive = full.context / f"images/{architecture}.tar"
        docker_archive(archive, "registry.invalid/alone:1", architecture, architecture)
    full.write("manifests/alone.yaml", POD % "registry.invalid/alone:1")
    full.build(platforms=(AMD64, ARM64))
    home = Home.of(tmp_path / "home")
    made = development.bundle_of(NAME, store=full.store, home=home, pythons=fake_pythons(tmp_path), clock=SystemClock())
    with opened(made) as bundle:
        told = deliver.carried_images(bundle, platform.architecture)
        assert told == deliver.image_part(bundle, platform.architecture).carried
        expected = {str(one.reference): one for one in carried.read(full.index()) if one.platform == platform}
        assert [image.reference for image in told] == list(expected)
        for image in told:
            one = expected[image.reference]
            assert (image.manifest.digest, image.media_type) == (one.manifest.digest, one.manifest.media_type)
            parts = oci.children(image.media_type, full.store.get(one.manifest))
            assert [(blob.digest, blob.size) for blob in image.blobs] == [(part.digest, part.size) for part in parts]
            config = json.loads(bundle.read(parts[0].digest))
            assert config["architecture"] == platform.architecture
        kinds = {image.reference.rpartition("/")[2]: image.index_media_type for image in told}
        assert kinds == {"a:1": oci.MEDIA_INDEX, "b:1": oci.MEDIA_DOCKER_INDEX, "c:1": oci.MEDIA_INDEX, "alone:1": ""}
        blobs = {blob for image in told for blob in (image.manifest, image.index, *image.blobs) if blob}
        taken = deliver.take_out(bundle, tmp_path / "blobs", [blob.digest for blob in blobs])
    assert (taken.blobs, taken.bytes) == (len(blobs), sum(blob.size for blob in blobs))
    assert all(Digest.of((tmp_path / f"blobs/{blob.digest.hex}").read_bytes()) == blob.digest for blob in blobs)


def test_a_flipped_byte_in_a_carried_layer_is_found_and_stops_nothing_that_does_not_read_it(
    bench: Bench, delivered: DevelopmentBundle
) -> None:
    (one,) = carried.read(bench.index())
    (layer,) = oci.manifest_from_json(bench.store.get(one.manifest)).layers
    with opened(delivered) as bundle:
        (entry,) = (entry for entry in bundle.manifest.files if entry.sha256 == layer.digest)
    with delivered.path.open("r+b") as file:
        file.seek(entry.offset + entry.length // 2)
        byte = file.read(1)[0]
        file.seek(-1, 1)
        file.write(bytes([byte ^ 1]))
    with opened(delivered) as bundle:
        assert [text.path for text in deliver.image_part(bundle, "amd64").texts] == ["manifests/0.yaml"]
        assert len(bundle.check_all().bad) == 1
        with pytest.raises(VerificationError, match=layer.digest.hex):
            deliver.take_out(bundle, bench.root / "blobs", [layer.digest])


def opened(made: DevelopmentBundle) -> VerifiedBundle:
    trust = Trust().with_anchors(policy.from_arguments((str(made.root),)))
    return deliver.open_delivery(made.path, trust, now=SystemClock().now())
