#!/bin/sh
# Make a kubeconfig for people elsewhere out of kubeadm's own, or see whether it is as it would be made.
# Arguments: write or compare, kubeadm's, the one to make, the cluster, then for each API server its name and ADDRESS:PORT.
set -eu
umask 077
what=$1 from=$2 to=$3 cluster=$4
shift 4
value() { sed -n "s/^ *$1: *//p" "$from" | head -n 1; }
authority=$(value certificate-authority-data) certificate=$(value client-certificate-data) key=$(value client-key-data)
case "$authority:$certificate:$key" in :*|*::*|*:) echo "$from holds no keys" >&2; exit 1 ;; esac
doors() { # what is said of each API server, the first under the names that kubeadm gives
    known=$cluster context=kubernetes-admin@$cluster
    while [ $# -gt 0 ]; do
        case $said in
            clusters) echo "- {name: '$known', cluster: {server: 'https://$2', certificate-authority-data: $authority}}" ;;
            contexts) echo "- {name: '$context', context: {cluster: '$known', user: kubernetes-admin}}" ;;
        esac
        shift 2
        known=${1-}@$cluster context=${1-}@$cluster
    done
}
text() {
    printf 'apiVersion: v1\nkind: Config\ncurrent-context: %s\n' "'kubernetes-admin@$cluster'"
    for said in clusters contexts; do echo "$said:"; doors "$@"; done
    echo "users:"
    echo "- {name: kubernetes-admin, user: {client-certificate-data: $certificate, client-key-data: $key}}"
}
if [ "$what" = compare ]; then
    [ "$(text "$@")" = "$(cat "$to" 2>/dev/null)" ]
else
    mkdir -p "${to%/*}"
    text "$@" >"$to.part"
    sync
    mv -f "$to.part" "$to"
fi
