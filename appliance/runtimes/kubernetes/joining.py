"""How a host becomes a node: kubeadm begins the cluster on one, and the others join it.

A machine that was lost and comes back empty joins like a new one, the first control plane too: another one lets it in.

kubeadm's work is not atomic. What says that it came to its end is a mark of ours; where there is something of kubeadm's
and no mark, an earlier attempt broke off: it is undone by ``kubeadm reset`` and made again. What the plan put into
the folder of certificates stays.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from appliance.plan.steps import PutText, Run, Step
from appliance.runtimes.kubernetes import configuration, secrets
from appliance.runtimes.kubernetes.members import CONTROL_PLANE, belongs, members
from appliance.runtimes.parts.services import write
from appliance.transport.base import Command

if TYPE_CHECKING:
    from appliance.plan.runtime import Site, SiteHost

ADMIN = "/etc/kubernetes/admin.conf"
INIT = "/etc/kubernetes/kubeadm-init.yaml"
_JOIN = "/etc/kubernetes/kubeadm-join.yaml"
_JOINED = "/etc/kubernetes/joined"
_SECONDS = 900.0
_LOST_SECONDS = 360.0
"""After this a node that does not report counts as lost, whatever the controllers were told."""

# A node that is still said to be ready is refused when it joins again: its object goes, or is waited for.
_KUBEADM = Path(__file__).with_name("joining_kubeadm.sh").read_text(encoding="utf-8")

_IS_JOINED = """
[ "$(cat "$1" 2>/dev/null)" = "$2" ] || exit 1
shift 2
for path; do [ -e "$path" ] || exit 1; done
"""

_ADMIT = Path(__file__).with_name("joining_admit.sh").read_text(encoding="utf-8")

# $3: how many machines are new; the nodes that they are to be may still be listed, and for a while as ready.
_ALL_READY = """
[ "$3" = 0 ] || exit 1
PATH=$1/bin:$PATH
export KUBECONFIG=$2 HOME=/var/lib/appliance/node/home; shift 3
template='{range .items[*]}{range .status.conditions[?(@.type=="Ready")]}{.status}{"\\n"}{end}{end}'
said=$(kubectl --request-timeout=5s get node "$@" -o "jsonpath=$template") || exit 1
[ "$(printf '%s\\n' "$said" | grep -cx True)" -eq $# ]
"""


def begin(site: Site, programs: str) -> tuple[Step, ...]:
    """Make the first control plane."""
    eldest = members(site).eldest
    words = ("init", "--skip-token-print", f"--config={INIT}")
    title = f"Begin the cluster {site.cluster} by kubeadm"
    return (_admission(site, eldest), _kubeadm(eldest, programs, title, words))


def admit(site: Site, programs: str) -> Step:
    """Make the token valid by which hosts join, for a day; not needed while all are ready.

    kubeadm refuses a machine under the name of a node that is ready. So this waits until those that are lost count so.
    """
    eldest, every = members(site).eldest, members(site).all
    new = tuple(host.name for host in every if host is not eldest and not belongs(site, host))
    names = (host.name for host in every)
    return Step(
        id=f"{eldest.name}/admit",
        title="Make the token valid by which hosts join",
        host=eldest.name,
        action=Run(Command.shell(_ADMIT, programs, ADMIN, INIT, *new, timeout=_LOST_SECONDS + 60)),
        unless=Command.shell(_ALL_READY, programs, ADMIN, str(len(new)), *names),
    )


def join(site: Site, host: SiteHost, programs: str) -> tuple[Step, ...]:
    """Make `host` a node of the cluster, a control plane if that is its role."""
    config = PutText(_JOIN, configuration.join_parts(site, host), mode=0o600)
    words = ("join", f"--config={_JOIN}")
    admission = (_admission(site, host),) if CONTROL_PLANE in host.host.roles else ()
    title = f"Join the cluster {site.cluster} by kubeadm"
    return (write(host.name, config), *admission, _kubeadm(host, programs, title, words))


def _admission(site: Site, host: SiteHost) -> Step:
    """What a control plane begins the cluster by, and lets others in."""
    return write(host.name, PutText(INIT, configuration.init_parts(site, host), mode=0o600))


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
