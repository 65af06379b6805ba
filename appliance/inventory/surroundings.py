"""What else is on a host that a cluster meets: its networks, kernel, names, and what others left or run there.

`script` is the part of the question about it, for any POSIX shell; `read` reads what it answers. Pure.
"""

from __future__ import annotations

import contextlib
import enum
import re
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING

from appliance.inventory import answer
from appliance.recipe.requirements import MODULES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from appliance.inventory.answer import Answer

_OPTIONS = {
    "bridge": "BRIDGE",
    "br_netfilter": "BRIDGE_NETFILTER",
    "ip_set": "IP_SET",
    "ip_tables": "IP_NF_IPTABLES",
    "ip_vs": "IP_VS",
    "nf_conntrack": "NF_CONNTRACK",
    "nf_nat": "NF_NAT",
    "nf_tables": "NF_TABLES",
    "overlay": "OVERLAY_FS",
    "veth": "VETH",
    "vxlan": "VXLAN",
    "wireguard": "WIREGUARD",
}
"""By which option each of `MODULES` is built into a kernel."""

_ENGINES = (
    "containerd",
    "cri-o",
    "crio",
    "cri-docker",
    "docker",
    "podman",
    "k3s",
    "k3s-agent",
    "rke2-server",
    "rke2-agent",
)
_KUBELET = "kubelet"
_WALLS = ("firewalld", "ufw")
_LEFT = (
    "/etc/kubernetes/admin.conf", "/etc/kubernetes/kubelet.conf", "/etc/kubernetes/manifests", "/etc/kubernetes/pki",
    "/etc/cni/net.d", "/var/lib/cni", "/var/lib/etcd", "/var/lib/kubelet", "/var/lib/rancher",
)  # fmt: skip
_CARDS = ("bond", "en", "eth", "team", "wl")
_DEVICES = ("cni0", "flannel.1", "kube-ipvs0", "cilium_host", "vxlan.calico", "tunl0", "weave")

# A site that forbids a module has modprobe `install` it by /bin/false. A proxy's address may hold a password: it stays.
_SCRIPT = r"""
configured=$({ gzip -dc /proc/config.gz || cat "/boot/config-$(uname -r)" "/lib/modules/$(uname -r)/config"; } |
    grep -E '^CONFIG_(NET|@OPTIONS@)=')
part() {
    [ -e "/sys/module/$1" ] && { echo "$1 there"; return; }
    would=$(modprobe -nv "$1") && case $would in
        */bin/false*|*/bin/true*) echo "$1 forbidden"; return ;;
        *insmod*) echo "$1 loadable"; return ;;
        *) echo "$1 there"; return ;;
    esac
    case $configured in
        *"CONFIG_$2=y"*) echo "$1 there" ;;
        ?*) echo "$1 missing" ;;
        *) echo "$1 unknown" ;;
    esac
}
left() {
    for path; do
        [ -n "$(find "$path" ! -type d | head -n 1)" ] && echo "$path"
    done
}
links() {
    for link in /sys/class/net/*; do
        kind=virtual; [ -e "$link/device" ] && kind=real
        [ -r "$link/address" ] && echo "${link##*/} $(cat "$link/address") $kind"
    done
}
walls() {
    grep -q '^ENABLED=yes' /etc/ufw/ufw.conf && echo ufw
    if command -v nft >/dev/null; then nft list chains
    else for chain in INPUT FORWARD; do iptables -S "$chain"; done; fi | awk '
        /^table/ { table = $3 }
        /^[ \t]*chain/ { chain = $2 }
        /hook (input|forward).*policy drop/ { print "nftables " table "/" chain }
        /^-P .* DROP/ { print "iptables " $2 }'
}
settings() {
    grep -v '^[[:space:]]*[#;]' | tr ' "\047' '[\n*]' | grep -iE '^(https?|all|no)_proxy=.' |
        sed -e '/^[nN][oO]_/!s/=.*//' -e "s|^|$1 |"
}
proxies() {
    for file in /etc/environment /etc/systemd/system.conf /etc/systemd/system.conf.d/*.conf \
        /etc/systemd/system/containerd.service.d/*.conf /etc/systemd/system/kubelet.service.d/*.conf; do
        [ -r "$file" ] && settings "$file" <"$file"
    done
    [ -d /run/systemd/system ] && systemctl show-environment | settings systemd
}
names() {
    for name in "$(cat /proc/sys/kernel/hostname)" localhost; do
        timeout 1 getent ahosts "$name" | while read -r address rest; do echo "$name $address"; done
    done
}
parts() {
    @PARTS@
}
show product-uuid cat /sys/class/dmi/id/product_uuid
show swaps cat /proc/swaps
show cgroup2 cat /sys/fs/cgroup/cgroup.controllers
show cgroups cat /proc/cgroups
show links links
show routes grep -e '|--' -e UNICAST /proc/net/fib_trie
show routes6 cat /proc/net/ipv6_route
show resolvers grep '^nameserver' /etc/resolv.conf
show names names
show left left @LEFT@
[ -d /run/systemd/system ] &&
    show units systemctl list-units --type=service --state=active --plain --no-legend @UNITS@
show walls walls
show proxies proxies
show enforcing cat /sys/fs/selinux/enforce
show apparmor cat /sys/module/apparmor/parameters/enabled
show parts parts
"""


