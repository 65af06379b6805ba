"""Nodes once they have joined: their labels, that they are ready, and the way in for people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from appliance.plan import footprint
from appliance.plan.steps import Fetch, Run, Step, WaitFor
from appliance.runtimes.kubernetes import renewal
from appliance.runtimes.kubernetes.joining import ADMIN
from appliance.runtimes.kubernetes.members import API_PORT, members, place
from appliance.transport.base import Command

if TYPE_CHECKING:
    from appliance.plan.runtime import Site, SiteHost

KUBECONFIG = "kubeconfig"
"""What the operator's copy of the cluster's administrator is called, in the cluster's folder."""

_WORKER_LABEL = "node-role.kubernetes.io/worker"
_READY_SECONDS = 300.0

# A run goes on without a worker that could not join; a later one labels it.
_LABEL = """
PATH=$1/bin:$PATH
export KUBECONFIG=$2 HOME=/var/lib/appliance/node/home; shift 2
found=$(kubectl --request-timeout=30s get node "$1" --ignore-not-found -o name) || exit
[ -n "$found" ] || { echo "$1 has not joined: it is labelled when it has"; exit 0; }
kubectl --request-timeout=30s label --overwrite node "$@"
"""

_LABELLED = """
PATH=$1/bin:$PATH
export KUBECONFIG=$2 HOME=/var/lib/appliance/node/home
node=$3; shift 3
selector=''
for label; do selector=$selector,$label; done
kubectl --request-timeout=5s get nodes -l "${selector#,}" -o name | grep -qxF "node/$node"
"""

_READY = """
PATH=$1/bin:$PATH
export KUBECONFIG=/etc/kubernetes/kubelet.conf HOME=/var/lib/appliance/node/home
template='{range .status.conditions[?(@.type=="Ready")]}{.status} {.message}{end}'
said=$(kubectl --request-timeout=5s get node "$2" -o "jsonpath=$template") || exit 1
[ "${said%% *}" != True ] || exit 0
echo "$2 is not ready: ${said#* }" >&2
exit 1
"""

# kubectl knows one address for a cluster. So each API server is a cluster and a context; kubeadm's name is the first's.
_WAY_IN = Path(__file__).with_name("nodes_kubeconfig.sh").read_text(encoding="utf-8")


def label(site: Site, programs: str) -> tuple[Step, ...]:
    """Give each node the labels that the Clusterfile gives its host, and workers the role's."""
    cluster = members(site)
    workers = {host.name for host in cluster.workers}
    steps = []
    for host in cluster.all:
        labels = {**({_WORKER_LABEL: ""} if host.name in workers else {}), **host.host.labels}
        if labels:
            steps.append(_label(cluster.first.name, host, labels, programs))
    return tuple(steps)


def _label(first: str, host: SiteHost, labels: dict[str, str], programs: str) -> Step:
    pairs = tuple(f"{name}={value}" for name, value in labels.items())
    return Step(
        id=f"{first}/label:{host.name}",
        title=f"Label node {host.name}: {', '.join(pairs)}",
        host=first,
        action=Run(Command.shell(_LABEL, programs, ADMIN, host.name, *pairs)),
        unless=Command.shell(_LABELLED, programs, ADMIN, host.name, *pairs),
    )


def ready(host: SiteHost, programs: str) -> Step:
    """Wait until the cluster says that `host` is ready, as its own kubelet hears it."""
    return Step(
        id=f"{host.name}/ready",
        title=f"Wait until node {host.name} is ready",
        host=host.name,
        action=WaitFor(Command.shell(_READY, programs, host.name, timeout=30.0), seconds=_READY_SECONDS),
    )


def way_in(site: Site) -> tuple[Step, ...]:
    """Bring the administrator's kubeconfig to the operator, with addresses that are reached from there.

    Its current context leads to the Clusterfile's endpoint. Without one it leads to the first control plane, and
    contexts named ``HOST@CLUSTER`` lead to the others, for the day on which that is lost.
    """
    cluster = members(site)
    path = f"{footprint.NODE}/clusters/{site.cluster}/{KUBECONFIG}"
    doors = [(host.name, place(host, API_PORT)) for host in cluster.control_planes]
    if site.network.endpoint:
        doors = [("endpoint", site.network.endpoint)]
    arguments = (ADMIN, path, site.cluster, *(word for door in doors for word in door))
    name = cluster.first.name
    made = Step(
        id=f"{name}/kubeconfig",
        title="Write a kubeconfig for the operator",
        host=name,
        action=Run(Command.shell(_WAY_IN, "write", *arguments)),
        unless=Command.shell(_WAY_IN, "compare", *arguments),
        after=(renewal.step_id(cluster.first),),
    )
    brought = Step(
        id=f"{name}/fetch-kubeconfig",
        title="Fetch the kubeconfig",
        host=name,
        action=Fetch(path, KUBECONFIG),
        unless=Command(("test", "-e", path)),
        after=(made.id,),
    )
    return (made, brought)
