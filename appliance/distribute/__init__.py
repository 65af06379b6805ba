"""Many bytes to many hosts: `base` is the seam, `unicast` the way over SSH, `hostside` what answers on a host."""
