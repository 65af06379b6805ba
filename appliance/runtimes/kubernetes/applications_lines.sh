# Shell lines in a working copy: a function for the scripts beside this one.

# runs the lines one after another, and ends with the first that fails, naming it and its last words
run_lines() { # LOG COPY LINE...
    log=$1 copy=$2
    shift 2
    shell=$(command -v bash) || shell=/bin/sh
    for line; do
        printf '%s\n' "+ $line"
        {
            status=0
            (cd "$copy" && exec "$shell" -c "$line") </dev/null 2>&1 || status=$?
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
