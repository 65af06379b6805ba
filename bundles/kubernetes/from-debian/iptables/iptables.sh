#!/bin/sh
# iptables and its like: one program under many names, with the extensions that lie beside it.
here=$(dirname "$(readlink -f "$0")")
export XTABLES_LIBDIR="$here/../lib/xtables"
exec "$here/xtables-nft-multi" "${0##*/}" "$@"
