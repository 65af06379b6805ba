"""A lab's network: a bridge on this machine, a namespace and a cable per host, and no way out.

The machine has the gateway's address on the bridge, but packets that come in over the bridge are not forwarded, so
hosts reach each other and this machine, and nothing else.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.errors import ApplianceError
from appliance.lab.programs import run

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Private ranges that Kubernetes distributions, container engines and home routers do not take by default.
_POOLS = (IPv4Network("10.210.0.0/16"), IPv4Network("172.29.0.0/16"), IPv4Network("192.168.128.0/17"))
_FIRST_HOST = 11
_PREFIX6 = IPv6Address("fd61:706c:6162::")  # unique local (RFC 4193); a /64 of it goes with each /24
_BRIDGES = tuple(f"aplab{number}" for number in range(1000))
_SMALLEST_BURST_BYTES = 256 << 10
_BURSTS_PER_SECOND = 100


@dataclass(frozen=True, slots=True)
class Network:
    """A bridge's name and the subnet on it, a /24."""

    bridge: str
    subnet: IPv4Network

    @property
    def gateway(self) -> IPv4Address:
        """This machine's address in it."""
        return self.subnet[1]

    def address(self, number: int) -> IPv4Address:
        """The address of host `number`, from 0."""
        return self.subnet[_FIRST_HOST + number]

    def link(self, number: int) -> str:
        """The name of host `number`'s cable end on this machine; fits the 15 characters that Linux allows."""
        return f"{self.bridge}h{number}"


def sixth(address: IPv4Address) -> IPv6Address:
    """The IPv6 address that goes with one of a lab's, in the /64 that goes with its /24."""
    _, second, third, last = address.packed
    return _PREFIX6 + ((second << 8 | third) << 64) + last


def choose(taken: Iterable[Network]) -> Network:
    """A bridge name and a subnet that no lab in `taken` has and that meet nothing this machine knows."""
    labs = tuple(taken)
    bridges = {network.bridge for network in labs} | set(_links())
    known = [network.subnet for network in labs] + list(_known_subnets())
    bridge = next((name for name in _BRIDGES if name not in bridges), None)
    subnets = (subnet for pool in _POOLS for subnet in pool.subnets(new_prefix=24))
    subnet = next((each for each in subnets if not any(each.overlaps(other) for other in known)), None)
    if not bridge or not subnet:
        raise ApplianceError("this machine has no private subnet left for a lab", hint="appliance lab list")
    return Network(bridge, subnet)


def _links() -> Iterator[str]:
    for link in json.loads(run(["ip", "-json", "link", "show"])):
        yield link["ifname"]


def _known_subnets() -> Iterator[IPv4Network]:
    for route in json.loads(run(["ip", "-json", "-4", "route", "show", "table", "all"])):
        if route["dst"] != "default":
            yield IPv4Network(route["dst"], strict=False)


def make_bridge(network: Network, *, ipv6: bool = False) -> None:
    """Make the bridge and take the gateway's address on it, with `ipv6` that of either kind."""
    bridge = network.bridge
    _ip(
        f"link add {bridge} type bridge",
        *_take(network, network.gateway, bridge, ipv6=ipv6),
        f"link set {bridge} up",
    )
    for family in ("ipv4", "ipv6"):
        forwarding = Path(f"/proc/sys/net/{family}/conf/{bridge}/forwarding")
        if forwarding.exists():
            _switch_off(forwarding)


def _take(network: Network, address: IPv4Address, link: str, *, ipv6: bool) -> Iterator[str]:
    yield f"addr add {address}/{network.subnet.prefixlen} dev {link}"
    if ipv6:
        yield f"addr add {sixth(address)}/64 dev {link} nodad"  # nobody else can have it, and looking takes seconds


def _switch_off(setting: Path) -> None:
    try:
        setting.write_text("0")
    except OSError as error:
        raise ApplianceError(
            f"the lab's hosts cannot be shut in: {setting}: {error.strerror}",
            hint="a lab needs a machine, or a container that may write below /proc/sys/net",
        ) from error


def attach(network: Network, number: int, *, netns: Path, bandwidth: int | None, ipv6: bool = False) -> None:
    """Make the namespace `netns` with an ``eth0`` on the bridge, limited to `bandwidth` bits per second each way."""
    link = network.link(number)
    netns.touch()
    run(["unshare", f"--net={netns}", "true"])
    _ip(
        f"link add {link} type veth peer name eth0 netns {netns}",
        f"link set {link} master {network.bridge} up",
    )
    _ip(
        "link set lo up",
        *_take(network, network.address(number), "eth0", ipv6=ipv6),
        "link set eth0 up",
        f"route add default via {network.gateway}",
        netns=netns,
    )
    if bandwidth:
        run(_shaper(link, bandwidth))
        run([*_inside(netns), *_shaper("eth0", bandwidth)])


def _shaper(link: str, bandwidth: int) -> list[str]:
    burst = max(_SMALLEST_BURST_BYTES, bandwidth // 8 // _BURSTS_PER_SECOND)
    words = f"tc qdisc add dev {link} root tbf rate {bandwidth}bit burst {burst}b latency 50ms"
    return words.split()


def cut(link: str) -> None:
    """Pull the cable."""
    _ip(f"link set {link} down")


def mend(link: str) -> None:
    """Put the cable back."""
    _ip(f"link set {link} up")


def remove(bridge: str) -> None:
    """Remove the bridge and the cables on it, as far as they are there."""
    ours = re.compile(re.escape(bridge) + r"(h\d+)?")
    links = [name for name in _links() if ours.fullmatch(name)]
    if links:
        _ip(*(f"link del {name}" for name in links))


def _ip(*commands: str, netns: Path | None = None) -> None:
    inside = _inside(netns) if netns else []
    run([*inside, "ip", "-batch", "-"], stdin="".join(f"{command}\n" for command in commands))


def _inside(netns: Path) -> list[str]:
    return ["nsenter", f"--net={netns}"]
