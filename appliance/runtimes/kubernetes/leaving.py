"""How a node becomes a plain machine again: what containers and kubelet left in the kernel and outside our files."""

from __future__ import annotations

from pathlib import Path

from appliance.plan.steps import Run, Step
from appliance.runtimes.kubernetes import configuration, machine
from appliance.transport.base import Command

TREES = (
    "/etc/kubernetes/pki",
    "/var/lib/kubelet",
    "/var/lib/containerd",
    "/etc/cni/net.d",
    machine.PLUGINS,
    "/var/lib/cni",
    "/var/log/pods",
    "/var/log/containers",
)
"""Folders that kubelet, containerd and network plug-ins write, whole."""

_LINKS = ("cni0", "flannel.1", "kube-ipvs0", "nodelocaldns", "vxlan.calico", "cilium_vxlan", "cilium_host")
_CHAINS = "KUBE-|CNI-|FLANNEL|cali-"

# Pods go politely first, by containerd; whatever is left of them is killed by its cgroup.
_LEAVE = Path(__file__).with_name("leaving.sh").read_text(encoding="utf-8")

_LEFT = """
[ ! -e /etc/kubernetes ] || exit 1
! grep -qE ' (/var/lib/kubelet|/var/lib/containerd|/run/containerd)/| /run/netns/cni-' /proc/mounts
"""


def leave(host: str, programs: str) -> Step:
    """Stop pods and kubelet, and take out of the kernel what was put there for them."""
    arguments = (programs, configuration.SOCKET, machine.POD_NETWORKS, " ".join(_LINKS), _CHAINS)
    return Step(
        id=f"{host}/leave",
        title="Leave the cluster: stop pods, take their mounts, networks and packet rules away",
        host=host,
        action=Run(Command.shell(_LEAVE, *arguments)),
        unless=Command.shell(_LEFT),
    )
