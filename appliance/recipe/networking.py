"""What a Clusterfile says about the cluster's own networks and its registry: `network` and `registry`."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from appliance.errors import RecipeError
    from appliance.recipe.yamltext import Document, FieldPath

ON_ALL = "all"
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")


@dataclass(frozen=True, slots=True)
class Network:
    """The networks of pods and of services, in CIDR notation; with two families, IPv4 and IPv6 joined by a comma.

    `endpoint` is ``HOST:PORT`` under which clients reach the control plane (empty: as the runtime chooses), `vip` an
    address that moves between control planes (empty: none).
    """

    pods: str = "10.244.0.0/16"
    services: str = "10.96.0.0/12"
    endpoint: str = ""
    vip: str = ""


@dataclass(frozen=True, slots=True)
class Registry:
    """The site's own registry: its name, port, and on which hosts it runs: those of a role, or `ON_ALL`."""

    domain: str = "registry.appliance.local"
    port: int = 5000
    on: str = "control-plane"


def read_network(document: Document, value: Mapping[str, Any]) -> Network:
    """``spec.network``, validated by the schema. `RecipeError` for what is no network, and for two that overlap."""
    path: FieldPath = ("spec", "network")
    default = Network()
    found = Network(
        pods=_subnets(document, (*path, "podSubnet"), value.get("podSubnet", default.pods)),
        services=_subnets(document, (*path, "serviceSubnet"), value.get("serviceSubnet", default.services)),
        endpoint=_endpoint(document, (*path, "controlPlaneEndpoint"), value.get("controlPlaneEndpoint", "")),
        vip=_address(document, (*path, "vip"), value.get("vip", "")),
    )
    for pods in found.pods.split(","):
        for services in found.services.split(","):
            if _overlap(pods, services):
                raise document.error(path, f"the pods' {pods} and the services' {services} overlap")
    return found


def read_registry(document: Document, value: Mapping[str, Any]) -> Registry:
    """``spec.registry``, validated by the schema. `RecipeError` for a name that DNS would not take."""
    default = Registry()
    domain = value.get("domain", default.domain)
    if not _NAME.fullmatch(domain):
        hint = "write a name of small letters, digits, hyphens and dots"
        raise document.error(("spec", "registry", "domain"), f"{domain!r} is not a host name", hint=hint)
    return Registry(domain, value.get("port", default.port), value.get("on", default.on))


def network_texts(network: Network) -> dict[str, str]:
    """All that ``spec.network`` can say, by its name there; empty for what is not said."""
    return {
        "podSubnet": network.pods,
        "serviceSubnet": network.services,
        "controlPlaneEndpoint": network.endpoint,
        "vip": network.vip,
    }


def network_document(network: Network) -> dict[str, object]:
    """``spec.network`` again; empty when all is as by default."""
    return {} if network == Network() else {name: text for name, text in network_texts(network).items() if text}


def registry_document(registry: Registry) -> dict[str, object]:
    """``spec.registry`` again; empty when all is as by default."""
    document: dict[str, object] = {"domain": registry.domain, "port": registry.port, "on": registry.on}
    return {} if registry == Registry() else document


def _subnets(document: Document, path: FieldPath, text: str) -> str:
    parts = [part.strip() for part in text.split(",")]
    try:
        networks = [ipaddress.ip_network(part) for part in parts]
    except ValueError as error:
        raise _no_network(document, path, text) from error
    if len({network.version for network in networks}) != len(networks) or "/" not in text:
        raise _no_network(document, path, text)
    return ",".join(str(network) for network in networks)


def _no_network(document: Document, path: FieldPath, text: str) -> RecipeError:
    hint = "write one like 10.244.0.0/16, or one of each family joined by a comma"
    return document.error(path, f"{text!r} is not a network", hint=hint)


def _endpoint(document: Document, path: FieldPath, text: str) -> str:
    host, colon, port = text.rpartition(":")
    if text and not (colon and host and port.isdecimal() and 0 < int(port) <= 65535):  # noqa: PLR2004  (the last port)
        raise document.error(path, f"{text!r} is not HOST:PORT", hint="write one like api.example.com:6443")
    return text


def _address(document: Document, path: FieldPath, text: str) -> str:
    try:
        return str(ipaddress.ip_address(text)) if text else ""
    except ValueError as error:
        raise document.error(path, f"{text!r} is not an address") from error


def _overlap(one: str, other: str) -> bool:
    first, second = ipaddress.ip_network(one), ipaddress.ip_network(other)
    match first, second:
        case (ipaddress.IPv4Network(), ipaddress.IPv4Network()) | (ipaddress.IPv6Network(), ipaddress.IPv6Network()):
            return first.overlaps(second)
        case _:
            return False
