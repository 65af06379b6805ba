# A travelling Python, from its tar to a folder that may be used. Part of the stub, and run on hosts.
# POSIX shell and small programs only. Inside a runtime: files.sha256 lists every file but itself and bin/python;
# `loader` holds the offset in bin/python from which on the place of the runtime is written, and the SHA-256 of what
# stands before it.

has() { command -v "$1" >/dev/null 2>&1; }

sha256() { # standard input: its SHA-256 in hexadecimal
    if has openssl; then openssl dgst -sha256 -r
    elif has sha256sum; then sha256sum
    elif has busybox; then busybox sha256sum
    else shasum -a 256; fi | cut -c1-64
}

sha256_each() { # names on standard input: "SHA-256, two blanks, name", a line each
    if has openssl; then xargs openssl dgst -sha256 -r | sed 's/ \*/  /'
    elif has sha256sum; then xargs sha256sum
    elif has busybox; then xargs busybox sha256sum
    else xargs shasum -a 256; fi
}

settle() { # FOLDER PLACE: the runtime in FOLDER will stand in PLACE
    read -r offset _ <"$1/loader" || return 1
    printf %s "$2/lib/ld.so" | dd of="$1/bin/python" bs=1 seek="$offset" conv=notrunc 2>/dev/null || return 1
    printf %s "$2/lib" | dd of="$1/bin/python" bs=1 seek=$((offset + 256)) conv=notrunc 2>/dev/null
}

settled() { # FOLDER: is bin/python the one that was packed, at home in FOLDER?
    read -r offset packed <"$1/loader" || return 1
    before=$((offset / 4096))
    [ "$(dd if="$1/bin/python" bs=4096 count=$before 2>/dev/null | sha256)" = "$packed" ] || return 1
    [ "$(dd if="$1/bin/python" bs=4096 skip=$before 2>/dev/null | tr -d '\000')" = "$1/lib/ld.so$1/lib" ]
}

intact() { # FOLDER DIGEST: is it the runtime whose files.sha256 has this digest, file by file?
    [ -r "$1/files.sha256" ] && [ -r "$1/loader" ] && [ "$(sha256 <"$1/files.sha256")" = "$2" ] || return 1
    [ "$(cd "$1" && cut -c67- files.sha256 | sha256_each 2>/dev/null | sha256)" = "$2" ] && settled "$1"
}

unpack() { # TAR FOLDER PLACE: into the empty FOLDER, ready to be renamed to PLACE
    (cd "$2" && tar -xof -) <"$1" && settle "$2" "$3"
}
