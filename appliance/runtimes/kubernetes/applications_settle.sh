# $1: the folder of marks   $2: where programs are, as PATH has it   $3: the kubeconfig   $4: seconds to wait, 0 to ask once and in silence
# then what was launched.
# Waits until all workloads that the launched made are well, and says how they come along. One that is gone is none.
set -eu
folder=$1 seconds=$4
PATH=$2:$PATH KUBECONFIG=$3 HOME=$folder/home
export PATH KUBECONFIG HOME
shift 4
line='
'
ours=$line
for name; do
    [ -e "$folder/$name.objects" ] || { echo "$name was not launched" >&2; exit 1; }
    ours=$ours$(cat "$folder/$name.objects")$line
done
[ -n "$(printf %s "$ours" | tr -d '\n')" ] || exit 0

# sets verdict (well, waiting, failed) and words for one line of `states`
judge() { # KIND GENERATION OBSERVED WANTED UPDATED READY CONDITIONS
    verdict=waiting words=''
    case $1 in
        Deployment|StatefulSet|DaemonSet)
            words="$6 of $4 ready"
            [ "$5" -ge "$4" ] || words="$words, $5 of the new kind"
            [ "$3" -lt "$2" ] || [ "$5" -lt "$4" ] || [ "$6" -lt "$4" ] || verdict=well
            case $7 in *,Progressing=False=ProgressDeadlineExceeded,*) verdict=failed words="$words, and no progress" ;; esac ;;
        Job)
            words='not complete'
            case $7 in
                *,Complete=True=*) verdict=well ;;
                *,Failed=True=*) verdict=failed words="failed: ${7#*,Failed=True=}" words="${words%%,*}" ;;
            esac ;;
        Pod)
            words="$5, not ready"
            case $5$7 in Succeeded*|*,Ready=True=*) verdict=well ;; Failed*) verdict=failed words=failed ;; esac ;;
        *)
            words='not established'
            case $7 in *,Established=True=*) verdict=well ;; esac ;;
    esac
}

# what is said by the pods of a workload that are not well: a line for each container, then its last words
pods() { # KIND NAMESPACE NAME
    case $1 in
        Pod) set -- "$2" --field-selector "metadata.name=$3" ;;
        Deployment|StatefulSet|DaemonSet|Job)
            set -- "$2" --selector "$(kubectl get "$1" "$3" --namespace "$2" \
                --output go-template='{{range $k, $v := .spec.selector.matchLabels}}{{$k}}={{$v}},{{end}}' | sed 's/,$//')" ;;
        *) return 0 ;;
    esac
    kubectl get pods --namespace "$@" --output go-template='{{range .items}}{{$pod := .metadata.name}}
{{- range .status.conditions}}{{if eq .type "PodScheduled"}}{{if eq .status "False"}}{{$pod}} - {{or .message .reason}}
{{end}}{{end}}{{end}}
{{- range .status.initContainerStatuses}}{{if not .ready}}{{$pod}} {{.name}} {{template "state" .}}
{{end}}{{end}}
{{- range .status.containerStatuses}}{{if not .ready}}{{$pod}} {{.name}} {{template "state" .}}
{{end}}{{end}}{{end}}
{{- define "state"}}{{with .state.waiting}}{{or .reason "waiting"}}
{{- if ne .reason "CrashLoopBackOff"}}{{with .message}}: {{printf "%.200s" .}}{{end}}{{end}}{{end}}
{{- with .state.terminated}}{{or .reason "ended"}} (status {{.exitCode}}){{end}}{{with .state.running}}running, not ready{{end}}
{{- with .lastState.terminated}}, ended before with status {{.exitCode}}{{end}}{{end}}' |
        head -n 6 | while read -r pod container state; do
            if [ "$container" = - ]; then echo "pod $pod: $state"; continue; fi
            case $state in PodInitializing*) continue ;; esac
            echo "pod $pod, container $container: $state"
            kubectl logs "$pod" --namespace "$1" --container "$container" --tail 5 2>/dev/null | sed '/^$/d; s/^/  said: /' || :
        done
}

# says what is not well, each once, and leaves how it stands in unwell and verdict
look() {
    unwell='' first='' worst=waiting
    found=$(states 2>&1) || { unwell="the API server does not answer: $(printf %s "$found" | tail -n 1)"; return 1; }
    exec 3<<FOUND
$found
FOUND
    while read -r kind namespace name generation observed wanted updated ready conditions <&3; do
        case $ours in *"$line$kind $namespace $name$line"*) ;; *) continue ;; esac
        judge "$kind" "$generation" "$observed" "$wanted" "$updated" "$ready" "$conditions"
        [ "$verdict" != well ] || continue
        [ "$seconds" != 0 ] || return 1
        place=$namespace/$name
        unwell="$unwell$kind ${place#-/}: $words$line"
        if [ "$verdict" = failed ]; then worst=failed; fi
        : "${first:=$kind $namespace $name}"
    done
    [ -z "$unwell" ]
}

deadline=$(($(date +%s) + seconds)) said=
until look; do
    [ "$seconds" != 0 ] || exit 1
    if [ "$unwell" != "$said" ]; then printf %s "$unwell"; said=$unwell; fi
    if [ "$worst" = failed ] || [ "$(date +%s)" -ge "$deadline" ]; then
        # shellcheck disable=SC2086  # three words, or none when nobody answers
        why=$([ -z "$first" ] || pods $first)
        [ -z "$why" ] || printf '%s\n' "$why"
        printf '%s; %s\n' "$(printf %s "$unwell" | head -n 1)" "$(printf %s "$why" | tr -s ' \n' '  ' | cut -c 1-240)" >&2
        exit 1
    fi
    sleep 2
done
[ "$seconds" = 0 ] || echo "all is well"
