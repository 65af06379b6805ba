"""How a host becomes a node: kubeadm begins the cluster on one, and the others join it.

kubeadm's work is not atomic. What says that it came to its end is a mark of ours; where there is something of kubeadm's
and no mark, an earlier attempt broke off: it is undone by ``kubeadm reset`` and made again. What the plan put into
the folder of certificates stays.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from appliance.plan.steps import PutText, Run, Step
from appliance.runtimes.kubernetes import configuration, secrets
from appliance.runtimes.kubernetes.members import CONTROL_PLANE, members
from appliance.runtimes.parts.services import write
from appliance.transport.base import Command

if TYPE_CHECKING:
    from appliance.plan.runtime import Site, SiteHost

ADMIN = "/etc/kubernetes/admin.conf"
_INIT = "/etc/kubernetes/kubeadm-init.yaml"
_JOIN = "/etc/kubernetes/kubeadm-join.yaml"
_JOINED = "/etc/kubernetes/joined"
_SECONDS = 900.0

# A node that is still said to be ready is refused when it joins again: its object goes, or is waited for.
_KUBEADM = Path(__file__).with_name("joining_kubeadm.sh").read_text(encoding="utf-8")

_IS_JOINED = """
[ "$(cat "$1" 2>/dev/null)" = "$2" ] || exit 1
shift 2
for path; do [ -e "$path" ] || exit 1; done
"""

_ADMIT = """
set -eu
PATH=$1/bin:$PATH
kubeadm init phase bootstrap-token --skip-token-print --kubeconfig="$2" --config="$3"
"""

# A node that was installed anew is still listed, and not ready.
_ALL_READY = """
PATH=$1/bin:$PATH
export KUBECONFIG=$2 HOME=/var/lib/appliance/node/home; shift 2
template='{range .items[*]}{range .status.conditions[?(@.type=="Ready")]}{.status}{"\\n"}{end}{end}'
said=$(kubectl --request-timeout=5s get node "$@" -o "jsonpath=$template") || exit 1
[ "$(printf '%s\\n' "$said" | grep -cx True)" -eq $# ]
"""


def begin(site: Site, programs: str) -> tuple[Step, ...]:
    """Make the first control plane."""
    first = members(site).first
    config = PutText(_INIT, configuration.init_parts(site, first), mode=0o600)
    words = ("init", "--skip-token-print", f"--config={_INIT}")
    return (write(first.name, config), _kubeadm(first, programs, f"Begin the cluster {site.cluster} by kubeadm", words))


def admit(site: Site, programs: str) -> Step:
    """Make the token valid by which hosts join; it is for a day, and not needed while all are ready."""
    first, *others = members(site).all
    return Step(
        id=f"{first.name}/admit",
        title="Make the token valid by which hosts join",
        host=first.name,
        action=Run(Command.shell(_ADMIT, programs, ADMIN, _INIT)),
        unless=Command.shell(_ALL_READY, programs, ADMIN, *(host.name for host in (first, *others))),
    )


def join(site: Site, host: SiteHost, programs: str) -> tuple[Step, ...]:
    """Make `host` a node of the cluster, a control plane if that is its role."""
    config = PutText(_JOIN, configuration.join_parts(site, host), mode=0o600)
    words = ("join", f"--config={_JOIN}")
    return (write(host.name, config), _kubeadm(host, programs, f"Join the cluster {site.cluster} by kubeadm", words))


def _kubeadm(host: SiteHost, programs: str, title: str, words: tuple[str, ...]) -> Step:
    governs = CONTROL_PLANE in host.host.roles
    certificates = "/run/appliance/no-certificates" if governs else secrets.PKI
    made = ("/etc/kubernetes/kubelet.conf", *((ADMIN, "/etc/kubernetes/manifests/kube-apiserver.yaml") * governs))
    arguments = (programs, configuration.SOCKET, host.name, _JOINED, certificates, *words)
    return Step(
        id=f"{host.name}/kubeadm:{words[0]}",
        title=title,
        host=host.name,
        action=Run(Command.shell(_KUBEADM, *arguments, timeout=_SECONDS)),
        unless=Command.shell(_IS_JOINED, _JOINED, host.name, *made),
    )
