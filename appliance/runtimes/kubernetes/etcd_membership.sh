#!/bin/sh
# Find out how a member begins, and write it down.
# Arguments: programs, certificates, the file to write, name, peer URL, client URLs of the others, all of a new cluster.
set -eu
umask 077
programs=$1 folder=$2 file=$3 name=$4 peer=$5 others=$6 all=$7
ask() {
    ETCDCTL_API=3 "$programs/bin/etcdctl" --dial-timeout=2s --command-timeout=10s \
        --endpoints="$others" --cacert="$folder/ca.crt" --cert="$folder/member.crt" --key="$folder/member.key" "$@"
}
state=new
if [ -n "$others" ] && found=$(ask member list 2>/dev/null); then
    state=existing all="$name=$peer" mine='' ran=''
    while IFS=, read -r id _ other urls clients _; do
        if [ "$urls" = " $peer" ]; then mine=$id ran=${clients# }
        else other=${other# }; all="$all,${other:-$id}=${urls# }"; fi
    done <<LIST
$found
LIST
    if [ -n "$mine" ] && [ -n "$ran" ]; then ask member remove "$mine"; mine=''; fi
    [ -n "$mine" ] || ask member add "$name" --peer-urls="$peer"
fi
mkdir -p "${file%/*}"
printf 'ETCD_INITIAL_CLUSTER=%s\nETCD_INITIAL_CLUSTER_STATE=%s\n' "$all" "$state" >"$file.part"
sync
mv -f "$file.part" "$file"
