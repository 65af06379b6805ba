"""What a cluster's nodes must share, made on the operator's side before the plan: authorities, keys, a token. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.errors import PlanError
from appliance.plan.runtime import Authority, BootstrapToken, Leaf, RsaKey
from appliance.plan.steps import PutText, SecretRef
from appliance.runtimes.kubernetes.members import address, members
from appliance.trust import certificates
from appliance.trust.issue import Usage

if TYPE_CHECKING:
    from appliance.plan.runtime import SecretRequest, Site, SiteHost

PKI = "/etc/kubernetes/pki"
TOKEN = "kubernetes-bootstrap-token"  # noqa: S105  (its name)
_CLUSTER_CA = "kubernetes-ca"
_ETCD_CA = "etcd-ca"
_FRONT_PROXY_CA = "kubernetes-front-proxy-ca"
_ACCOUNTS = "kubernetes-service-accounts"
_BOTH = frozenset(Usage)


def requests(site: Site) -> tuple[SecretRequest, ...]:
    """Three authorities, the key that signs service accounts, the token to join, and certificates of etcd members."""
    leaves = (leaf for host in members(site).control_planes for leaf in (_member(host), _etcd_client(host)))
    return (
        Authority(_CLUSTER_CA),
        Authority(_ETCD_CA),
        Authority(_FRONT_PROXY_CA),
        RsaKey(_ACCOUNTS),
        BootstrapToken(TOKEN),
        *leaves,
    )


def _member(host: SiteHost) -> Leaf:
    names = dict.fromkeys((address(host), host.name, "127.0.0.1", "::1", "localhost"))
    return Leaf(f"etcd-member@{host.name}", _ETCD_CA, host.name, tuple(names), _BOTH)


def _etcd_client(host: SiteHost) -> Leaf:
    name = f"etcd-client@{host.name}"
    return Leaf(name, _ETCD_CA, "kube-apiserver-etcd-client", (), frozenset({Usage.CLIENT}))


def control_plane_files(site: Site, host: SiteHost) -> tuple[PutText, ...]:
    """What kubeadm finds in its folder of certificates, and takes instead of making its own."""
    return (
        *_pair(site, _CLUSTER_CA, f"{PKI}/ca"),
        *_pair(site, _FRONT_PROXY_CA, f"{PKI}/front-proxy-ca"),
        _public(site, f"{_ACCOUNTS}.pub", f"{PKI}/sa.pub"),
        _secret(f"{_ACCOUNTS}.key", f"{PKI}/sa.key"),
        _public(site, f"{_ETCD_CA}.crt", f"{PKI}/etcd/ca.crt"),
        *_pair(site, f"etcd-client@{host.name}", f"{PKI}/apiserver-etcd-client"),
    )


def etcd_files(site: Site, host: SiteHost, folder: str) -> tuple[PutText, ...]:
    """An etcd member's certificate and authority: ``ca.crt``, ``member.crt``, ``member.key`` in `folder`."""
    return (
        _public(site, f"{_ETCD_CA}.crt", f"{folder}/ca.crt"),
        *_pair(site, f"etcd-member@{host.name}", f"{folder}/member"),
    )


def authority_pin(site: Site) -> str:
    """``sha256:HEX`` of the cluster authority's public key, as a node that joins wants it."""
    text = _text(site, f"{_CLUSTER_CA}.crt")
    found = certificates.read_certificates(text.encode())
    if not found:
        raise PlanError(f"{_CLUSTER_CA}.crt is no certificate")
    return str(certificates.certificate_keyid(found[0]))


def _pair(site: Site, name: str, path: str) -> tuple[PutText, PutText]:
    return _public(site, f"{name}.crt", f"{path}.crt"), _secret(f"{name}.key", f"{path}.key")


def _public(site: Site, name: str, path: str) -> PutText:
    return PutText(path, (_text(site, name),))


def _secret(name: str, path: str) -> PutText:
    return PutText(path, (SecretRef(name),), mode=0o600)


def _text(site: Site, name: str) -> str:
    if name not in site.public:
        raise PlanError(f"{name} was not issued before the plan was made")
    return site.public[name]
