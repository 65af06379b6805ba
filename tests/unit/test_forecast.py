"""What a plan sends and writes at most."""

from dataclasses import replace

import pytest
from support.sites import LAYER, RUNTIME, host, hosts, site

from appliance.digest import Digest
from appliance.image.blobs import Blob
from appliance.image.oci import MEDIA_MANIFEST, LayerRecord
from appliance.plan.forecast import Forecast, forecast, room
from appliance.plan.planner import candidate, plan
from appliance.plan.runtime import CarriedImage, Runtime, Site
from appliance.plan.steps import Plan, Receive, Unpack
from appliance.runtimes.kubernetes.runtime import KubernetesRuntime
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


@pytest.mark.parametrize(
    ("role", "runtime", "more"),
    [
        ("worker", KubernetesRuntime(), 0),
        ("control-plane", KubernetesRuntime(), 1_000_300),
        ("control-plane", SystemdRuntime(), 0),
    ],
    ids=["worker", "control plane", "other runtime"],
)
def test_container_images_need_room_where_they_are_served(role: str, runtime: Runtime, more: int) -> None:
    manifest, layer = Blob(Digest.of(b"a manifest"), 300), Blob(Digest.of(b"a layer of it"), 1_000_000)
    made = site((*hosts(1, "control-plane"), *hosts(1, "worker")))
    part = replace(made.parts["amd64"], carried=(CarriedImage("quay.io/a:1", manifest, MEDIA_MANIFEST, (layer,)),))
    made = replace(made, config=replace(made.config, layers=(LayerRecord(LAYER.diff_id, "COPY . .", TREE),)))
    made = replace(made, parts={"amd64": part})
    (there,) = made.with_role(role)
    sent = LAYER.blob.size + RUNTIME.size + RUNTIME.unpacked_bytes
    assert room(made, there, runtime) == {"/var/lib/appliance/node": sent + TREE + more, "/opt/appliance": TREE}


def test_a_host_of_another_architecture_needs_no_room() -> None:
    arm = host("arm", "worker", architecture="arm64")
    assert room(site((arm,)), arm, SystemdRuntime()) == {}
