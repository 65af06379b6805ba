"""Kubernetes as kubeadm makes it: what it needs of hosts, and the stages that bring it up."""
