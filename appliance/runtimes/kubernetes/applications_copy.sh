# $1: the image's tree   $2: the working copy   $3: where the site's own texts lie   $4: the key of image and configuration
# then the texts' paths. Makes the copy in which scripts run, with the texts laid over it.
set -eu
umask 022
tree=$1 copy=$2 texts=$3 key=$4
shift 4
rm -rf "$copy" "$copy.part" "$copy.key"
mkdir -p "$copy.part"
cp -a --reflink=auto "$tree/." "$copy.part" 2>/dev/null || cp -a "$tree/." "$copy.part"
for path; do
    rm -rf "${copy:?}.part/$path"
    mkdir -p "$copy.part/$(dirname "$path")"
    cp -p "$texts/$path" "$copy.part/$path"
done
mv "$copy.part" "$copy"
printf '%s\n' "$key" >"$copy.key"
