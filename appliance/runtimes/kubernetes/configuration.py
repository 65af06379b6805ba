"""What kubeadm is told: its documents for the node that begins and for those that join, as text. Pure.

Who emits YAML emits JSON, which is YAML: one JSON document after the other, with ``---`` between.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from appliance.errors import RecipeError
from appliance.plan.steps import SecretRef
from appliance.runtimes.kubernetes import secrets
from appliance.runtimes.kubernetes.documents import Decided, check_kinds, merged
from appliance.runtimes.kubernetes.members import API_PORT, CONTROL_PLANE, address, members
from appliance.runtimes.kubernetes.versions import version_of
from appliance.runtimes.parts import loadbalancer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from appliance.plan.runtime import Site, SiteHost

SOCKET = "unix:///run/containerd/containerd.sock"
DNS_DOMAIN = "cluster.local"
SERVICES_OF_KUBERNETES = ("127.0.0.1", "::1", "localhost")
_TOKEN = "\0token"  # noqa: S105  (stands for it)
_CGROUPFS = "cgroupfs"
_DRIVERS = ("systemd", _CGROUPFS)

_NODE = (Decided(("nodeRegistration", "name")), Decided(("nodeRegistration", "criSocket")))
_INIT = (
    *_NODE,
    Decided(("bootstrapTokens",)),
    Decided(("certificateKey",)),
    Decided(("localAPIEndpoint", "advertiseAddress")),
    Decided(("localAPIEndpoint", "bindPort")),
)
_JOIN = (*_NODE, Decided(("discovery",)), Decided(("caCertPath",)), Decided(("controlPlane",)))
_CLUSTER = (
    Decided(("kubernetesVersion",)),
    Decided(("certificatesDir",)),
    Decided(("etcd",)),
    Decided(("controlPlaneEndpoint",), "spec.network.controlPlaneEndpoint"),
    Decided(("networking", "podSubnet"), "spec.network.podSubnet"),
    Decided(("networking", "serviceSubnet"), "spec.network.serviceSubnet"),
)
_KUBELET = (Decided(("containerRuntimeEndpoint",)), Decided(("staticPodPath",)))

Parts = tuple[str | SecretRef, ...]


def check(site: Site) -> None:
    """`RecipeError` for what a Clusterfile asks of the cluster's networks and documents, and cannot be had."""
    check_kinds(site)
    if site.network.vip:
        raise RecipeError(
            "nothing here moves an address between control planes, and nodes need none: each has its own balancer",
            where="spec.network.vip",
            hint="take it out; name an address that something else moves as spec.network.controlPlaneEndpoint",
        )


def init_parts(site: Site, host: SiteHost) -> Parts:
    """The documents by which `host` begins the cluster."""
    release = version_of(site.config.spec).release
    ours: dict[str, object] = {
        "bootstrapTokens": [
            {
                "token": _TOKEN,
                "ttl": "24h0m0s",
                "usages": ["signing", "authentication"],
                "groups": ["system:bootstrappers:kubeadm:default-node-token"],
            }
        ],
        "localAPIEndpoint": _endpoint(host),
        "nodeRegistration": _registration(site, host),
    }
    init = merged(site, "InitConfiguration", ours, decided=_INIT, lists_arguments=release.lists_arguments)
    documents = (_kubeadm(site, "InitConfiguration", init), _cluster(site), _kubelet(site), _proxy(site))
    return _parts(documents)


def join_parts(site: Site, host: SiteHost) -> Parts:
    """The document by which `host` joins; as a further control plane if it is one."""
    release = version_of(site.config.spec).release
    ours: dict[str, object] = {
        "discovery": {
            "bootstrapToken": {
                "token": _TOKEN,
                "apiServerEndpoint": loadbalancer.ADDRESS,
                "caCertHashes": [secrets.authority_pin(site)],
            }
        },
        "nodeRegistration": _registration(site, host),
    }
    if CONTROL_PLANE in host.host.roles:
        ours["controlPlane"] = {"localAPIEndpoint": _endpoint(host)}
    join = merged(site, "JoinConfiguration", ours, decided=_JOIN, lists_arguments=release.lists_arguments)
    return _parts([_kubeadm(site, "JoinConfiguration", join)])


