"""The whole plan of the etcd recipe, as text: a change of the recipe, the runtime or the planner shows as a diff.

``APPLIANCE_WRITE_GOLDENS=1`` writes the files anew; read the diff before committing it.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.plantext import plan_text
from support.sites import etcd_site, hosts, stamped

from appliance.inventory.facts import stamp_from_text
from appliance.plan.planner import candidate, prune
from appliance.plan.steps import PutText
from appliance.runtimes.systemd.runtime import SystemdRuntime

GOLDENS = Path(__file__).parents[1] / "data/plans"


def check_golden(name: str, text: str) -> None:
    path = GOLDENS / name
    if os.environ.get("APPLIANCE_WRITE_GOLDENS"):
        path.write_text(text)
    assert text == path.read_text()


def test_installing_three_members_is_this_plan() -> None:
    stages = candidate(etcd_site(hosts(3, "etcd")), SystemdRuntime())
    check_golden("etcd-install.txt", plan_text(stages, only="etcd-1"))
    per_host = {
        name: [step.id.partition("/")[2] for stage in stages for step in stage.steps if step.host == name]
        for name in ("etcd-1", "etcd-2", "etcd-3")
    }
    assert per_host["etcd-1"] == per_host["etcd-2"] == per_host["etcd-3"]


def test_resetting_a_member_is_this_plan() -> None:
    site = etcd_site(hosts(1, "etcd"))
    runtime = SystemdRuntime()
    receipt = next(
        step.action for stage in candidate(site, runtime) for step in stage.steps if step.id == "etcd-1/stamp"
    )
    assert isinstance(receipt, PutText)
    stamp = stamp_from_text("".join(map(str, receipt.parts)))
    installed = etcd_site((stamped(site.hosts[0], stamp.receipt),))
    check_golden("etcd-reset.txt", plan_text(runtime.remove(installed)))


def test_only_the_changed_file_s_service_restarts() -> None:
    stages = candidate(etcd_site(hosts(1, "etcd")), SystemdRuntime())
    everything = {step.id for stage in stages for step in stage.steps}
    changed = {"etcd-1/write:/etc/haproxy/haproxy.cfg"}
    kept = [step.id for stage in prune(stages, everything - changed) for step in stage.steps]
    assert kept == [
        "etcd-1/write:/etc/haproxy/haproxy.cfg",
        "etcd-1/start:haproxy.service",
        "etcd-1/active:haproxy.service",
        "etcd-1/health:etcd through haproxy",
    ]


def test_new_programs_restart_every_service() -> None:
    stages = candidate(etcd_site(hosts(1, "etcd")), SystemdRuntime())
    everything = {step.id for stage in stages for step in stage.steps}
    kept = {step.id for stage in prune(stages, everything - {"etcd-1/unpack"}) for step in stage.steps}
    assert {"etcd-1/start:haproxy.service", "etcd-1/start:etcd.service"} <= kept


def test_a_client_host_gets_the_proxy_and_no_member() -> None:
    site = etcd_site((*hosts(3, "etcd"), *hosts(1, "client")))
    steps = [step for stage in candidate(site, SystemdRuntime()) for step in stage.steps if step.host == "client-1"]
    units = {step.id for step in steps if "start:" in step.id}
    assert units == {"client-1/start:haproxy.service"}
    config = next(step.action for step in steps if step.id.endswith("haproxy.cfg"))
    assert isinstance(config, PutText)
    assert "etcd-3 10.0.0.13:2379" in str(config.parts)


def test_a_failing_client_does_not_stop_the_members() -> None:
    stages = candidate(etcd_site((*hosts(3, "etcd"), *hosts(1, "client"))), SystemdRuntime())
    assert {stage.needs for stage in stages} == {("etcd-1", "etcd-2", "etcd-3")}


def test_keys_are_readable_by_root_alone() -> None:
    stages = candidate(etcd_site(hosts(3, "etcd")), SystemdRuntime())
    texts = [step.action for stage in stages for step in stage.steps if isinstance(step.action, PutText)]
    secret = {text.path: text.mode for text in texts if any(not isinstance(part, str) for part in text.parts)}
    keys = ("server.key", "peer.key", "client.key")
    assert secret == {f"/etc/etcd/{name}": 0o600 for name in keys} | {"/etc/haproxy/client.pem": 0o600}


@pytest.mark.parametrize("parameter", ["heartbeatInterval", "electionTimeout", "snapshotCount", "proxyPort"])
def test_a_parameter_reaches_a_service(parameter: str) -> None:
    def texts(value: int | None) -> str:
        site = etcd_site(hosts(1, "etcd"), parameters={} if value is None else {parameter: value})
        return plan_text(candidate(site, SystemdRuntime()))

    assert "4321" in texts(4321)
    assert "4321" not in texts(None)