class Part(enum.StrEnum):
    """How a part of the kernel is there."""

    THERE = "there"
    LOADABLE = "loadable"
    FORBIDDEN = "forbidden"
    MISSING = "missing"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Route:
    """A network that a host reaches by a way of its own; `direct`: it is on that network itself."""

    network: IPv4Network | IPv6Network
    direct: bool


@dataclass(frozen=True, slots=True)
class Proxying:
    """A place that sends programs to a proxy; `excepted` are those that its ``no_proxy`` lists. No address is kept."""

    place: str
    excepted: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a cluster meets on a host. `swap` is bytes; `cgroups` the version of control groups, 0 if unknown.

    `routes` are the networks that it reaches by a way of their own, without link-local ones and the default. `names`
    are the addresses that the host finds for its own name, `localhost` those for that. `macs` are the addresses of
    network cards, `left` paths, interfaces and services of other clusters, `walls` packet filters that drop what is not
    allowed.
    """

    product_uuid: str = ""
    swap: int = 0
    cgroups: int = 0
    controllers: tuple[str, ...] = ()
    macs: tuple[str, ...] = ()
    routes: tuple[Route, ...] = ()
    resolvers: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    localhost: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    engines: tuple[str, ...] = ()
    walls: tuple[str, ...] = ()
    proxies: tuple[Proxying, ...] = ()
    selinux: bool = False
    apparmor: bool = False
    parts: tuple[tuple[str, Part], ...] = ()


def script() -> str:
    """The part of the question that is about the surroundings; it uses ``show`` of the whole."""
    filled = {
        "@OPTIONS@": "|".join(_OPTIONS.values()),
        "@PARTS@": "; ".join(f"part {name} {_OPTIONS[name]}" for name in MODULES),
        "@LEFT@": " ".join(_LEFT),
        "@UNITS@": " ".join(f"{name}.service" for name in (*_ENGINES, *_WALLS, _KUBELET)),
    }
    text = _SCRIPT
    for place, value in filled.items():
        text = text.replace(place, value)
    return text


def read(told: Answer, *, hostname: str) -> Surroundings:
    """Read what a host answered; what it did not say is empty."""
    links = [(words[0], words[1], words[2]) for words in _rows(told, "links", 3)]
    units = [line.split(".service")[0].strip() for line in told.get("units").lines]
    version, controllers = _cgroups(told)
    found = [(words[0], words[1]) for words in _rows(told, "names", 2)]
    devices = tuple(name for name, _, _ in links if name in _DEVICES)
    return Surroundings(
        product_uuid=told.get("product-uuid").line.lower(),
        swap=1024 * sum(answer.number(words[2]) for words in _rows(told, "swaps", 3)),
        cgroups=version,
        controllers=controllers,
        macs=tuple(dict.fromkeys(mac for name, mac, kind in links if _of_a_card(name, mac, kind))),
        routes=(*dict.fromkeys(_routes(told.get("routes").lines)), *dict.fromkeys(_routes6(told.get("routes6").lines))),
        resolvers=tuple(words[1] for words in _rows(told, "resolvers", 2)),
        names=tuple(dict.fromkeys(address for name, address in found if name == hostname)),
        localhost=tuple(dict.fromkeys(address for name, address in found if name == "localhost")),
        left=(*told.get("left").lines, *devices, *((f"{_KUBELET}.service",) if _KUBELET in units else ())),
        engines=tuple(unit for unit in units if unit in _ENGINES),
        walls=tuple(_walls(told, units)),
        proxies=tuple(_proxies(told)),
        selinux=told.get("enforcing").line == "1",
        apparmor=told.get("apparmor").line == "Y",
        parts=tuple(_parts(told)),
    )


def _rows(told: Answer, section: str, columns: int) -> list[list[str]]:
    """The words of those lines of a section that have so many, or more."""
    return [words for line in told.get(section).lines if len(words := line.split()) >= columns]


def _cgroups(told: Answer) -> tuple[int, tuple[str, ...]]:
    """The version of control groups, and their controllers by the names of version 2."""
    if controllers := told.get("cgroup2").line.split():
        return 2, tuple(controllers)
    enabled = [words[0] for words in _rows(told, "cgroups", 4) if words[3] == "1"]
    return (1 if enabled else 0), tuple("io" if name == "blkio" else name for name in enabled)


def _of_a_card(name: str, mac: str, kind: str) -> bool:
    """Whether an address is that of a network card, or of what stands for one: others may be alike on many hosts."""
    written = re.fullmatch("([0-9a-f]{2}:){5}[0-9a-f]{2}", mac) and mac != "00:00:00:00:00:00"
    return bool(written) and (kind == "real" or name.startswith(_CARDS))


def _routes(lines: tuple[str, ...]) -> Iterator[Route]:
    """Networks out of ``/proc/net/fib_trie``: a leaf's address, with each length below it that is UNICAST."""
    leaf = ""
    for words in (line.split() for line in lines):
        if words[:1] == ["|--"]:
            leaf = words[-1]
        elif words[-1:] == ["UNICAST"] and words[0] != "/0":
            with contextlib.suppress(ValueError):
                yield Route(IPv4Network(leaf + words[0]), words[1:2] == ["link"])


