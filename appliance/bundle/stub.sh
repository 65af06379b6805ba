#!/bin/sh
# @NAME@ @VERSION@: a delivery that installs itself.
# This text unpacks a Python that is part of this file and starts the installer in it. It decides nothing about trust,
# and changes nothing but a folder of its own. To check the file without running it, see the SHA256SUMS beside it.

say() { printf '%s\n' "@NAME@: $*" >&2; }
die() { status=$1; shift; say "$@"; exit "$status"; }

#@FUNCTIONS@

constants() { # of the machine $1: where its Python lies in this file, and what it must be
    first=0 blocks=0 digest='' list='' kib=0
    case $1 in
#@RUNTIMES@
    *) return 1 ;;
    esac
}

less() { # A B: is A the smaller number? Some shells count in 32 bits.
    expr "$1" \< "$2" >/dev/null
}

find_myself() {
    case $0 in
    */*) self=$0 ;;
    *) self=$0; [ -f "./$self" ] || self=$(command -v "$0") || self='' ;;
    esac
    case $self in /*) ;; *) self=$(pwd)/${self#./} ;; esac
    title=''
    [ ! -f "$self" ] || { read -r _ && read -r title; } <"$self"
    [ "$title" = '# @NAME@ @VERSION@: a delivery that installs itself.' ] || die 10 "cannot find this file; start it as: sh /path/to/bundle.run"
}

check_programs() {
    missing=''
    for program in cat chmod cut dd df env expr id ls mkdir mv printf rm sed tar tr uname wc xargs; do
        has "$program" && continue
        if has busybox; then eval "$program() { busybox $program \"\$@\"; }"; else missing="$missing $program"; fi
    done
    [ -z "$missing" ] || die 10 "these programs are needed and missing:$missing"
    for program in openssl sha256sum busybox shasum; do has "$program" && return; done
    die 10 "none of openssl, sha256sum, busybox and shasum is here, so this file cannot be checked"
}

check_machine() {
    system=$(uname -s)
    machine=$(uname -m)
    case $machine in amd64) machine=x86_64 ;; arm64) machine=aarch64 ;; esac
    [ "$system" = Linux ] || die 10 "this is for Linux (@ARCHITECTURES@), this machine runs $system ($machine)"
    constants "$machine" || die 10 "this is for Linux on @ARCHITECTURES@, this machine is $machine"
}

check_size() {
    # shellcheck disable=SC2046  # columns
    set -- $(ls -lnL "$self")
    [ "$5" = @SIZE@ ] && return
    if less "$5" @SIZE@; then die 3 "the file is truncated: $5 of @SIZE@ bytes; copy it again"; fi
    die 3 "the file is too long: $5 bytes, built as @SIZE@; copy it again"
}

clean_environment() {
    # shellcheck disable=SC2046  # names
    unset $(env | sed -n 's/^\([A-Za-z_][A-Za-z0-9_]*\)=.*/\1/p' |
        sed -n '/^LD_/p; /^PYTHON/p; /^GLIBC_/p; /^MALLOC_/p; /^OPENSSL_/p') BASH_ENV CDPATH ENV GCONV_PATH LOCPATH
    PATH=${PATH:+$PATH:}/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    export PATH
}

refuse() { # FOLDER REASON
    reasons="$reasons
  $1: $2"
    return 1
}

