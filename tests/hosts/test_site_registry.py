"""The registry of a site, from a bundle to Debian's containerd: every image under its name, by TLS, and no others."""

from __future__ import annotations

import itertools
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from support.carrying import AMD64, POD
from support.containers import DOCKER, container, docker_archive
from support.lab import lab_of
from support.travelling import user_cache

from appliance import plugins
from appliance.clock import SystemClock
from appliance.events import Outcome
from appliance.image.reference import Reference
from appliance.image.store import Store
from appliance.inventory.facts import Receipt
from appliance.inventory.hosts import Access
from appliance.lab import host as machines
from appliance.lab.spec import HostSpec
from appliance.operations import build, carry_out, deliver, development, propose
from appliance.operations.build import BuildRequest
from appliance.operations.propose import Target
from appliance.operations.publish import travelling
from appliance.plan import footprint
from appliance.plan.planner import needs
from appliance.plan.steps import Stage
from appliance.recipe import clusterfile
from appliance.runtimes.parts import loadbalancer, registry, registrystorage
from appliance.state import Home
from appliance.transport.connect import connector
from appliance.transport.ssh.hostkeys import HostKeys
from appliance.trust import policy
from appliance.trust.policy import Trust

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from appliance.bundle.verify import VerifiedBundle
    from appliance.image.oci import ImageConfig
    from appliance.lab.registry import Lab, LabHost
    from appliance.plan.runtime import SecretRequest, Site, SiteHost
    from appliance.plan.steps import Step
    from appliance.recipe.requirements import Requirement

pytestmark = pytest.mark.hosts

CLOCK = SystemClock()
NUMBERS = itertools.count(1)
SECONDS = "5"
"""How long containerd may take to have an image, or to say that there is none."""
ARCHIVED = (
    "docker.io/library/web:1",
    "quay.io/library/web:1",
    "k8s.gcr.io/pause:3.2",
    "ghcr.io/some/where/deep/app:v1.0.0-rc.1",
    "localhost:5000/web:1",
)
JOINED = "registry.example:8443/library/web:1"
CLUSTERFILE = """
apiVersion: appliance/v1
kind: Cluster
metadata: {{name: site-a}}
spec:
  hosts:
    - {{addresses: [{one}, {two}], roles: [control-plane]}}
    - {{addresses: [{three}], roles: [worker]}}
"""


class OnlyRegistry:
    """A runtime that does nothing but what others of ours ask of the registry's part."""

    def requirements(self, config: ImageConfig) -> tuple[Requirement, ...]:
        return ()

    def secrets(self, site: Site) -> tuple[SecretRequest, ...]:
        return registry.requests(site)

    def install(self, site: Site) -> tuple[Stage, ...]:
        told = tuple(step for host in site.hosts for step in self._told(site, host))
        return (*registry.stages(site), Stage("Tell containerd", told, needs(site)))

    def _told(self, site: Site, host: SiteHost) -> Iterator[Step]:
        programs = footprint.programs(site.cluster, site.image)
        balancer = loadbalancer.service(site.cluster, programs, {}, registries=registry.servers(site, host))
        yield from registry.client_steps(site, host)
        yield from balancer.configure(host.name)
        yield balancer.start(host.name, site.cluster)
        yield balancer.active(host.name)

    def room(self, site: Site, host: SiteHost) -> dict[str, int]:
        return registry.room(site, host)

    def receipt(self, site: Site, host: SiteHost) -> Receipt:
        return Receipt(units=(*registry.units(site, host), loadbalancer.UNIT))

    def remove(self, site: Site) -> tuple[Stage, ...]:
        return ()


