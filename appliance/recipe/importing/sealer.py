"""Sealer's Clusterfiles, v1 and v2, as they are in the wild; what cannot be honoured is said by name.

The formats: sealer's ``types/api/v1`` and ``types/api/v2`` (Cluster, Config, Plugin, Application), and before them the
groups ``zlink.aliyun.com`` and ``sealer.aliyun.com``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from appliance.errors import RecipeError
from appliance.recipe import overlays, sitelaunch, siteplugins
from appliance.recipe.addresses import expand
from appliance.recipe.clusterfile import Cluster, Clusterfile, HostGroup, SshSettings
from appliance.recipe.documents import KUBERNETES_GROUPS, OWN_KINDS, PassedDocument
from appliance.recipe.importing.fields import Fields
from appliance.recipe.importing.notes import NAME, Notes, checked_port, checked_user
from appliance.recipe.networking import read_network
from appliance.recipe.shellwords import VARIABLE_RULE, is_variable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from appliance.recipe.networking import Network
    from appliance.recipe.yamltext import Document

GROUPS = ("sealer.io", "sealer.cloud", "sealer.com", "sealer.aliyun.com", "zlink.aliyun.com")
_NETWORKS = {"podCIDR": "podSubnet", "svcCIDR": "serviceSubnet"}
_ROLES = {"master": "control-plane", "node": "worker"}
_STATIC = ("", "baremetal")
_WHY = {
    "KubeadmConfig": "the image says how Kubernetes is set up",
}
_UNKNOWN = "nobody knows it here"
_SECRET_KIND = "ssh-password"  # noqa: S105  (a name)


def is_sealers(documents: Sequence[Document]) -> bool:
    """Whether one of these documents is a cluster of sealer's."""
    return any(_kind(document) == "Cluster" and _group(document) in GROUPS for document in documents)


def read(documents: Sequence[Document]) -> Clusterfile:
    """The cluster that `documents` describe: warnings for all that is not honoured, passwords apart.

    Raises `RecipeError` with file, line and field path.
    """
    notes = Notes()
    clusters = [document for document in documents if _kind(document) == "Cluster"]
    if len(clusters) > 1:
        raise clusters[1].error((), "this is a second cluster", hint="keep each cluster in a file of its own")
    others = [_other(document, notes) for document in documents if document is not clusters[0]]
    cluster = _cluster(Fields(clusters[0], notes), notes)
    network = _network(clusters[0], documents)
    cluster = replace(cluster, network=network, documents=tuple(other for other in others if other))
    return Clusterfile(cluster, notes.in_order, dict(notes.secrets))


def _kind(document: Document) -> str:
    return str(document.value.get("kind", "")) if isinstance(document.value, dict) else ""


def _group(document: Document) -> str:
    return str(document.value.get("apiVersion", "")).partition("/")[0]


def _other(document: Document, notes: Notes) -> PassedDocument | None:
    """Hand on a document that a runtime reads; name any other, and why it is not used."""
    if not isinstance(document.value, dict):
        raise document.error((), "expected fields with values", hint="a document has apiVersion and kind")
    kind = _kind(document) or "without a kind"
    metadata = document.value.get("metadata")
    name = metadata.get("name", "") if isinstance(metadata, dict) else ""
    why = _WHY.get(kind, _UNKNOWN)
    if kind in OWN_KINDS or _group(document) in KUBERNETES_GROUPS:
        taken = PassedDocument(_group(document), kind, document.value, document.where(()))
        try:
            overlays.read([taken])
            siteplugins.read([taken])
            sitelaunch.read([taken])
        except RecipeError as error:
            why = error.message
        else:
            return taken
    notes.warn(document.where(()), f"the document {kind}{f' {name}' if name else ''} is not used: {why}")
    return None


def _cluster(fields: Fields, notes: Notes) -> Cluster:
    fields.drop("apiVersion", "kind", "status")
    metadata, spec = fields.inside("metadata"), fields.inside("spec")
    name = metadata.text("name")
    if not NAME.fullmatch(name):
        raise metadata.error("name", f"{name!r} is not a name", hint="use lower-case letters, digits and -, at most 63")
    metadata.drop("creationTimestamp")
    metadata.rest()
    if image := spec.text("image"):
        notes.warn(spec.where("image"), f"spec.image is not used: the bundle says what is installed, not {image}")
    cluster = Cluster(
        name=name,
        ssh=_ssh(spec.inside("ssh"), notes),
        env=_env(spec, notes),
        hosts=tuple(_hosts(spec, notes)),
        host_aliases=tuple(_aliases(spec)),
    )
    _provider(spec, notes)
    network = spec.inside("network")
    network.drop(*_NETWORKS, *_NETWORKS.values())
    network.rest()
    _part(spec, "registry")
    spec.rest()
    fields.rest()
    return cluster


