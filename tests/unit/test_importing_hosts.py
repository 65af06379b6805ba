"""Host lists: Ansible inventories in both forms and tables; and the roles that hosts get from their groups."""

import pytest

from appliance.errors import RecipeError
from appliance.recipe.clusterfile import HostGroup, SshSettings
from appliance.recipe.importing import hostlists
from appliance.recipe.importing.hostlist import HostList, ListedHost, by_role, resolved
from appliance.recipe.importing.hostpattern import expand_pattern

INI = """\
# as Kubespray has it
[all]
node1 ansible_host=10.0.0.1  ip=10.0.0.1 etcd_member_name=etcd1
node2 ansible_host=10.0.0.2 # the second
node[03:04].example.com:2222 ansible_user="ops"

[kube_control_plane]
node1

[etcd]
node1
node2

[kube_node]
node[03:04].example.com

[k8s_cluster:children]
kube_control_plane
kube_node

[k8s_cluster:vars]
ansible_port = 22
ansible_connection=ssh

[all:vars]
ansible_user=root
ansible_ssh_private_key_file=~/.ssh/lab
ansible_become=true
"""
YAML = """\
all:
  hosts:
    node1: {ansible_host: 10.0.0.1, access_ip: 10.0.0.1}
    node[2:3]: {ansible_host: 10.0.0.2}
  vars: {ansible_user: root, ansible_become: yes, ansible_become_method: doas}
  children:
    stores:
      vars: {ansible_user: ops, ansible_password: hunter2}
      children:
        etcd: {hosts: {node1: , node2: {ansible_port: 2222}}}
"""
TABLE = """\
Hostname;IP;Role;SSH user;Rack;label:zone;Password
a;10.0.0.11-12;etcd;ops;7;b;hunter2
# spare: b;10.0.0.13
;10.0.0.20;client+etcd;;7;;
c;;client;;;;
"""


def load(text: str, source: str = "hosts") -> HostList:
    return hostlists.load(text, source=source)


def about(read: HostList) -> list[str]:
    return [warning.partition(": ")[2] for warning in read.warnings]


def test_an_inventory_as_ini_gives_hosts_groups_and_ways_in() -> None:
    read = load(INI)
    root = SshSettings("root", 22, "~/.ssh/lab", "sudo")
    ops = SshSettings("ops", 2222, "~/.ssh/lab", "sudo")
    assert [(host.name, host.address, host.groups, host.ssh) for host in read.hosts] == [
        ("node1", "10.0.0.1", ("kube_control_plane", "etcd", "k8s_cluster"), root),
        ("node2", "10.0.0.2", ("etcd",), SshSettings("root", 0, "~/.ssh/lab", "sudo")),
        ("node03.example.com", "node03.example.com", ("kube_node", "k8s_cluster"), ops),
        ("node04.example.com", "node04.example.com", ("kube_node", "k8s_cluster"), ops),
    ]
    assert about(read) == ["the variable ip is not used here", "the variable etcd_member_name is not used here"]
    assert [host.where for host in read.hosts] == ["hosts:3", "hosts:4", "hosts:5", "hosts:5"]


def test_an_inventory_as_yaml_gives_the_same() -> None:
    read = load(YAML)
    near = SshSettings("ops", 0, "", "sudo", "inventory-password-1")
    assert [(host.name, host.address, host.groups, host.ssh) for host in read.hosts] == [
        ("node1", "10.0.0.1", ("etcd", "stores"), near),
        ("node2", "10.0.0.2", ("etcd", "stores"), SshSettings("ops", 2222, "", "sudo", "inventory-password-1")),
        ("node3", "10.0.0.2", (), SshSettings("root", become="sudo")),
    ]
    assert read.secrets == {"inventory-password-1": "hunter2"}
    assert "hunter2" not in repr(read)
    assert [text.split()[2 if text.startswith("the") else 0] for text in about(read)] == [
        "access_ip", "ansible_become_method", "ansible_password",
    ]  # fmt: skip


def test_root_is_become_as_the_inventory_says() -> None:
    text = "a ansible_become=yes ansible_become_method=su\nb ansible_become=yes\nc ansible_become_method=su\n"
    read = load(text)
    assert [host.ssh.become for host in read.hosts] == ["su", "sudo", ""]
    assert read.warnings == ()