def cgroup_driver(site: Site) -> str:
    """Who makes cgroups for containers, systemd or kubelet itself (cgroupfs): containerd must say the same."""
    driver = _kubelet(site)["cgroupDriver"]
    if driver not in _DRIVERS:
        hint = f"write {' or '.join(_DRIVERS)}"
        raise RecipeError(f"{driver!r} is not a cgroup driver", where="KubeletConfiguration.cgroupDriver", hint=hint)
    return str(driver)


def swap_may_stay(site: Site) -> bool:
    """Whether the Clusterfile says that kubelet runs with swap."""
    return _kubelet(site).get("failSwapOn") is False


def certificate_validity(site: Site) -> str:
    """How long certificates last that kubeadm makes, as Go writes durations; empty for a year. Since v1beta4."""
    return str(_cluster(site).get("certificateValidityPeriod") or "")


def image_repository(site: Site) -> str:
    """Where kubeadm's own images come from."""
    return str(_cluster(site).get("imageRepository") or version_of(site.config.spec).release.repository)


def _cluster(site: Site) -> dict[str, object]:
    version = version_of(site.config.spec)
    ours = {
        "clusterName": site.cluster,
        "kubernetesVersion": version.name,
        "controlPlaneEndpoint": loadbalancer.ADDRESS,
        "certificatesDir": secrets.PKI,
        "networking": {
            "podSubnet": site.network.pods,
            "serviceSubnet": site.network.services,
            "dnsDomain": DNS_DOMAIN,
        },
        "apiServer": {"certSANs": list(_names(site))},
        "etcd": {
            "external": {
                "endpoints": ["https://127.0.0.1:2379"],
                "caFile": f"{secrets.PKI}/etcd/ca.crt",
                "certFile": f"{secrets.PKI}/apiserver-etcd-client.crt",
                "keyFile": f"{secrets.PKI}/apiserver-etcd-client.key",
            }
        },
    }
    lists = version.release.lists_arguments
    value = merged(site, "ClusterConfiguration", ours, decided=_CLUSTER, lists_arguments=lists)
    return _kubeadm(site, "ClusterConfiguration", value)


def _names(site: Site) -> Iterable[str]:
    """All names by which somebody may call an API server, each once."""
    hosts = members(site).control_planes
    named = [name for host in hosts for name in (address(host), host.name)]
    endpoint = site.network.endpoint.rpartition(":")[0].strip("[]")
    return dict.fromkeys((*SERVICES_OF_KUBERNETES, *named, *filter(None, [endpoint])))


def _kubelet(site: Site) -> dict[str, object]:
    ours = {"cgroupDriver": _DRIVERS[0], "staticPodPath": "/etc/kubernetes/manifests"}
    value = merged(site, "KubeletConfiguration", ours, decided=_KUBELET)
    return {"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration", **value}


def _proxy(site: Site) -> dict[str, object]:
    value = merged(site, "KubeProxyConfiguration", {})
    return {"apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration", **value}


def _kubeadm(site: Site, kind: str, value: Mapping[str, object]) -> dict[str, object]:
    api = version_of(site.config.spec).release.kubeadm_api
    return {"apiVersion": f"kubeadm.k8s.io/{api}", "kind": kind, **value}


def _endpoint(host: SiteHost) -> dict[str, object]:
    return {"advertiseAddress": address(host), "bindPort": API_PORT}


def _registration(site: Site, host: SiteHost) -> dict[str, object]:
    found: dict[str, object] = {
        "name": host.name,
        "criSocket": SOCKET,
        "kubeletExtraArgs": {"node-ip": address(host)},
    }
    if not members(site).workers:
        found["taints"] = []
    return found


def _parts(documents: Iterable[Mapping[str, object]]) -> Parts:
    text = "---\n".join(json.dumps(document, indent=2, ensure_ascii=False) + "\n" for document in documents)
    before, _, after = text.partition(json.dumps(_TOKEN)[1:-1])
    return (before, SecretRef(secrets.TOKEN), after)
