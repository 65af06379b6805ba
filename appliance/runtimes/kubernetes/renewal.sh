#!/bin/sh
# Renew the certificates that kubeadm made on a control plane, and start anew what has read the old ones.
# Arguments: programs, CRI socket, kubeadm's configuration, kubeconfig, a mark until all is done, this API server.
set -eu
programs=$1 socket=$2 config=$3 kubeconfig=$4 mark=$5 server=$6
PATH=$programs/bin:$PATH HOME=/var/lib/appliance/node/home
export PATH HOME
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY # this API server is asked, and nobody between
ask() { crictl --runtime-endpoint "$socket" "$@"; }
running() { ask ps | grep -E "[[:space:]]$1([[:space:]]|\$)" | sed 's/[[:space:]].*//'; }
well() {
    kubectl --kubeconfig="$kubeconfig" --server="$server" --request-timeout=5s get --raw /readyz >/dev/null 2>&1 &&
        [ -n "$(running kube-controller-manager)" ] && [ -n "$(running kube-scheduler)" ]
}
systemctl is-active --quiet kubelet || # nobody else would start again what is stopped here
    { echo "nothing is renewed: kubelet does not run, see journalctl -u kubelet" >&2; exit 1; }
printf 'since %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" >"$mark"
sync
kubeadm certs renew all --config="$config"
for name in kube-apiserver kube-controller-manager kube-scheduler; do
    for container in $(running "$name"); do ask stop --timeout=20 "$container" >/dev/null; done
done
deadline=$(($(date +%s) + 300))
until well; do
    [ "$(date +%s)" -lt "$deadline" ] ||
        { echo "the certificates are renewed, and the API server at $server does not come back with them" >&2; exit 1; }
    sleep 1
done
rm -f "$mark"
