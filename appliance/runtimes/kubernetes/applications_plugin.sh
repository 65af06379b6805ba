# $1: the folder of marks   $2: what is done   $3: the key   $4: the working copy   $5: where programs are, as PATH has it   $6: the kubeconfig
# then NAME=VALUE of the environment, --, and a shell text. Runs it in the working copy, once for each key.
set -eu
umask 022
folder=$1 name=$2 key=$3 copy=$4 programs=$5 KUBECONFIG=$6
shift 6
while [ "$1" != -- ]; do export "${1?}"; shift; done
shift
PATH=$programs:$PATH HOME=$folder/home
[ ! -e "$KUBECONFIG" ] || export KUBECONFIG
export PATH HOME
mkdir -p "$HOME"
chmod 0700 "$folder"
rm -f "$folder/$name.key"
run_lines "$folder/$name.log" "$copy" "$@"
printf '%s\n' "$key" >"$folder/$name.key.part"
mv -f "$folder/$name.key.part" "$folder/$name.key"
