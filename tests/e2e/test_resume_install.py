"""Every boundary of the real etcd installation: the worker killed right there, and the same command goes on.

One installation, and one kill a boundary: each command's worker ends itself as by kill -9 the moment that one more step
is in the journal. With one host at a time a boundary is met exactly; side by side it also falls into others' steps.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.doomed import doomed
from support.lab import OPS, lab_of
from support.operators import Operator, deliver, steps_of, write_clusterfile
from support.traces import differences, trace

from appliance.errors import ApplianceError
from appliance.lab import host as machines
from appliance.lab.spec import HostSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.hosts, pytest.mark.slow]

NAMES = ("one", "two", "three")
RECIPE = Path(__file__).parents[2] / "bundles" / "etcd"


@pytest.fixture(scope="module")
def operator(swept: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    folder = tmp_path_factory.mktemp("etcd")
    bundle, root = deliver(folder, RECIPE)
    with lab_of(*(HostSpec(name, users=(OPS,)) for name in NAMES)) as lab:
        addresses = [lab.host(name).address for name in NAMES]
        clusterfile = write_clusterfile(folder / "cluster.yaml", addresses, "etcd", ssh={"user": OPS.name})
        yield Operator(lab, folder / "operator", bundle, root, clusterfile)


@pytest.fixture(scope="module", autouse=True)
def before(operator: Operator) -> dict[str, dict[str, frozenset[str]]]:
    return {name: trace(operator.lab.host(name)) for name in NAMES}


def walk(operator: Operator, command: str, *, at_once: int) -> list[list[str]]:
    """Repeat the command, each time killed after one more step, until it has nothing more to do; the plans' steps."""
    plans: list[list[str]] = []
    while True:
        runs = operator.runs
        done = operator.appliance(command, "--at-once", str(at_once), program=doomed("finished", 1))
        if done.returncode == 0:
            return plans
        assert done.returncode == 6, done.stderr
        assert "ended without a word" in done.stderr
        new = [run for run in operator.runs if run not in runs]
        plans.append(steps_of(new[0]))


def require_healthy(operator: Operator) -> None:
    for name in NAMES:
        machines.run_inside(operator.lab.host(name), ("/etc/etcd/etcdctl", "endpoint", "health"))
    assert "nothing to do" in operator.appliance("apply").stdout


def require_gone(operator: Operator, before: dict[str, dict[str, frozenset[str]]]) -> None:
    for name in NAMES:
        assert differences(before[name], trace(operator.lab.host(name))) == [], name
        with pytest.raises(ApplianceError):
            machines.run_inside(operator.lab.host(name), ("test", "-e", "/run/appliance"))


def test_killed_at_every_boundary_of_an_installation_each_step_is_carried_out_once(operator: Operator) -> None:
    plans = walk(operator, "apply", at_once=1)
    assert len(plans) == len(plans[0])
    for plan, following in pairwise(plans):
        assert set(following) < set(plan)
        assert len(following) == len(plan) - 1
    require_healthy(operator)


def test_killed_at_every_boundary_of_a_reset_the_hosts_are_as_they_were(
    operator: Operator, before: dict[str, dict[str, frozenset[str]]]
) -> None:
    plans = walk(operator, "reset", at_once=1)
    assert len(plans) >= len(NAMES)
    require_gone(operator, before)
    assert "nothing to do" in operator.appliance("reset").stdout


def test_killed_while_other_hosts_are_inside_their_steps_no_step_comes_back(
    operator: Operator, before: dict[str, dict[str, frozenset[str]]]
) -> None:
    plans = walk(operator, "apply", at_once=0)
    for plan, following in pairwise(plans):
        assert set(following) < set(plan)
    require_healthy(operator)
    walk(operator, "reset", at_once=0)
    require_gone(operator, before)
