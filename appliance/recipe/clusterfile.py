"""The Clusterfile: YAML goes in, a `Cluster` and the secrets found in it come out."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from appliance.errors import RecipeError
from appliance.recipe import jumphosts, networking, schema, siteapps
from appliance.recipe.addresses import expand
from appliance.recipe.documents import PassedDocument, passed
from appliance.recipe.networking import Network, Registry
from appliance.recipe.quantities import parse_rate
from appliance.recipe.shellwords import VARIABLE_RULE, is_variable
from appliance.recipe.yamltext import dump as dump_yaml
from appliance.recipe.yamltext import field_name, load_documents

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from appliance.recipe.siteapps import SiteApp
    from appliance.recipe.yamltext import Document, FieldPath

API_VERSION = "appliance/v1"
SWARM = "swarm"
"""The one method of distribution that takes more than a host's runtime."""


@dataclass(frozen=True, slots=True)
class SshSettings:
    """How to enter hosts; empty means: as the operator says on the command line, else the defaults.

    `jump` is as `jumphosts.parse` reads it.
    """

    user: str = ""
    port: int = 0
    key: str = ""
    become: str = ""
    password_secret: str = ""
    become_password_secret: str = ""
    jump: str = ""
    jump_password_secret: str = ""
    unsafe_legacy_algorithms: bool = False


@dataclass(frozen=True, slots=True)
class HostGroup:
    """Hosts written together: addresses expanded, in order; by address, fingerprints of keys that the host may show."""

    addresses: tuple[str, ...]
    roles: tuple[str, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    ssh: SshSettings = field(default_factory=SshSettings)
    fingerprints: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def joined(self, address: str, fingerprints: tuple[str, ...]) -> HostGroup:
        """The group with one more host, and what is known of its keys."""
        known = {address: fingerprints} if fingerprints else {}
        return dataclasses.replace(
            self, addresses=(*self.addresses, address), fingerprints={**self.fingerprints, **known}
        )


@dataclass(frozen=True, slots=True)
class Provider:
    """Who makes the hosts."""

    name: str = "static"
    count: int = 0


@dataclass(frozen=True, slots=True)
class Distribution:
    """How bytes reach the hosts; `bandwidth` in bits a second, 0 for no limit."""

    method: str = "auto"
    bandwidth: int = 0
    port: int = 4647


@dataclass(frozen=True, slots=True)
class Cluster:
    """What a site shall be. `parameters` are checked against the bundle's schema by `check_parameters`."""

    name: str
    image: str = ""
    ssh: SshSettings = field(default_factory=SshSettings)
    hosts: tuple[HostGroup, ...] = ()
    provider: Provider = field(default_factory=Provider)
    env: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, object] = field(default_factory=dict)
    host_aliases: tuple[tuple[str, tuple[str, ...]], ...] = ()
    distribution: Distribution = field(default_factory=Distribution)
    network: Network = field(default_factory=Network)
    registry: Registry = field(default_factory=Registry)
    documents: tuple[PassedDocument, ...] = ()
    apps: tuple[SiteApp, ...] = ()


@dataclass(frozen=True, slots=True)
class Clusterfile:
    """A Clusterfile as read: the cluster, warnings for people, and inline secrets by name, bound for the vault."""

    cluster: Cluster
    warnings: tuple[str, ...] = ()
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


def load(text: str, *, source: str) -> Clusterfile:
    """Read a Clusterfile; `source` names it in errors. `RecipeError` with line, field path and what would be valid."""
    documents = load_documents(text, source=source)
    if not documents:
        raise RecipeError("the Clusterfile is empty", where=source, hint="start with apiVersion: appliance/v1")
    first, *others = documents
    _check_kind(first)
    schema.validate(first, "clusterfile")
    reader = _Reader(first)
    cluster = dataclasses.replace(reader.cluster(), documents=tuple(passed(other) for other in others))
    return Clusterfile(cluster, tuple(reader.warnings), dict(reader.secrets))


def _check_kind(document: Document) -> None:
    if not isinstance(document.value, dict):
        raise document.error((), "a Clusterfile has fields", hint="start with apiVersion: appliance/v1")
    version, kind = document.value.get("apiVersion"), document.value.get("kind")
    if version is not None and version != API_VERSION:
        hint = f"write apiVersion: {API_VERSION}; a Clusterfile of sealer's has a document of kind: Cluster"
        raise document.error(("apiVersion",), f"{version!r} is not a known version", hint=hint)
    if kind is not None and kind != "Cluster":
        raise document.error(("kind",), f"{kind!r} is not a known kind", hint="write kind: Cluster")


