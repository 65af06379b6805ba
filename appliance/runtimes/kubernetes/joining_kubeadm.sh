#!/bin/sh
# Run kubeadm once; undo an attempt that broke off.
# Arguments: programs, CRI socket, node, mark, the folder of certificates to delete when undoing, kubeadm's own.
set -eu
programs=$1 socket=$2 name=$3 mark=$4 certificates=$5; shift 5
PATH=$programs/bin:$PATH HOME=/var/lib/appliance/node/home
export PATH HOME
own=/etc/kubernetes/kubelet.conf
of_node() { timeout 20 kubectl --kubeconfig="$own" --request-timeout=10s "$@" 2>/dev/null; }
begun() {
    for path in "$own" /etc/kubernetes/bootstrap-kubelet.conf /etc/kubernetes/*.conf /var/lib/kubelet/config.yaml \
        /etc/kubernetes/manifests/*; do [ ! -e "$path" ] || return 0; done
    return 1
}
if begun; then
    echo "an earlier attempt did not come to its end: it is undone"
    systemctl stop kubelet
    if [ "$1" = join ] && [ -e "$own" ] && ! of_node delete node "$name" --ignore-not-found --wait=false; then
        for _ in 1 2 3 4 5 6 7 8 9 10 11 12; do
            ready=$(of_node get node "$name" -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}') || break
            [ "$ready" = True ] || break
            sleep 5
        done
    fi
    timeout 180 kubeadm reset --force --cri-socket="$socket" --cert-dir="$certificates" >/dev/null || true
    rm -rf /etc/kubernetes/*.conf /etc/kubernetes/manifests/* /var/lib/kubelet/config.yaml \
        /var/lib/kubelet/kubeadm-flags.env /var/lib/kubelet/pki
fi
kubeadm "$@"
printf '%s\n' "$name" >"$mark.part"
sync
mv -f "$mark.part" "$mark"
