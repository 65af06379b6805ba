"""How a node becomes a plain machine again: what containers and kubelet left in the kernel and outside our files."""

from __future__ import annotations

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
_LEAVE = """
set -u
programs=$1 socket=$2 networks=$3 links=$4
PATH=$programs/bin:$PATH
systemctl stop kubelet 2>/dev/null
if [ -e "$programs/bin/crictl" ] && systemctl is-active --quiet containerd; then
    timeout 180 kubeadm reset --force --cri-socket="$socket" || true
    for pod in $(timeout 30 crictl pods -q); do
        timeout 30 crictl stopp "$pod"
        timeout 30 crictl rmp "$pod"
    done >/dev/null 2>&1
fi
systemctl stop containerd 2>/dev/null
for _ in 1 2 3 4 5; do
    left=$(find /sys/fs/cgroup -name cgroup.procs \\( -path '*kubepods*' -o -path '*/containerd.service/*' \\) \\
        -exec cat {} + 2>/dev/null | sort -u)
    [ -n "$left" ] || break
    for pid in $left; do kill -KILL "$pid" 2>/dev/null; done
    sleep 0.2
done
find /sys/fs/cgroup -depth -path '*kubepods*' -type d -exec rmdir {} + 2>/dev/null
below() { # folders in which something is mounted, the innermost first; the folder itself is not ours
    while read -r _ mounted _; do
        case $mounted in
            /var/lib/kubelet/*|/var/lib/containerd/*|/run/containerd/*|/run/netns/cni-*) echo "$mounted" ;;
        esac
    done </proc/mounts | sort -r
}
for _ in 1 2 3; do below | while read -r mounted; do umount "$mounted" || umount -l "$mounted"; done; done 2>/dev/null
rm -rf /run/netns/cni-* /run/containerd /run/flannel /run/calico
for link in $links; do [ ! -e "/sys/class/net/$link" ] || ip link delete "$link"; done
while read -r network; do
    case $network in *:*) ip -6 route flush root "$network" ;; *) ip route flush root "$network" ;; esac
done <"$networks" 2>/dev/null
for family in iptables ip6tables; do
    command -v "$family-save" >/dev/null || continue
    "$family-save" 2>/dev/null | grep -qE "$5" || continue
    "$family-save" 2>/dev/null | grep -vE "$5" | "$family-restore"
done
rm -rf /etc/kubernetes
"""

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
