"""What is in a cluster's way on a host, in words: swap, packet filters, proxies, other clusters, networks. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, assert_never

from appliance.inventory.fitness import Judgement
from appliance.inventory.surroundings import Route
from appliance.recipe.quantities import size_text
from appliance.recipe.requirements import Hindrance

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from appliance.inventory.facts import Facts
    from appliance.inventory.surroundings import Proxying
    from appliance.recipe.networking import Network

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*")
_LONGEST_NAME = 253
_SHOWN = 6


@dataclass(frozen=True, slots=True)
class Meeting:
    """What a host meets: the cluster's networks, the addresses of all hosts, names that only the cluster knows."""

    network: Network
    addresses: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()

    def networks(self) -> Iterator[tuple[str, IPv4Network | IPv6Network]]:
        """The networks of pods and of services, each with whose it is."""
        for whose, text in (("pods", self.network.pods), ("services", self.network.services)):
            for part in text.split(","):
                yield whose, ip_network(part)


def judge(hindrance: Hindrance, facts: Facts, meeting: Meeting, *, ours: bool) -> Judgement:  # noqa: PLR0911  (one for each)
    """Whether a hindrance is on a host; on one of `ours`, what belongs to a cluster is this cluster's own."""
    around = facts.around
    match hindrance:
        case Hindrance.SWAP:
            hint = "turn it off, unless the installation does: 'swapoff -a', and take it out of /etc/fstab"
            return _none(around.swap, "no swap", f"{size_text(around.swap)} of swap are on", hint)
        case Hindrance.FIREWALL:
            hint = "allow what hosts and pods say to each other, or stop it: 'systemctl disable --now firewalld'"
            return _none(around.walls, "no packet filter drops by itself", f"in force: {_some(around.walls)}", hint)
        case Hindrance.LEFTOVERS:
            hint = "reset that cluster with its own tool ('kubeadm reset'), then remove what is named"
            found = () if ours else around.left
            return _none(found, "nothing of another cluster", f"of another cluster: {_some(found)}", hint)
        case Hindrance.ENGINES:
            found = () if ours else around.engines
            hint = f"stop it, if nobody needs it: 'systemctl disable --now {' '.join(found)}'"
            return _none(found, "no other container engine runs", f"runs already: {_some(found)}", hint)
        case Hindrance.SELINUX:
            enforcing = "SELinux is enforcing"
            detail = f"SELinux does not enforce; AppArmor is {'on' if around.apparmor else 'off'}"
            return _none(
                around.selinux, detail, enforcing, "install the site's policy for containers (container-selinux)"
            )
        case Hindrance.PROXY:
            return _proxies(around.proxies, meeting)
        case Hindrance.NETWORK_CLASH:
            return _networks(facts, meeting, ours=ours)
        case Hindrance.WRONG_NAME:
            return _name(facts)
        case _:
            assert_never(hindrance)


def _none(found: object, well: str, ill: str, hint: str) -> Judgement:
    return Judgement(fit=False, detail=ill, hint=hint) if found else Judgement(fit=True, detail=well)


def _some(names: Iterable[str]) -> str:
    names = tuple(names)
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _proxies(proxies: tuple[Proxying, ...], meeting: Meeting) -> Judgement:
    """A proxy must not get what hosts of the cluster say to each other, to pods and services, and to their registry."""
    for proxy in proxies:
        wanted = (*meeting.addresses, *(str(network) for _, network in meeting.networks()), *meeting.domains)
        caught = tuple(name for name in wanted if not any(_excepts(entry, name) for entry in proxy.excepted))
        if caught:
            hint = f"add to no_proxy there: {','.join(caught)}"
            return Judgement(fit=False, detail=f"{proxy.place} sends to a proxy: {_some(caught)}", hint=hint)
    places = _some(proxy.place for proxy in proxies)
    return Judgement(fit=True, detail=f"excepts the cluster: {places}" if proxies else "no proxy is set")


def _excepts(entry: str, name: str) -> bool:
    """Whether an entry of ``no_proxy`` holds a name, an address or a whole network."""
    if entry in ("*", name):
        return True
    try:
        return _within(ip_network(name), ip_network(entry, strict=False))
    except ValueError:
        return name.endswith("." + entry.removeprefix("*").removeprefix("."))


def _within(inner: IPv4Network | IPv6Network, outer: IPv4Network | IPv6Network) -> bool:
    if isinstance(inner, IPv4Network) and isinstance(outer, IPv4Network):
        return inner.subnet_of(outer)
    return isinstance(inner, IPv6Network) and isinstance(outer, IPv6Network) and inner.subnet_of(outer)


def _networks(facts: Facts, meeting: Meeting, *, ours: bool) -> Judgement:
    """Pods and services must not have addresses that hosts, their networks or their name servers have."""
    for whose, network in meeting.networks():
        for what, found in _taken(facts, meeting, ours=ours):
            wide = isinstance(found, Route) and not found.direct and found.network.prefixlen < network.prefixlen
            held = found.network if isinstance(found, Route) else found
            if not wide and (_within(held, network) or _within(network, held)):
                field = "podSubnet" if whose == "pods" else "serviceSubnet"
                detail = f"the {whose}' {network} and {what} overlap"
                return Judgement(fit=False, detail=detail, hint=f"name another network as network.{field}")
    return Judgement(fit=True, detail=f"free: {', '.join(str(network) for _, network in meeting.networks())}")


def _taken(facts: Facts, meeting: Meeting, *, ours: bool) -> Iterator[tuple[str, Route | IPv4Network | IPv6Network]]:
    """What has addresses already. A way of many networks over a router says little: that it is `wide` is overlooked."""
    if not ours:
        yield from ((f"the host's network {route.network}", route) for route in facts.around.routes)
    yield from ((f"the host {text}", ip_network(text)) for text in meeting.addresses if _address(text))
    yield from ((f"the name server {text}", ip_network(text)) for text in facts.around.resolvers if _address(text))


def _name(facts: Facts) -> Judgement:
    """A host's name must be one that DNS takes, and lead to the host itself."""
    name, around = facts.hostname, facts.around
    if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME or name == "localhost":
        hint = "set another: 'hostnamectl set-hostname' with small letters, digits, hyphens and dots"
        return Judgement(fit=False, detail=f"the host calls itself {name!r}, which is no name for DNS", hint=hint)
    strange = [found for found in around.names if found not in facts.addresses and not _own(found)]
    if strange:
        hint = f"put the host's own address for {name} into /etc/hosts, or right it in DNS"
        return Judgement(fit=False, detail=f"{name} is found at {_some(strange)}, which is not this host", hint=hint)
    if around.localhost and not all(_own(found) for found in around.localhost):
        hint = "let /etc/hosts say 127.0.0.1 localhost"
        return Judgement(fit=False, detail=f"localhost is found at {_some(around.localhost)}", hint=hint)
    if not around.names:
        hint = f"put the host's own address for {name} into /etc/hosts"
        return Judgement(fit=False, detail=f"{name} is found nowhere, or not within a second", hint=hint)
    return Judgement(fit=True, detail=f"{name} is found at {_some(around.names)}")


def _own(text: str) -> bool:
    """Whether an address never leaves the host."""
    address = _address(text)
    return address is not None and (address.is_loopback or address.is_link_local)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
