"""What a plan sends and writes at most, and about how long that takes."""

from dataclasses import replace

import pytest
from support.sites import LAYER, RUNTIME, host, hosts, site, stamped

from appliance.digest import Digest
from appliance.image.blobs import Blob
from appliance.image.oci import MEDIA_MANIFEST, LayerRecord
from appliance.inventory.facts import Receipt
from appliance.plan.forecast import Forecast, Rates, expected, forecast, room, time_said, timed
from appliance.plan.planner import candidate, plan
from appliance.plan.runtime import CarriedImage, Runtime, Site
from appliance.plan.steps import Plan, Receive, Unpack
from appliance.recipe.clusterfile import Distribution
from appliance.recipe.quantities import span_text
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
    written = sent + RUNTIME.unpacked_bytes + 2 * TREE
    assert forecast(made, whole(made)) == Forecast(3, 3 * sent, sent, written, first_each=RUNTIME.size)


def test_what_is_there_already_is_neither_sent_nor_written() -> None:
    made = three_hosts()
    assert forecast(made, without(whole(made), Receive)) == Forecast(0, 0, 0, 2 * TREE)
    assert forecast(made, without(without(whole(made), Receive), Unpack)) == Forecast()


def test_before_there_is_a_plan_the_same_is_expected_of_hosts_that_lack_the_image() -> None:
    made = three_hosts()
    runtime = SystemdRuntime()
    assert expected(made, runtime) == forecast(made, whole(made))
    first, *others = made.hosts
    assert expected(replace(made, hosts=(stamped(first, Receipt()), *others)), runtime).hosts == 2
    assert expected(replace(made, hosts=(stamped(first, Receipt()),)), runtime) == Forecast()


MB = 1_000_000
COST = Forecast(hosts=10, sent=1_000 * MB, sent_each=100 * MB, written_each=300 * MB, first_each=10 * MB)
FAST_DISK = (2_000 * MB,)


@pytest.mark.parametrize(
    ("method", "bandwidth", "rates", "sending"),
    [
        # All copies leave by our own line: it carries what all together got.
        ("unicast", 0, Rates((10 * MB, 10 * MB), together=20 * MB, writing=FAST_DISK), 50.0),
        ("unicast", 0, Rates((10 * MB,), writing=FAST_DISK), 100.0),
        # One slow host takes longer than our line needs for all.
        ("unicast", 0, Rates((100 * MB, MB), together=100 * MB, writing=FAST_DISK), 100.0),
        # What is passed on takes one copy's time by the slowest line, and a unit for each host; the runtime, four times
        # that of one copy (1, 3, 7, 15 hosts have it), or all copies from here when that is sooner.
        ("chain", 0, Rates((10 * MB, 20 * MB), together=20 * MB, writing=FAST_DISK), 4 + 9 + 0.262144),
        ("auto", 0, Rates((10 * MB, 20 * MB), together=20 * MB, writing=FAST_DISK), 4 + 9 + 0.262144),
        ("chain", 0, Rates((10 * MB, 20 * MB), together=50 * MB, writing=FAST_DISK), 2 + 9 + 0.262144),
        # A bandwidth that is asked for bounds ours and each host's.
        ("unicast", 40 * MB, Rates((10 * MB,), writing=FAST_DISK), 200.0),
        ("chain", 40 * MB, Rates((10 * MB,), writing=FAST_DISK), 8 + 18 + 10 * 262144 / (5 * MB)),
    ],
)
def test_time_is_what_the_lines_carry(method: str, bandwidth: int, rates: Rates, sending: float) -> None:
    time = timed(COST, rates, Distribution(method, bandwidth)).time
    assert time is not None
    assert time.least == pytest.approx(sending + 1.0)  # 200 MB unpacked, at the most that a host unpacks
    assert time.least < time.most < 2 * time.least


def test_a_disk_that_writes_slower_than_the_line_carries_decides() -> None:
    time = timed(COST, Rates((100 * MB,), writing=(10 * MB, MB)), Distribution("unicast")).time
    assert time is not None
    assert time.least == pytest.approx(100 + 200)