@dataclass
class Desk:
    """An operator with an image, its bundle, and a lab of which two hosts serve."""

    lab: Lab
    folder: Path
    meant: dict[str, str] = field(default_factory=dict)
    manifests: dict[str, str] = field(default_factory=dict)

    @property
    def context(self) -> Path:
        return self.folder / "context"

    def bundle(self, *references: str) -> None:
        """Make the bundle of an image that needs these container images, and no others."""
        shutil.rmtree(self.context / "manifests", ignore_errors=True)
        (self.context / "manifests").mkdir()
        for number, reference in enumerate(references):
            (self.context / f"manifests/{number}.yaml").write_text(POD % reference)
        store, name = Store(self.folder / "store"), Reference.parse("site:1.0.0")
        asked = BuildRequest(self.context, name, store.root, self.folder / "cache", platforms=(AMD64,))
        built = build.build_image(asked, upstream=None)
        self.meant = {image.reference: str(image.index or image.digest) for image in built.images}
        self.manifests = {image.reference: str(image.digest) for image in built.images}
        pythons = travelling(user_cache(), latest=True)
        development.bundle_of(name, store=store, home=self.home, pythons=pythons, clock=CLOCK)

    @property
    def home(self) -> Home:
        return Home.of(self.folder / "home")

    @property
    def target(self) -> Target:
        one, two, three = (host.address for host in self.lab.hosts)
        cluster = clusterfile.load(CLUSTERFILE.format(one=one, two=two, three=three), source="Clusterfile").cluster
        folder = self.home.cluster(cluster.name)
        shutil.copyfile(self.lab.known_hosts, folder.known_hosts)
        access = Access(user="root", key=self.lab.key)
        return Target(cluster, access, folder, CLOCK, connector(HostKeys(folder.known_hosts)))

    def open(self) -> VerifiedBundle:
        """The bundle that was made last."""
        folder = self.home.root / "development"
        trust = Trust().with_anchors(policy.from_arguments((str(folder / "keys/root.pem"),)))
        return deliver.open_delivery(next(folder.glob("*.run")), trust, now=CLOCK.now())

    def needed(self) -> list[str]:
        """The steps that an `apply` would carry out now."""
        with self.open() as bundle:
            plan = propose.install(bundle, self.target).proposal.plan
        return [step.id for stage in plan.stages for step in stage.steps]

    def apply(self) -> None:
        """Carry out what is needed."""
        with self.open() as bundle:
            proposed = propose.install(bundle, self.target)
            run = carry_out.start(proposed, self.target, self.home, bundle=bundle)
        report = carry_out.follow(run, clock=CLOCK, hear=lambda *_: None)
        assert report.outcome is Outcome.OK, [(host.name, host.detail) for host in report.failed]


def fetch(host: LabHost, *references: str, seconds: str = SECONDS) -> dict[str, str]:
    """What containerd has under each name when it was told to fetch all that this is; its complaint if it could not."""
    return {reference: _fetch(host, reference, seconds) for reference in references}


def _fetch(host: LabHost, reference: str, seconds: str) -> str:
    ctr = ("ctr", "--namespace", f"t{next(NUMBERS)}")
    words = (*ctr, "content", "fetch", "--hosts-dir", registry.CERTS_D, reference)
    done = machines.run_inside(host, ("timeout", seconds, *words), check=False)
    if done.returncode:
        return done.stderr
    listed = machines.run_inside(host, (*ctr, "images", "list")).stdout
    machines.run_inside(host, (*ctr, "images", "remove", "--sync", reference))  # or the next one would find its blobs
    return next(line.split()[2] for line in listed.splitlines() if line.startswith(f"{reference} "))


def inside(host: LabHost, script: str) -> str:
    """What a script says on a host."""
    return machines.run_inside(host, ("sh", "-euc", script)).stdout