def _routes6(lines: tuple[str, ...]) -> Iterator[Route]:
    """Networks out of ``/proc/net/ipv6_route``: not the default, addresses, multicast and a link's own."""
    for line in lines:
        if found := re.match(r"([0-9a-f]{32}) ([0-9a-f]{2}) \S+ \S+ ([0-9a-f]{32}) ", line):
            length = int(found[2], 16)
            network = IPv6Network((int(found[1], 16), min(length, 128)), strict=False)
            if 0 < length < 128 and not network.is_link_local and not network.is_multicast:  # noqa: PLR2004  (bits)
                yield Route(network, int(found[3], 16) == 0)


def _walls(told: Answer, units: list[str]) -> Iterator[str]:
    """Packet filters: services that run (ufw only if it was switched on), and chains that drop by themselves."""
    found = told.get("walls").lines
    yield from (name for name in _WALLS if name in units and (name != "ufw" or "ufw" in found))
    yield from (line for line in found if line != "ufw")


def _proxies(told: Answer) -> Iterator[Proxying]:
    places: dict[str, tuple[bool, tuple[str, ...]]] = {}
    for place, setting in (words[:2] for words in _rows(told, "proxies", 2)):
        name, _, value = setting.partition("=")
        used, excepted = places.get(place, (False, ()))
        if name.lower() == "no_proxy":
            places[place] = used, (*excepted, *filter(None, value.lower().split(",")))
        else:
            places[place] = True, excepted
    for place, (used, excepted) in places.items():
        if used:
            yield Proxying(place, tuple(dict.fromkeys(excepted)))


def _parts(told: Answer) -> Iterator[tuple[str, Part]]:
    for name, state in (words[:2] for words in _rows(told, "parts", 2)):
        if name in MODULES and state in set(Part):
            yield name, Part(state)
