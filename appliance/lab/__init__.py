"""Hosts on this machine to rehearse on: systemd-nspawn machines in network namespaces, with nothing faked.

`spec` says what is wanted; `lab` makes it, finds it and takes it down; `registry` is what is known of the labs that
stand; `host` works on one of them. A lab is made of a `root` file system, `storage` over it, an `identity`, a place on
the `network` and `cgroups` that hold its processes. `provider` offers labs to Clusterfiles.
"""
