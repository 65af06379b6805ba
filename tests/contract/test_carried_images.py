"""A build carries the container images that its tree needs, bit by bit as a real registry has them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from support.carrying import AMD64, ARM64, NAME, Bench
from support.containers import DOCKER, container
from support.registry import Registry, registry

from appliance.errors import RecipeError, Unreachable
from appliance.image import carried, oci
from appliance.image.reference import Reference
from appliance.image.registry.mirrors import Mirror
from appliance.operations import build

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with registry(tmp_path_factory.mktemp("registry")) as found:
        yield found


@pytest.fixture
def bench(running: Registry, tmp_path: Path) -> Bench:
    return Bench(tmp_path, running)


def test_an_image_that_a_manifest_names_is_carried_as_it_was_published(bench: Bench) -> None:
    root = container(bench.published, "carried")
    reference = bench.publish("carried/web:1.0", root)
    bench.need(reference)
    report = bench.build()
    (record,) = report.images
    assert record.reference == str(reference)
    assert record.published == root.digest
    assert record.why == ("manifests/0.yaml:7 Pod/web containers[web].image",)
    (one,) = carried.read(bench.index())
    assert (one.reference, one.platform, one.index) == (reference, AMD64, root.digest)
    assert bench.holds(root, AMD64)
    assert bench.store.verify() == ()


def test_the_index_is_flat_and_the_original_indexes_lie_beside(bench: Bench) -> None:
    first, second = container(bench.published, "flat"), container(bench.published, "docker", kinds=DOCKER)
    bench.need(bench.publish("flat/a:1", first), bench.publish("flat/b:1", second))
    bench.build(platforms=(AMD64, ARM64))
    index = bench.index()
    assert [child.platform for child in index.manifests[:2]] == [AMD64, ARM64]
    assert {child.media_type for child in index.manifests} == {oci.MEDIA_MANIFEST, oci.MEDIA_DOCKER_MANIFEST}
    assert len(carried.read(index)) == 4
    assert index.manifests[-1].annotations == {carried.ARTIFACT: oci.ARTIFACT_INDEXES}
    originals = carried.originals(index, get=bench.store.get)
    assert {(one.media_type, one.digest) for one in originals} == {
        (first.media_type, first.digest),
        (second.media_type, second.digest),
    }
    assert [bench.store.get(one) for one in originals] == [bench.published.get(one) for one in originals]
    assert bench.holds(first, AMD64, ARM64)
    assert bench.holds(second, AMD64, ARM64)


def test_only_the_platforms_that_are_built_are_carried(bench: Bench) -> None:
    root = container(bench.published, "one platform")
    bench.need(bench.publish("one/web:1", root))
    bench.build(platforms=(ARM64,))
    (one,) = carried.read(bench.index())
    (_, arm, _) = oci.index_from_json(bench.published.get(root)).manifests
    assert one.manifest.digest == arm.digest
    assert bench.holds(root, ARM64)
    assert not any(bench.store.has(digest, size) for digest, size in bench.only_for(root, AMD64))


def test_the_image_digest_is_a_pure_function_of_the_index(bench: Bench) -> None:
    bench.need(bench.publish("pure/web:1", container(bench.published, "pure")))
    bench.build(platforms=(AMD64, ARM64))
    both = bench.index()
    assert oci.filter_platforms(both, [AMD64, ARM64]) == bench.store.get(bench.store.resolve(NAME))
    filtered = oci.index_from_json(oci.filter_platforms(both, [AMD64]))
    assert [platform for platform, _ in filtered.rootfs] == [AMD64]
    assert [one.platform for one in carried.read(filtered)] == [AMD64]
    assert filtered.manifests[-1] == both.manifests[-1]


def test_the_same_tree_gives_the_same_image_anywhere(bench: Bench, running: Registry, tmp_path: Path) -> None:
    reference = bench.publish("same/web:1", container(bench.published, "same"))
    other = Bench(tmp_path / "other", running)
    for one in (bench, other):
        one.need(reference)
    assert bench.build().digest == other.build().digest


def test_what_was_collected_once_needs_no_network(bench: Bench) -> None:
    bench.need(bench.publish("once/web:1", container(bench.published, "once")))
    first = bench.build()
    dead = replace(bench.reach, access=replace(bench.reach.access, timeout=0.1))
    with registry(bench.root / "dying") as dying:
        dead = replace(dead, mirrors=(Mirror(bench.registry.host, dying.host, plain_http=True),))
    assert bench.build(reach=dead).digest == first.digest


def test_a_moved_tag_is_asked_for_with_no_cache(bench: Bench) -> None:
    reference = bench.publish("moved/web:1", container(bench.published, "before"))
    bench.need(reference)
    before = bench.build()
    after = container(bench.published, "after")
    bench.publish("moved/web:1", after)
    assert bench.build().digest == before.digest
    assert bench.build(use_cache=False).images[0].published == after.digest


def test_a_list_adds_images_and_a_line_that_is_none_is_refused(bench: Bench) -> None:
    bench.need()
    bench.write("manifests/none.yaml", "{}")
    listed = bench.publish("list/a:1", container(bench.published, "list a"))
    within = bench.publish("list/b:1", container(bench.published, "list b"))
    bench.write("manifests/imageList", f"{within}\n")
    file = bench.root / "more.txt"
    file.write_text(f"# more\n{listed}\n")
    found = {image.reference: image.why for image in bench.build(image_list=file).images}
    assert found == {str(listed): ("more.txt:2 list",), str(within): ("manifests/imageList:1 list",)}
    file.write_text("not an image\n")
    with pytest.raises(RecipeError, match="'not an image' is not an image reference") as caught:
        bench.build(image_list=file)
    assert caught.value.where == "more.txt:1"


def test_an_image_that_cannot_be_had_is_named_with_its_why(bench: Bench) -> None:
    bench.need(f"{bench.registry.host}/no/web:1", f"{bench.registry.host}/no/other:2")
    with pytest.raises(RecipeError, match=r"container image .*/no/other:2 cannot be had: there is no image") as caught:
        bench.build()
    assert caught.value.where == "manifests/1.yaml:7 Pod/web containers[web].image"
    assert "1 more cannot be had" in caught.value.message
    assert bench.store.list() == ()


def test_without_a_network_a_missing_image_fails_the_build(bench: Bench, tmp_path: Path) -> None:
    with registry(tmp_path / "gone") as gone:
        bench.need(f"{gone.host}/web:1")
    with pytest.raises(Unreachable, match=r"container image .*/web:1 cannot be had: the registry cannot be reached"):
        bench.build()
    with pytest.raises(RecipeError, match="it was found nowhere") as caught:
        bench.build(online=False)
    assert "--no-images" in caught.value.hint


def test_a_platform_that_an_image_is_not_for_is_named(bench: Bench) -> None:
    bench.need(bench.publish("only/web:1", container(bench.published, "only", ["amd64"])))
    assert len(bench.build().images) == 1
    with pytest.raises(RecipeError, match="it is there for linux/amd64, not for linux/arm64") as caught:
        bench.build(platforms=(AMD64, ARM64))
    assert caught.value.where.startswith("manifests/0.yaml:7")


def test_images_left_out_are_said_in_the_image(bench: Bench) -> None:
    bench.need("registry.invalid/web:1")
    report = bench.build(leave_images_out=True)
    (rootfs,) = build.inspect(bench.store.root, NAME).rootfs
    assert rootfs.config.images_left_out
    assert (report.images, rootfs.config.images) == ((), ())


def test_an_imageignore_beside_the_kubefile_leaves_images_out(bench: Bench) -> None:
    bench.need("registry.invalid/web:1")
    bench.write(".imageignore", "registry.invalid/*\n")
    assert bench.build(online=False).images == ()


def test_a_base_image_hands_down_what_it_carries(bench: Bench) -> None:
    listed = bench.root / "list.txt"
    listed.write_text(f"{bench.publish('base/web:1', container(bench.published, 'base'))}\n")
    bench.need()
    bench.write("manifests/none.yaml", "{}")
    base = bench.build(platforms=(AMD64, ARM64), image_list=listed)
    bench.store.tag(Reference.parse("base:1"), bench.store.resolve(NAME))
    bench.write("Kubefile", "FROM base:1\nENV A=b\n")
    child = bench.build(online=False, platforms=(AMD64, ARM64))
    assert [one.published for one in child.images] == [one.published for one in base.images]
    assert child.images[0].why == ("base base:1: list.txt:1 list",)
    assert len(carried.read(bench.index())) == 2
    left_out = bench.build(online=False, leave_images_out=True)
    assert [one.published for one in left_out.images] == [one.published for one in base.images]


def test_a_base_image_decides_what_a_tag_means(bench: Bench) -> None:
    reference = bench.publish("fixed/web:1", container(bench.published, "fixed"))
    bench.need(reference)
    bench.build()
    bench.store.tag(Reference.parse("base:1"), bench.store.resolve(NAME))
    bench.publish("fixed/web:1", container(bench.published, "moved"))
    bench.write("Kubefile", "FROM base:1\nCOPY Kubefile etc/x\n")
    assert bench.build(use_cache=False).images[0].published == carried.read(bench.index())[0].index
