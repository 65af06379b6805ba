"""The whole journey by keys alone, on a terminal of the operator's machine: `.run` → installed etcd cluster → reset.

The operator's machine is a lab host without Python. The terminal is tmux here, with a login there; it is killed in the
middle of the run, and the run goes on.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.keyboard import Terminal
from support.lab import OPS, lab_of

from appliance.lab import host as machines
from appliance.lab import lab as labs
from appliance.lab.spec import HostSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from appliance.lab.registry import Lab

pytestmark = [pytest.mark.hosts, pytest.mark.slow]

MEMBERS = ("etcd-a", "etcd-b", "etcd-c")
RECIPE = Path(__file__).parents[2] / "bundles" / "etcd"


@dataclass(frozen=True)
class Desk:
    """The operator's machine, with the stick in it."""

    lab: Lab
    bundle: str

    def sit_down(self, terminal: Terminal, term: str) -> None:
        """Log in and start the bundle without arguments."""
        line = f"cd /media && TERM={term} LANG=C.UTF-8 sh {self.bundle}"
        enter, *rest = labs.ssh_command(self.lab, "operator")
        terminal.start(enter, "-t", *rest, line)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    from appliance.__main__ import main  # noqa: PLC0415  (only here)

    folder = tmp_path_factory.mktemp("guided")
    common = ("--home", str(folder / "home"), "--store", str(folder / "store"))
    for arguments in (
        ("build", "-t", "etcd-cluster:1.0.0", str(RECIPE)),
        ("key", "generate", "-O", str(folder / "keys"), "--name", "Test Vendor"),
        (
            "bundle",
            "etcd-cluster:1.0.0",
            "-O",
            str(folder / "out"),
            "--key",
            str(folder / "keys/signer-key.pem"),
            "--lock-or-latest",
        ),
    ):
        assert main([*common, "--quiet", *arguments]) == 0
    (bundle,) = (folder / "out").glob("*.run")
    hosts = (HostSpec(name, users=(OPS,)) for name in MEMBERS)
    with lab_of(*hosts, HostSpec("operator", python=False)) as lab:
        operator = lab.host("operator").root
        for source, name in (
            (bundle, f"media/{bundle.name}"),
            (folder / "keys/root.pem", "root/root.pem"),
            (lab.key, "root/id"),
        ):
            (operator / name).write_bytes(source.read_bytes())
        (operator / "root/id").chmod(0o600)
        yield Desk(lab, bundle.name)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    made = Terminal(tmp_path / "tmux")
    yield made
    made.stop()


def describe(desk: Desk, terminal: Terminal) -> None:
    """From the first screen to the plan."""
    first, *_, last = [desk.lab.host(name).address for name in MEMBERS]
    terminal.focused("NOT VERIFIED")
    terminal.type("/root/root.pem")
    terminal.press("Enter")
    terminal.focused(r"^ VERIFIED")
    terminal.press("C-n")
    terminal.focused("Hosts 2/6")
    terminal.type(f"{first}-{last.rpartition('.')[2]}")
    terminal.press("Enter")
    terminal.focused("New host keys")
    terminal.press("Right", "Enter")
    terminal.focused("How hosts are entered")
    terminal.type("ops")
    terminal.press("Tab", "Tab")
    terminal.type("/root/id")
    terminal.press("Enter")
    terminal.focused("3 hosts entered, root is possible there")
    terminal.press("C-n")
    terminal.focused("Settings 3/6")
    terminal.press("C-n")
    terminal.focused("fit: .* 0 failed")
    terminal.press("C-n")
    terminal.focused("1. Prepare hosts")


def come_back(terminal: Terminal) -> None:
    """To the clusters; if the run goes on still, by its screen."""
    terminal.focused("A run goes on|NOT VERIFIED")
    if "A run goes on" in terminal.tmux("capture-pane", "-p", "-t", "a"):
        terminal.press("Enter")
        terminal.until("done, 3 of 3 hosts", 300)
        terminal.press("Escape")
    else:
        terminal.press("C-p")
        terminal.focused("Light or dark")
        terminal.type("Clusters")
        terminal.focused("What is installed")
        terminal.press("Enter")
    terminal.focused("Cluster etcd-cluster")


def reset(terminal: Terminal) -> None:
    """Take everything off again."""
    terminal.press("a")
    terminal.focused("How hosts are entered")
    terminal.press("Tab", "Tab")
    terminal.type("/root/id")
    terminal.press("Enter")
    terminal.focused("3 of 3 hosts well")
    terminal.press("z")
    terminal.focused("reset of etcd-cluster.*LOST")
    terminal.press("g")
    terminal.focused("Type the cluster's name")
    terminal.type("etcd-cluster")
    terminal.press("Enter")
    terminal.until("reset of etcd-cluster: done, 3 of 3 hosts", 300)


def test_from_the_stick_to_a_cluster_and_back_by_keys_alone(desk: Desk, terminal: Terminal) -> None:
    desk.sit_down(terminal, "linux")
    describe(desk, terminal)
    terminal.press("C-n")
    terminal.focused("Carry it out")
    terminal.press("Right", "Enter")
    terminal.until(r"stage [2-9] of")
    terminal.stop()  # the terminal is gone, with the login and the guide in it

    desk.sit_down(terminal, "vt100")
    come_back(terminal)
    etcdctl = "/etc/etcd/etcdctl"
    machines.run_inside(desk.lab.host("etcd-a"), (etcdctl, "--command-timeout=60s", "put", "key", "by keys alone"))
    said = machines.run_inside(desk.lab.host("etcd-b"), (etcdctl, "get", "--print-value-only", "key")).stdout
    assert said == "by keys alone\n"
    reset(terminal)
    terminal.press("C-q")
    terminal.ended()
    gone = machines.run_inside(desk.lab.host("etcd-a"), ("test", "-e", "/etc/etcd"), check=False)
    assert gone.returncode == 1
