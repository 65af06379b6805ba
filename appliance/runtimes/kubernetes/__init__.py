"""Kubernetes, as kubeadm makes it, out of an image that carries its programs and container images.

Every node has containerd, kubelet and a balancer (`appliance.runtimes.parts.loadbalancer`) in front of all API servers.
etcd runs as a service of the control planes, and is there before the first API server: its members come up together,
so none joins a cluster that already has clients. All authorities and tokens are made before the plan; no step needs
what another one said.

`runtime` is the plug-in. `versions`, `documents` and `configuration` say what kubeadm is told, `secrets` what is made
beforehand. `machine`, `containerd`, `etcd`, `kubelet`, `joining`, `renewal`, `podnetwork` and `nodes` are steps;
`leaving` undoes them.
"""