safe() { # FOLDER: can only we and root change what stands at this path?
    above=$1
    while :; do
        # shellcheck disable=SC2046  # columns
        set -- $(ls -ldn "$above")
        case $3 in 0 | "$user") ;; *) return 1 ;; esac
        case $1 in ?????-??-* | ?????????[tT]*) ;; *) return 1 ;; esac
        [ "$above" != / ] || return 0
        above=${above%/*}
        above=${above:-/}
    done
}

our_own() { # FOLDER: is it a folder of ours alone?
    # shellcheck disable=SC2046  # columns
    set -- $(ls -ldn "$1" 2>/dev/null)
    case ${1:-} in drwx------*) [ "$3" = "$user" ] ;; *) return 1 ;; esac
}

room_for() { # KIB FOLDER
    # shellcheck disable=SC2046  # columns
    set -- "$1" $(df -Pk "$2" 2>/dev/null | sed 1d)
    free=${5:-unknown}
    case $free in *[!0-9]*) return 0 ;; esac
    ! less "$free" "$1"
}

try() { # FOLDER: is the Python ready in it, or can it be made so? Sets place, or adds to reasons.
    base=$(cd -P "$1" 2>/dev/null && pwd -P) || { refuse "$1" 'no such folder'; return; }
    safe "$base" || { refuse "$1" 'others may change what stands there'; return; }
    ours=${base%/}/appliance-$user
    mkdir -m 700 "$ours" 2>/dev/null
    our_own "$ours" || { refuse "$1" "cannot have the folder $ours for ourselves"; return; }
    place=$ours/python-$(printf %.16s "$digest")
    case $place in *[:\;\$]*) refuse "$1" 'its name holds : or ; or $'; return ;; esac
    [ "$(printf %s "$place" | wc -c)" -le 240 ] || { refuse "$1" 'its name is too long'; return; }
    intact "$place" "$list" && return
    for left in "$ours"/new.*; do kill -0 "${left##*.}" 2>/dev/null || rm -rf "$left"; done
    room_for "$kib" "$ours" || { refuse "$1" "$free KiB free, $kib needed"; return; }
    work=$ours/new.$$
    trap 'rm -rf "$work"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' HUP TERM
    make "$1"
    made=$?
    rm -rf "$work"
    trap - EXIT INT HUP TERM
    return $made
}

make() { # FOLDER: the Python at place
    mkdir -m 700 "$work" || { refuse "$1" 'cannot write there'; return; }
    printf '#!/bin/sh\n' >"$work/probe"
    chmod 700 "$work/probe"
    "$work/probe" 2>/dev/null || { refuse "$1" 'programs may not be started there (noexec)'; return; }
    if ! dd if="$self" of="$work/tar" bs=4096 skip="$first" count="$blocks" 2>/dev/null; then
        dd if="$self" of=/dev/null bs=4096 skip="$first" count="$blocks" 2>/dev/null || die 3 "the file cannot be read"
        refuse "$1" 'cannot write there'
        return
    fi
    found=$(sha256 <"$work/tar")
    [ "$found" = "$digest" ] || die 3 "the installer in this file is damaged (sha256 $found, built as $digest); copy it again"
    mkdir "$work/tree"
    unpack "$work/tar" "$work/tree" "$place" 2>/dev/null || { refuse "$1" 'cannot unpack there'; return; }
    if ! intact "$place" "$list"; then # or another start has made it meanwhile
        [ ! -e "$place" ] || mv "$place" "$work/old"
        mv "$work/tree" "$place"
        rm -rf "$place/tree"
    fi
    "$place/bin/python" -I -S -c '' 2>/dev/null || { refuse "$1" 'what is unpacked there does not start'; return; }
}

find_place() {
    set -- "${XDG_CACHE_HOME:-}" "${HOME:+$HOME/.cache}" "${TMPDIR:-}" /var/tmp /tmp "${XDG_RUNTIME_DIR:-}" /dev/shm "$(pwd)"
    [ "$user" != 0 ] || set -- /var/tmp "$@"
    [ -z "${APPLIANCE_TMPDIR:-}" ] || set -- "$APPLIANCE_TMPDIR"
    reasons=''
    tried=:
    for folder; do
        case $tried in *":$folder:"*) continue ;; esac
        tried=$tried$folder:
        [ -z "$folder" ] || ! try "$folder" || return 0
    done
    die 10 "no folder to unpack the installer into ($kib KiB for a moment); name one in APPLIANCE_TMPDIR. Tried:$reasons"
}

main() {
    mask=$(umask)
    umask 077
    check_programs
    clean_environment
    find_myself
    check_machine
    check_size
    user=$(id -u)
    find_place
    umask "$mask"
    exec "$place/bin/python" @FLAGS@ "$place/boot.py" "$self" "$@"
}

main "$@"; exit 1
