"""Container images come from archives, layouts, mirrors and registries that fail; what is wrong is refused."""

from __future__ import annotations

import json
import tarfile
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from support.carrying import AMD64, ARM64, NAME, Bench, skopeo
from support.containers import container, docker_archive, publish
from support.registry import Fault, Line, Registry, line, registry

from appliance.errors import ApplianceError, TransferFailed
from appliance.image import carried, oci, portable
from appliance.image.reference import Reference
from appliance.image.registry.mirrors import Mirror

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from appliance.image.oci import Descriptor


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with registry(tmp_path_factory.mktemp("registry")) as found:
        yield found


@pytest.fixture
def bench(running: Registry, tmp_path: Path) -> Bench:
    return Bench(tmp_path, running)


@pytest.mark.parametrize("name", ["images/web.tar", "images/web.tar.gz"])
def test_a_docker_archive_in_the_context_is_a_source(bench: Bench, name: str) -> None:
    docker_archive(bench.context / name, "registry.invalid/web:1", "archived")
    bench.need("registry.invalid/web:1")
    (record,) = bench.build(online=False).images
    assert record.origin == f"docker archive {name}"
    (one,) = carried.read(bench.index())
    manifest = oci.manifest_from_json(bench.store.get(one.manifest))
    config = json.loads(bench.store.get(manifest.config))
    assert [str(blob.digest) for blob in manifest.layers] == config["rootfs"]["diff_ids"]
    assert bench.store.verify() == ()


def test_two_archives_of_one_name_serve_two_platforms(bench: Bench) -> None:
    for architecture in ("amd64", "arm64"):
        archive = bench.context / f"images/{architecture}.tar"
        docker_archive(archive, "registry.invalid/web:1", architecture, architecture)
    bench.need("registry.invalid/web:1")
    bench.build(online=False, platforms=(AMD64, ARM64))
    assert [one.platform for one in carried.read(bench.index())] == [AMD64, ARM64]
    bench.store.tag(Reference.parse("base:1"), bench.store.resolve(NAME))
    bench.write("Kubefile", "FROM base:1\nENV A=b\n")
    for archive in (bench.context / "images").iterdir():
        archive.unlink()
    bench.build(online=False, platforms=(AMD64, ARM64))
    assert [one.platform for one in carried.read(bench.index())] == [AMD64, ARM64]


def test_an_archive_with_another_layer_than_its_config_says_is_refused(bench: Bench) -> None:
    archive = bench.context / "images/web.tar"
    docker_archive(archive, "registry.invalid/web:1", "archived")
    archive.write_bytes(archive.read_bytes().replace(b"archived", b"Archived"))
    bench.need("registry.invalid/web:1")
    with pytest.raises(TransferFailed, match="arrived with other content"):
        bench.build(online=False)


@pytest.mark.parametrize("form", ["folder", "archive"])
def test_an_oci_layout_in_the_context_is_a_source(bench: Bench, form: str) -> None:
    root = container(bench.published, "laid out")
    reference = Reference.parse("registry.invalid/web:1")
    bench.published.tag(reference, root)
    (bench.context / "images").mkdir()
    if form == "folder":
        portable.save_folder(bench.published, reference, bench.context / "images/web")
    else:
        portable.save_archive(bench.published, reference, bench.context / "images/web.tar")
    bench.need(reference)
    assert bench.build(online=False).images[0].published == root.digest
    assert bench.holds(root, AMD64)
    bench.need(f"registry.invalid/other@{root.digest}")
    assert bench.build(online=False).images[0].published == root.digest


def test_skopeo_writes_archives_that_are_sources(bench: Bench, tmp_path: Path) -> None:
    reference = bench.publish("skopeo/web:1", container(bench.published, "skopeo"))
    (bench.context / "images").mkdir()
    for kind in ("docker-archive", "oci-archive"):
        target = bench.context / f"images/{kind}.tar"
        skopeo("copy", "--src-tls-verify=false", f"docker://{reference}", f"{kind}:{target}:registry.invalid/{kind}:1")
    bench.need("registry.invalid/docker-archive:1", "registry.invalid/oci-archive:1")
    assert len(bench.build(online=False).images) == 2
    assert bench.store.verify() == ()


def test_what_lies_in_images_and_serves_nothing_is_told(bench: Bench) -> None:
    bench.write("manifests/none.yaml", "{}")
    docker_archive(bench.context / "images/other.tar", "other:1", "x")
    with tarfile.open(bench.context / "images/some.tar", "w") as archive:
        archive.add(bench.context / "Kubefile", "Kubefile")
    assert bench.build(online=False).warnings == (
        "images/some.tar is no OCI layout and no docker archive: nothing is taken from it",
        "images/other.tar holds what nothing in the image names: other:1; to carry it all the same: IMAGE other:1",
    )