def test_a_table_gives_hosts_by_its_headings() -> None:
    read = load(TABLE, "hosts.csv")
    way = SshSettings("ops", password_secret="inventory-password-1")
    assert [(host.name, host.address, host.groups, dict(host.labels), host.ssh) for host in read.hosts] == [
        ("10.0.0.11", "10.0.0.11", ("etcd",), {"zone": "b"}, way),
        ("10.0.0.12", "10.0.0.12", ("etcd",), {"zone": "b"}, way),
        ("10.0.0.20", "10.0.0.20", ("client", "etcd"), {}, SshSettings()),
        ("c", "c", ("client",), {}, SshSettings()),
    ]
    assert about(read)[0] == "the column 'Rack' is not used here"
    assert read.secrets == {"inventory-password-1": "hunter2"}


def test_a_table_carries_fingerprints_of_host_keys_which_stay_when_alike_hosts_come_together() -> None:
    one, two = f"SHA256:{'1' * 43}", f"SHA256:{'2' * 43}"
    text = f"address,role,fingerprint\n10.0.0.1,etcd,{one} {two}\n10.0.0.2,etcd,\n10.0.0.3,etcd,{two}\n"
    (group,), _ = by_role(load(text, "hosts.csv").hosts, ("etcd",))
    assert group.addresses == ("10.0.0.1", "10.0.0.2", "10.0.0.3")
    assert group.fingerprints == {"10.0.0.1": (one, two), "10.0.0.3": (two,)}


@pytest.mark.parametrize("name", ["hosts.csv", "hosts.tsv"])
@pytest.mark.parametrize("between", [",", ";", "\t"])
def test_a_table_may_have_any_usual_mark_between_cells(name: str, between: str) -> None:
    text = f"address{between}role\r\n10.0.0.1{between}etcd\r\n"
    assert load("\ufeff" + text, name).hosts == (ListedHost("10.0.0.1", "10.0.0.1", f"{name}:2", ("etcd",)),)


@pytest.mark.parametrize(
    ("pattern", "hosts"),
    [
        ("one", [("one", "")]),
        ("one:2222", [("one", "2222")]),
        ("n[8:10]", [("n8", ""), ("n9", ""), ("n10", "")]),
        ("n[08:10].x", [("n08.x", ""), ("n09.x", ""), ("n10.x", "")]),
        ("db-[a:c]", [("db-a", ""), ("db-b", ""), ("db-c", "")]),
        ("n[1:5:2]:22", [("n1", "22"), ("n3", "22"), ("n5", "22")]),
        ("r[1:2]n[a:b]", [("r1na", ""), ("r1nb", ""), ("r2na", ""), ("r2nb", "")]),
        ("2001:db8::1", [("2001:db8::1", "")]),
        ("[2001:db8::1]:2222", [("2001:db8::1", "2222")]),
        ("10.0.0.[1:2]", [("10.0.0.1", ""), ("10.0.0.2", "")]),
    ],
)
def test_patterns_name_hosts_as_in_ansible(pattern: str, hosts: list[tuple[str, str]]) -> None:
    assert list(expand_pattern(pattern, where="")) == hosts


@pytest.mark.parametrize("pattern", ["n[5:1]", "n[a:1]", "n[001:10]", "n[1:2:0]", "n[1:2:3:4]", "n[z:a]", "n[", ""])
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(RecipeError, match="is not a"):
        expand_pattern(pattern, where="hosts:1")


@pytest.mark.parametrize("pattern", ["n[1:99999]", "n[1:99][1:99]", "n[0:9][0:9][0:9][0:9][0:9][0:9][0:9]"])
def test_a_pattern_makes_no_more_hosts_than_a_cluster_may_have(pattern: str) -> None:
    with pytest.raises(RecipeError, match="more than 4096"):
        expand_pattern(pattern, where="hosts:1")