@pytest.fixture(scope="module")
def desk(swept: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("desk")
    context = folder / "context"
    for name in ("bin", "images"):
        (context / name).mkdir(parents=True)
    shutil.copyfile("/usr/bin/docker-registry", context / "bin/docker-registry")
    (context / "bin/haproxy").write_text('#!/bin/sh\nexec /usr/sbin/haproxy "$@"\n')
    for program in (context / "bin").iterdir():
        program.chmod(0o755)
    (context / "Kubefile").write_text("FROM scratch\nCOPY bin bin\nCOPY manifests manifests\n")
    for number, reference in enumerate(ARCHIVED):
        docker_archive(context / f"images/{number}.tar", reference, reference)
    published = Store(context / "images/joined")
    published.tag(Reference.parse(JOINED), container(published, "joined", kinds=DOCKER))
    with lab_of(*(HostSpec(name, packages=("containerd", "haproxy")) for name in ("one", "two", "three"))) as lab:
        made = Desk(lab, folder)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(plugins, "runtime", lambda _: OnlyRegistry())
            made.bundle(*ARCHIVED, JOINED)
            made.apply()
            yield made


def test_a_host_that_serves_nothing_has_every_image_under_its_own_name(desk: Desk) -> None:
    assert len(set(desk.meant.values())) == len(desk.meant) == len(ARCHIVED) + 1
    assert fetch(desk.lab.host("three"), *desk.meant) == desk.meant


def test_an_image_comes_by_the_digest_of_its_index_and_of_its_manifest(desk: Desk) -> None:
    name = JOINED.rpartition(":")[0]
    index, manifest = desk.meant[JOINED], desk.manifests[JOINED]
    assert index != manifest
    wanted = {f"{name}@{digest}": digest for digest in (index, manifest)}
    assert fetch(desk.lab.host("three"), *wanted) == wanted


@pytest.mark.parametrize(
    "reference",
    ["docker.io/library/web:2", "docker.io/library/absent:1", "ghcr.io/library/web:1", "elsewhere.example/web:1"],
)
def test_what_was_not_carried_fails_at_once_and_is_named(desk: Desk, reference: str) -> None:
    said = fetch(desk.lab.host("three"), reference)[reference]
    assert f"{reference}: not found" in said


def test_a_second_apply_does_nothing(desk: Desk) -> None:
    assert desk.needed() == []


def test_the_registry_takes_nothing_and_sees_nothing_but_its_own(desk: Desk) -> None:
    one = desk.lab.host("one")
    url = "https://registry.appliance.local:5000/v2"
    asked = f"curl -s --cacert {registry.AUTHORITY_FILE}"
    assert '"localhost_5000/web"' in inside(one, f"{asked} {url}/_catalog")
    assert '"tags":["1"]' in inside(one, f"{asked} {url}/docker.io/library/web/tags/list")
    refused = inside(
        one, f"{asked} -o /dev/null -w '%{{http_code}}' -X POST {url}/docker.io/library/web/blobs/uploads/"
    )
    assert refused == "405"
    seen = "nsenter -t $(systemctl show -P MainPID appliance-registry) -m sh -c 'ls /etc /var/lib/appliance/node'"
    assert inside(one, seen).split() == ["/etc:", "appliance", "ld.so.cache", "/var/lib/appliance/node:", "registry"]


def test_no_blob_is_there_twice(desk: Desk) -> None:
    find = f"find {registrystorage.STORAGE} -name data -links 2 -size +0"
    links, blobs = (inside(desk.lab.host("one"), f"{words} | wc -l") for words in (find, f"{find} -o -name data"))
    assert links == blobs


def test_what_is_missing_or_half_written_is_laid_out_again(desk: Desk) -> None:
    one = desk.lab.host("one")
    tag = f"{registrystorage.STORAGE}/*/docker/registry/v2/repositories/%s/_manifests/tags/*/current/link"
    harm = (
        f"rm -r {registrystorage.STORAGE}/*/docker/registry/v2/blobs/sha256/*",
        f": >$(echo {tag % 'quay.io/library/web'})",
        f"rm $(echo {tag % 'k8s.gcr.io/pause'})",
    )
    inside(one, "; ".join(harm))
    assert {"control-plane-1/registry-storage", "control-plane-1/registry-answers"} == set(desk.needed())
    desk.apply()
    assert fetch(one, *desk.meant) == desk.meant
    assert desk.needed() == []


LOST = f"""
until journalctl -q -o cat -u {loadbalancer.UNIT} --since=@$1 | grep -q 'Server registries/control-plane-1 is DOWN'
do sleep 0.2; done
"""


def lost(host: LabHost, since: str) -> None:
    """Return when the host's balancer has seen that the registry of the first host is lost."""
    machines.run_inside(host, ("sh", "-c", LOST, "sh", since), seconds=30)


def test_where_one_registry_is_lost_the_other_serves(desk: Desk) -> None:
    one = desk.lab.host("one")
    now = inside(one, "date +%s").strip()
    inside(one, f"systemctl stop {registry.UNIT}")
    try:
        lost(one, now)
        assert fetch(one, JOINED, "quay.io/library/web:1").items() <= desk.meant.items()
    finally:
        desk.apply()
    assert inside(one, f"systemctl is-active {registry.UNIT}") == "active\n"


@pytest.mark.slow
def test_another_set_of_images_takes_the_place_of_the_first(desk: Desk) -> None:
    """Quay.io's goes, and docker.io's tag means another image."""
    before = desk.meant
    docker_archive(desk.context / "images/0.tar", ARCHIVED[0], "newer")
    desk.bundle(ARCHIVED[0], JOINED)
    desk.apply()
    three = desk.lab.host("three")
    assert fetch(three, *desk.meant) == desk.meant
    assert desk.meant[ARCHIVED[0]] != before[ARCHIVED[0]]
    assert "quay.io/library/web:1: not found" in fetch(three, "quay.io/library/web:1")["quay.io/library/web:1"]
    assert inside(desk.lab.host("one"), f"ls {registrystorage.STORAGE} | wc -l") == "1\n"
    assert desk.needed() == []


@pytest.mark.slow
def test_where_a_host_is_cut_off_the_others_have_their_images(desk: Desk) -> None:
    others = [desk.lab.host(name) for name in ("two", "three")]
    now = inside(others[0], "date +%s").strip()
    machines.cut(desk.lab.host("one"))
    try:
        for host in others:
            lost(host, now)
            assert fetch(host, JOINED) == {JOINED: desk.meant[JOINED]}
            assert "absent:1: not found" in fetch(host, "docker.io/library/absent:1")["docker.io/library/absent:1"]
    finally:
        machines.mend(desk.lab.host("one"))