def test_a_mirror_is_asked_first_and_the_registry_when_it_has_nothing(bench: Bench, tmp_path: Path) -> None:
    root = container(bench.published, "mirrored")
    with registry(tmp_path / "far") as far, line(bench.registry) as near:
        publish(bench.registry, "hub/team/web:1", bench.published, root, config=tmp_path)
        publish(far, "team/other:1", bench.published, root, config=tmp_path)
        mirror = Mirror.parse(f"{far.host}=http://{near.host}/hub")
        reach = replace(bench.reach, mirrors=(mirror,))
        bench.need(f"{far.host}/team/web:1", f"{far.host}/team/other:1")
        report = bench.build(reach=reach)
        assert [image.published for image in report.images] == [root.digest] * 2
        assert near.count("GET", "/v2/hub/team/web/manifests/1") == 1
        assert {str(one.reference) for one in carried.read(bench.index())} == {
            f"{far.host}/team/web:1",
            f"{far.host}/team/other:1",
        }


class Cut:
    """The first request for each large blob is cut in its middle."""

    def __init__(self) -> None:
        self.seen: set[str] = set()

    def __call__(self, method: str, path: str, _: int) -> Fault | None:
        if method == "GET" and "/blobs/" in path and path not in self.seen:
            self.seen.add(path)
            return Fault(cut=700_000)
        return None


@pytest.fixture
def over(running: Registry) -> Iterator[Line]:
    with line(running) as found:
        yield found


def far(bench: Bench, over: Line, name: str, root: Descriptor) -> Reference:
    """An image at the registry, as it is called over a line that fails."""
    bench.publish(name, root)
    return Reference.parse(f"{over.host}/{name}")


def test_a_line_that_is_cut_is_gone_on_with_where_it_was(bench: Bench, over: Line) -> None:
    root = container(bench.published, "cut", size=1_000_000)
    bench.need(far(bench, over, "cut/web:1", root))
    over.fault = Cut()
    bench.build()
    assert bench.holds(root, AMD64)
    assert any("range" in headers for headers in over.seen)


def test_a_blob_with_a_flipped_byte_is_refused_and_not_kept(bench: Bench, over: Line) -> None:
    root = container(bench.published, "flipped", size=10_000)
    bench.need(far(bench, over, "flipped/web:1", root))
    (child, *_) = oci.index_from_json(bench.published.get(root)).manifests
    (layer,) = oci.manifest_from_json(bench.published.get(child)).layers
    good = bench.published.get(layer)
    lie = Fault(body=good[:500] + bytes([good[500] ^ 1]) + good[501:])
    over.fault = lambda method, path, _: lie if method == "GET" and layer.digest.hex in path else None
    with pytest.raises(
        TransferFailed, match=r"flipped/web:1 cannot be had: blob .* arrived with other content"
    ) as told:
        bench.build()
    assert told.value.where == "manifests/0.yaml:7 Pod/web containers[web].image"
    assert not bench.store.has(layer.digest, layer.size)
    assert bench.store.list() == ()


def test_a_manifest_that_is_not_what_its_digest_says_is_refused(bench: Bench, over: Line) -> None:
    root = container(bench.published, "lied about")
    bench.need(far(bench, over, "lied/web:1", root))
    (child, *_) = oci.index_from_json(bench.published.get(root)).manifests
    lie = Fault(body=bench.published.get(child).replace(b"amd64", b"amd65").ljust(child.size)[: child.size - 1] + b" ")
    over.fault = lambda _, path, __: lie if child.digest.hex in path else None
    with pytest.raises(TransferFailed, match="lied/web:1 cannot be had"):
        bench.build()
    assert bench.store.list() == ()


def test_a_build_that_failed_goes_on_with_what_it_has(bench: Bench, over: Line) -> None:
    root = container(bench.published, "again", size=10_000)
    bench.need(far(bench, over, "again/web:1", root), far(bench, over, "again/two:1", root))
    over.fault = lambda _, path, __: Fault(status=404) if "/blobs/" in path else None
    with pytest.raises(ApplianceError, match="cannot be had"):
        bench.build()
    over.fault = lambda *_: None
    bench.build()
    before = over.count("GET", "/blobs/")
    bench.build()
    assert over.count("GET", "/blobs/") == before
