# $1: the folder of marks   $2: what is launched   $3: the key of its image and configuration   $4: the working copy
# $5: where programs are, as PATH has it   $6: the kubeconfig   $7: exports, as run_lines takes them, then shell lines.
# Runs the lines in the working copy and lists the workloads that they made or changed. Stops at the first that fails.
set -eu
umask 022
folder=$1 name=$2 key=$3 copy=$4 programs=$5 KUBECONFIG=$6 exports=$7
shift 7
PATH=$programs:$PATH HOME=$folder/home
export PATH KUBECONFIG HOME
mkdir -p "$HOME"
chmod 0700 "$folder"
if [ ! -e "$folder/$name.key" ] && recall "$folder" "$name" "$key"; then
    echo "the cluster has it from a control plane that was lost"
    exit 0
fi
rm -f "$folder/$name.key"
forget "$folder" "$name"
[ -e "$folder/$name.before" ] || { workloads >"$folder/$name.part" && mv -f "$folder/$name.part" "$folder/$name.before"; }
run_lines "$folder/$name.log" "$copy" "$KUBECONFIG" "$exports" "$@"
workloads >"$folder/$name.after"
touch "$folder/$name.objects"
{
    grep -vxF -f "$folder/$name.before" "$folder/$name.after" || :
    while read -r kind namespace object; do
        grep -F "$kind $namespace $object " "$folder/$name.after" || :
    done <"$folder/$name.objects"
} | cut -d ' ' -f 1-3 | LC_ALL=C sort -u >"$folder/$name.part"
mv -f "$folder/$name.part" "$folder/$name.objects"
remember "$folder" "$name" "$key"
printf '%s\n' "$key" >"$folder/$name.key.part"
mv -f "$folder/$name.key.part" "$folder/$name.key"
rm -f "$folder/$name.before" "$folder/$name.after"
