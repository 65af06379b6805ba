"""The way through, by keys alone, from the stick to the report; and the ways aside."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from support.guidesite import stamp_of
from support.piloting import press, settle, type_in, until
from support.screentext import compare, text_of
from textual.widgets import Checkbox, Input, Select, Static

from appliance.execute import order
from appliance.execute.lease import Owner
from appliance.inventory.hosts import Access
from appliance.operations.carry_out import report
from appliance.recipe import clusterfile
from appliance.transport.sshconfig import SshConfig
from tui.app import Guide
from tui.calls.known import installed
from tui.screens.cluster import ClusterPage
from tui.screens.hosts import HostsPage
from tui.screens.open import OpenPage
from tui.screens.plan import PlanPage
from tui.screens.preflight import PreflightPage
from tui.screens.run import RunPage
from tui.screens.settings import SettingsPage
from tui.session import Entry, Step
from tui.widgets.dialogs import Reading, TypeName
from tui.widgets.grid import Grid

if TYPE_CHECKING:
    from pathlib import Path

    from support.guidesite import GuideSite, MakeSite
    from textual.pilot import Pilot

SIZES = [(80, 24), (120, 40)]
PASSWORD = "hunter2"


async def open_delivery(pilot: Pilot[int]) -> None:
    await settle(pilot)
    pilot.app.screen.query_one("#trust", Input).focus()
    await type_in(pilot, "root.pem")
    await press(pilot, "enter")
    await press(pilot, "tab", "space")  # the licence


async def find_hosts(pilot: Pilot[int], addresses: str = "10.0.0.11-13") -> None:
    await type_in(pilot, addresses)
    await press(pilot, "enter", "right", "enter")
    await type_in(pilot, "ops")
    await press(pilot, "enter")


async def to_settings(pilot: Pilot[int]) -> None:
    await open_delivery(pilot)
    await press(pilot, "ctrl+n")
    await find_hosts(pilot)
    await press(pilot, "ctrl+n")


async def rename(pilot: Pilot[int]) -> None:
    """To the settings, and another name there."""
    await to_settings(pilot)
    await press(pilot, "end")
    await type_in(pilot, "-b")


async def to_plan(pilot: Pilot[int]) -> None:
    await to_settings(pilot)
    await press(pilot, "tab", "tab", "tab", "tab", "tab")
    await type_in(pilot, "abcdefgh")
    await press(pilot, "ctrl+n", "ctrl+n")


def followed(guide: Guide) -> bool:
    """Whether a run is on the screen, and its journal was heard of."""
    return isinstance(guide.screen, RunPage) and guide.screen._view is not None


def only_run(site: GuideSite, cluster: str = "demo") -> str:
    (run, *_) = site.engine.folder(cluster).list_runs()
    return str(report(run).outcome)


@pytest.mark.parametrize("size", SIZES)
async def test_from_the_stick_to_the_report_by_keys_alone(make_site: MakeSite, size: tuple[int, int]) -> None:
    site = make_site()
    guide = Guide(site.engine)
    async with guide.run_test(size=size) as pilot:
        await settle(pilot)
        compare(guide, "open-not-verified")
        await open_delivery(pilot)
        compare(guide, "open-verified")
        await press(pilot, "ctrl+n")
        compare(guide, "hosts-none")
        await type_in(pilot, "10.0.0.11-13")
        await press(pilot, "enter")
        compare(guide, "hosts-new-keys")
        await press(pilot, "right", "enter")
        compare(guide, "hosts-access")
        await type_in(pilot, "ops")
        await press(pilot, "enter")
        compare(guide, "hosts-entered")
        await press(pilot, "ctrl+n")
        compare(guide, "settings")
        await press(pilot, "ctrl+n")
        compare(guide, "preflight")
        await press(pilot, "ctrl+n")
        compare(guide, "plan")
        await press(pilot, "v")
        compare(guide, "plan-changes")
        await press(pilot, "g")
        compare(guide, "plan-confirm")
        await press(pilot, "right", "enter")
        assert isinstance(guide.screen, RunPage)
        assert "done, 3 of 3 hosts" in text_of(guide)
        await press(pilot, "escape")
        assert isinstance(guide.screen, ClusterPage)
        await press(pilot, "tab", "enter")
        assert isinstance(guide.screen, RunPage)
    assert only_run(site) == "ok"
    applied = clusterfile.load(site.engine.folder("demo").clusterfile.read_text(), source="").cluster
    assert [(group.addresses, group.roles) for group in applied.hosts] == [
        (("10.0.0.11", "10.0.0.12", "10.0.0.13"), ("store",))
    ]
    assert applied.ssh.user == "ops"


async def test_what_is_not_verified_leads_nowhere(make_site: MakeSite) -> None:
    guide = Guide(make_site().engine)
    async with guide.run_test() as pilot:
        await settle(pilot)
        assert "NOT VERIFIED" in text_of(guide)
        await press(pilot, "ctrl+n")
        assert isinstance(guide.screen, OpenPage)


async def test_the_licence_must_be_accepted(make_site: MakeSite) -> None:
    guide = Guide(make_site().engine)
    async with guide.run_test() as pilot:
        await open_delivery(pilot)
        await press(pilot, "space", "ctrl+n")
        assert isinstance(guide.screen, OpenPage)
        assert "licence" in text_of(guide).splitlines()[-2]
        await press(pilot, "space", "ctrl+n")
        assert isinstance(guide.screen, HostsPage)


async def test_no_way_leads_round_the_licence(make_site: MakeSite) -> None:
    site = make_site()
    guide = Guide(site.engine)
    async with guide.run_test() as pilot:
        await to_plan(pilot)
        await press(pilot, "g", "right", "enter")
        assert isinstance(guide.screen, RunPage)
        guide.go(Step.OPEN)
        await settle(pilot)
        guide.screen.query_one("#licence", Checkbox).value = False
        await press(pilot, "c", "e")
        assert isinstance(guide.screen, OpenPage)
        assert "Accept the licence" in text_of(guide)
        await press(pilot, "ctrl+n")
        assert isinstance(guide.screen, OpenPage)
        await press(pilot, "space", "ctrl+n")
        assert isinstance(guide.screen, HostsPage)


async def test_a_host_that_is_not_believed_is_never_entered(make_site: MakeSite) -> None:
    site = make_site()
    guide = Guide(site.engine)
    async with guide.run_test() as pilot:
        await open_delivery(pilot)
        await press(pilot, "ctrl+n")
        await type_in(pilot, "10.0.0.11-13")
        await press(pilot, "enter", "enter")
        assert "k shows them again" in text_of(guide)
        await press(pilot, "t")
        assert {machine.entry for machine in guide.session.machines} == {Entry.UNTRIED}
        await press(pilot, "ctrl+n")
        assert isinstance(guide.screen, HostsPage)
        assert "the key of 10.0.0.11 is not believed yet" in text_of(guide)
    assert [host.entered for host in site.fleet.hosts.values()] == [0, 0, 0]


async def test_without_hosts_it_is_said_how_to_find_some_however_many_are_named(make_site: MakeSite) -> None:
    guide = Guide(make_site().engine)
    async with guide.run_test() as pilot:
        await open_delivery(pilot)
        await press(pilot, "ctrl+n", "ctrl+n")
        assert isinstance(guide.screen, HostsPage)
        assert "type addresses above" in text_of(guide)
        guide.screen.query_one("#find", Input).value = ", ".join(f"10.0.0.{number}" for number in range(11, 111))
        await press(pilot, "enter")
        assert "New host keys" in text_of(guide)


async def test_a_way_in_that_cannot_be_is_refused_where_it_is_typed(make_site: MakeSite) -> None:
    guide = Guide(make_site().engine)
    async with guide.run_test() as pilot:
        await open_delivery(pilot)
        await press(pilot, "ctrl+n", "tab", "a")
        for field, wrong in (("port", "65536"), ("key", "~nobody-here/id"), ("key", "k" * 5000)):
            guide.screen.query_one(f"#{field}", Input).value = wrong
            await press(pilot, "enter")
            assert wrong[:15] in str(guide.screen.query_one("#access-fault", Static).visual)
            guide.screen.query_one(f"#{field}", Input).value = ""
        await press(pilot, "enter")
        assert isinstance(guide.screen, HostsPage)


async def test_passwords_are_tried_at_once_and_written_nowhere(make_site: MakeSite) -> None:
    site = make_site()
    site.fleet.hosts["10.0.0.12"].password = PASSWORD
    guide = Guide(site.engine)
    async with guide.run_test() as pilot:
        await open_delivery(pilot)
        await press(pilot, "ctrl+n")
        await find_hosts(pilot)
        entries = [machine.entry for machine in guide.session.machines]
        assert entries == [Entry.ENTERED, Entry.REFUSED, Entry.ENTERED]
        assert "2 hosts entered, root is possible there. 1 not: 10.0.0.12" in text_of(guide)
        assert "ops is refused" in text_of(guide)
        await press(pilot, "a", "tab", "tab", "tab", "tab")
        await type_in(pilot, PASSWORD)
        assert PASSWORD not in text_of(guide)
        await press(pilot, "enter")
        assert {machine.entry for machine in guide.session.machines} == {Entry.ENTERED}
        await press(pilot, "ctrl+n", "escape")
    kept = [path for path in site.folder.rglob("*") if path.is_file()]
    assert kept
    assert not [path for path in kept if PASSWORD.encode() in path.read_bytes()]


async def test_groups_of_hosts_have_passwords_of_their_own(make_site: MakeSite) -> None:
    site = make_site()
    site.fleet.hosts["10.0.0.11"].password = PASSWORD
    site.fleet.hosts["10.0.0.13"].password = "another"
    guide = Guide(site.engine)
    async with guide.run_test() as pilot:
        await open_delivery(pilot)
        await press(pilot, "ctrl+n")
        await find_hosts(pilot)
        for row, password in ((0, PASSWORD), (2, "another")):
            guide.screen.query_one(Grid).move_cursor(row)
            await press(pilot, "space", "a")
            assert "Only for what is selected: 1 host" in text_of(guide)
            await press(pilot, "tab", "tab", "tab", "tab")
            await type_in(pilot, password)
            await press(pilot, "enter", "asterisk", "asterisk")  # all, and nobody
        assert {machine.entry for machine in guide.session.machines} == {Entry.ENTERED}
        await press(pilot, "ctrl+n", "ctrl+n")
        assert "fit: " in text_of(guide)
    own = {address: access.password for address, access in guide.session.access.own.items()}
    assert own == {"10.0.0.11": PASSWORD, "10.0.0.13": "another"}


async def test_hosts_behind_a_jump_host_are_found_once_it_is_believed(make_site: MakeSite) -> None:
    site = make_site(hosts=4)
    jump, *others = site.fleet.hosts.values()
    jump.password = PASSWORD
    for host in others:
        host.behind = jump.address
    guide = Guide(site.engine)
    async with guide.run_test() as pilot:
        await open_delivery(pilot)
        await press(pilot, "ctrl+n")
        await type_in(pilot, "10.0.0.12-14")
        await press(pilot, "enter")
        assert "Behind a jump host?" in text_of(guide)
        await press(pilot, "tab", "a")
        await type_in(pilot, "ops")
        guide.screen.query_one("#jump", Input).value = "two words"
        await press(pilot, "enter")
        assert "is not a jump host" in text_of(guide)
        guide.screen.query_one("#jump", Input).value = f"hop@{jump.address}"
        guide.screen.query_one("#jump-password", Input).value = PASSWORD
        guide.screen.query_one("#how", Select).value = "su"
        await press(pilot, "enter", "enter")
        assert "New keys of jump hosts" in text_of(guide)
        await press(pilot, "right", "enter")
        assert "New host keys" in text_of(guide)
        await press(pilot, "right", "enter")
        assert "3 hosts entered" in text_of(guide)
        (host, *_) = guide.session.hosts_to_enter(("10.0.0.12",), secret=lambda _: "")
        assert host.endpoint.jumps[0].credential.password == PASSWORD
        assert host.endpoint.credential.become == "su"
        await press(pilot, "ctrl+n")
    written = clusterfile.load(site.engine.folder("demo").draft.read_text(), source="").cluster
    assert (written.ssh.jump, written.ssh.become) == (f"hop@{jump.address}", "su")


async def test_an_inventory_is_found_believed_and_entered_as_it_says(make_site: MakeSite, tmp_path: Path) -> None:
    site = make_site(hosts=4)
    site.fleet.hosts["10.0.0.12"].password = PASSWORD
    inventory = tmp_path / "hosts.ini"
    lines = ("[stores]", "one ansible_host=10.0.0.11", f"two ansible_host=10.0.0.12 ansible_password={PASSWORD}")
    more = ("[client]", "10.0.0.13 ansible_port=22", "[spare]", "10.0.0.14 rack=7", "[all:vars]", "ansible_user=ops")
    inventory.write_text("\n".join((*lines, *more)))
    guide = Guide(site.engine)
    async with guide.run_test() as pilot:
        await open_delivery(pilot)
        await press(pilot, "ctrl+n")
        guide.screen.query_one("#find", Input).value = str(inventory)
        await press(pilot, "enter")
        assert isinstance(guide.screen, Reading)
        assert "hosts.ini:7: the variable rack is not used here" in guide.screen._text
        await press(pilot, "escape")
        assert [machine.roles for machine in guide.session.machines] == [("store",), ("store",), ("client",), ()]
        await press(pilot, "right", "enter")  # whom to enter as stands in the file: nobody is asked
        assert {machine.entry for machine in guide.session.machines} == {Entry.ENTERED}
        await press(pilot, "ctrl+n", "end")
        await type_in(pilot, "-b")  # what was kept for the cluster is known under its new name, too
        await press(pilot, "ctrl+n")
        assert "fit: " in text_of(guide)
    assert site.engine.vault("demo-b").get("inventory-password-1") == PASSWORD.encode()


async def test_nobody_is_asked_about_keys_that_are_as_in_the_inventory(make_site: MakeSite, tmp_path: Path) -> None:
    site = make_site(hosts=3)
    right, wrong = site.fleet.hosts["10.0.0.11"].key.fingerprint, f"SHA256:{'x' * 43}"
    table = tmp_path / "hosts.csv"
    lines = (f"10.0.0.11,store,ops,{right}", f"10.0.0.12,store,ops,{wrong}", "10.0.0.13,client,ops,")
    table.write_text("\n".join(("address,role,user,fingerprint", *lines)))
    guide = Guide(site.engine)
    async with guide.run_test(size=(120, 40)) as pilot:
        await open_delivery(pilot)
        await press(pilot, "ctrl+n")
        guide.screen.query_one("#find", Input).value = str(table)
        await press(pilot, "enter")
        asked, _, alike = text_of(guide).partition("These are as in the inventory")
        assert "New host keys" in asked
        assert "pirate exit moth" in asked  # the key of 10.0.0.13 in words
        assert asked.count("SHA256:") == 1
        assert "10.0.0.11" in alike
        await press(pilot, "right", "enter")
        assert [machine.entry for machine in guide.session.machines] == [Entry.ENTERED, Entry.REFUSED, Entry.ENTERED]
        assert "1 not: 10.0.0.12: it shows other keys than the inventory has" in text_of(guide)
        assert ", as in the inventory" in text_of(guide)
        await press(pilot, "down")
        assert "the inventory has SHA256:" in text_of(guide)
        await press(pilot, "k")
        assert "is not entered" in text_of(guide)
    assert [group.fingerprints for group in guide.session.cluster.hosts] == [
        {"10.0.0.11": (right,), "10.0.0.12": (wrong,)},
        {},
    ]


async def test_a_lease_of_somebody_elses_is_taken_over_by_the_clusters_name_alone(make_site: MakeSite) -> None:
    site = make_site()
    owner = Owner("20261031T080000.000Z-apply", "bob@desk", "other", "2026-10-31T08:00:00Z", "elsewhere")
    site.fleet.hosts["10.0.0.12"].lease = owner.to_json()
    guide = Guide(site.engine)
    async with guide.run_test() as pilot:
        await to_plan(pilot)
        await press(pilot, "g", "right", "enter")
        compare(guide, "plan-leased")
        await press(pilot, "escape")
        assert isinstance(guide.screen, PlanPage)
        assert not site.engine.folder("demo").list_runs()
        await press(pilot, "g", "right", "enter")
        await type_in(pilot, "demo")
        await press(pilot, "enter")
        assert isinstance(guide.screen, RunPage)
    (run, *_) = site.engine.folder("demo").list_runs()
    assert order.read_order(run.path / "run.json").take_over


async def test_roles_are_changed_with_one_key_for_all_that_are_selected(make_site: MakeSite) -> None:
    guide = Guide(make_site(hosts=4).engine)
    async with guide.run_test() as pilot:
        await open_delivery(pilot)
        await press(pilot, "ctrl+n")
        await find_hosts(pilot, "10.0.0.11-14")
        assert [machine.roles for machine in guide.session.machines] == [("store",)] * 3 + [("client",)]
        await press(pilot, "space", "space", "r")
        assert [machine.roles for machine in guide.session.machines] == [("client",)] * 2 + [("store",), ("client",)]
        await press(pilot, "p")
        assert [machine.roles for machine in guide.session.machines] == [("store",)] * 3 + [("client",)]


async def test_a_wrong_value_is_said_below_its_field_and_stops_there(make_site: MakeSite) -> None:
    guide = Guide(make_site().engine)
    async with guide.run_test() as pilot:
        await to_settings(pilot)
        await press(pilot, "tab", "end", "9", "9", "9")
        compare(guide, "settings-fault")
        await press(pilot, "ctrl+n")
        assert isinstance(guide.screen, SettingsPage)
        assert guide.screen.query_one("#parameter-0").has_focus


async def test_another_name_keeps_the_keys_that_were_believed(make_site: MakeSite) -> None:
    site = make_site()
    guide = Guide(site.engine)
    async with guide.run_test() as pilot:
        await rename(pilot)
        await press(pilot, "ctrl+n")
        assert isinstance(guide.screen, PreflightPage)
        assert "fit: " in text_of(guide)
    assert (site.engine.folder("demo-b").draft.exists(), site.engine.folder("demo").draft.exists()) == (True, False)


async def test_a_name_that_holds_is_kept_on_the_way_back_and_another_is_not(make_site: MakeSite) -> None:
    site = make_site()
    guide = Guide(site.engine)
    async with guide.run_test() as pilot:
        await rename(pilot)
        await press(pilot, "escape")
        assert isinstance(guide.screen, HostsPage)
        assert guide.session.written.name == "demo-b"
        assert {machine.pinned for machine in guide.session.machines} == {True}
        await press(pilot, "ctrl+n", "end")
        await type_in(pilot, "-")
        await press(pilot, "escape")
        assert isinstance(guide.screen, HostsPage)
        assert guide.session.written.name == "demo-b"
    assert (site.engine.folder("demo-b").draft.exists(), site.engine.folder("demo").draft.exists()) == (True, False)


@pytest.mark.parametrize("on_the_way", [False, True])
async def test_who_goes_on_and_at_once_back_is_back(make_site: MakeSite, on_the_way: bool) -> None:
    site = make_site()
    guide = Guide(site.engine)
    async with guide.run_test() as pilot:
        await rename(pilot)
        page = guide.screen
        assert isinstance(page, SettingsPage)
        page._leave() if on_the_way else page.action_forward()  # without or with the values to be checked before
        page.action_back()
        page.action_forward()  # who leaves already is not called back
        await settle(pilot)
        assert isinstance(guide.screen, HostsPage)
        assert guide.session.written.name == "demo-b"
        assert {machine.pinned for machine in guide.session.machines} == {True}


async def test_a_secret_is_masked_and_ends_in_the_vault_only(make_site: MakeSite) -> None:
    site = make_site()
    guide = Guide(site.engine)
    async with guide.run_test() as pilot:
        await to_plan(pilot)
        assert isinstance(guide.screen, PlanPage)
        assert "abcdefgh" not in text_of(guide)
        await press(pilot, "v", "v")
        assert "token" not in text_of(guide)
    assert site.engine.vault("demo").get("parameter/token") == b"abcdefgh"
    files = [path for path in site.folder.rglob("*") if path.is_file()]
    assert not [path for path in files if b"abcdefgh" in path.read_bytes()]


async def test_a_network_that_holds_a_host_is_said(make_site: MakeSite) -> None:
    guide = Guide(make_site().engine)
    async with guide.run_test() as pilot:
        await to_settings(pilot)
        guide.screen.query_one("#parameter-3", Input).value = "10.0.0.0/8"
        await settle(pilot)
        assert "pods (10.0.0.0/8) holds the address of a host: 10.0.0.11" in text_of(guide)


async def test_a_failed_check_leads_back_until_it_is_put_right(make_site: MakeSite) -> None:
    site = make_site()
    sick = site.fleet.hosts["10.0.0.13"]
    sick.ports = (22, 4000)
    guide = Guide(site.engine)
    async with guide.run_test() as pilot:
        await to_settings(pilot)
        await press(pilot, "ctrl+n")
        compare(guide, "preflight-failed")
        await press(pilot, "ctrl+n")
        assert isinstance(guide.screen, PreflightPage)
        sick.ports = (22,)
        before = [host.entered for host in site.fleet.hosts.values()]
        await press(pilot, "r")
        after = [host.entered for host in site.fleet.hosts.values()]
        assert [now - then for then, now in zip(before, after, strict=True)] == [0, 0, 1]
        await press(pilot, "ctrl+n")
        assert isinstance(guide.screen, PlanPage)


async def test_a_host_that_went_away_is_a_failure_and_no_crash(make_site: MakeSite) -> None:
    site = make_site()
    guide = Guide(site.engine)
    async with guide.run_test() as pilot:
        await open_delivery(pilot)
        await press(pilot, "ctrl+n")
        await find_hosts(pilot)
        for host in site.fleet.hosts.values():
            host.gone = True
        await press(pilot, "ctrl+n", "ctrl+n")
        assert "no answer within 10 seconds" in text_of(guide)
        assert isinstance(guide.screen, PreflightPage)


async def test_a_failing_host_is_in_view_with_its_output_and_what_to_do(make_site: MakeSite) -> None:
    guide = Guide(make_site(play="fail store-2").engine)
    async with guide.run_test() as pilot:
        await to_plan(pilot)
        await press(pilot, "g", "right", "enter")
        shown = text_of(guide)
        assert "FAILED on 1 host" in shown
        assert "the disk is full" in shown
        assert "Next: free space there, then retry" in shown
        assert "store-2" in next(line for line in shown.splitlines() if "FAILED:" in line)


async def test_a_run_is_told_what_the_keys_say(make_site: MakeSite) -> None:
    site = make_site(play="hold")
    guide = Guide(site.engine)
    async with guide.run_test() as pilot:
        await to_plan(pilot)
        await pilot.press("g", "right", "enter")
        await until(pilot, lambda: followed(guide))
        await pilot.press("x")
        await settle(pilot, at_work=True)
        compare(guide, "run-stop")
        await pilot.press("right", "enter")
        await settle(pilot)
        (run, *_) = site.engine.folder("demo").list_runs()
        assert (run.path / "told").read_text() == "cancel \n"


async def test_a_run_goes_on_without_the_guide_and_is_found_again(make_site: MakeSite) -> None:
    site = make_site(play="hold")
    guide = Guide(site.engine)
    async with guide.run_test() as pilot:
        await to_plan(pilot)
        await pilot.press("g", "right", "enter")
        await until(pilot, lambda: followed(guide))
    again = Guide(site.engine)
    async with again.run_test() as pilot:
        await settle(pilot)
        assert "A run goes on" in text_of(again)
        await pilot.press("enter")
        await until(pilot, lambda: followed(again))
        await pilot.press("r")
        await settle(pilot, at_work=True)
        assert "store-1 did not fail: there is nothing to try again" in text_of(again)
        await pilot.press("p")
        await until(pilot, lambda: "paused: p goes on" in text_of(again))
    third = Guide(site.engine)
    async with third.run_test() as pilot:
        await settle(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: followed(third) and "paused: p goes on" in text_of(third))
        await pilot.press("p")
        await settle(pilot)
        assert "done, 3 of 3 hosts" in text_of(third)
        assert "paused" not in text_of(third)
        (known,) = installed(site.engine)
        assert (known.product, known.version) == ("demo", "1.2.0")


async def test_what_was_described_is_offered_again(make_site: MakeSite) -> None:
    site = make_site()
    guide = Guide(site.engine)
    async with guide.run_test() as pilot:
        await to_plan(pilot)
    again = Guide(site.engine)
    async with again.run_test() as pilot:
        await settle(pilot)
        again.screen.query_one("#trust", Input).focus()
        await type_in(pilot, "root.pem")
        await press(pilot, "enter")
        compare(again, "open-resume")
        await press(pilot, "enter")
        assert isinstance(again.screen, OpenPage)
        assert "Accept the licence" in text_of(again)
        await press(pilot, "space", "ctrl+n")
        assert isinstance(again.screen, HostsPage)
        assert [machine.address for machine in again.session.machines] == ["10.0.0.11", "10.0.0.12", "10.0.0.13"]
        assert {machine.pinned for machine in again.session.machines} == {True}


async def test_the_way_into_a_cluster_leaves_what_single_hosts_and_the_users_file_say(make_site: MakeSite) -> None:
    site = make_site()
    config = site.folder / "config"
    config.write_text("Host 10.0.0.12\n  User other\n")
    guide = Guide(site.engine)
    async with guide.run_test() as pilot:
        await to_plan(pilot)
        await press(pilot, "g", "right", "enter")
        own = {"10.0.0.13": Access(password=PASSWORD)}
        access = replace(guide.session.access, own=own, config=SshConfig.read(config))
        guide.session = replace(guide.session, access=access)
        await press(pilot, "escape", "a")
        await type_in(pilot, "ann")
        await press(pilot, "enter")
        assert isinstance(guide.screen, ClusterPage)
        assert guide.session.access.user.endswith("ann")
        assert (guide.session.access.own, guide.session.access.config) == (own, access.config)


async def test_nothing_but_the_very_name_resets_a_cluster(make_site: MakeSite) -> None:
    site = make_site()
    guide = Guide(site.engine)
    async with guide.run_test() as pilot:
        await to_plan(pilot)
        await press(pilot, "g", "right", "enter", "escape")
        _install(site)
        await press(pilot, "u")
        compare(guide, "cluster")
        await press(pilot, "z")
        compare(guide, "plan-reset")
        await press(pilot, "g")
        assert isinstance(guide.screen, TypeName)
        await type_in(pilot, "demos")
        await press(pilot, "enter")
        assert isinstance(guide.screen, TypeName)
        compare(guide, "plan-reset-wrong-name")
        assert len(site.engine.folder("demo").list_runs()) == 1
        await type_in(pilot, "demo")
        await press(pilot, "enter")
        assert isinstance(guide.screen, RunPage)
    assert len(site.engine.folder("demo").list_runs()) == 2


def _install(site: GuideSite) -> None:
    """Give the hosts the stamps that a run would have left."""
    for host in site.fleet.hosts.values():
        host.stamp = stamp_of(host, "demo")


async def test_help_says_what_keys_do_and_shows_the_deliverys_manuals(make_site: MakeSite) -> None:
    guide = Guide(make_site().engine)
    async with guide.run_test() as pilot:
        await open_delivery(pilot)
        await press(pilot, "ctrl+n", "f1")
        compare(guide, "help")
        await press(pilot, "tab", "enter")
        assert "What an operator does with it." in text_of(guide)
        await press(pilot, "escape", "escape")
        assert isinstance(guide.screen, HostsPage)