def _network(cluster: Document, documents: Sequence[Document]) -> Network:
    """What v1 says in the cluster, and later what kubeadm's own document says; both: kubeadm's."""
    spec = cluster.value.get("spec")
    found, source = _networks(spec.get("network") if isinstance(spec, dict) else None), cluster
    for document in documents:
        if _kind(document) == "ClusterConfiguration" and _group(document) in KUBERNETES_GROUPS:
            said = _networks(document.value.get("networking"))
            found, source = {**found, **said}, document if said else source
    return read_network(source, found)


def _networks(value: object) -> dict[str, str]:
    """The networks of pods and services that a part of a document names, as `read_network` calls them."""
    fields = value if isinstance(value, dict) else {}
    named = {**{ours: ours for ours in _NETWORKS.values()}, **_NETWORKS}
    return {ours: str(fields[name]) for name, ours in named.items() if fields.get(name)}


def _hosts(spec: Fields, notes: Notes) -> Iterator[HostGroup]:
    """Both dialects: a list of hosts with their roles; and masters, nodes and what else has addresses in v1."""
    seen: set[str] = set()
    for host in spec.items("hosts"):
        roles = tuple(dict.fromkeys(_role(host, role) for role in host.texts("roles", "role")))
        if not roles:
            raise host.error("roles", "this host has no role", hint="write roles: [master] or roles: [node]")
        if group := _host_group(host, roles, notes, seen):
            yield group
    for name, role in (("masters", "control-plane"), ("nodes", "worker")):
        if name in spec and (group := _host_group(spec.inside(name), (role,), notes, seen)):
            yield group


def _role(host: Fields, written: str) -> str:
    role = _ROLES.get(written.strip().lower(), written.strip().lower())
    if not NAME.fullmatch(role):
        raise host.error("roles", f"{written!r} is not a role", hint="use lower-case letters, digits and -")
    return role


def _host_group(host: Fields, roles: tuple[str, ...], notes: Notes, seen: set[str]) -> HostGroup | None:
    """Hosts written together; None for those that a cloud would have to make."""
    where = host.where("ips") if "ips" in host else host.where("ipList")
    addresses = expand(host.texts("ips", "ipList", "ip"), where=where)
    for address in addresses:
        if address in seen:
            raise RecipeError(f"the address {address} comes twice", where=where, hint="give one host all its roles")
        seen.add(address)
    ssh = _ssh(host.inside("ssh"), notes)
    labels = host.pairs("labels")
    if not addresses:
        host.rest("is not used: hosts are not made here, they are listed by their addresses")
        return None
    host.rest()
    return HostGroup(addresses, roles, labels, ssh)


def _ssh(fields: Fields, notes: Notes) -> SshSettings:
    port, user = fields.where("port"), fields.where("user")
    sealed = fields.text("encrypted") == "true"
    if sealed and "passwd" in fields:
        fields.secret("passwd")
        notes.warn(fields.where("passwd"), f"{fields.full_name('passwd')} is sealed by sealer's own key: say it anew")
    if "pkPasswd" in fields:
        fields.secret("pkPasswd")
        name = fields.full_name("pkPasswd")
        notes.warn(fields.where("pkPasswd"), f"{name} is not kept; give --key-passphrase-file when a key wants it")
    ssh = SshSettings(
        user=checked_user(fields.text("user"), user),
        port=checked_port(fields.text("port"), port),
        key=fields.text("pk"),
    )
    where = fields.where("passwd")
    if password := fields.secret("passwd"):
        name = notes.secret(_SECRET_KIND, password, where=where, field_=fields.full_name("passwd"))
        ssh = replace(ssh, password_secret=name)
    fields.rest()
    return ssh


def _env(spec: Fields, notes: Notes) -> dict[str, str]:
    where = spec.where("env")
    env: dict[str, str] = {}
    for line in spec.texts("env"):
        name, found, value = line.partition("=")
        if not found or not name.strip():
            raise RecipeError(f"spec.env: {line!r} has no value", where=where, hint="write NAME=VALUE")
        if not is_variable(name.strip()):
            message = f"spec.env: {name.strip()!r} cannot be the name of a variable"
            raise RecipeError(message, where=where, hint=VARIABLE_RULE)
        if name.strip() in env:
            notes.warn(where, f"spec.env: {name.strip()} comes more than once; the last one counts")
        if ";" in value:
            notes.warn(where, f"spec.env: {name.strip()} is a list to sealer, and one text here")
        env[name.strip()] = value.strip()
    return env


def _aliases(spec: Fields) -> Iterator[tuple[str, tuple[str, ...]]]:
    for alias in spec.items("hostAliases"):
        where = alias.where("ip")
        yield from ((address, alias.texts("hostnames")) for address in expand([alias.text("ip")], where=where))
        alias.rest()


def _provider(spec: Fields, notes: Notes) -> None:
    where, provider = spec.where("provider"), spec.text("provider")
    if provider.lower() not in _STATIC:
        notes.warn(where, f"spec.provider: {provider} makes no hosts here; list their addresses")


def _part(spec: Fields, name: str) -> None:
    """Name each field of a part that is not used."""
    if name in spec:
        spec.inside(name).rest()
