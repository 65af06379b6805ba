"""By which way blobs travel: as asked for, else by how many hosts get how much at a time."""

from __future__ import annotations

import pytest

from appliance.digest import Digest
from appliance.distribute.chain import Chain
from appliance.distribute.pace import Pace
from appliance.distribute.swarm import Swarm
from appliance.distribute.unicast import Unicast
from appliance.errors import PlanError
from appliance.execute.way import distributor, to_unpack
from appliance.image.blobs import Blob, LayerBlob
from appliance.plan.forecast import WORTH_BYTES
from appliance.plan.steps import Plan, Receive, Stage, Step, Unpack
from appliance.recipe.clusterfile import Distribution

RUNTIME = Digest.of(b"runtime")


def plan(*sizes: int, at_once: int = 0, runtime: Digest | None = RUNTIME) -> Plan:
    steps = tuple(
        Step(f"{n}/image", "Send", f"{n}", Receive((Blob(Digest.of(b"blob"), size),), runtime))
        for n, size in enumerate(sizes)
    )
    return Plan("site", "", (Stage("Send", steps, at_once=at_once),))


@pytest.mark.parametrize(
    ("planned", "at_once", "chosen"),
    [
        (plan(WORTH_BYTES, WORTH_BYTES), 0, Chain),
        (plan(WORTH_BYTES), 0, Unicast),
        (plan(WORTH_BYTES, WORTH_BYTES - 1), 0, Unicast),
        (plan(WORTH_BYTES, WORTH_BYTES), 1, Unicast),
        (plan(WORTH_BYTES, WORTH_BYTES), 2, Chain),
        (plan(WORTH_BYTES, WORTH_BYTES, at_once=1), 0, Unicast),
        (plan(WORTH_BYTES, WORTH_BYTES, runtime=None), 0, Unicast),
        (plan(), 0, Unicast),
    ],
)
def test_left_to_choose_it_is_the_chain_where_several_hosts_get_enough_at_the_same_time(
    planned: Plan, at_once: int, chosen: type
) -> None:
    assert type(distributor(Distribution("auto"), planned, endpoints={}, at_once=at_once)) is chosen


def test_a_way_that_is_asked_for_is_taken() -> None:
    assert type(distributor(Distribution("chain"), plan(1), endpoints={})) is Chain
    assert type(distributor(Distribution("unicast"), plan(WORTH_BYTES, WORTH_BYTES), endpoints={})) is Unicast


def test_hosts_swarm_where_they_are_asked_to_and_the_plan_brings_what_they_need_for_that() -> None:
    part = LayerBlob(Blob(Digest.of(b"part"), 1), Digest.of(b"tar"))
    steps = tuple(
        Step(f"{n}/image", "Send", f"{n}", Receive((Blob(Digest.of(b"blob"), 1),), RUNTIME, part)) for n in range(2)
    )
    swarming = Plan("site", "", (Stage("Send", steps),))
    assert type(distributor(Distribution("swarm"), swarming, endpoints={})) is Swarm
    assert type(distributor(Distribution("swarm"), plan(WORTH_BYTES, WORTH_BYTES), endpoints={})) is Chain
    assert type(distributor(Distribution("auto"), plan(1), endpoints={})) is Unicast


def test_a_way_that_is_not_there_is_refused() -> None:
    with pytest.raises(PlanError, match="the method pigeon is not there"):
        distributor(Distribution("pigeon"), plan(1), endpoints={})


def test_layers_are_unpacked_early_on_those_hosts_whose_plan_unpacks_them() -> None:
    layers = [LayerBlob(Blob(Digest.of(name), 1), Digest.of(name * 2)) for name in (b"base", b"own")]
    steps = [
        Step(f"{host}/unpack", "Unpack", host, Unpack("site", RUNTIME, tuple(these), ("bin",), RUNTIME))
        for host, these in (("a", layers), ("b", layers[:1]))
    ]
    base, own = ({layer.blob.digest.hex: layer.diff_id.hex} for layer in layers)
    stages = (*plan(1, 1).stages, *(Stage("Unpack", (step,)) for step in steps))
    assert to_unpack(Plan("site", "", stages)) == {"a": base | own, "b": base}


def test_bytes_leave_at_their_pace_whoever_sends_them() -> None:
    slept: list[float] = []
    now = 100.0
    pace = Pace(800, monotonic=lambda: now, sleep=slept.append)
    for size in (100, 50, 50):
        pace.wait(size)
    assert slept == [1.0, 1.5]
    now = 103.0
    pace.wait(10)
    assert slept == [1.0, 1.5]


def test_without_a_limit_nobody_waits() -> None:
    slept: list[float] = []
    pace = Pace(0, sleep=slept.append)
    pace.wait(1 << 40)
    assert slept == []
