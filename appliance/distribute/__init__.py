"""Many bytes to many hosts.

The operator's side: `base` is the seam; `unicast` sends each host its copy over SSH; `chain` one copy down a line of
hosts, in which `lineup` says who takes from whom and `units` what is right; `swarm` one copy in `shares`, of which
hosts give each other the rest, by the `torrent` that is `describing` the blobs. `talk` is what those two share,
`conversation` how a helper is talked with; `relay` brings bare hosts their runtime from those that have it.

On a host: `hostside` is started, for a `peer` that takes blobs (`partial`) and gives them away (`listener`, with a
`keypair`), for a `swarmpeer` (with libtorrent, in `swarmsession`), for `giving` away the runtime, for layers that are
`standing` while they come, and for `programs`; `node` is where things lie there. Both sides know `words` and `pace`.
"""
