"""Applications in the guide: onto a cluster that is there, changed, repaired, and taken away again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from support.guidesite import install_kubernetes
from support.piloting import press, settle, type_in
from support.screentext import compare, text_of
from textual.widgets import Input, OptionList

from appliance.inventory.appstamp import AppStamp
from appliance.operations.carry_out import report
from appliance.recipe import clusterfile
from appliance.recipe.siteapps import SiteApp
from tui.app import Guide
from tui.screens.cluster import ClusterPage
from tui.screens.hosts import HostsPage
from tui.screens.onto import OntoPage
from tui.screens.open import OpenPage
from tui.screens.plan import PlanPage
from tui.screens.run import RunPage
from tui.widgets.dialogs import TypeName
from tui.widgets.grid import Grid

if TYPE_CHECKING:
    from pathlib import Path

    from support.guidesite import MakeSite
    from textual.pilot import Pilot

SIZES = [(80, 24), (120, 40)]
BUNDLE = "apps/page-1.1.0-linux-amd64.run"
PAGE = AppStamp("page", "1.0.0", 0, f"sha256:{'c' * 64}", ("manifest-page",))
OTHER = AppStamp("other", "2.0.0", 0, f"sha256:{'d' * 64}", ("manifest-other",))


async def open_application(pilot: Pilot[int]) -> None:
    await settle(pilot)
    pilot.app.screen.query_one("#path", Input).value = BUNDLE
    pilot.app.screen.query_one("#trust", Input).value = "root.pem"
    await press(pilot, "ctrl+r")


@pytest.mark.parametrize("size", SIZES)
async def test_an_application_goes_onto_a_cluster_by_keys_alone(make_site: MakeSite, size: tuple[int, int]) -> None:
    site = make_site()
    install_kubernetes(site, "site-a", apps=(PAGE,))
    guide = Guide(site.engine)
    async with guide.run_test(size=size) as pilot:
        await open_application(pilot)
        await press(pilot, "ctrl+n")
        assert isinstance(guide.screen, OntoPage)  # the only cluster is taken, and entered as it was before
        compare(guide, "onto")
        await press(pilot, "ctrl+n")
        await type_in(pilot, "3")
        compare(guide, "onto-settings")
        await press(pilot, "backspace", "backspace", "4", "tab")
        await type_in(pilot, "hunter2")
        await press(pilot, "ctrl+n")
        assert "fit: " in text_of(guide)
        await press(pilot, "ctrl+n")
        compare(guide, "onto-plan")
        await press(pilot, "g", "right", "enter")
        assert isinstance(guide.screen, RunPage)
        assert "done, 1 of 1 host" in text_of(guide)
    (run, *_) = site.engine.folder("site-a").list_runs()
    assert (run.operation, str(report(run).outcome)) == ("add", "ok")
    applied = clusterfile.load(site.engine.folder("site-a").clusterfile.read_text(), source="").cluster
    assert applied.image == "kubernetes:1.20.2"
    assert applied.apps == (SiteApp("page:1.1.0", {"replicas": "4"}),)
    assert site.engine.vault("site-a").get("parameter/page/token") == b"hunter2"
    assert not site.engine.folder("site-a").draft.exists()


async def test_a_cluster_from_elsewhere_is_named_by_its_clusterfile(make_site: MakeSite, tmp_path: Path) -> None:
    elsewhere, site = make_site(), make_site()
    host = install_kubernetes(elsewhere, "site-b")
    described = tmp_path / "site-b.yaml"
    described.write_bytes(elsewhere.engine.folder("site-b").clusterfile.read_bytes())
    elsewhere.engine.folder("site-b").clusterfile.unlink()
    elsewhere.engine.folder("site-b").known_hosts.unlink()
    site.fleet.hosts[host.address].stamp = host.stamp
    guide = Guide(site.engine)
    async with guide.run_test() as pilot:
        await open_application(pilot)
        await press(pilot, "ctrl+n", "ctrl+n")
        assert "no cluster is chosen" in text_of(guide)
        await press(pilot, "escape")
        await press(pilot, "ctrl+n")
        guide.screen.query_one("#find", Input).value = str(described)
        await press(pilot, "enter")
        assert "New host keys" in text_of(guide)
        await press(pilot, "right", "enter")
        assert "1 host entered" in text_of(guide)
        await press(pilot, "ctrl+n", "ctrl+n", "ctrl+n")
        assert isinstance(guide.screen, PlanPage)
        assert "add page 1.1.0 to site-b" in text_of(guide)


async def test_what_stands_on_a_cluster_is_listed_with_its_health(make_site: MakeSite) -> None:
    site = make_site()
    host = install_kubernetes(site, "site-a", apps=(OTHER, PAGE))
    host.unwell, host.pods = "page", "pod web/page-7d9 CrashLoopBackOff\n"
    guide = Guide(site.engine)
    async with guide.run_test() as pilot:
        await settle(pilot)
        guide.show_clusters()
        await settle(pilot)
        compare(guide, "cluster-applications")
        await press(pilot, "d")
        assert "Put the cursor on an application" in text_of(guide)
        await press(pilot, "down", "down", "d")
        assert isinstance(guide.screen, PlanPage)
        compare(guide, "plan-take-away")
        await press(pilot, "g")
        assert isinstance(guide.screen, TypeName)
        await type_in(pilot, "site-a")
        await press(pilot, "enter")
        assert isinstance(guide.screen, RunPage)
    (run, *_) = site.engine.folder("site-a").list_runs()
    assert (run.operation, str(report(run).outcome)) == ("remove", "ok")
    applied = clusterfile.load(site.engine.folder("site-a").clusterfile.read_text(), source="").cluster
    assert applied.apps == (SiteApp("other:2.0.0"),)


async def test_to_change_an_application_its_bundle_is_asked_for_and_the_steps_are_gone_again(
    make_site: MakeSite,
) -> None:
    site = make_site()
    install_kubernetes(site, "site-a", apps=(replace(PAGE, version="1.1.0"),))
    guide = Guide(site.engine)
    async with guide.run_test() as pilot:
        await settle(pilot)
        guide.show_clusters()
        await settle(pilot)
        await press(pilot, "down", "e")
        assert isinstance(guide.screen, OpenPage)
        assert "verify the bundle of page" in text_of(guide)
        await open_application(pilot)
        await press(pilot, "c", "down", "e")
        assert isinstance(guide.screen, OntoPage)
        await press(pilot, "escape", "c", "e")  # the cursor is on the host: it is the cluster that is meant
        assert "verify the bundle of kubernetes" in text_of(guide)


async def test_no_bundle_but_its_own_goes_onto_a_cluster_of_which_the_product_is_not_known(
    make_site: MakeSite,
) -> None:
    site = make_site()
    install_kubernetes(site, "site-a")
    folder = site.engine.folder("site-a")
    applied = clusterfile.load(folder.clusterfile.read_text(), source="").cluster
    folder.clusterfile.write_text(clusterfile.dump(replace(applied, image=f"sha256:{'b' * 64}")))
    folder.state.unlink()  # as a first run leaves it that did not come through
    guide = Guide(site.engine)
    async with guide.run_test() as pilot:
        await settle(pilot)
        guide.screen.query_one("#trust", Input).value = "root.pem"
        await press(pilot, "ctrl+r")
        guide.show_clusters()
        await settle(pilot)
        await press(pilot, "e")
        assert isinstance(guide.screen, OpenPage)
        assert "verify the bundle of sha256:bbbbbbbbbbbb that" in text_of(guide)
    bare = Guide(replace(site.engine, beside=()))
    async with bare.run_test() as pilot:
        await settle(pilot)
        bare.show_clusters()
        await settle(pilot)
        await press(pilot, "e")
        assert "verify the bundle of sha256:bbbbbbbbbbbb that" in text_of(bare)


async def test_a_cluster_of_the_product_is_offered_to_be_changed_or_repaired(make_site: MakeSite) -> None:
    site = make_site()
    install_kubernetes(site, "site-a")
    folder = site.engine.folder("site-c")
    applied = clusterfile.load(site.engine.folder("site-a").clusterfile.read_text(), source="").cluster
    group = replace(applied.hosts[0], roles=("store",))
    folder.clusterfile.write_text(clusterfile.dump(replace(applied, name="site-c", image="demo:1.0.0", hosts=(group,))))
    site.engine.host_keys("site-c").pin("10.0.0.11", 22, site.fleet.hosts["10.0.0.11"].key)
    guide = Guide(site.engine)
    async with guide.run_test() as pilot:
        await settle(pilot)
        guide.screen.query_one("#trust", Input).value = "root.pem"
        await press(pilot, "ctrl+r")
        choices = guide.screen.query_one(OptionList)
        assert [option.id for option in choices.options] == ["cluster-site-c", "anew"]
        await press(pilot, "enter")
        assert isinstance(guide.screen, OpenPage)  # the licence comes first
        await press(pilot, "space", "ctrl+n")
        assert isinstance(guide.screen, HostsPage)
        assert guide.session.written.name == "site-c"
        assert "1 host entered" in text_of(guide)
        await press(pilot, "ctrl+p")
        await type_in(pilot, "clusters")
        await press(pilot, "enter")
        assert isinstance(guide.screen, ClusterPage)
        assert isinstance(guide.screen.query_one(Grid), Grid)
