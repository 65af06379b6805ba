"""What a machine needs before containers run on it: kernel modules, sysctls, no swap, names, programs in place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.plan import footprint
from appliance.plan.planner import unpack_id
from appliance.plan.steps import PutText, Run, Step
from appliance.runtimes.kubernetes import configuration
from appliance.runtimes.parts import hostnames
from appliance.runtimes.parts.services import write
from appliance.transport.base import Command

if TYPE_CHECKING:
    from appliance.plan.runtime import Site, SiteHost

POD_NETWORKS = "/etc/kubernetes/pod-networks"
PLUGINS = "/opt/cni/bin"
_MODULES_FILE = "/etc/modules-load.d/appliance-kubernetes.conf"
_SYSCTL_FILE = "/etc/sysctl.d/90-appliance-kubernetes.conf"
_MODULES = ("overlay", "br_netfilter")
_FORWARD = ("net.ipv4.ip_forward", "net.bridge.bridge-nf-call-iptables", "net.bridge.bridge-nf-call-ip6tables")
_FORWARD6 = ("net.ipv6.conf.all.forwarding",)

_HAS = """
has() { case $1 in
    overlay) grep -qw overlay /proc/filesystems ;;
    br_netfilter) [ -e /proc/sys/net/bridge/bridge-nf-call-iptables ] ;;
esac; }
"""

_LOAD = f"""{_HAS}
for module; do
    has "$module" || modprobe -q -- "$module"
    has "$module" || {{ echo "this kernel has no $module" >&2; exit 1; }}
done
"""

_LOADED = f"""{_HAS}
for module; do has "$module" || exit 1; done
"""

# What a value was before is written down first.
_SET = """
set -eu
before=$1; shift
mkdir -p "${before%/*}"
for pair; do
    name=${pair%=*} path=/proc/sys/$(printf '%s' "${pair%=*}" | tr . /)
    was=$(cat "$path")
    [ "$was" != "${pair#*=}" ] || continue
    printf '%s=%s\\n' "$name" "$was" >>"$before"
    printf '%s\\n' "${pair#*=}" >"$path"
done
"""

_IS_SET = """
shift
for pair; do
    [ "$(cat "/proc/sys/$(printf '%s' "${pair%=*}" | tr . /)")" = "${pair#*=}" ] || exit 1
done
"""

_SET_BACK = """
set -eu
before=$1
sort -u -t= -k1,1 "$before" | while IFS='=' read -r name was; do
    path=/proc/sys/$(printf '%s' "$name" | tr . /)
    [ ! -e "$path" ] || printf '%s\\n' "$was" >"$path"
