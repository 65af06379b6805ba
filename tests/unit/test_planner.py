"""What the planner adds to a runtime's stages, and what it refuses."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from support.sites import etcd_site, host, hosts, site, stamped

from appliance.digest import Digest
from appliance.errors import PlanError
from appliance.image.blobs import Blob, LayerBlob
from appliance.inventory.facts import Receipt, stamp_from_text
from appliance.plan.document import plan_from_json, plan_to_json
from appliance.plan.planner import candidate, needs, plan, proposal, require_product
from appliance.plan.runtime import SwarmPart
from appliance.plan.steps import Plan, PutText, Receive, Run, Stage, Step
from appliance.recipe.bundlefile import APP, BundleSpec, RoleSpec
from appliance.runtimes.systemd.runtime import SystemdRuntime
from appliance.transport.base import Command


@dataclass(frozen=True)
class Fixed(SystemdRuntime):
    """A runtime whose installation is these stages."""

    stages: tuple[Stage, ...] = ()

    def install(self, site: object) -> tuple[Stage, ...]:
        return self.stages


def run(name: str, *, after: tuple[str, ...] = ()) -> Step:
    return Step(name, name, name.partition("/")[0], Run(Command(("true",))), after=after)


def test_a_host_of_another_cluster_is_refused() -> None:
    other = stamped(host("a", "db"), Receipt(), cluster="site-b")
    with pytest.raises(PlanError, match="belongs to cluster 'site-b'") as caught:
        candidate(site((other,)), SystemdRuntime())
    assert caught.value.where == "a"


def test_hosts_that_shall_swarm_get_first_what_they_swarm_with() -> None:
    there = site((host("a", "db"),))
    layer = LayerBlob(Blob(Digest.of(b"part"), 4096), Digest.of(b"tar"))
    part = replace(there.parts["amd64"], swarm=SwarmPart(layer, 20_000))
    stages = candidate(replace(there, parts={"amd64": part}), SystemdRuntime())
    received = [step.action for stage in stages for step in stage.steps if isinstance(step.action, Receive)]
    assert [action.swarm for action in received] == [None, None, layer]
    assert received[1] == Receive((layer.blob,), part.runtime.digest)
    planned = Plan("site-a", "", stages)
    assert plan_from_json(plan_to_json(planned)) == planned


@pytest.mark.parametrize(
    ("spec", "goes"),
    [
        (BundleSpec("thing", "2.0.0"), True),
        (BundleSpec("other", "2.0.0"), False),
        (BundleSpec("other", "2.0.0", replaces="third"), False),
        (BundleSpec("other", "2.0.0", replaces="thing"), True),
        (BundleSpec("other", "2.0.0", kind=APP), True),
    ],
)
def test_a_cluster_stays_the_product_that_it_is(spec: BundleSpec, goes: bool) -> None:
    there = (host("new", "db"), stamped(host("a", "db"), Receipt()))
    if goes:
        require_product(spec, "site-a", there)
        return
    with pytest.raises(PlanError, match=r"thing 1\.0\.0 is installed there, and the bundle is other") as caught:
        require_product(spec, "site-a", there)
    assert caught.value.where == "a"


def test_the_stamp_names_the_product() -> None:
    there = stamped(host("a", "db"), Receipt())
    planned = candidate(site((there,), spec=BundleSpec("successor", "1.0.0")), SystemdRuntime())
    (text,) = [step.action.parts[0] for step in planned[0].steps if step.id == "a/stamp"]  # type: ignore[union-attr]
    assert stamp_from_text(str(text)).product == "successor"


def test_a_stamp_that_was_cloned_with_a_disk_counts_as_none() -> None:
    one, other = host("a", "db"), host("b", "db")
    cloned = stamped(one, Receipt(files=("/etc/x",)), cluster="site-b").stamp
    made = site((replace(other, facts=replace(other.facts, stamp=cloned)),))
    stamp = next(step for stage in candidate(made, SystemdRuntime()) for step in stage.steps if step.id == "b/stamp")
    assert isinstance(stamp.action, PutText)
    assert "/etc/x" not in str(stamp.action.parts)
    assert SystemdRuntime().remove(made) == ()


def test_a_host_for_which_nothing_was_built_is_refused() -> None:
    with pytest.raises(PlanError, match="nothing for a host of architecture arm64"):
        candidate(site((host("a", "db", architecture="arm64"),)), SystemdRuntime())


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ((Stage("x", (run("a/x"), run("a/x"))),), "two steps have the id 'a/x'"),
        ((Stage("x", (run("a/x", after=("a/y",)), run("a/y"))),), "'a/x' comes after 'a/y'"),
        ((Stage("x", (run("b/y"), run("a/x", after=("b/y",)))),), "'a/x' comes after 'b/y'"),
        ((Stage("x", (run("a/x", after=("a/x",)),)),), "'a/x' comes after 'a/x'"),
    ],
)
def test_a_runtime_s_mistake_does_not_become_a_plan(stages: tuple[Stage, ...], message: str) -> None:
    with pytest.raises(PlanError, match=message):
        candidate(site((host("a", "db"), host("b", "db", address="10.0.0.12"))), Fixed(stages))


@pytest.mark.parametrize(
    ("role", "needed"),
    [
        (RoleSpec("db", minimum=1, odd=True), None),
        (RoleSpec("db", minimum=3), None),
        (RoleSpec("db", minimum=2), ("db-1", "db-2")),
        (RoleSpec("db"), ()),
        (RoleSpec("other"), None),
    ],
)
def test_a_role_can_do_without_the_hosts_beyond_its_minimum(role: RoleSpec, needed: tuple[str, ...] | None) -> None:
    assert needs(site(hosts(3, "db"), spec=BundleSpec("thing", "1.0.0", roles=(role,)))) == needed


def test_a_host_is_needed_if_one_of_its_roles_is() -> None:
    spec = BundleSpec("thing", "1.0.0", roles=(RoleSpec("worker"), RoleSpec("db", odd=True)))
    both, worker = host("a", "worker", "db"), host("b", "worker", address="10.0.0.12")
    assert needs(site((both, worker), spec=spec)) == ("a",)


def test_a_new_host_s_changes_say_that_it_joins() -> None:
    made = site(hosts(1, "db"))
    planned = plan(made, candidate(made, SystemdRuntime()), held=frozenset())
    shown = proposal("install", made, planned)
    assert [f"{change.verb} {change.host}: {change.what}" for change in shown.changes] == [
        "add db-1: joins site-a as db",
        "add db-1: up to 28.6 MiB are sent",
        "add db-1: programs of thing 1.0.0",
    ]


def test_of_a_service_that_starts_no_more_is_said() -> None:
    made = etcd_site(hosts(1, "etcd"))
    stages = candidate(made, SystemdRuntime())

    def said(held: frozenset[str]) -> list[str]:
        shown = proposal("install", made, plan(made, stages, held=held)).changes
        return [change.what for change in shown if "etcd.service" in change.what and "/" not in change.what]

    assert said(frozenset()) == ["start etcd.service"]
    everything = frozenset(step.id for stage in stages for step in stage.steps)
    assert said(everything - {"etcd-1/enable:etcd.service"}) == ["enable etcd.service"]


@pytest.mark.parametrize(
    ("image", "line"),
    [
        (None, "change db-1: programs of thing 1.0.0 are put right"),
        (Digest.of(b"older"), "change db-1: programs of thing 1.0.0, where 1.0.0 is installed"),
    ],
)
def test_programs_are_put_right_or_replaced(image: Digest | None, line: str) -> None:
    (fresh,) = hosts(1, "db")
    made = site((stamped(fresh, Receipt(), **({"image": image} if image else {})),))
    stages = candidate(made, SystemdRuntime())
    held = {step.id for stage in stages for step in stage.steps} - {"db-1/unpack"}
    shown = proposal("install", made, plan(made, stages, held=held)).changes
    assert [f"{change.verb} {change.host}: {change.what}" for change in shown] == [line]