@pytest.mark.parametrize(
    ("text", "source", "where", "message"),
    [
        ("", "hosts", "hosts", "no host is listed"),
        ("[etcd]\n", "hosts", "hosts", "no host is listed"),
        ("one ansible_host\n", "hosts", "hosts:1", "has no value"),
        ("one 'a\n", "hosts", "hosts:1", "a quote is not closed"),
        ("one\n[etcd:vars]\nansible_user\n", "hosts", "hosts:3", "has no value"),
        ("one\n[a:children]\nb c\n", "hosts", "hosts:3", "is not a group"),
        ("[a:children]\nb\n[b:children]\na\n[b]\none\n", "hosts", "hosts:2", "below itself"),
        ("one ansible_port=ssh\n", "hosts", "hosts:1", "'ssh' is not a port"),
        ("one ansible_user='a b'\n", "hosts", "hosts:1", "is not a user's name"),
        ("one ansible_host='{{ x }}'\n", "hosts", "hosts:1", "is a template"),
        ("[a]\nn[1:x]\n", "hosts", "hosts:2", "is not a range"),
        ("all:\n  hosts: [one]\n", "hosts.yml", "hosts.yml:2", "expected names with values"),
        ("all:\n  host: {one: }\n", "hosts.yml", "hosts.yml:2", "no such part"),
        ("plugin: aws_ec2\n", "hosts.yml", "hosts.yml:1", "a plugin"),
        ("all:\n  vars: {ansible_password: !vault x}\n", "hosts.yml", "hosts.yml:2", "tag"),
        ("role,user\netcd,ops\n", "a.csv", "a.csv:1", "no column"),
        ("ip,address\n", "a.csv", "a.csv:1", "comes twice"),
        ("ip,role\n,etcd\n", "a.csv", "a.csv:2", "no address"),
        ("ip\n10.0.0.1,etcd\n", "a.csv", "a.csv:2", "more cells"),
        ("ip,port\n10.0.0.1,x\n", "a.csv", "a.csv:2", "is not a port"),
        ('ip,role\n10.0.0.1,"x\n', "a.csv", "a.csv:2", "is not a table"),
        ("ip\n10.0.0.300\n", "a.csv", "a.csv:2", "not an address"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_line(text: str, source: str, where: str, message: str) -> None:
    with pytest.raises(RecipeError) as refused:
        load(text, source)
    assert (refused.value.where, bool(refused.value.hint)) == (where, True)
    assert message in refused.value.message


def test_groups_in_layers_upon_layers_take_no_longer_than_they_are_long() -> None:
    layers = "".join(f"[a{n}:children]\na{n + 1}\nb{n + 1}\n[b{n}:children]\na{n + 1}\nb{n + 1}\n" for n in range(60))
    (host,) = load(f"{layers}[a60]\none\n[b60]\n").hosts
    assert host.groups[:2] == ("a60", "a59")
    assert len(host.groups) == 121


def listed(*groups: tuple[str, ...]) -> tuple[ListedHost, ...]:
    return tuple(ListedHost(f"10.0.0.{n}", f"10.0.0.{n}", "", each) for n, each in enumerate(groups, 1))


def test_groups_mean_roles_by_their_name_or_what_others_call_them() -> None:
    hosts = listed(("kube_control_plane", "etcd"), ("Masters",), ("nodes", "k8s_cluster"), ("spare",))
    groups, others = by_role(hosts, ("control-plane", "worker", "etcd"))
    assert groups == (
        HostGroup(("10.0.0.1",), ("control-plane", "etcd")),
        HostGroup(("10.0.0.2",), ("control-plane",)),
        HostGroup(("10.0.0.3",), ("worker",)),
    )
    assert [host.name for host in others] == ["10.0.0.4"]


def test_the_only_role_is_everyones_unless_somebody_has_it_by_name() -> None:
    assert by_role(listed(("a",), ()), ("etcd",)) == ((HostGroup(("10.0.0.1", "10.0.0.2"), ("etcd",)),), ())
    assert len(by_role(listed(("a",), ("etcd",)), ("etcd",))[1]) == 1


def test_without_roles_every_group_is_one() -> None:
    assert by_role(listed(("my_group", "no group!")), ()) == ((HostGroup(("10.0.0.1",), ("my-group",)),), ())


def test_names_become_addresses_and_no_address_comes_twice() -> None:
    hosts = HostList((ListedHost("a", "a.example", "hosts:1"), ListedHost("b", "10.0.0.2", "hosts:2")))
    assert [host.address for host in resolved(hosts, {"a.example": "10.0.0.1"}.__getitem__).hosts] == [
        "10.0.0.1",
        "10.0.0.2",
    ]
    with pytest.raises(RecipeError, match=r"b and a are both at 10\.0\.0\.2") as refused:
        resolved(hosts, lambda _: "10.0.0.2")
    assert refused.value.where == "hosts:2"
