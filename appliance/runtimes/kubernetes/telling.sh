# $1: where programs are, as PATH has it   $2: the kubeconfig
# Says how a cluster is: "node NAME VERSION READY WHY" and, of pods that are not well, "pod NAMESPACE/NAME WHY", a line each.
PATH=$1:$PATH KUBECONFIG=$2 HOME=/var/lib/appliance/node/home
export PATH KUBECONFIG HOME
ask() { kubectl --request-timeout 15s get "$@"; }

nodes=$(ask nodes --output go-template='{{range .items}}{{$node := .}}{{range .status.conditions}}{{if eq .type "Ready" -}}
node {{$node.metadata.name}} {{$node.status.nodeInfo.kubeletVersion}} {{.status}} {{or .message .reason "-"}}
{{end}}{{end}}{{end}}' 2>&1) || { echo "problem $(printf '%s\n' "$nodes" | tail -n 1)"; exit 0; }
printf '%s\n' "$nodes"
ask pods --all-namespaces --output go-template='{{range .items}}{{$ready := eq .status.phase "Succeeded"}}{{$why := .status.phase}}{{if eq $why "Running"}}{{$why = "not ready"}}{{end}}
{{- range .status.conditions}}{{if eq .type "Ready"}}{{if eq .status "True"}}{{$ready = true}}{{end}}{{end}}{{end}}
{{- range .status.containerStatuses}}{{with .state.waiting}}{{if .reason}}{{$why = .reason}}{{end}}{{end}}{{end}}
{{- if not $ready}}pod {{.metadata.namespace}}/{{.metadata.name}} {{$why}}
{{end}}{{end}}' 2>/dev/null
