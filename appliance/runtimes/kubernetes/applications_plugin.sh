# $1: the folder of marks   $2: what is done   $3: the key   $4: the working copy   $5: where programs are, as PATH has it   $6: the kubeconfig
# $7: exports, as run_lines takes them   $8: a shell text. Runs it in the working copy, once for each key.
set -eu
umask 022
folder=$1 name=$2 key=$3 copy=$4 programs=$5 kubeconfig=$6 exports=$7
shift 7
PATH=$programs:$PATH HOME=$folder/home
export PATH HOME
mkdir -p "$HOME"
chmod 0700 "$folder"
rm -f "$folder/$name.key"
run_lines "$folder/$name.log" "$copy" "$kubeconfig" "$exports" "$@"
printf '%s\n' "$key" >"$folder/$name.key.part"
mv -f "$folder/$name.key.part" "$folder/$name.key"
