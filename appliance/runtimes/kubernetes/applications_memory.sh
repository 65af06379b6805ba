# What was launched, as the cluster itself remembers it: functions for the scripts beside this one. Needs kubectl on PATH.
# The control plane that launches may be lost, and another machine that takes its place must not launch all of it again.
memory() { # VERB FOLDER NAME, and what kubectl takes besides
    verb=$1 mark=$2/$3
    shift 3
    kubectl "$verb" configmap "launched-$(printf %s "$mark" | sha256sum | cut -c 1-24)" --namespace kube-system "$@"
}
# what was launched with this key is listed as then; fails where it was not
recall() { # FOLDER NAME KEY
    known=$(memory get "$1" "$2" --output go-template='{{.data.key}}' 2>/dev/null) || return 1
    [ "$known" = "$3" ] || return 1
    memory get "$1" "$2" --output go-template='{{.data.objects}}' >"$1/$2.part" || return 1
    mv -f "$1/$2.part" "$1/$2.objects"
    printf '%s\n' "$3" >"$1/$2.key.part"
    mv -f "$1/$2.key.part" "$1/$2.key"
}
forget() { memory delete "$1" "$2" --ignore-not-found >/dev/null; } # FOLDER NAME
remember() { # FOLDER NAME KEY
    memory create "$1" "$2" --from-literal=launched="$1/$2" --from-literal=key="$3" \
        --from-file=objects="$1/$2.objects" >/dev/null
}
