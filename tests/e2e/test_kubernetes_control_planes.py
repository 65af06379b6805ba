"""Three control planes and a worker, on bad days: the installer is killed while a host joins, machines are lost.

`tests/e2e/test_kubernetes.py` is the ordinary way of one control plane, at each landing.
"""

from __future__ import annotations

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from support import kubernetes
from support.kubernetes import kubectl, lines
from support.lab import lab_of, made_anew
from support.operators import Operator, steps_of
from support.traces import trace

from appliance.clock import SystemClock
from appliance.events import Event, StepStarted
from appliance.lab import host as machines
from appliance.lab.spec import HostSpec
from appliance.state import Home

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from appliance.lab.registry import LabHost

pytestmark = [pytest.mark.hosts, pytest.mark.slow]

NAMES = ("one", "two", "three", "four")
NODES = ("control-plane-1", "control-plane-2", "control-plane-3", "worker-1")
Traces = dict[str, dict[str, frozenset[str]]]


@pytest.fixture(scope="module")
def ann(swept: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """An operator with a cluster's bundle, and four hosts that were never touched."""
    folder = tmp_path_factory.mktemp("control-planes")
    delivery = kubernetes.deliver(folder, everywhere=True)
    with lab_of(*(HostSpec(name, containers=True) for name in NAMES)) as lab:
        path = folder / "cluster.yaml"
        path.write_text(
            kubernetes.clusterfile(lab, control_planes=NAMES[:3], workers=NAMES[3:], image=kubernetes.EVERYWHERE)
        )
        yield Operator(lab, folder / "ann", delivery.cluster, delivery.root, path)


@pytest.fixture(scope="module", autouse=True)
def before(ann: Operator) -> Traces:
    """The hosts as they were; of one that was made anew, that machine."""
    return {name: trace(ann.lab.host(name)) for name in NAMES}


def begun(step: str) -> Callable[[Event], bool]:
    return lambda event: isinstance(event, StepStarted) and event.step == step


def until(host: LabHost, script: str, *, seconds: float = 240.0) -> str:
    """What a shell script says on a host, once its status is 0."""
    asked = f"until {{ {script}; }} 2>/dev/null; do sleep 0.5; done"
    return machines.run_inside(host, ("sh", "-c", asked), seconds=seconds).stdout


def test_a_run_that_is_killed_while_a_worker_joins_goes_on_with_the_same_command(ann: Operator) -> None:
    worker = ann.lab.host("four")
    ann.killed(
        "apply", when=begun("worker-1/kubeadm:join"), then=lambda: until(worker, "test -e /etc/kubernetes/pki/ca.crt")
    )
    left = ann.plan()
    assert "worker-1/kubeadm:join" in left
    assert not any(step.startswith("control-plane-2/") and step.endswith("/kubeadm:join") for step in left)
    done = ann.appliance("apply")
    assert done.returncode == 0, done.stdout + done.stderr
    nodes = lines(ann.lab.host("one"), "get", "nodes", template="{.metadata.name} {.status.conditions[-1:].status}")
    assert nodes == [[name, "True"] for name in NODES]


def test_the_image_had_a_pod_for_each_node(ann: Operator) -> None:
    pods = lines(ann.lab.host("one"), "get", "pods", template="{.spec.nodeName} {.status.containerStatuses[0].ready}")
    assert sorted(pods) == [[name, "true"] for name in NODES]


def test_a_service_made_after_the_last_control_plane_joined_is_reached_from_every_node(ann: Operator) -> None:
    first = ann.lab.host("one")
    kubectl(first, "expose", "deployment", "everywhere", "--name=later", "--port=80")
    address = kubectl(first, "get", "service", "later", "-o", "jsonpath={.spec.clusterIP}")
    pods = {pod for (pod,) in lines(first, "get", "pods", template="{.metadata.name}")}
    answers = kubernetes.ask_everybody(first, [address] * 12 + ["later"] * 4, namespace="default", app="everywhere")
    assert {*answers} == pods
    for asked in answers.values():
        assert len(asked) == 16
        assert {*asked} <= pods
    assert {answer for asked in answers.values() for answer in asked} == pods


def test_without_one_control_plane_the_others_and_all_kubelets_go_on(ann: Operator) -> None:
    second, now = ann.lab.host("two"), SystemClock().now()
    machines.power_off(ann.lab.host("one"))
    for name in NODES[1:]:
        renewed = f"get lease -n kube-node-lease {name} -o jsonpath={{.spec.renewTime}}"
        asked = f'test "$(kubectl {renewed})" \\> {now.isoformat()}'
        said = kubernetes.program(second, "sh", "-c", f"until {asked}; do sleep 1; done", seconds=120)
        assert said.returncode == 0
    kubectl(second, "create", "deployment", "after", f"--image={kubernetes.BUSYBOX}", "--", "sleep", "1d")
    kubectl(second, "rollout", "status", "deployment/after", "--timeout=170s")
    way_in = ("--kubeconfig", Home.of(ann.home).cluster(ann.cluster).path / "kubeconfig")
    listing = (kubernetes.parts() / "bin/kubectl", *way_in, "--context", "control-plane-3@site", "get", "nodes")
    assert NODES[0] in subprocess.run(listing, capture_output=True, text=True, check=True).stdout


def test_when_it_is_back_there_is_nothing_to_do(ann: Operator) -> None:
    first = ann.lab.host("one")
    machines.power_on(first)
    machines.wait(first)
    until(first, "systemctl is-active kubelet etcd && curl -skf https://127.0.0.1:6443/readyz")
    again = ann.appliance("apply")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "nothing to do" in again.stdout


def anew(ann: Operator, before: Traces, host: str) -> subprocess.CompletedProcess[str]:
    """Another machine stands in the place of `host`; the operator has been told, and installs with the same command."""
    made_anew(ann.lab, ann.lab.host(host))
    before[host] = trace(ann.lab.host(host))
    pinned, address = Home.of(ann.home).cluster(ann.cluster).known_hosts, ann.lab.host(host).address
    refused = ann.appliance("plan")
    assert refused.returncode == 7, refused.stdout + refused.stderr
    assert f"ssh-keygen -R '{address}' -f {pinned}" in refused.stdout
    subprocess.run(("ssh-keygen", "-R", address, "-f", pinned), check=True, capture_output=True)
    return ann.appliance("apply")


def test_a_worker_that_was_lost_is_installed_anew_on_the_running_cluster(ann: Operator, before: Traces) -> None:
    first, worker = ann.lab.host("one"), NODES[3]
    machine = ("get", "node", worker, "-o", "jsonpath={.status.nodeInfo.machineID}")
    lost = kubectl(first, *machine)
    kubectl(first, "label", "node", worker, "shelf=two")
    done = anew(ann, before, "four")
    assert done.returncode == 0, done.stdout + done.stderr
    assert kubectl(first, *machine) not in ("", lost)
    assert lines(first, "get", "nodes", "-l", "shelf=two", template="{.metadata.name}") == [[worker]]
    everybody_answers(ann)


def everybody_answers(ann: Operator) -> None:
    """Each node has its pod, and these reach each other by the Service."""
    first = ann.lab.host("one")
    kubectl(first, "wait", "pod", "-l", "app=everywhere", "--for=condition=Ready", "--timeout=170s")
    pods = lines(first, "get", "pods", "-l", "app=everywhere", template="{.spec.nodeName}")
    assert sorted(pods) == [[name] for name in NODES]
    answers = kubernetes.ask_everybody(first, ["later"] * 2, namespace="default", app="everywhere")
    assert [len(asked) for asked in answers.values()] == [2] * len(NODES)


# Says how all nodes are, and "refused" each time that the cluster does not answer, until it is told to end.
_WATCH = """
template='{range .items[*]}{.metadata.name}={.status.conditions[?(@.type=="Ready")].status} {end}'
until [ -e /tmp/enough ]; do
    kubectl --request-timeout=20s get nodes -o jsonpath="$template" || echo refused=again
    sleep 1
done
"""


def test_a_lost_first_control_plane_is_made_again_while_the_cluster_goes_on(ann: Operator, before: Traces) -> None:
    first, second = ann.lab.host("one"), ann.lab.host("two")
    authority = ("sha256sum", "/etc/kubernetes/pki/ca.crt", "/etc/kubernetes/pki/sa.pub")
    with ThreadPoolExecutor() as pool:
        watching = pool.submit(kubernetes.program, second, "sh", "-c", _WATCH, seconds=1200)
        try:
            done = anew(ann, before, "one")
        finally:
            machines.run_inside(second, ("touch", "/tmp/enough"))
        seen = {word for word in watching.result().stdout.split() if not word.endswith("=True")}
    assert done.returncode == 0, done.stdout + done.stderr
    assert seen <= {f"{NODES[0]}=Unknown", f"{NODES[0]}=False"}
    steps = steps_of(ann.runs[0])
    assert "control-plane-1/kubeadm:join" in steps
    assert not [step for step in steps if step.endswith("/kubeadm:init")]
    assert machines.run_inside(first, authority).stdout == machines.run_inside(second, authority).stdout
    assert etcd_members(second) == sorted(f"started {name}" for name in NODES[:3])
    everybody_answers(ann)


def etcd_members(host: LabHost) -> list[str]:
    """The state and name of each member of etcd, as the one on `host` says."""
    keys = ("--cacert=/etc/etcd/ca.crt", "--cert=/etc/etcd/member.crt", "--key=/etc/etcd/member.key")
    said = kubernetes.program(host, "env", "ETCDCTL_API=3", "etcdctl", *keys, "member", "list").stdout
    return sorted(" ".join(line.split(", ")[1:3]) for line in said.splitlines())


def test_what_was_launched_before_is_not_launched_again_by_the_new_machine(ann: Operator) -> None:
    log = ann.runs[0].log("control-plane-1").read_text()
    assert "the cluster has it from a control plane that was lost" in log
    assert ann.plan() == []


def test_reset_leaves_the_hosts_as_they_were(ann: Operator, before: Traces) -> None:
    done = ann.appliance("reset")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(ann.appliance("runs", "-o", "json").stdout)["runs"][0]["outcome"] == "ok"
    for name in NAMES:
        assert kubernetes.left_behind(ann.lab.host(name), before[name]) == [], name
