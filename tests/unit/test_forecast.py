"""What a plan sends and writes at most."""

from dataclasses import replace

from support.sites import LAYER, RUNTIME, hosts, site

from appliance.image.oci import LayerRecord
from appliance.plan.forecast import Forecast, forecast
from appliance.plan.planner import candidate, plan
from appliance.plan.runtime import Site
from appliance.plan.steps import Plan, Receive, Unpack
from appliance.runtimes.systemd.runtime import SystemdRuntime

TREE = 70_000_000


def three_hosts() -> Site:
    made = site(hosts(3, "db"))
    return replace(made, config=replace(made.config, layers=(LayerRecord(LAYER.diff_id, "COPY . .", TREE),)))


def whole(made: Site) -> Plan:
    return plan(made, candidate(made, SystemdRuntime()), held=frozenset())


def without(planned: Plan, kind: type[Receive] | type[Unpack]) -> Plan:
    stages = (
        replace(stage, steps=tuple(step for step in stage.steps if not isinstance(step.action, kind)))
        for stage in planned.stages
    )
    return replace(planned, stages=tuple(stages))


def test_a_new_host_gets_layers_and_helper_and_writes_their_trees_and_the_programs() -> None:
    made = three_hosts()
    sent = LAYER.blob.size + RUNTIME.size
    assert forecast(made, whole(made)) == Forecast(3, 3 * sent, sent, sent + RUNTIME.unpacked_bytes + 2 * TREE)


def test_what_is_there_already_is_neither_sent_nor_written() -> None:
    made = three_hosts()
    assert forecast(made, without(whole(made), Receive)) == Forecast(0, 0, 0, 2 * TREE)
    assert forecast(made, without(without(whole(made), Receive), Unpack)) == Forecast()
