# Shell lines in a working copy: a function for the scripts beside this one.

# $1: exports   $2: PATH   $3: HOME   $4: the kubeconfig, once there is one   $5: the shell   $6: its line
# shellcheck disable=SC2016 # for the shell that gets it
SURROUNDED='eval "$1"
[ "$PATH" = "$2" ] || PATH=$2:$PATH
HOME=$3
export PATH HOME
[ ! -e "$4" ] || export KUBECONFIG="$4"
exec "$5" -c "$6"'

# runs the lines one after another, and ends with the first that fails, naming it and its last words; EXPORTS is a shell
# text with the environment that they have besides PATH, HOME and KUBECONFIG: nothing in it reaches these scripts
run_lines() { # LOG COPY KUBECONFIG EXPORTS LINE...
    log=$1 copy=$2 kubeconfig=$3 exports=$4
    shift 4
    shell=$(command -v bash) || shell=/bin/sh
    for line; do
        printf '%s\n' "+ $line"
        {
            status=0
            (cd "$copy" && exec "$shell" -c "$SURROUNDED" sh "$exports" "$PATH" "$HOME" "$kubeconfig" "$shell" "$line") \
                </dev/null 2>&1 || status=$?
            echo "$status" >"$log.status"
        } | tee "$log"
        status=$(cat "$log.status")
        rm -f "$log.status"
        if [ "$status" != 0 ]; then
            words=$(grep -v '^[[:space:]]*$' "$log" | tail -n 1 | cut -c 1-240)
            printf '%s\n' "status $status of \"$(printf %s "$line" | head -n 1 | cut -c 1-120)\"${words:+: $words}" >&2
            exit "$status"
        fi
        rm -f "$log"
    done
}
