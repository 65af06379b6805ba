"""Hosts on this machine to rehearse on: systemd-nspawn machines in network namespaces, with nothing faked."""
