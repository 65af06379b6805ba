"""The whole plan of a Kubernetes cluster, as text: a change of the runtime or the planner shows as a diff.

``APPLIANCE_WRITE_GOLDENS=1`` writes the files anew; read the diff before committing it.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from support.kubesites import NETWORK, document, kube_site
from support.plantext import plan_text
from support.sites import host, hosts, stamped

from appliance.errors import RecipeError
from appliance.inventory.facts import Receipt, stamp_from_text
from appliance.plan.document import plan_from_json, plan_to_json
from appliance.plan.planner import candidate, plan, prune
from appliance.plan.runtime import Site, SiteHost, TextFile
from appliance.plan.steps import Fetch, Plan, PutText, Run, SecretRef, Stage, Step, WaitFor
from appliance.recipe.bundlefile import HealthCheck
from appliance.recipe.networking import Network
from appliance.runtimes.kubernetes.runtime import KubernetesRuntime

GOLDENS = Path(__file__).parents[1] / "data/plans"
RUNTIME = KubernetesRuntime()


def check_golden(name: str, text: str) -> None:
    path = GOLDENS / name
    if os.environ.get("APPLIANCE_WRITE_GOLDENS"):
        path.write_text(text)
    assert text == path.read_text()


def steps_of(stages: tuple[Stage, ...], name: str) -> list[Step]:
    return [step for stage in stages for step in stage.steps if step.host == name]


def text_at(stages: tuple[Stage, ...], name: str, path: str) -> str:
    found = [step.action for step in steps_of(stages, name)]
    return next("".join(map(str, put.parts)) for put in found if isinstance(put, PutText) and put.path == path)


def overview(stages: tuple[Stage, ...]) -> str:
    """Each stage with the hosts that have something to do in it, and how many steps."""
    lines = []
    for stage in stages:
        names = dict.fromkeys(step.host for step in stage.steps)
        counted = ", ".join(f"{name} {sum(step.host == name for step in stage.steps)}" for name in names)
        lines.append(f"{stage.title}{f' (at once: {stage.at_once})' * bool(stage.at_once)}: {counted}\n")
    return "".join(lines)


def test_one_control_plane_and_two_workers_are_this_plan() -> None:
    stages = RUNTIME.install(kube_site(1, 2))
    check_golden("kubernetes-1-2.txt", overview(stages))
    check_golden("kubernetes-1-2-control-plane-1.txt", plan_text(stages, only="control-plane-1"))
    check_golden("kubernetes-1-2-worker-2.txt", plan_text(stages, only="worker-2"))


def test_three_control_planes_and_a_worker_are_this_plan() -> None:
    stages = RUNTIME.install(kube_site(3, 1))
    check_golden("kubernetes-3-1.txt", overview(stages))
    check_golden("kubernetes-3-1-control-plane-2.txt", plan_text(stages, only="control-plane-2"))


def standing(site: Site, *names: str) -> Site:
    """`site` whose hosts of these names were installed; an API server listens on those that are control planes."""

    def found(each: SiteHost) -> SiteHost:
        if each.name not in names:
            return each
        ports = (22, 6443) if "control-plane" in each.host.roles else (22,)
        kept = stamped(each, Receipt())
        return replace(kept, facts=replace(kept.facts, listening_ports=ports))

    return replace(site, hosts=tuple(map(found, site.hosts)))


def test_a_first_control_plane_that_was_lost_joins_the_others_by_this_plan() -> None:
    stages = RUNTIME.install(standing(kube_site(3, 1), "control-plane-2", "control-plane-3", "worker-1"))
    check_golden("kubernetes-3-1-first-lost.txt", overview(stages))
    ids = [step.id for stage in stages for step in stage.steps]
    assert "control-plane-1/kubeadm:join" in ids
    assert not [name for name in ids if name.endswith("/kubeadm:init")]


@pytest.mark.parametrize(
    ("up", "lets_in", "new"),
    [
        ((), "control-plane-1", ["control-plane-2", "control-plane-3", "worker-1"]),
        (("control-plane-1", "control-plane-2", "control-plane-3"), "control-plane-1", ["worker-1"]),
        (("control-plane-3", "worker-1"), "control-plane-3", ["control-plane-1", "control-plane-2"]),
    ],
    ids=["a new cluster", "a lost worker", "two lost control planes"],
)
def test_a_control_plane_that_stands_lets_new_machines_in(up: tuple[str, ...], lets_in: str, new: list[str]) -> None:
    stages = RUNTIME.install(standing(kube_site(3, 1), *up))
    (admit,) = (step for stage in stages for step in stage.steps if step.id.endswith("/admit"))
    assert admit.host == lets_in
    assert isinstance(admit.action, Run)
    assert list(admit.action.command.argv[-len(new) :]) == new
    assert admit.action.command.argv[-len(new) - 1] == "/etc/kubernetes/kubeadm-init.yaml"


def test_a_cluster_that_is_down_as_a_whole_is_not_begun_elsewhere() -> None:
    site = standing(kube_site(3, 1), "control-plane-1", "control-plane-2", "control-plane-3", "worker-1")
    off = tuple(replace(each, facts=replace(each.facts, listening_ports=(22,))) for each in site.hosts)
    stages = RUNTIME.install(replace(site, hosts=off))
    assert [step.host for stage in stages for step in stage.steps if step.id.endswith("/kubeadm:init")] == [
        "control-plane-1"
    ]


def test_resetting_a_control_plane_is_this_plan() -> None:
    site = kube_site(1, 1)
    put = next(step.action for step in steps_of(candidate(site, RUNTIME), "control-plane-1") if "/stamp" in step.id)
    assert isinstance(put, PutText)
    stamp = stamp_from_text("".join(map(str, put.parts)))
    installed = replace(site, hosts=(stamped(site.hosts[0], stamp.receipt),), parts={}, public={})
    check_golden("kubernetes-reset.txt", plan_text(RUNTIME.remove(installed)))


def test_a_plan_survives_being_written_down() -> None:
    site = kube_site(3, 2)
    made = plan(site, candidate(site, RUNTIME), held=frozenset())
    assert plan_from_json(plan_to_json(made)) == made


def test_what_needs_no_guard_of_its_own_is_all_that_has_none() -> None:
    """A second apply is empty only if every step can say that it holds."""
    stages = candidate(kube_site(3, 2), RUNTIME)
    unguarded = {
        step.id
        for stage in stages
        for step in stage.steps
        if isinstance(step.action, Run | Fetch) and step.unless is None
    }
    assert unguarded == set()


def test_secrets_go_into_files_for_root_alone_and_nowhere_else() -> None:
    stages = candidate(kube_site(3, 1), RUNTIME)
    puts = [step.action for stage in stages for step in stage.steps if isinstance(step.action, PutText)]
    secret = {put.path for put in puts if any(isinstance(part, SecretRef) for part in put.parts)}
    assert {put.mode for put in puts if put.path in secret} == {0o600}
    assert secret == {
        "/etc/appliance/registry/registry.key",
        "/etc/etcd/member.key",
        "/etc/kubernetes/kubeadm-init.yaml",
        "/etc/kubernetes/kubeadm-join.yaml",
        *(f"/etc/kubernetes/pki/{name}.key" for name in ("ca", "front-proxy-ca", "sa", "apiserver-etcd-client")),
    }


def test_workers_get_no_key_of_an_authority() -> None:
    written = {
        step.action.path
        for step in steps_of(candidate(kube_site(3, 1), RUNTIME), "worker-1")
        if isinstance(step.action, PutText)
    }
    assert not [path for path in written if path.startswith(("/etc/kubernetes/pki", "/etc/etcd"))]


def test_control_planes_join_one_at_a_time_and_before_all_workers() -> None:
    stages = RUNTIME.install(kube_site(3, 2))
    joins = [stage for stage in stages if any("/kubeadm:" in step.id for step in stage.steps)]
    hosts_in = [[step.host for step in stage.steps if "/kubeadm:" in step.id] for stage in joins]
    assert hosts_in == [["control-plane-1"], ["control-plane-2", "control-plane-3"], ["worker-1", "worker-2"]]
    assert [stage.at_once for stage in joins] == [0, 1, 0]


def test_every_member_of_etcd_is_up_before_the_first_api_server() -> None:
    ids = [step.id for stage in RUNTIME.install(kube_site(3, 1)) for step in stage.steps]
    begin = ids.index("control-plane-1/kubeadm:init")
    assert all(ids.index(f"control-plane-{n}/active:etcd.service") < begin for n in (1, 2, 3))


def test_kubeadm_does_not_run_again_because_its_configuration_was_written() -> None:
    stages = candidate(kube_site(1, 1), RUNTIME)
    everything = {step.id for stage in stages for step in stage.steps}
    changed = {"control-plane-1/write:/etc/kubernetes/kubeadm-init.yaml"}
    kept = {step.id for stage in prune(stages, everything - changed) for step in stage.steps}
    assert kept == changed


def test_a_further_control_plane_changes_only_the_balancers_of_the_others() -> None:
    before = {step.id: step for step in steps_of(RUNTIME.install(kube_site(1, 1)), "worker-1")}
    after = {step.id: step for step in steps_of(RUNTIME.install(kube_site(3, 1)), "worker-1")}
    changed = {name for name in before if isinstance(before[name].action, PutText) and before[name] != after[name]}
    texts = {name.partition("write:")[2] for name in changed}
    assert "/etc/appliance/api-balancer.cfg" in texts
    assert all(path == "/etc/appliance/api-balancer.cfg" or path.endswith("hosts.toml") for path in texts)


def test_every_balancer_knows_every_api_server() -> None:
    stages = RUNTIME.install(kube_site(3, 1))
    for name in ("control-plane-1", "worker-1"):
        config = text_at(stages, name, "/etc/appliance/api-balancer.cfg")
        assert [f"10.0.0.1{n}:6443" in config for n in (1, 2, 3)] == [True] * 3


def test_control_planes_run_what_workers_would_where_there_are_none() -> None:
    alone = text_at(RUNTIME.install(kube_site(1, 0)), "control-plane-1", "/etc/kubernetes/kubeadm-init.yaml")
    served = text_at(RUNTIME.install(kube_site(1, 1)), "control-plane-1", "/etc/kubernetes/kubeadm-init.yaml")
    assert '"taints": []' in alone
    assert "taints" not in served


def test_nodes_are_waited_for_after_the_applications_where_these_bring_the_network() -> None:
    site = kube_site(1, 1)
    pod = TextFile("manifests/a.yaml", "apiVersion: v1\nkind: Pod\n")

    def titles(*texts: TextFile) -> list[str]:
        parts = {"amd64": replace(site.parts["amd64"], texts=texts)}
        return [stage.title for stage in RUNTIME.install(replace(site, parts=parts))]

    with_network, without = titles(NETWORK, pod), titles(pod)
    assert with_network.index("Wait for nodes") < with_network.index("Apply the manifests")
    assert without.index("Wait for nodes") > without.index("Apply the manifests")


def test_swap_stays_where_the_clusterfile_says_that_kubelet_runs_with_it() -> None:
    stays = RUNTIME.install(kube_site(1, 0, documents=(document("KubeletConfiguration", failSwapOn=False),)))
    goes = RUNTIME.install(kube_site(1, 0))
    assert "control-plane-1/no-swap" in {step.id for step in steps_of(goes, "control-plane-1")}
    assert "control-plane-1/no-swap" not in {step.id for step in steps_of(stays, "control-plane-1")}


@pytest.mark.parametrize(
    ("roles", "said"),
    [
        (("control-plane", "worker"), "both a control plane and a worker"),
        (("gateway",), "neither a control plane nor a worker"),
    ],
)
def test_a_host_is_one_kind_of_node(roles: tuple[str, ...], said: str) -> None:
    site = replace(kube_site(1, 0), hosts=(*hosts(1, "control-plane"), host("other", *roles, address="10.0.0.99")))
    with pytest.raises(RecipeError, match=f"other is {said}"):
        RUNTIME.install(site)


def test_a_cluster_begins_on_a_control_plane() -> None:
    with pytest.raises(RecipeError, match="no host is a control plane"):
        RUNTIME.secrets(kube_site(0, 1))


def test_an_address_that_nothing_moves_is_refused() -> None:
    site = replace(kube_site(1, 0), network=Network(vip="10.0.0.100"))
    with pytest.raises(RecipeError, match="nothing here moves an address") as refused:
        RUNTIME.install(site)
    assert refused.value.where == "spec.network.vip"


def test_the_operator_gets_the_endpoint_that_the_clusterfile_names() -> None:
    site = replace(kube_site(1, 0), network=Network(endpoint="api.example:443"))
    step = next(step for step in steps_of(RUNTIME.install(site), "control-plane-1") if step.id.endswith("/kubeconfig"))
    assert isinstance(step.action, Run)
    assert step.action.command.argv[-1] == "api.example:443"


def test_an_empty_cluster_has_no_plan_for_what_was_never_there() -> None:
    site = replace(kube_site(1, 1), parts={}, public={})
    assert Plan("site-a", "", RUNTIME.remove(site)).empty


def test_the_bundle_s_checks_come_last_on_hosts_of_their_roles() -> None:
    site = kube_site(1, 1)
    checks = (
        HealthCheck("api", ("{{ programs }}/bin/kubectl", "get", "nodes"), roles=("control-plane",)),
        HealthCheck("disk", ("test", "-e", "/")),
    )
    spec = replace(site.config.spec, health=checks)
    last = RUNTIME.install(replace(site, config=replace(site.config, spec=spec)))[-1]
    assert [step.id for step in last.steps] == [
        "control-plane-1/health:api",
        "control-plane-1/health:disk",
        "worker-1/health:disk",
    ]
    assert isinstance(last.steps[0].action, WaitFor)
    assert last.steps[0].action.command.argv[0].startswith("/opt/appliance/site-a/")
