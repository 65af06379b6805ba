"""By keys alone on a real Kubernetes: the cluster, an application onto it, changed; and both taken off again."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from support import kubernetes
from support.keyboard import Terminal
from support.kubernetes import kubectl
from support.lab import lab_of

from appliance.lab import host as machines
from appliance.lab.spec import HostSpec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from appliance.lab.registry import Lab

pytestmark = [pytest.mark.hosts, pytest.mark.slow]

LONG = 900.0


@dataclass(frozen=True, slots=True)
class Desk:
    """The operator's machine, a host, and what was carried there."""

    lab: Lab
    folder: Path
    delivery: kubernetes.Delivery

    def guide(self, bundle: Path) -> tuple[str, ...]:
        """The guide as the operator starts it."""
        return (sys.executable, "-m", "appliance", "--home", str(self.folder / "operator"), "tui", str(bundle))


@pytest.fixture(scope="module")
def desk(swept: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("guided")
    delivery = kubernetes.deliver(folder)
    with lab_of(HostSpec("one", containers=True)) as lab:
        yield Desk(lab, folder, delivery)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    made = Terminal(tmp_path / "tmux")
    yield made
    made.stop()


def open_bundle(terminal: Terminal, root: Path) -> None:
    terminal.focused("NOT VERIFIED")
    terminal.type(str(root))
    terminal.press("Enter")
    terminal.focused(r"^ VERIFIED")


def install(terminal: Terminal, described: Path, key: Path) -> None:
    """From the verdict to a cluster that runs."""
    terminal.press("C-n")
    terminal.focused("Hosts 2/6")
    terminal.type(str(described))
    terminal.press("Enter")
    terminal.focused("New host keys")
    terminal.press("Right", "Enter")
    terminal.focused("How hosts are entered")
    terminal.type("root")
    terminal.press("Tab", "Tab")
    terminal.type(str(key))
    terminal.press("Enter")
    terminal.focused("1 host entered, root is possible there")
    terminal.press("C-n")
    terminal.focused("Network of the pods +10.244.0.0/16")
    go(terminal, "apply kubernetes 1.20.2 to site")
    terminal.until("apply of site: done, 1 of 1 host", LONG)


def go(terminal: Terminal, proposed: str) -> None:
    """From the settings to a run."""
    terminal.press("C-n")
    terminal.focused("fit: .* 0 failed")
    terminal.press("C-n")
    terminal.focused(proposed)
    terminal.press("C-n")
    terminal.focused("Carry it out")
    terminal.press("Right", "Enter")


def pods(lab: Lab) -> int:
    """How many pods say hello."""
    said = kubectl(
        lab.host("one"), "-n", "hello", "get", "deployment", "hello", "-o", "jsonpath={.status.readyReplicas}"
    )
    return int(said or 0)


def test_a_cluster_by_keys_alone(desk: Desk, terminal: Terminal) -> None:
    described = desk.folder / "site.yaml"
    described.write_text(kubernetes.clusterfile(desk.lab, control_planes=("one",), workers=()))
    terminal.start(*desk.guide(desk.delivery.cluster))
    open_bundle(terminal, desk.delivery.root)
    install(terminal, described, desk.lab.key)
    terminal.press("Escape")
    terminal.focused("1 of 1 host well")
    assert kubectl(desk.lab.host("one"), "get", "nodes", "-o", "name") == "node/control-plane-1\n"


def test_an_application_comes_is_changed_and_goes_and_so_does_the_cluster(desk: Desk, terminal: Terminal) -> None:
    lab = desk.lab
    terminal.start(*desk.guide(desk.delivery.application))
    open_bundle(terminal, desk.delivery.root)
    for replicas in ("2", "3"):  # added, then changed
        terminal.press("C-n")
        terminal.focused("believed +ok ")
        terminal.press("C-n")
        terminal.focused("Settings 3/6")
        terminal.press("Tab", "BSpace")
        terminal.type(replicas)
        go(terminal, "add hello 1.0.0 to site")
        terminal.until("add of site: done, 1 of 1 host", LONG)
        assert pods(lab) == int(replicas)
        terminal.press("Escape")
        terminal.focused("1 of 1 host well; 1 of 1 application well")
        terminal.press("Escape")
        terminal.focused("Open 1/6")

    terminal.press("c")
    terminal.focused("1 of 1 host well; 1 of 1 application well")
    terminal.press("Down", "d")
    terminal.focused("take hello 1.0.0 away from site: .*LOST|LOST by it: 1. Take hello away")
    terminal.press("g")
    terminal.focused("Type the cluster's name")
    terminal.type("site")
    terminal.press("Enter")
    terminal.until("remove of site: done, 1 of 1 host", LONG)
    assert kubectl(lab.host("one"), "get", "deployments", "-A", "-l", "app=hello", "-o", "name") == ""
    terminal.press("Escape")
    terminal.focused("1 of 1 host well$")
    terminal.press("z")
    terminal.focused("reset of site: ")
    terminal.press("g")
    terminal.focused("Type the cluster's name")
    terminal.type("site")
    terminal.press("Enter")
    terminal.until("reset of site: done, 1 of 1 host", LONG)
    gone = machines.run_inside(lab.host("one"), ("test", "-e", "/etc/kubernetes/admin.conf"), check=False)
    assert gone.returncode == 1
