# $1: the folder of marks   $2: what is launched   $3: the key   $4: where programs are, as PATH has it   $5: the kubeconfig
# Whether it was launched with this key, and what it made and nobody takes away by itself is still on the cluster.
PATH=$4:$PATH KUBECONFIG=$5 HOME=$1/home
export PATH KUBECONFIG HOME
[ "$(cat "$1/$2.key" 2>/dev/null)" = "$3" ] || exit 1
lasting=$(grep -E '^(Deployment|StatefulSet|DaemonSet|CustomResourceDefinition) ' "$1/$2.objects") || exit 0
there=$(workloads | cut -d ' ' -f 1-3) || exit 1
! printf '%s\n' "$lasting" | grep -qvxF -e "$there"
