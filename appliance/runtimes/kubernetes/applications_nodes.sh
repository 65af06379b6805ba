# $1: the folder of marks   $2: what is done   $3: the key   $4: where programs are, as PATH has it   $5: the kubeconfig   $6: label or taint
# then ADDRESS and what is said of its node, in turn. Once for each key.
set -eu
folder=$1 name=$2 key=$3 PATH=$4:$PATH KUBECONFIG=$5 verb=$6
shift 6
HOME=$folder/home
export PATH KUBECONFIG HOME
nodes=$(kubectl get nodes --output go-template='{{range .items}}{{$name := .metadata.name}}{{range .status.addresses -}}
{{.address}} {{$name}}
{{end}}{{end}}')
while [ $# -gt 0 ]; do
    node=$(printf '%s\n' "$nodes" | while read -r address node; do [ "$address" != "$1" ] || echo "$node"; done | head -n 1)
    [ -n "$node" ] || { echo "no node has the address $1" >&2; exit 1; }
    case $2 in
        *-) kubectl "$verb" node "$node" "$2" 2>&1 | grep -v 'not found' || : ;;
        *) kubectl "$verb" --overwrite node "$node" "$2" ;;
    esac
    shift 2
done
mkdir -p "$folder"
printf '%s\n' "$key" >"$folder/$name.key.part"
mv -f "$folder/$name.key.part" "$folder/$name.key"