done
rm -f "$before"
"""

# A line of /etc/fstab: its third word is the type. The mark is what brings it back.
_SWAP_OFF = """
set -eu
fstab=$1 mark=$2
swapoff -a
[ -f "$fstab" ] || exit 0
cp -p "$fstab" "$fstab.part"
word='[^[:space:]]+[[:space:]]+'
sed -E "s/^([^#[:space:]]$word${word}swap([[:space:]].*)?)\\$/$mark \\\\1/" "$fstab" >"$fstab.part"
sync
mv -f "$fstab.part" "$fstab"
"""

_NO_SWAP = """
[ "$(wc -l </proc/swaps)" -le 1 ] || exit 1
! grep -qE '^[^#[:space:]]+[[:space:]]+[^[:space:]]+[[:space:]]+swap([[:space:]]|$)' "$1" 2>/dev/null
"""

_SWAP_ON = """
set -eu
fstab=$1 mark=$2
cp -p "$fstab" "$fstab.part"
sed "s/^$mark //" "$fstab" >"$fstab.part"
sync
mv -f "$fstab.part" "$fstab"
swapon -a || echo "swap does not come back; see $fstab" >&2
"""

_SWAP_BACK = '! grep -q "^$2 " "$1" 2>/dev/null'

_LINK = """
set -eu
from=$1 to=$2
[ -d "$from" ] || { echo "the image has no CNI plug-ins: $from is not there" >&2; exit 1; }
mkdir -p "$to"
for plugin in "$from"/*; do ln -sfn "$plugin" "$to/${plugin##*/}"; done
"""

_LINKED = """
for plugin in "$1"/*; do [ "$(readlink "$2/${plugin##*/}")" = "$plugin" ] || exit 1; done
"""


def prepare(site: Site, host: SiteHost, programs: str) -> tuple[Step, ...]:
    """All of it, on one host; `programs` is the folder of the image's programs."""
    name = host.name
    sysctls = _sysctls(site)
    settings = (_before(site.cluster), *sysctls)
    return (
        hostnames.put(name, site.cluster, hostnames.NODES, hostnames.nodes(site)),
        *(write(name, text) for text in _files(site, sysctls)),
        _kernel(name, "modules", f"Load {', '.join(_MODULES)}", scripts=(_LOAD, _LOADED), arguments=_MODULES),
        _kernel(name, "sysctls", "Let packets through between pods", scripts=(_SET, _IS_SET), arguments=settings),
        *(() if configuration.swap_may_stay(site) else (_swap_off(name, site.cluster),)),
        Step(
            id=f"{name}/cni-plugins",
            title=f"Link the network plug-ins into {PLUGINS}",
            host=name,
            action=Run(Command.shell(_LINK, f"{programs}/libexec/cni", PLUGINS)),
            unless=Command.shell(_LINKED, f"{programs}/libexec/cni", PLUGINS),
            after=(unpack_id(name),),
        ),
    )


def put_back(host: str, cluster: str) -> tuple[Step, ...]:
    """Give the kernel's settings the values that they had, and take swap into use again."""
    swap = ("/etc/fstab", _swap_mark(cluster))
    return (
        Step(
            id=f"{host}/sysctls",
            title="Give sysctls the values that they had",
            host=host,
            action=Run(Command.shell(_SET_BACK, _before(cluster))),
            unless=Command(("test", "!", "-e", _before(cluster))),
        ),
        Step(
            id=f"{host}/swap",
            title="Use the swap of /etc/fstab again",
            host=host,
            action=Run(Command.shell(_SWAP_ON, *swap)),
            unless=Command.shell(_SWAP_BACK, *swap),
        ),
    )


def _files(site: Site, sysctls: tuple[str, ...]) -> tuple[PutText, ...]:
    return (
        PutText(_MODULES_FILE, ("".join(f"{module}\n" for module in _MODULES),)),
        PutText(_SYSCTL_FILE, ("".join(f"{pair.replace('=', ' = ')}\n" for pair in sysctls),)),
        PutText(POD_NETWORKS, ("".join(f"{network}\n" for network in site.network.pods.split(",")),)),
    )


def _sysctls(site: Site) -> tuple[str, ...]:
    names = (*_FORWARD, *_FORWARD6) if ":" in site.network.pods else _FORWARD
    return tuple(f"{name}=1" for name in names)


def _kernel(host: str, name: str, title: str, *, scripts: tuple[str, str], arguments: tuple[str, ...]) -> Step:
    script, guard = scripts
    return Step(
        id=f"{host}/{name}",
        title=title,
        host=host,
        action=Run(Command.shell(script, *arguments)),
        unless=Command.shell(guard, *arguments),
    )


def _swap_off(host: str, cluster: str) -> Step:
    return Step(
        id=f"{host}/no-swap",
        title="Stop using swap, now and at boot",
        host=host,
        action=Run(Command.shell(_SWAP_OFF, "/etc/fstab", _swap_mark(cluster))),
        unless=Command.shell(_NO_SWAP, "/etc/fstab"),
    )


def _before(cluster: str) -> str:
    return f"{footprint.NODE}/clusters/{cluster}/sysctls"


def _swap_mark(cluster: str) -> str:
    return f"# of cluster {cluster}: no swap:"
