"""What runs on a cluster, in order: manifests, a Deployment, a script and sealer's documents come up; one that fails is
told of with its last words; and applications go away again.

A Deployment, a script and a chart at once are the application ``mixed``; ``crash`` never comes up.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support import kubernetes
from support.kubernetes import kubectl
from support.lab import lab_of

from appliance.lab import host as machines
from appliance.lab.spec import HostSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from appliance.lab.registry import Lab, LabHost

pytestmark = [pytest.mark.hosts, pytest.mark.slow]

RECIPES = Path(__file__).parents[1] / "data/recipes"
PLUGINS = (
    {"type": "SHELL", "action": "PreInit", "data": "test ! -e /etc/kubernetes/admin.conf && pwd > /etc/before"},
    {"type": "LABEL", "action": "PreGuest", "data": "ADDRESS disk=ssd"},
    {"type": "CLUSTERCHECK", "action": "PreGuest"},
    {"type": "SHELL", "action": "PostInstall", "on": "master", "data": "kubectl get nodes -o name > /etc/after"},
)


@dataclass(frozen=True, slots=True)
class Site:
    """A cluster of one host, and what an operator of it has."""

    lab: Lab
    folder: Path

    @property
    def host(self) -> LabHost:
        """The host."""
        return self.lab.host("one")

    def appliance(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """The command line as the operator starts it, on this machine."""
        keys = ("--key", self.lab.key, "--host-keys", self.lab.known_hosts, "--home", self.folder / "operator")
        argv = (sys.executable, "-m", "appliance", *words, *keys)
        return subprocess.run(argv, capture_output=True, text=True, timeout=900, check=False)

    def add(self, name: str, *more: str) -> subprocess.CompletedProcess[str]:
        """Put the application of this name onto the cluster."""
        (bundle,) = (self.folder / "out" / name).glob("*.run")
        return self.appliance("run", bundle, "--trust", self.folder / "keys/root.pem", "--yes", *more)


@pytest.fixture(scope="module")
def site(swept: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("applications")
    delivery = kubernetes.deliver(folder)
    for name in ("mixed", "crash"):
        shutil.copytree(RECIPES / name, folder / name)
        shutil.copytree(folder / "hello/images", folder / name / "images")
        kubernetes.appliance(folder, "build", "-t", f"{name}:1.0.0", folder / name)
        kubernetes.bundle(folder, f"{name}:1.0.0")
    with lab_of(HostSpec("one", containers=True)) as lab:
        made = Site(lab, folder)
        address = made.host.address
        plugins = (
            {
                "apiVersion": "sealer.io/v1",
                "kind": "Plugin",
                "metadata": {"name": f"plugin-{number}"},
                "spec": {**spec, "data": str(spec.get("data", "")).replace("ADDRESS", address)},
            }
            for number, spec in enumerate(PLUGINS)
        )
        text = kubernetes.clusterfile(lab, control_planes=("one",), workers=())
        text = "---\n".join((text, *(json.dumps(plugin) + "\n" for plugin in plugins)))
        (folder / "cluster.yaml").write_text(text)
        done = made.appliance(
            "apply", delivery.cluster, "-f", folder / "cluster.yaml", "--trust", delivery.root, "--yes"
        )
        assert done.returncode == 0, done.stdout + done.stderr
        yield made


def inside(site: Site, *argv: str) -> str:
    return machines.run_inside(site.host, argv).stdout


def test_plugins_ran_before_the_cluster_and_after_it(site: Site) -> None:
    assert inside(site, "cat", "/etc/before").strip().endswith("/clusters/site/applications/rootfs")
    assert inside(site, "cat", "/etc/after") == "node/control-plane-1\n"
    assert kubectl(site.host, "get", "nodes", "-l", "disk=ssd", "-o", "name") == "node/control-plane-1\n"


def test_manifest_deployment_script_and_chart_come_up_with_what_the_site_says(site: Site) -> None:
    done = site.add("mixed", "--set", "colour=green")
    assert done.returncode == 0, done.stdout + done.stderr
    assert kubectl(site.host, "get", "things", "first", "-o", "jsonpath={.spec.from}") == "a manifest"
    assert kubectl(site.host, "get", "configmap", "script", "-o", "jsonpath={.data.said}") == "green 7 once"
    ready = kubectl(site.host, "get", "deployments", "-o", "jsonpath={.items[*].status.readyReplicas}")
    assert ready == "1 1"
    again = site.add("mixed")
    assert "nothing to do" in again.stdout, again.stdout + again.stderr


def test_what_is_gone_from_the_cluster_is_launched_again(site: Site) -> None:
    kubectl(site.host, "delete", "deployment", "plain")
    done = site.add("mixed")
    assert done.returncode == 0, done.stdout + done.stderr
    assert kubectl(site.host, "get", "deployment", "plain", "-o", "jsonpath={.status.readyReplicas}") == "1"


def test_one_that_fails_is_told_of_with_its_pod_and_last_words(site: Site) -> None:
    done = site.add("crash")
    assert done.returncode == 6
    said = " ".join((done.stdout + done.stderr).split())
    assert "Wait until crash is well" in said
    assert "Deployment default/crash: 0 of 1 ready" in said
    assert "cannot open /etc/crash.conf" in said


def test_status_lists_nodes_bad_pods_and_applications(site: Site) -> None:
    status = json.loads(site.appliance("status", "-o", "json").stdout)
    assert [(node["name"], node["ready"]) for node in status["kubernetes"]["nodes"]] == [("control-plane-1", True)]
    assert [name.partition("-")[0] for name in status["kubernetes"]["pods"]] == ["default/crash"]
    assert [(app["name"], app["version"]) for app in status["applications"]] == [("crash", "1.0.0"), ("mixed", "1.0.0")]


@pytest.mark.parametrize("name", ["crash", "mixed"])
def test_an_application_goes_away_with_all_that_it_made(site: Site, name: str) -> None:
    done = site.appliance("reset", "--app", name, "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    left = kubectl(site.host, "get", "deployments,crd,jobs", "-o", "name")
    assert name == "crash" or left == ""
    assert name not in inside(site, "ls", "/var/lib/appliance/node/clusters/site/apps")
