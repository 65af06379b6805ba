#!/bin/sh
# Let machines join: make the token valid, and wait while nodes that new machines are to be still count as ready.
# Arguments: programs, kubeconfig, kubeadm's configuration, names of new machines.
set -eu
PATH=$1/bin:$PATH
export KUBECONFIG="$2" HOME=/var/lib/appliance/node/home
kubeadm init phase bootstrap-token --skip-token-print --kubeconfig="$2" --config="$3"
shift 3
[ $# -gt 0 ] || exit 0
template='{{range .items}}{{$name := .metadata.name}}{{range .status.conditions}}
{{- if and (eq .type "Ready") (eq .status "True")}}{{$name}}
{{end}}{{end}}{{end}}'
deadline=$(($(date +%s) + 360)) said=''
while :; do
    ready=''
    if ! nodes=$(kubectl --request-timeout=30s get nodes -o go-template="$template"); then
        [ "$(date +%s)" -lt "$deadline" ] || exit 1
        sleep 2
        continue
    fi
    for node in $nodes; do
        for new; do [ "$node" != "$new" ] || ready="$ready $new"; done
    done
    [ -n "$ready" ] || exit 0
    [ "$ready" = "$said" ] || echo "waiting until the cluster sees that it has lost$ready"
    said=$ready
    [ "$(date +%s)" -lt "$deadline" ] ||
        { echo "the cluster has ready nodes of these names already, other machines:$ready" >&2; exit 1; }
    sleep 2
done
