# Workloads of a cluster that nobody else owns: functions for the scripts beside this one. Needs kubectl on PATH.
KINDS=deployments.apps,statefulsets.apps,daemonsets.apps,jobs.batch,pods,customresourcedefinitions.apiextensions.k8s.io

# KIND NAMESPACE NAME UID GENERATION, a line each
workloads() {
    kubectl get "$KINDS" --all-namespaces --output go-template='{{range .items}}{{if not .metadata.ownerReferences -}}
{{.kind}} {{or .metadata.namespace "-"}} {{.metadata.name}} {{.metadata.uid}} {{or .metadata.generation 0}}
{{end}}{{end}}'
}

# KIND NAMESPACE NAME GENERATION OBSERVED WANTED UPDATED READY CONDITIONS, a line each
states() {
    kubectl get "$KINDS" --all-namespaces --output go-template='{{range .items}}{{if not .metadata.ownerReferences -}}
{{.kind}} {{or .metadata.namespace "-"}} {{.metadata.name}} {{or .metadata.generation 0}} {{or .status.observedGeneration 0}} {{/**/ -}}
{{if eq .kind "Deployment"}}{{.spec.replicas}} {{or .status.updatedReplicas 0}} {{or .status.availableReplicas 0}}
{{- else if eq .kind "StatefulSet"}}{{$all := .spec.replicas}}{{$new := or .status.updatedReplicas 0}}
{{- if eq .spec.updateStrategy.type "OnDelete"}}{{$new = $all}}{{end}}
{{- with .spec.updateStrategy.rollingUpdate}}{{if .partition}}{{$new = $all}}{{end}}{{end}}{{$all}} {{$new}} {{or .status.readyReplicas 0}}
{{- else if eq .kind "DaemonSet"}}{{$all := .status.desiredNumberScheduled}}{{$new := or .status.updatedNumberScheduled 0}}
{{- if eq .spec.updateStrategy.type "OnDelete"}}{{$new = $all}}{{end}}{{$all}} {{$new}} {{.status.numberReady}}
{{- else if eq .kind "Pod"}}- {{.status.phase}} -{{else}}- - -{{end}} {{/**/ -}}
{{range .status.conditions}},{{.type}}={{.status}}={{or .reason "-"}}{{end}},
{{end}}{{end}}'
}
