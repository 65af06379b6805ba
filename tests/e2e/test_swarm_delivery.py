"""A delivery whose hosts swarm: `bundle --swarm` carries what that takes, the Clusterfile asks for it."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.lab import lab_of
from support.operators import Operator, deliver, write_clusterfile

from appliance.lab import host as machines
from appliance.lab.spec import HostSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.hosts, pytest.mark.slow]

RECIPE = Path(__file__).parents[1] / "data" / "recipes" / "beacon"
NAMES = ("one", "two", "three")
NOISE_BYTES = 12 << 20


@pytest.fixture(scope="module")
def ann(swept: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """The operator, with the delivery and three hosts that were never touched."""
    folder = tmp_path_factory.mktemp("beacon")
    recipe = shutil.copytree(RECIPE, folder / "recipe")
    (recipe / "noise").write_bytes(os.urandom(NOISE_BYTES))
    (recipe / "zeros").write_bytes(bytes(1 << 20))
    bundle, root = deliver(folder, recipe, "--swarm")
    with lab_of(*map(HostSpec, NAMES)) as lab:
        addresses = [lab.host(name).address for name in NAMES]
        clusterfile = write_clusterfile(folder / "cluster.yaml", addresses, "beacon", distribution={"method": "swarm"})
        yield Operator(lab, folder / "ann", bundle, root, clusterfile)


def test_an_image_goes_to_all_hosts_by_a_swarm_and_one_copy_of_its_large_layers_leaves_the_operator(
    ann: Operator,
) -> None:
    plan = ann.plan()
    assert {"beacon-1/swarm", "beacon-2/swarm", "beacon-3/swarm"} < {*plan}
    done = ann.appliance("apply")
    assert done.returncode == 0, done.stdout + done.stderr
    said = [path.read_text() for path in sorted((ann.runs[0].path / "hosts").glob("*.log"))]
    given = [int(found[1]) for log in said if (found := re.search(r"by the swarm \((\d+) bytes", log))]
    assert len(given) == len(NAMES)
    assert NOISE_BYTES <= sum(given) <= NOISE_BYTES * 3 // 2
    for name in NAMES:
        left = machines.run_inside(ann.lab.host(name), ("sh", "-c", "ls -A /var/lib/appliance/node/blobs/sha256"))
        assert ".swarm" not in left.stdout
    assert ann.plan() == []
