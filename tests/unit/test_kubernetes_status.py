"""What a cluster's own answer is read as."""

from __future__ import annotations

import pytest
from support import sites

from appliance.inventory.facts import Receipt
from appliance.plan.runtime import ClusterView, NodeView
from appliance.runtimes.kubernetes import telling

ANSWERS = {
    "all is well": (
        "node a v1.20.2 True kubelet is posting ready status\nnode b v1.20.2 True -\n",
        ClusterView((NodeView("a", "v1.20.2", ready=True), NodeView("b", "v1.20.2", ready=True))),
        True,
    ),
    "a node is not": (
        "node a v1.20.2 Unknown Kubelet stopped posting node status.\npod kube-system/dns-1 ErrImagePull\n",
        ClusterView(
            (NodeView("a", "v1.20.2", ready=False, why="Kubelet stopped posting node status."),),
            (("kube-system/dns-1", "ErrImagePull"),),
        ),
        False,
    ),
    "a pod is not": (
        "node a v1.20.2 True -\npod web/x CrashLoopBackOff\n",
        ClusterView((NodeView("a", "v1.20.2", ready=True),), (("web/x", "CrashLoopBackOff"),)),
        True,
    ),
    "it does not answer": ("problem connection refused\n", ClusterView(problem="connection refused"), False),
    "nonsense is passed over": ("node a\npod\nwhat is this\n", ClusterView(), True),
}


@pytest.mark.parametrize(("output", "view", "well"), ANSWERS.values(), ids=ANSWERS.keys())
def test_the_answer_is_read(output: str, view: ClusterView, *, well: bool) -> None:
    assert telling.view(output) == view
    assert view.well is well


def test_only_control_planes_are_asked() -> None:
    first, worker = (sites.stamped(sites.host(role, role), Receipt()) for role in ("control-plane", "worker"))
    assert first.stamp is not None
    assert worker.stamp is not None
    assert telling.question(first.stamp) is not None
    assert telling.question(worker.stamp) is None
