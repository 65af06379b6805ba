"""Many bytes to many hosts.

The operator's side: `base` is the seam; `unicast` sends each host its copy over SSH, `chain` one copy down a line of
hosts, in which `lineup` says who takes from whom and `units` what is right; `conversation` is how a helper is talked
with. On a host: `hostside` is started, for a `peer` that takes blobs (`partial`) and gives them away (`listener`,
under a key of `keypair`), and for `programs`; `node` is where things lie there. Both sides know `words` and `pace`.
"""
