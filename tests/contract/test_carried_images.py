"""A build carries the container images that its tree needs, bit by bit as a real registry has them."""

from __future__ import annotations

import contextlib
import json
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from support.containers import DOCKER, container, docker_archive, publish
from support.images import fake_pythons
from support.registry import Fault, Line, Registry, line, registry

from appliance.clock import SystemClock
from appliance.digest import Digest
from appliance.errors import ApplianceError, RecipeError, TransferFailed, Unreachable, VerificationError
from appliance.image import carried, oci, portable
from appliance.image.oci import Descriptor, Platform
from appliance.image.reference import Reference
from appliance.image.registry.mirrors import Mirror
from appliance.image.store import Store
from appliance.operations import build, deliver, development, images, registries
from appliance.operations.build import BuildReport, BuildRequest
from appliance.operations.deliver import Topic
from appliance.operations.registries import Registries, Upstream
from appliance.state import Home
from appliance.trust import policy
from appliance.trust.policy import Trust

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from appliance.bundle.verify import VerifiedBundle
    from appliance.operations.development import DevelopmentBundle

AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64")
NAME = Reference.parse("site:1.0.0")
POD = """apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
    - name: web
      image: %s
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with registry(tmp_path_factory.mktemp("registry")) as found:
        yield found


class Bench:
    """A context with a Kubefile and manifests, a store, and a registry with container images in it."""

    def __init__(self, root: Path, to: Registry) -> None:
        self.root = root
        self.registry = to
        self.published = Store(root / "published")
        self.store = Store(root / "store")
        self.reach = to.access(root)
        self.context = root / "context"
        self.write("Kubefile", "FROM scratch\nCOPY manifests manifests\n")

    def write(self, path: str, text: str) -> None:
        full = self.context / path
        full.parent.mkdir(parents=True, exist_ok=True)
        full.write_text(text)

    def publish(self, name: str, root: Descriptor) -> Reference:
        return publish(self.registry, name, self.published, root, config=self.root)

    def need(self, *references: Reference | str) -> None:
        """Let the tree have a pod for each."""
        for number, reference in enumerate(references):
            self.write(f"manifests/{number}.yaml", POD % reference)

    def build(self, *, online: bool = True, reach: Registries | None = None, **request: object) -> BuildReport:
        asked = BuildRequest(self.context, NAME, self.store.root, self.root / "cache", platforms=(AMD64,))
        upstream = (lambda: Upstream(reach or self.reach)) if online else None
        return build.build_image(replace(asked, **request), upstream=upstream)  # type: ignore[arg-type]

    def index(self) -> oci.Index:
        return oci.index_from_json(self.store.get(self.store.resolve(NAME)))

    def holds(self, root: Descriptor, *platforms: Platform) -> bool:
        """Whether the store has all of a published image for the platforms, and its index, as they were published."""
        index = oci.index_from_json(self.published.get(root)).manifests
        wanted = [root]
        for child in index:
            if child.platform and Platform(child.platform.os, child.platform.architecture) in platforms:
                wanted += [child, *oci.children(child.media_type, self.published.get(child))]
        return all(self.published.get(one) == self.store.get(one) for one in wanted)

    def only_for(self, root: Descriptor, platform: Platform) -> list[tuple[Digest, int]]:
        """Digests and sizes of what a published image consists of on one platform."""
        index = oci.index_from_json(self.published.get(root)).manifests
        (child,) = (one for one in index if one.platform == platform)
        return [(one.digest, one.size) for one in (child, *oci.children(child.media_type, self.published.get(child)))]


@pytest.fixture
def bench(running: Registry, tmp_path: Path) -> Bench:
    return Bench(tmp_path, running)


def files(store: Store) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (store.root / "blobs/sha256").iterdir()}


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


def test_a_base_image_hands_down_what_it_carries(bench: Bench) -> None:
    reference = bench.publish("base/web:1", container(bench.published, "base"))
    bench.need(reference)
    base = bench.build(platforms=(AMD64, ARM64))
    bench.store.tag(Reference.parse("base:1"), bench.store.resolve(NAME))
    bench.write("Kubefile", "FROM base:1\nRUN rm -r manifests\nENV A=b\n")
    child = bench.build(online=False, platforms=(AMD64, ARM64))
    assert [one.published for one in child.images] == [one.published for one in base.images]
    assert child.images[0].why == ("base base:1: manifests/0.yaml:7 Pod/web containers[web].image",)
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


def test_what_lies_in_images_and_is_no_image_is_told(bench: Bench) -> None:
    bench.need()
    bench.write("manifests/none.yaml", "{}")
    docker_archive(bench.context / "images/other.tar", "x:1", "x")
    data = (bench.context / "images/other.tar").read_bytes().replace(b"manifest.json", b"manifest.txt\0")
    (bench.context / "images/other.tar").write_bytes(data)
    with contextlib.suppress(ApplianceError):
        assert "images/other.tar is no OCI layout" in bench.build(online=False).warnings[0]


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


def skopeo(*argv: str) -> bytes:
    done = subprocess.run(["skopeo", *argv], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


@pytest.fixture
def full(bench: Bench) -> Bench:
    """An image for two platforms that carries images of both kinds, and one of a single platform by a second name."""
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
        shown = deliver.show(bundle, Topic.IMAGES)
        assert isinstance(shown, deliver.Images)
        assert [image.reference for image in shown.platforms[0].config.images] == [
            f"{bench.registry.host}/delivered/web:1"
        ]


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
