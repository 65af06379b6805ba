"""What a cluster tells of itself: its nodes, and the pods that are not well. Pure."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from appliance.digest import Digest
from appliance.plan import footprint
from appliance.plan.runtime import ClusterView, NodeView
from appliance.runtimes.kubernetes.applications_steps import KUBECONFIG, search_path
from appliance.runtimes.kubernetes.members import CONTROL_PLANE
from appliance.transport.base import Command

if TYPE_CHECKING:
    from appliance.inventory.facts import NodeStamp

_TELL = Path(__file__).with_name("telling.sh").read_text(encoding="utf-8")
_NODE_WORDS = 4


def question(stamp: NodeStamp) -> Command | None:
    """The command to ask on a host with `stamp`; None where the cluster cannot be asked."""
    if CONTROL_PLANE not in stamp.roles:
        return None
    programs = footprint.programs(stamp.cluster, Digest.parse(stamp.image))
    return Command.shell(_TELL, search_path([programs]), KUBECONFIG, timeout=60.0)


def view(output: str) -> ClusterView:
    """What the answer to `question` says; a problem where the cluster did not answer."""
    nodes: list[NodeView] = []
    pods: list[tuple[str, str]] = []
    for line in output.splitlines():
        what, _, rest = line.partition(" ")
        words = rest.split(" ", _NODE_WORDS - 1)
        if what == "node" and len(words) == _NODE_WORDS:
            name, version, ready, why = words
            nodes.append(NodeView(name, version, ready == "True", "" if ready == "True" else why))
        elif what == "pod" and rest:
            name, _, why = rest.partition(" ")
            pods.append((name, why))
        elif what == "problem":
            return ClusterView(problem=rest)
    return ClusterView(tuple(nodes), tuple(pods))
