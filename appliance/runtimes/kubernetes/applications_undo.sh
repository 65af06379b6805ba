# $1: the folder of an application   $2: where programs are, as PATH has it   $3: the kubeconfig
# then shell lines, --, and folders to delete at last.
# Takes away what the application launched: by its lines, and of the workloads that it made all that are left.
set -eu
home=$1 PATH=$2:$PATH KUBECONFIG=$3 HOME=$1/launched/home
export PATH KUBECONFIG HOME
shift 3
while [ "$1" != -- ]; do
    if [ -d "$home/rootfs" ]; then run_lines "$home/undo.log" "$home/rootfs" "$KUBECONFIG" "" "$1"; fi
    shift
done
shift
for list in "$home"/launched/*.objects; do
    [ -f "$list" ] || continue
    while read -r kind namespace name; do
        case $kind in CustomResourceDefinition) continue ;; esac
        kubectl delete --ignore-not-found --namespace "$namespace" "$kind" "$name"
    done <"$list"
    name=${list##*/}
    forget "$home/launched" "${name%.objects}"
done
rm -rf "$@"
sync
