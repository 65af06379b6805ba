"""What is said beside a plan of what it leaves alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.sites import hosts, stamped

from appliance.clock import SystemClock
from appliance.digest import Digest
from appliance.inventory.facts import Receipt
from appliance.operations.remarks import applications_lacking, left_out
from appliance.operations.survey import Survey
from appliance.recipe.siteapps import SiteApp
from appliance.state import ClusterState, Home, InstalledHost, write_state
from appliance.transport.local import LocalTransport

if TYPE_CHECKING:
    from pathlib import Path

NOW = SystemClock().now()
SITE = hosts(2, "worker")
SHOP = SiteApp("shop:1.0.0")


def test_a_host_that_left_the_clusterfile_is_named(tmp_path: Path) -> None:
    folder = Home.of(tmp_path).cluster("a-site-of-tests")
    assert not [*left_out(folder, [host.host for host in SITE])]
    known = tuple(InstalledHost(host.name, host.host.address, host.host.roles) for host in SITE)
    write_state(folder.state, ClusterState("a-site-of-tests", "b", "1.0.0", 0, Digest.of(b""), "r", NOW, known))
    assert not [*left_out(folder, [host.host for host in SITE])]
    (said,) = left_out(folder, [SITE[0].host])
    assert said.startswith("worker-2 (10.0.0.12) was installed, and is not in the Clusterfile any more")
    folder.state.write_text("{")
    assert not [*left_out(folder, [])]


def test_an_application_of_which_no_host_tells_is_named_once_the_cluster_is_there() -> None:
    there = stamped(SITE[0], Receipt(), cluster="a-site-of-tests")
    lines = {host.name: LocalTransport(host.host.endpoint) for host in SITE}
    found = Survey(NOW, (there, SITE[1]), (), lines)
    (said,) = applications_lacking(found, "a-site-of-tests", (SHOP,))
    assert said == "shop is of this cluster, and not on it: add it with the bundle of shop:1.0.0"
    assert not [*applications_lacking(found, "a-site-of-tests", ())]
    assert not [*applications_lacking(Survey(NOW, SITE, (), lines), "a-site-of-tests", (SHOP,))]
