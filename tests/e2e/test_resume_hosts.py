"""Hosts and machines that go away in the middle of a run: power, a reboot, the operator's session, another operator."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.lab import lab_of
from support.operators import Operator, deliver, heard, on_terminal, write_clusterfile

from appliance.events import Event, StepStarted
from appliance.lab import host as machines
from appliance.lab import lab as labs
from appliance.lab.spec import HostSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [pytest.mark.hosts, pytest.mark.slow]

RECIPE = Path(__file__).parents[1] / "data" / "recipes" / "beacon"
NAMES = ("one", "two", "three")
GATE = "/run/go"
GATED = ("--set", f"gate={GATE}")


@pytest.fixture(scope="module")
def delivery(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The bundle, and whom to believe."""
    folder = tmp_path_factory.mktemp("beacon")
    recipe = shutil.copytree(RECIPE, folder / "recipe")
    for name in ("noise", "zeros"):
        (recipe / name).write_text(name)
    return deliver(folder, recipe)


@pytest.fixture
def ann(swept: None, delivery: tuple[Path, Path], tmp_path: Path) -> Iterator[Operator]:
    """An operator here; ``operator`` in the lab is a machine without Python, from which another one works."""
    bundle, root = delivery
    with lab_of(*map(HostSpec, NAMES), HostSpec("operator", python=False)) as lab:
        addresses = [lab.host(name).address for name in NAMES]
        clusterfile = write_clusterfile(tmp_path / "cluster.yaml", addresses, "beacon")
        yield Operator(lab, tmp_path / "ann", bundle, root, clusterfile)


def everywhere(ann: Operator, script: str) -> list[str]:
    return [machines.run_inside(ann.lab.host(name), ("sh", "-c", script)).stdout for name in NAMES]


def begun(step: str) -> Callable[[Event], bool]:
    return lambda event: isinstance(event, StepStarted) and event.step == step


def require_installed(ann: Operator) -> None:
    assert everywhere(ann, "systemctl is-active beacon; systemctl is-enabled beacon") == ["active\nenabled\n"] * 3
    done = ann.appliance("apply", *GATED)
    assert "nothing to do" in done.stdout, done.stderr


@pytest.mark.parametrize("how", ["power", "cable"])
def test_a_host_that_the_run_can_do_without_goes_away_and_the_next_apply_adds_it(ann: Operator, how: str) -> None:
    three = ann.lab.host("three")
    runs = ann.runs
    with ann.start("apply") as process:
        heard(ann.next_run(runs), begun("beacon-3/helper-blob"))
        machines.cut(three)
        if how == "power":
            machines.power_off(three)
        assert process.wait() == 6
    for name in ("one", "two"):
        assert machines.run_inside(ann.lab.host(name), ("systemctl", "is-active", "beacon")).stdout == "active\n"
    away = ann.appliance("apply")
    assert away.returncode == 4
    assert "beacon-3" in away.stderr
    machines.mend(three)
    if how == "power":
        machines.power_on(three)
        machines.wait(three)
    assert all(step.startswith("beacon-3/") for step in ann.plan())
    done = ann.appliance("apply")
    assert done.returncode == 0, done.stderr
    everywhere(ann, f"touch {GATE}")
    require_installed(ann)


def test_a_host_that_reboots_in_the_middle_is_entered_again_and_the_run_ends_right(ann: Operator) -> None:
    runs = ann.runs
    with ann.start("apply", *GATED) as process:
        heard(ann.next_run(runs), begun("beacon-1/health:the gate is open"))
        machines.reboot(ann.lab.host("one"))
        everywhere(ann, f"touch {GATE}")
        assert process.wait() == 0
    require_installed(ann)
    machines.reboot(ann.lab.host("two"))
    everywhere(ann, f"touch {GATE}")
    require_installed(ann)
    everywhere(ann, "[ ! -e /run/appliance ]")


def test_a_lost_ssh_session_does_not_end_a_run_and_an_operator_on_another_machine_is_refused_meanwhile(
    ann: Operator,
) -> None:
    machine = ann.lab.host("operator")
    for source, name in ((ann.bundle, f"media/{ann.bundle.name}"), (ann.root, "root/root.pem")):
        shutil.copyfile(source, machine.root / name)
    for source, name in ((ann.lab.known_hosts, "root/known_hosts"), (ann.lab.key, "root/key")):
        shutil.copyfile(source, machine.root / name)
    (machine.root / "root/key").chmod(0o600)
    shutil.copyfile(ann.clusterfile, machine.root / "root/cluster.yaml")
    enter = labs.ssh_command(ann.lab, "operator")
    words = f"apply -f cluster.yaml --trust root.pem --key key --host-keys known_hosts --yes {' '.join(GATED)}"
    with on_terminal(*enter, "-tt", f"sh /media/{ann.bundle.name} {words}") as session:
        session.until("Check the cluster")
        session.kill()
    refused = ann.appliance("apply", *GATED)
    assert refused.returncode == 8
    assert "root@operator for run" in refused.stderr
    with on_terminal(*enter, "-tt", f"sh /media/{ann.bundle.name} attach") as session:
        session.until("Check the cluster")
        everywhere(ann, f"touch {GATE}")
        assert session.end() == 0
    assert "done, 3 of 3 hosts" in session.said
    assert everywhere(ann, "systemctl is-active beacon; [ ! -e /run/appliance ]") == ["active\n"] * 3
