"""The registry's part of a plan: which hosts get what, under which names images are served, what containerd is told."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from support.sites import host, hosts, site, stamped

from appliance.digest import Digest
from appliance.errors import PlanError
from appliance.image import oci
from appliance.image.blobs import Blob
from appliance.inventory.facts import Receipt
from appliance.plan.planner import candidate, prune
from appliance.plan.runtime import Authority, CarriedImage, ImagePart, Leaf
from appliance.plan.steps import PutText, Receive
from appliance.recipe.networking import Registry
from appliance.runtimes.parts import hoststoml, loadbalancer, registry, registrystorage
from appliance.runtimes.systemd.runtime import SystemdRuntime

if TYPE_CHECKING:
    from collections.abc import Iterable

    from appliance.plan.runtime import Site, SiteHost
    from appliance.plan.steps import Stage, Step

SERVING = "control-plane"


def blob(text: str) -> Blob:
    return Blob(Digest.of(text.encode()), len(text))


def image(reference: str, content: str = "", *, index: str = "") -> CarriedImage:
    content = content or reference
    return CarriedImage(
        reference,
        blob(f"manifest of {content}"),
        oci.MEDIA_MANIFEST,
        (blob(f"config of {content}"), blob("a base layer")),
        blob(index) if index else None,
        oci.MEDIA_INDEX if index else "",
    )


def part(*images: CarriedImage, architecture: str = "amd64") -> ImagePart:
    base = site(()).parts["amd64"]
    return replace(base, architecture=architecture, carried=images)


def registry_site(*there: SiteHost, images: Iterable[CarriedImage] = (), on: str = SERVING) -> Site:
    made = site(there or (*hosts(2, SERVING), *hosts(1, "worker")))
    made = replace(made, parts={"amd64": part(*images)}, registry=Registry(on=on))
    names = [request.name for request in registry.requests(made)]
    return replace(made, public={f"{name}.crt": f"‹public {name}›\n" for name in names})


def all_steps(made: Site) -> list[Step]:
    return [step for stage in registry.stages(made) for step in stage.steps]


def texts(steps: Iterable[Step]) -> dict[str, str]:
    return {
        step.action.path: "".join(map(str, step.action.parts)) for step in steps if isinstance(step.action, PutText)
    }


REDIS = image("docker.io/library/redis:7")


def test_an_image_that_carries_nothing_needs_no_registry() -> None:
    made = registry_site()
    assert (registry.hosts(made), registry.requests(made), registry.stages(made)) == ((), (), ())
    assert registry.client_steps(made, made.hosts[0]) == ()
    assert registry.units(made, made.hosts[0]) == ()


@pytest.mark.parametrize(("on", "count"), [(SERVING, 2), ("all", 3)])
def test_it_runs_where_the_clusterfile_says(on: str, count: int) -> None:
    made = registry_site(images=[REDIS], on=on)
    assert registry.hosts(made) == made.hosts[:count]
    assert [bool(registry.units(made, one)) for one in made.hosts] == [n < count for n in range(3)]
    assert {step.host for step in all_steps(made)} == {one.name for one in made.hosts[:count]}


def test_a_role_that_nobody_has_is_refused() -> None:
    with pytest.raises(PlanError, match="no host has the role control-plane"):
        registry_site(host("one", "worker"), images=[REDIS])


def test_a_port_of_somebody_else_is_refused_and_our_own_is_not() -> None:
    one = host("one", SERVING)
    busy = replace(one, facts=replace(one.facts, listening_ports=(22, 5000)))
    with pytest.raises(PlanError, match="port 5000 is in use") as refused:
        registry.stages(registry_site(busy, images=[REDIS]))
    assert refused.value.where == "one"
    assert registry.stages(registry_site(stamped(busy, Receipt()), images=[REDIS]))


def test_each_host_that_serves_has_a_certificate_of_its_own_for_its_names() -> None:
    made = registry_site(images=[REDIS])
    authority, one, two = registry.requests(made)
    assert authority == Authority("registry-ca")
    assert isinstance(one, Leaf)
    assert one.sans == ("registry.appliance.local", "10.0.0.11", "control-plane-1", "localhost", "127.0.0.1", "::1")
    assert (one.name, two.name) == ("registry@control-plane-1", "registry@control-plane-2")


def test_the_images_of_all_architectures_go_to_every_host_that_serves() -> None:
    arm = host("two", SERVING, address="10.0.0.12", architecture="arm64")
    made = registry_site(host("one", SERVING), arm, images=[image("quay.io/a/b:1", "amd64", index="both")])
    parts = {**made.parts, "arm64": part(image("quay.io/a/b:1", "arm64", index="both"), architecture="arm64")}
    received = [step.action for step in all_steps(replace(made, parts=parts)) if isinstance(step.action, Receive)]
    assert [len(action.blobs) for action in received] == [6, 6]
    assert {action.runtime for action in received} == {part().runtime.digest}
    assert registry.room(replace(made, parts=parts), arm) == {
        "/var/lib/appliance/node": sum(one.size for one in received[0].blobs)
    }


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("docker.io", "docker.io"),
        ("localhost:5000", "localhost_5000"),
        ("Registry.Example:443", "registry.example_443"),
        ("[fd00::1]", "ipv6__fd00xx1"),
        ("[FD00::1]:5000", "ipv6__fd00xx1_5000"),
    ],
)
def test_a_registry_has_a_name_of_its_own_in_ours(name: str, stored: str) -> None:
    assert registrystorage.store_registry(name) == stored


def tags(contents: registrystorage.Contents) -> dict[str, str]:
    lines = [line.split(" ") for line in contents.listing.splitlines()]
    return {words[2]: words[1] for words in lines if "/tags/" in words[2]}


def test_a_tag_means_the_original_index_where_there_is_one() -> None:
    held = registrystorage.contents([part(image("quay.io/a/b:1", index="both"), image("quay.io/a/c:1"))])
    assert tags(held) == {
        "repositories/quay.io/a/b/_manifests/tags/1/current/link": Digest.of(b"both").hex,
        "repositories/quay.io/a/c/_manifests/tags/1/current/link": blob("manifest of quay.io/a/c:1").digest.hex,
    }


def test_a_reference_with_a_digest_gives_its_tag_no_meaning() -> None:
    held = registrystorage.contents([part(image(f"quay.io/a/b:1@{Digest.of(b'x')}"))])
    assert tags(held) == {}
    assert "repositories/quay.io/a/b/_manifests/revisions" in held.listing


def test_images_that_came_for_each_architecture_by_itself_are_joined_by_an_index() -> None:
    one, other = image("docker.io/library/a:1", "amd64"), image("docker.io/library/a:1", "arm64")
    held = registrystorage.contents([part(one), part(other, architecture="arm64")])
    (made,) = [line.split(" ", 3) for line in held.listing.splitlines() if line.startswith("made ")]
    assert Digest.of(made[3].encode()).hex == made[1]
    assert [(child["platform"]["architecture"], child["digest"]) for child in json.loads(made[3])["manifests"]] == [
        ("amd64", str(one.manifest.digest)),
        ("arm64", str(other.manifest.digest)),
    ]
    assert list(tags(held).values()) == [made[1]]
    assert held == registrystorage.contents([part(other, architecture="arm64"), part(one)])


def test_two_images_of_one_name_are_refused() -> None:
    with pytest.raises(PlanError, match="are one name, but two images"):
        registrystorage.contents([part(image("reg.example/a:1"), image("Reg.example/a:1"))])


def test_containerd_is_told_our_registry_and_no_other() -> None:
    made = registry_site(images=[REDIS, image("localhost:5000/app:1")])
    told = texts(registry.client_steps(made, made.hosts[1]))
    assert set(told) == {hoststoml.path(name) for name in ("docker.io", "localhost:5000", "_default")}
    assert told["/etc/containerd/certs.d/localhost:5000/hosts.toml"] == (
        'server = "https://127.0.0.1:6445/v2/localhost_5000"\n'
        'capabilities = ["pull", "resolve"]\n'
        'ca = "/etc/appliance/registry/ca.crt"\n'
        "override_path = true\n"
        "\n"
        "[host]\n"
    )


def test_a_host_that_serves_nothing_gets_the_authority_with_what_containerd_is_told() -> None:
    made = registry_site(images=[REDIS])
    told = texts(registry.client_steps(made, made.hosts[2]))
    assert told["/etc/appliance/registry/ca.crt"] == "‹public registry-ca›\n"


def test_a_host_asks_itself_first_and_two_others_where_it_is_lost() -> None:
    made = registry_site(*hosts(5, SERVING), images=[REDIS])
    asked = [list(registry.servers(made, one)) for one in made.hosts]
    names = [one.name for one in made.hosts]
    assert asked == [[*names[n:], *names[:n]][:3] for n in range(5)]
    assert registry.servers(registry_site(), made.hosts[0]) == {}


def test_an_ipv6_address_stands_in_brackets() -> None:
    made = registry_site(host("one", SERVING, address="fd00::11"), images=[REDIS])
    assert registry.servers(made, made.hosts[0]) == {"one": "[fd00::11]:5000"}


def test_the_balancer_asks_others_only_while_the_first_is_lost() -> None:
    made = registry_site(images=[REDIS])
    balancer = loadbalancer.service("site-a", "/opt/x", {}, registries=registry.servers(made, made.hosts[1]))
    assert "".join(map(str, balancer.files[0].parts)).endswith(
        "    server control-plane-2 10.0.0.12:5000\n    server control-plane-1 10.0.0.11:5000 backup\n"
    )


class OnlyRegistry(SystemdRuntime):
    """A runtime of a site on which nothing runs but the registry."""

    def install(self, made: Site) -> tuple[Stage, ...]:
        return registry.stages(made)


def needed(made: Site, *changed: str) -> list[str]:
    """What is carried out on the first host when only the guards of the `changed` steps do not hold."""
    stages = candidate(made, OnlyRegistry())
    everything = {step.id for stage in stages for step in stage.steps}
    broken = {f"{made.hosts[0].name}/{name}" for name in changed}
    assert broken <= everything
    return [step.id.partition("/")[2] for stage in prune(stages, everything - broken) for step in stage.steps]


def test_another_listing_is_laid_out_and_another_configuration_restarts() -> None:
    made = registry_site(*hosts(1, SERVING), images=[REDIS])
    listing = "write:/var/lib/appliance/node/clusters/site-a/registry.list"
    assert needed(made, listing) == [listing, "registry-storage"]
    config = "write:/etc/appliance/registry/config.json"
    begun = ["start:appliance-registry.service", "active:appliance-registry.service", "registry-answers"]
    assert needed(made, config) == [config, *begun]
    assert needed(made, "unpack") == ["unpack", *begun]


def test_another_set_of_images_is_another_configuration() -> None:
    one, other = (texts(all_steps(registry_site(images=images))) for images in ([REDIS], [REDIS, image("quay.io/a:1")]))
    config = "/etc/appliance/registry/config.json"
    assert one[config] != other[config]
    assert {path for path in one if one[path] != other[path]} == {
        config,
        "/var/lib/appliance/node/clusters/site-a/registry.list",
    }