@pytest.mark.parametrize(
    ("cost", "rates", "method"),
    [
        (COST, Rates(), "auto"),
        (COST, Rates(writing=FAST_DISK), "auto"),
        (COST, Rates((MB,)), "pigeons"),
        (Forecast(), Rates((MB,)), "auto"),
    ],
)
def test_what_is_not_known_is_not_said(cost: Forecast, rates: Rates, method: str) -> None:
    assert timed(cost, rates, Distribution(method)) == cost
    assert time_said(cost) == ""


def test_few_bytes_and_one_host_are_sent_from_here() -> None:
    rates = Rates((10 * MB,), writing=FAST_DISK)
    for cost in (replace(COST, sent_each=COST.first_each + 4 * MB), replace(COST, hosts=1)):
        assert timed(cost, rates, Distribution()) == timed(cost, rates, Distribution("unicast"))


def test_a_time_says_on_what_it_rests() -> None:
    rates = Rates((10 * MB, 20 * MB), writing=FAST_DISK)
    assert time_said(timed(COST, rates, Distribution("unicast"))) == (
        "about 50 to 80 s to send and unpack that, by 80 Mbit/s to the slowest of 2 that were measured of 10 hosts;"
        " what services take is not in it"
    )
    assert "80 Mbit/s to the slowest of 2 hosts;" in time_said(timed(replace(COST, hosts=2), rates, Distribution()))
    assert "80 Mbit/s to the host;" in time_said(timed(replace(COST, hosts=1), Rates((10 * MB,)), Distribution()))


@pytest.mark.parametrize(
    ("least", "most", "said"),
    [
        (0.1, 0.2, "about 5 s"),
        (8, 14, "about 10 to 15 s"),
        (60, 99, "about 60 to 100 s"),
        (70, 110, "about 1 to 2 min"),
        (700, 740, "about 12 min"),
        (5_000, 7_000, "about 1 to 2 h"),
    ],
)
def test_no_more_is_said_of_a_time_than_is_known(least: float, most: float, said: str) -> None:
    assert span_text(least, most) == said


@pytest.mark.parametrize(
    ("role", "runtime", "more"),
    [
        ("worker", KubernetesRuntime(), 0),
        ("control-plane", KubernetesRuntime(), 1_000_300),
        ("control-plane", SystemdRuntime(), 0),
    ],
    ids=["worker", "control plane", "other runtime"],
)
def test_container_images_need_room_where_they_are_served_and_where_they_are_unpacked(
    role: str, runtime: Runtime, more: int
) -> None:
    manifest, layer = Blob(Digest.of(b"a manifest"), 300), Blob(Digest.of(b"a layer of it"), 1_000_000)
    made = site((*hosts(1, "control-plane"), *hosts(1, "worker")))
    part = replace(made.parts["amd64"], carried=(CarriedImage("quay.io/a:1", manifest, MEDIA_MANIFEST, (layer,)),))
    made = replace(made, config=replace(made.config, layers=(LayerRecord(LAYER.diff_id, "COPY . .", TREE),)))
    made = replace(made, parts={"amd64": part})
    (there,) = made.with_role(role)
    sent = LAYER.blob.size + RUNTIME.size + RUNTIME.unpacked_bytes
    unpacked = {"/var/lib/containerd": 3_000_000} if isinstance(runtime, KubernetesRuntime) else {}
    kept = {"/var/lib/appliance/node": sent + TREE + more, "/opt/appliance": TREE}
    assert room(made, there, runtime) == kept | unpacked
    assert expected(made, runtime).sent == len(made.hosts) * (LAYER.blob.size + RUNTIME.size) + (
        1_000_300 if unpacked else 0
    )


def test_a_host_of_another_architecture_needs_no_room() -> None:
    arm = host("arm", "worker", architecture="arm64")
    assert room(site((arm,)), arm, SystemdRuntime()) == {}
