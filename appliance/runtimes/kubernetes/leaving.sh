#!/bin/sh
# Take a node out of its cluster, and what was made for it out of the kernel.
# Arguments: programs, CRI socket, the file with the networks of pods, names of links, an expression for chains.
set -u
programs=$1 socket=$2 networks=$3 links=$4
PATH=$programs/bin:$PATH
systemctl stop kubelet 2>/dev/null
if [ -e "$programs/bin/crictl" ] && systemctl is-active --quiet containerd; then
    timeout 180 kubeadm reset --force --cri-socket="$socket" >/dev/null || true
    for pod in $(timeout 30 crictl pods -q); do
        timeout 30 crictl stopp "$pod"
        timeout 30 crictl rmp "$pod"
    done >/dev/null 2>&1
fi
systemctl stop containerd 2>/dev/null
for _ in 1 2 3 4 5; do
    left=$(find /sys/fs/cgroup -name cgroup.procs \( -path '*kubepods*' -o -path '*/containerd.service/*' \) \
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
rm -rf /etc/kubernetes /etc/cni/net.d /opt/cni/bin
rmdir /etc/cni /opt/cni /run/netns 2>/dev/null
cd /usr/libexec && rmdir -p kubernetes/kubelet-plugins/volume/exec 2>/dev/null
true
