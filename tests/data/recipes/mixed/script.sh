#!/bin/bash
# Changes what lies beside it, as scripts do: in a fresh copy it finds it as it was.
set -eu
times=once
[ ! -e etc/here-before ] || times=twice
touch etc/here-before
kubectl create configmap script --from-literal="said=$(cat etc/colour) $SIZE $times" --dry-run=client -o yaml | kubectl apply -f -
kubectl delete configmap never --ignore-not-found
