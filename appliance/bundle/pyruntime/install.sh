# $1: the tar of a runtime   $2: its SHA-256   $3: where the runtime shall stand, an absolute path
# Unpacks beside, syncs and renames; .ok holds the digest of a runtime that is whole. One that stands there already is
# used if its files are as they were; else it is renamed away, and never taken apart where it stands: whenever this is
# cut short, there is a whole runtime or none. Fails with one sentence.
fail() { printf '%s\n' "$1" >&2; exit 1; }
main() {
    LC_ALL=C; export LC_ALL
    umask 022
    rm -rf "$3".new.* "$3".old.*
    if [ "$(cat "$3/.ok" 2>/dev/null)" = "$2" ] && intact "$3" "$(sha256 <"$3/files.sha256")"; then return 0; fi
    [ "$(sha256 <"$1")" = "$2" ] || fail "$1 is damaged"
    [ "${#3}" -le 240 ] || fail "the path $3 is too long for a runtime"
    new=$3.new.$$
    trap 'rm -rf "$new"' EXIT
    mkdir -p "$new" || fail "cannot make $new"
    unpack "$1" "$new" "$3" || fail "cannot unpack $1 into $new"
    printf '%s\n' "$2" >"$new/.ok"
    sync
    [ ! -e "$3" ] || mv "$3" "$3.old.$$" || fail "cannot take away what stands at $3"
    mv "$new" "$3" || fail "cannot put the runtime at $3"
    rm -rf "$3.old.$$"
}
main "$@"