class _Reader:
    """Builds the cluster out of a validated document; collects warnings and inline secrets on the way."""

    def __init__(self, document: Document) -> None:
        self.warnings: list[str] = []
        self.secrets: dict[str, str] = {}
        self._document = document
        self._seen: set[str] = set()

    def cluster(self) -> Cluster:
        spec = self._document.value["spec"] or {}
        return Cluster(
            name=self._document.value["metadata"]["name"],
            image=spec.get("image", ""),
            ssh=self._ssh(("spec", "ssh"), spec.get("ssh", {}), suffix=""),
            hosts=tuple(self._group(number, group) for number, group in enumerate(spec.get("hosts", ()))),
            provider=self._provider(spec.get("provider", "static")),
            env={self._variable(name): _text(value) for name, value in spec.get("env", {}).items()},
            parameters=spec.get("parameters", {}),
            host_aliases=tuple(self._alias(n, alias) for n, alias in enumerate(spec.get("hostAliases", ()))),
            distribution=self._distribution(spec.get("distribution", {})),
            network=networking.read_network(self._document, spec.get("network", {})),
            registry=networking.read_registry(self._document, spec.get("registry", {})),
            apps=siteapps.read(self._document, spec.get("apps", ())),
        )

    def _variable(self, name: str) -> str:
        if not is_variable(name):
            path = ("spec", "env", name)
            raise self._document.error(path, "this cannot be the name of a variable", hint=VARIABLE_RULE)
        return name

    def _group(self, number: int, group: Mapping[str, Any]) -> HostGroup:
        path = ("spec", "hosts", number)
        if "taints" in group:
            self._warn((*path, "taints"), "is not used: write a Plugin document of type TAINT after this one")
        addresses = tuple(self._addresses(path, group["addresses"]))
        return HostGroup(
            addresses=addresses,
            roles=tuple(dict.fromkeys(group["roles"])),
            labels={name: _text(value) for name, value in group.get("labels", {}).items()},
            ssh=self._ssh((*path, "ssh"), group.get("ssh", {}), suffix=f"-{number + 1}"),
            fingerprints=dict(self._fingerprints(path, group.get("hostKeys", {}), addresses)),
        )

    def _fingerprints(
        self, path: FieldPath, written: Mapping[str, str | list[str]], addresses: tuple[str, ...]
    ) -> Iterator[tuple[str, tuple[str, ...]]]:
        for name, prints in written.items():
            field_ = (*path, "hostKeys", name)
            (address, *more) = expand([name], where=self._document.where(field_))
            if more or address not in addresses:
                hint = "write each of them as address: [SHA256:…]"
                raise self._document.error(field_, f"{name} is not one of this group's addresses", hint=hint)
            yield address, tuple([prints] if isinstance(prints, str) else prints)

    def _addresses(self, path: FieldPath, written: str | list[str]) -> Iterator[str]:
        where = self._document.where((*path, "addresses"))
        for address in expand([written] if isinstance(written, str) else written, where=where):
            if address in self._seen:
                raise RecipeError(f"the address {address} comes twice", where=where, hint="give one host all its roles")
            self._seen.add(address)
            yield address

    def _ssh(self, path: FieldPath, ssh: Mapping[str, Any], *, suffix: str) -> SshSettings:
        password = self._secret(path, ssh, ("password", "passwd"), f"ssh-password{suffix}")
        become = self._secret(path, ssh, ("becomePassword",), f"become-password{suffix}")
        if ssh.get("unsafeLegacyAlgorithms"):
            self._warn(
                (*path, "unsafeLegacyAlgorithms"), "lets others read and change what is sent: keep it for a rescue"
            )
        return SshSettings(
            user=ssh.get("user", ""),
            port=ssh.get("port", 0),
            key=ssh.get("key", ""),
            become=ssh.get("become", ""),
            password_secret=ssh.get("passwordSecret", "") or password,
            become_password_secret=ssh.get("becomePasswordSecret", "") or become,
            jump=self._jump(path, ssh.get("jump", "")),
            jump_password_secret=ssh.get("jumpPasswordSecret", ""),
            unsafe_legacy_algorithms=ssh.get("unsafeLegacyAlgorithms", False),
        )

    def _jump(self, path: FieldPath, text: str) -> str:
        try:
            jumphosts.parse(text)
        except ValueError as error:
            raise self._document.error((*path, "jump"), str(error), hint=jumphosts.HINT) from error
        return text

    def _secret(self, path: FieldPath, ssh: Mapping[str, Any], fields: tuple[str, ...], name: str) -> str:
        for field_ in fields:
            if field_ in ssh:
                self.secrets[name] = ssh[field_]
                self._warn((*path, field_), f"stands here in clear text; name it by {fields[0]}Secret: {name} instead")
                return name
        return ""

    def _provider(self, provider: str | Mapping[str, Any]) -> Provider:
        if isinstance(provider, str):
            return Provider(provider)
        if "size" in provider:
            self._warn(("spec", "provider", "size"), "is read, but this version does not use it")
        return Provider(provider["name"], provider.get("count", 0))

    def _alias(self, number: int, alias: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
        addresses = expand([alias["ip"]], where=self._document.where(("spec", "hostAliases", number, "ip")))
        if len(addresses) != 1:
            raise self._document.error(("spec", "hostAliases", number, "ip"), "an alias has one address")
        return addresses[0], tuple(alias["hostnames"])

    def _distribution(self, distribution: Mapping[str, Any]) -> Distribution:
        try:
            bandwidth = parse_rate(distribution.get("bandwidth", 0))
        except ValueError as error:
            raise self._document.error(("spec", "distribution", "bandwidth"), str(error)) from error
        return Distribution(distribution.get("method", "auto"), bandwidth, distribution.get("port", 4647))

    def _warn(self, path: FieldPath, sentence: str) -> None:
        self.warnings.append(f"{self._document.where(path)}: {field_name(path)} {sentence}")


def _text(value: str | bool | int) -> str:  # noqa: FBT001  (a YAML scalar)
    return str(value).lower() if isinstance(value, bool) else str(value)


def dump(cluster: Cluster) -> str:
    """The cluster as a Clusterfile that `load` reads back to the same value."""
    spec: dict[str, object] = {
        "image": cluster.image,
        "ssh": _ssh_document(cluster.ssh),
        "hosts": [_group_document(group) for group in cluster.hosts],
        "provider": _provider_document(cluster.provider),
        "env": dict(cluster.env),
        "parameters": dict(cluster.parameters),
        "hostAliases": [{"ip": ip, "hostnames": list(names)} for ip, names in cluster.host_aliases],
        "registry": networking.registry_document(cluster.registry),
        "network": networking.network_document(cluster.network),
        "distribution": _distribution_document(cluster.distribution),
        "apps": siteapps.documents(cluster.apps),
    }
    document = {"apiVersion": API_VERSION, "kind": "Cluster", "metadata": {"name": cluster.name}, "spec": _filled(spec)}
    return "---\n".join([dump_yaml(document), *(dump_yaml(dict(other.value)) for other in cluster.documents)])


def _group_document(group: HostGroup) -> dict[str, object]:
    document = {"addresses": list(group.addresses), "roles": list(group.roles)}
    prints = {address: list(each) for address, each in group.fingerprints.items()}
    return {
        **document,
        **_filled({"labels": dict(group.labels), "ssh": _ssh_document(group.ssh), "hostKeys": prints}),
    }


def _ssh_document(ssh: SshSettings) -> dict[str, object]:
    return _filled(
        {
            "user": ssh.user,
            "port": ssh.port,
            "key": ssh.key,
            "become": ssh.become,
            "passwordSecret": ssh.password_secret,
            "becomePasswordSecret": ssh.become_password_secret,
            "jump": ssh.jump,
            "jumpPasswordSecret": ssh.jump_password_secret,
            "unsafeLegacyAlgorithms": ssh.unsafe_legacy_algorithms,
        }
    )


def _provider_document(provider: Provider) -> object:
    return {"name": provider.name, "count": provider.count} if provider.count else provider.name


def _distribution_document(distribution: Distribution) -> dict[str, object]:
    default = Distribution()
    document = {"method": distribution.method, "bandwidth": distribution.bandwidth, "port": distribution.port}
    return document if distribution != default else {}


def _filled(document: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in document.items() if value}
