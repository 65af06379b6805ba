"""The session: every change is a value, and the Clusterfile follows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from support.guidesite import BUNDLE_YAML, FACTS
from support.signing import NOW

from appliance.errors import Unreachable
from appliance.inventory.facts import parse_facts
from appliance.inventory.hosts import Access
from appliance.inventory.scan import Scanned
from appliance.recipe import bundlefile, clusterfile
from appliance.recipe.bundlefile import APP
from appliance.recipe.clusterfile import Cluster, HostGroup, SshSettings
from appliance.recipe.siteapps import SiteApp
from appliance.transport.ssh.hostkeys import HostKey
from tui import changes
from tui.fields import Kind, fields_of, given
from tui.session import Delivery, Entry, Machine, Seen, Session

SPEC = bundlefile.load(BUNDLE_YAML, source="bundle.yaml")
KEY = HostKey("ssh-ed25519", b"key")


def session(*machines: Machine) -> Session:
    opened = changes.with_delivery(Session(), Delivery(Path("x.run"), spec=SPEC, image="sha256:0"))
    return replace(opened, machines=machines)


def test_the_cluster_is_called_as_the_bundle_until_somebody_says_otherwise() -> None:
    assert session().written.name == "demo"
    named = changes.with_name(session(), "site-a")
    assert changes.with_delivery(named, named.verified).written.name == "site-a"


def test_hosts_alike_are_one_group_and_those_without_a_role_are_left_out() -> None:
    now = session(Machine("10.0.0.1", ("store",)), Machine("10.0.0.2"), Machine("10.0.0.3", ("store",)))
    assert now.cluster.hosts == (HostGroup(("10.0.0.1", "10.0.0.3"), ("store",)),)
    assert now.names == {"10.0.0.1": "store-1", "10.0.0.3": "store-2"}


def test_hosts_keep_the_names_that_their_order_gives_them() -> None:
    racks = [Machine(f"10.0.0.{n}", ("store",), {"rack": rack}) for n, rack in ((1, "a"), (2, "b"), (3, "a"))]
    assert session(*racks).names == {"10.0.0.1": "store-1", "10.0.0.2": "store-2", "10.0.0.3": "store-3"}


def test_what_was_described_for_another_product_is_none_of_this_ones() -> None:
    described = changes.with_access(session(Machine("10.0.0.1", ("store",))), Access(user="ops"))
    unverified = changes.with_delivery(described, Delivery(Path("y.run")))
    assert unverified.machines == described.machines
    other = changes.with_delivery(unverified, Delivery(Path("y.run"), spec=replace(SPEC, name="other")))
    assert (other.machines, other.written.name, other.access.user) == ((), "other", "ops")


def test_an_application_is_set_in_the_clusterfile_of_its_cluster_whose_own_settings_stay() -> None:
    spec = replace(SPEC, name="page", version="1.1.0", kind=APP)
    opened = changes.with_delivery(Session(), Delivery(Path("y.run"), spec=spec, image="sha256:1", added=True))
    apps = (SiteApp("other:2.0.0"), SiteApp("page:1.0.0", {"replicas": 2}))
    there = changes.with_cluster(opened, Cluster("site-a", image="demo:1.2.0", parameters={"interval": 9}, apps=apps))
    assert there.parameters == {"replicas": 2}
    assert there.cluster.apps == (apps[0], SiteApp("page:1.1.0", {"replicas": 2}))
    changed = changes.with_parameters(there, {"replicas": 3}).cluster
    assert (changed.image, changed.parameters) == ("demo:1.2.0", {"interval": 9})
    assert changed.apps == (apps[0], SiteApp("page:1.1.0", {"replicas": 3}))


def test_a_clusterfile_goes_in_and_out_as_it_was() -> None:
    ssh = SshSettings(user="ops", port=2222)
    cluster = Cluster(
        "site-a",
        image="sha256:0",
        ssh=SshSettings(user="root", password_secret="pw"),
        hosts=(HostGroup(("10.0.0.1",), ("store",), {"rack": "a"}, ssh), HostGroup(("10.0.0.2",), ("client",))),
        parameters={"interval": 200},
        env={"A": "b"},
    )
    now = changes.with_cluster(session(), cluster)
    assert clusterfile.load(clusterfile.dump(now.cluster), source="").cluster == cluster


def test_user_port_and_key_of_some_hosts_are_written_with_them_and_passwords_nowhere() -> None:
    now = session(Machine("10.0.0.1", ("store",)), Machine("10.0.0.2", ("store",)))
    every = changes.with_access(now, Access(user="root", password="hunter1", become_password="hunter3"))
    some = changes.with_access(every, Access(user="ops", port=2222, password="hunter2"), {"10.0.0.2"})
    assert some.cluster.hosts[1].ssh == SshSettings(user="ops", port=2222)
    one, other = some.hosts_to_enter(["10.0.0.1", "10.0.0.2"], secret=str)
    assert (one.endpoint.credential.password, other.endpoint.credential.password) == ("hunter1", "hunter2")
    assert other.endpoint.credential.become_password == "hunter3"
    anew = changes.with_access(some, Access(user="adm", password="hunter4"))
    assert [host.endpoint.credential.password for host in anew.hosts_to_enter(["10.0.0.2"], secret=str)] == ["hunter2"]
    assert "hunter2" not in clusterfile.dump(some.cluster)
    assert "hunter2" not in repr(some)


def test_another_name_is_another_cluster_whose_keys_nobody_confirmed() -> None:
    now = session(Machine("10.0.0.1", ("store",), pinned=True))
    assert not changes.with_name(now, "other").machines[0].pinned
    assert changes.with_name(now, "demo") is now


def test_a_changed_description_makes_checks_and_proposals_void() -> None:
    from appliance.inventory.preflight import CheckResult, Verdict  # noqa: PLC0415  (only here)

    now = changes.with_checks(session(Machine("10.0.0.1")), [CheckResult("a", "b", Verdict.PASS, "")])
    assert now.checks
    assert changes.with_roles(now, {"10.0.0.1"}, ("store",)).checks == ()


def test_what_machines_say_is_kept_by_address() -> None:
    facts = parse_facts(FACTS, at=NOW)
    now = changes.trying(session(Machine("10.0.0.1"), Machine("10.0.0.2")), {"10.0.0.1", "10.0.0.2"})
    now = changes.with_answer(now, "10.0.0.1", facts)
    now = changes.with_answer(now, "10.0.0.2", Unreachable("no answer", hint="look"))
    assert [machine.entry for machine in now.machines] == [Entry.ENTERED, Entry.REFUSED]
    assert (now.machines[0].facts, now.machines[1].problem, now.machines[1].hint) == (facts, "no answer", "look")


def test_a_second_scan_keeps_what_is_known_and_shows_new_keys() -> None:
    known = replace(Machine("10.0.0.1", ("store",)), pinned=True)
    now = changes.with_scanned(session(known), [Seen(Scanned("10.0.0.1", 22, "", (KEY,), 0.0), pinned=False)])
    assert now.machines == (replace(known, keys=(KEY,), pinned=True),)


def test_one_key_goes_through_all_roles_and_back() -> None:
    now, seen = session(Machine("10.0.0.1", ("store",))), []
    for _ in range(4):
        now = changes.with_next_role(now, {"10.0.0.1"})
        seen.append(now.machines[0].roles)
    assert seen == [("client",), ("store", "client"), (), ("store",)]


def test_fields_come_from_the_schema_and_defaults_are_not_written_down() -> None:
    fields = fields_of(SPEC)
    assert [(field.name, field.kind, field.secret) for field in fields] == [
        ("interval", Kind.TEXT, False),
        ("level", Kind.CHOICE, False),
        ("mirror", Kind.YES_NO, False),
        ("pods", Kind.TEXT, False),
        ("token", Kind.TEXT, True),
    ]
    values = {"interval": "100", "level": "info", "mirror": False, "pods": "10.9.0.0/16", "token": ""}
    assert given(fields, values) == {"pods": "10.9.0.0/16"}
    assert given(fields, {**values, "mirror": True, "interval": "20"}) == {
        "interval": "20",
        "mirror": True,
        "pods": "10.9.0.0/16",
    }
