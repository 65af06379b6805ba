"""Deliveries of Kubernetes out of Debian's parts, and the clusters that come of them on lab hosts.

made = deliver(folder)                               # kubernetes.run, hello.run
document = clusterfile(lab, control_planes=("a",), workers=("b", "c"))
kubectl(lab.host("a"), "get", "nodes")
"""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from support.traces import differences, trace

from appliance.lab import host as machines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from appliance.lab.registry import Lab, LabHost

TREE = Path(__file__).parents[2]
CLUSTER = "site"
BASE = "kubernetes:1.20.2"
EVERYWHERE = "everywhere:1.0.0"
BUSYBOX = "docker.io/library/busybox:1.35"
_ARCHIVE = "busybox-1.35.tar"
_INSIDE = """
for folder in /opt/appliance/*/*/bin; do PATH=$folder:$PATH; done
export KUBECONFIG=/etc/kubernetes/admin.conf HOME=/tmp
exec "$@"
"""


@dataclass(frozen=True, slots=True)
class Delivery:
    """Two signed bundles, of a cluster and of an application, and whom to believe."""

    cluster: Path
    application: Path
    root: Path


@functools.cache
def parts() -> Path:
    """The folder of parts; made of Debian's packages the first time, which takes a quarter of an hour."""
    made = subprocess.run((TREE / "scripts/kubernetes-parts",), stdout=subprocess.PIPE, text=True, check=True)
    return Path(made.stdout.strip())


def deliver(folder: Path, *, everywhere: bool = False) -> Delivery:
    """Build and bundle a cluster and the application ``hello`` below `folder`, as packagers do.

    The cluster is that of ``bundles/kubernetes/from-debian``, or with `everywhere` an image on top of it, with a
    Deployment that has pods on every node.
    """
    found = parts()
    appliance(folder, "key", "generate", "-O", folder / "keys", "--name", "Test Vendor")
    recipe = TREE / "bundles/kubernetes/from-debian/Kubefile"
    appliance(folder, "build", "-t", BASE, "-f", recipe, found)
    hello = _context(folder / "hello", TREE / "bundles/hello", found)
    appliance(folder, "build", "-t", "hello:1.0.0", hello)
    cluster = EVERYWHERE if everywhere else BASE
    if everywhere:
        context = _context(folder / "everywhere", TREE / "tests/data/recipes/everywhere", found)
        appliance(folder, "build", "-t", cluster, context)
    return Delivery(bundle(folder, cluster), bundle(folder, "hello:1.0.0"), folder / "keys/root.pem")


def _context(target: Path, recipe: Path, found: Path) -> Path:
    shutil.copytree(recipe, target)
    (target / "images").mkdir()
    shutil.copy(found / "images" / _ARCHIVE, target / "images")
    return target


def bundle(folder: Path, image: str) -> Path:
    """The bundle of an image that was built below `folder`."""
    out = folder / "out" / image.partition(":")[0]
    appliance(folder, "bundle", image, "-O", out, "--key", folder / "keys/signer-key.pem", "--lock-or-latest")
    (bundle,) = out.glob("*.run")
    return bundle


def appliance(folder: Path, *words: str | Path) -> None:
    """The command line as a packager starts it, with a store below `folder`."""
    argv = (sys.executable, "-m", "appliance", "--home", folder / "packager", "--store", folder / "store", *words)
    done = subprocess.run(argv, cwd=TREE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def clusterfile(lab: Lab, *, control_planes: Sequence[str], workers: Sequence[str], image: str = BASE) -> str:
    """The Clusterfile of a cluster on these lab hosts (nodes ``control-plane-1``, ``worker-1`` …), as labs need it."""
    roles = {"control-plane": control_planes, "worker": workers}
    hosts = [
        {"addresses": [lab.host(name).address for name in names], "roles": [role]}
        for role, names in roles.items()
        if names
    ]
    cluster: dict[str, object] = {
        "apiVersion": "appliance/v1",
        "kind": "Cluster",
        "metadata": {"name": CLUSTER},
        "spec": {"image": image, "hosts": hosts, "parameters": {"containerd": {"restrictOomScoreAdj": True}}},
    }
    return f"{json.dumps(cluster)}\n---\n{(TREE / 'bundles/kubernetes/lab.yaml').read_text()}"


def program(host: LabHost, *words: str, seconds: float = 180.0, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a program that the cluster brought to a host, on that host."""
    return machines.run_inside(host, ("sh", "-c", _INSIDE, "sh", *words), seconds=seconds, check=check)


def kubectl(host: LabHost, *arguments: str) -> str:
    """What kubectl says on a control plane."""
    return program(host, "kubectl", *arguments).stdout


def lines(host: LabHost, *arguments: str, template: str) -> list[list[str]]:
    """The words of the line that kubectl makes of each item by `template`, as ``{.metadata.name} {.status.podIP}``."""
    jsonpath = f'jsonpath={{range .items[*]}}{template}{{"\\n"}}{{end}}'
    return [line.split(" ") for line in kubectl(host, *arguments, "-o", jsonpath).splitlines()]


def ask_everybody(host: LabHost, places: Sequence[str], *, namespace: str, app: str) -> dict[str, list[str]]:
    """What each pod of `app` gets from ``http://PLACE/``, place by place."""
    pods = lines(host, "-n", namespace, "get", "pods", "-l", f"app={app}", template="{.metadata.name}")
    asked = "".join(f"timeout 20 wget -qO- http://{place}/ || exit; echo; " for place in places)
    answers = {pod: kubectl(host, "-n", namespace, "exec", pod, "--", "sh", "-c", asked) for (pod,) in pods}
    return {pod: [line for line in said.splitlines() if line] for pod, said in answers.items()}


def left_behind(host: LabHost, before: dict[str, frozenset[str]]) -> list[str]:
    """What a host has, or lacks, after a reset; without what is the lab's own doing.

    There, systemd does not hear that a scope is empty (control groups of version 1). A pod that mounts the folder of
    kernel modules makes it, and whoever calls iptables leaves its lock. Folders of services are named
    anew at each boot.
    """
    ours = (
        "files: +/usr/lib/modules ",
        "files: +/run/xtables.lock ",
        "files: +/var/tmp/systemd-private-",
        "files: -/var/tmp/systemd-private-",
        "units: +run-r",
        "units: +session-",
        "units: -session-",
    )
    return [line for line in differences(before, trace(host)) if not line.startswith(ours)]
