import pytest

from appliance.errors import RecipeError
from appliance.recipe import clusterfile
from appliance.recipe.clusterfile import Cluster, Clusterfile, HostGroup, Provider, SshSettings
from appliance.recipe.networking import Network, Registry
from appliance.recipe.siteapps import SiteApp

HEAD = "apiVersion: appliance/v1\nkind: Cluster\nmetadata: {name: site-a}\nspec:\n"
PRINT = f"SHA256:{'k' * 43}"
FULL = (
    HEAD
    + """\
  image: etcd-cluster:1.0.0
  ssh: {user: ops, port: 2222, key: ~/.ssh/id, become: sudo, becomePasswordSecret: sudo-site-a}
  hosts:
    - {addresses: [10.0.0.11-10.0.0.13], roles: [etcd, etcd]}
    - {addresses: "10.0.0.21, 10.0.0.22", roles: [client], labels: {zone: b, n: 1}, ssh: {user: root}}
  provider: {name: lab, count: 3}
  env: {A: 1, B: true, C: no, D: "x"}
  parameters: {heartbeat: 10}
  hostAliases: [{ip: 10.0.0.1, hostnames: [repo, repo.local]}]
  distribution: {method: unicast, bandwidth: 1Gbit}
"""
)


def load(text: str) -> Clusterfile:
    return clusterfile.load(text, source="c.yaml")


def test_everything_that_stands_there_is_read() -> None:
    cluster = load(FULL).cluster
    assert cluster.ssh == SshSettings("ops", 2222, "~/.ssh/id", "sudo", "", "sudo-site-a")
    assert cluster.hosts == (
        HostGroup(("10.0.0.11", "10.0.0.12", "10.0.0.13"), ("etcd",)),
        HostGroup(("10.0.0.21", "10.0.0.22"), ("client",), {"zone": "b", "n": "1"}, SshSettings(user="root")),
    )
    assert cluster.provider == Provider("lab", 3)
    assert cluster.env == {"A": "1", "B": "true", "C": "no", "D": "x"}
    assert cluster.parameters == {"heartbeat": 10}
    assert cluster.host_aliases == (("10.0.0.1", ("repo", "repo.local")),)
    assert (cluster.distribution.method, cluster.distribution.bandwidth) == ("unicast", 10**9)


@pytest.mark.parametrize("cluster", [load(FULL).cluster, Cluster("x"), Cluster("x", provider=Provider("lab"))])
def test_what_is_written_reads_back_to_the_same_value(cluster: Cluster) -> None:
    assert load(clusterfile.dump(cluster)).cluster == cluster


def test_a_password_in_the_file_goes_apart_and_is_warned_of_without_repeating_it() -> None:
    read = load(
        HEAD + "  ssh: {passwd: hunter2}\n  hosts:\n"
        "    - {addresses: 10.0.0.1, roles: [a], ssh: {password: hunter3, becomePassword: hunter4}}\n"
    )
    assert read.secrets == {"ssh-password": "hunter2", "ssh-password-1": "hunter3", "become-password-1": "hunter4"}
    assert read.cluster.ssh.password_secret == "ssh-password"
    assert read.cluster.hosts[0].ssh.become_password_secret == "become-password-1"
    assert "hunter" not in repr(read) + clusterfile.dump(read.cluster)
    assert [warning.split(" ")[0] for warning in read.warnings] == ["c.yaml:5:", "c.yaml:7:", "c.yaml:7:"]


def test_applications_are_named_with_their_version_and_may_be_set() -> None:
    read = load(HEAD + "  apps: [one:1.0.0, {image: 'two:2.0.0', parameters: {a: 1}}]\n").cluster
    assert read.apps == (SiteApp("one:1.0.0"), SiteApp("two:2.0.0", {"a": 1}))
    assert load(clusterfile.dump(read)).cluster == read


@pytest.mark.parametrize(("apps", "words"), [("[x]", "'x' is not NAME:VERSION"), ("['x:1', 'x:2']", "x comes twice")])
def test_an_application_has_a_version_and_comes_once(apps: str, words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        load(f"{HEAD}  apps: {apps}\n")


def test_fingerprints_of_host_keys_stand_with_a_groups_addresses() -> None:
    keys = f"hostKeys: {{10.0.0.2: [{PRINT}, {PRINT}], '2001:db8:0::1': {PRINT}}}"
    read = load(f"{HEAD}  hosts:\n    - {{addresses: ['10.0.0.1-3', '2001:db8::1'], roles: [a], {keys}}}\n").cluster
    assert read.hosts[0].fingerprints == {"10.0.0.2": (PRINT, PRINT), "2001:db8::1": (PRINT,)}
    assert load(clusterfile.dump(read)).cluster == read


def test_networks_and_registry_are_read_with_defaults_for_what_is_left_out() -> None:
    read = load(
        HEAD + "  network: {podSubnet: '10.1.0.0/16,fd00::/56', vip: 10.0.0.9}\n  registry: {on: all}\n"
    ).cluster
    assert read.network == Network(pods="10.1.0.0/16,fd00::/56", vip="10.0.0.9")
    assert read.registry == Registry(on="all")
    assert load(clusterfile.dump(read)).cluster == read


def test_further_documents_are_handed_on_and_written_back() -> None:
    text = "---\napiVersion: kubeadm.k8s.io/v1beta2\nkind: ClusterConfiguration\nnetworking: {dnsDomain: x.local}\n"
    (document,) = load(FULL + text).cluster.documents
    assert (document.group, document.kind, document.where) == ("kubeadm.k8s.io", "ClusterConfiguration", "c.yaml:16")
    again = load(clusterfile.dump(load(FULL + text).cluster)).cluster
    assert [one.value for one in again.documents] == [document.value]


@pytest.mark.parametrize(
    ("text", "where", "words", "hint"),
    [
        ("", "", "empty", "apiVersion"),
        ("[]", ":1", "has fields", "apiVersion"),
        ("apiVersion: sealer.cloud/v2\nkind: Cluster\n", ":1", "'sealer.cloud/v2' is not a known", "write apiVersion"),
        ("apiVersion: appliance/v1\nkind: Plugin\n", ":2", "'Plugin'", "kind: Cluster"),
        (FULL + "---\n" + FULL, ":17", "describes one cluster", "other files"),
        (FULL + "---\nkind: Plugins\n", ":16", "'Plugins' of '' is not a known kind", "did you mean 'Plugin'?"),
        (HEAD + "  network: {podSubnet: 10.0.0.1}\n", ":5", "podSubnet: '10.0.0.1' is not a", "10.244.0.0/16"),
        (HEAD + "  network: {podSubnet: 10.96.0.0/16}\n", ":5", "the services' 10.96.0.0/12 overlap", ""),
        (HEAD + "  network: {controlPlaneEndpoint: api}\n", ":5", "'api' is not HOST:PORT", "api.example.com:6443"),
        (HEAD + "  registry: {domain: Reg_1}\n", ":5", "'Reg_1' is not a host name", "small letters"),
        (HEAD + "  hots: []\n", ":5", "spec.hots: there is no such field", "did you mean 'hosts'?"),
        (HEAD + "  hosts:\n    - {addresses: [10.0.0.1]}\n", ":6", "spec.hosts[0]: the field 'roles'", "add roles"),
        (HEAD + "  hosts:\n    - {addresses: 10.0.0.x, roles: [a]}\n", ":6", "'10.0.0.x' is not an address", "11-13"),
        (
            HEAD + "  hosts:\n    - {addresses: 10.0.0.1-3, roles: [a]}\n    - {addresses: 10.0.0.2, roles: [b]}\n",
            ":7", "10.0.0.2 comes twice", "all its roles",
        ),
        (HEAD + f"  hosts:\n    - {{addresses: 10.0.0.1, roles: [a], hostKeys: {{10.0.0.2: {PRINT}}}}}\n", ":6",
         "10.0.0.2 is not one of this group's addresses", "address: [SHA256:…]"),
        (HEAD + "  hosts:\n    - {addresses: 10.0.0.1, roles: [a], hostKeys: {10.0.0.1: [MD5:00]}}\n", ":6",
         "MD5:00", "as ssh-keygen -lf prints it"),
        (HEAD + "  ssh: {port: 99999}\n", ":5", "spec.ssh.port: 99999", "1 to 65535"),
        (HEAD + "  ssh: {port: '22'}\n", ":5", 'expected a whole number, not "22"', "port"),
        (HEAD + "  ssh: {become: doas}\n", ":5", '"doas" is not valid', "sudo"),
        (HEAD + "  ssh: {jump: 'a b'}\n", ":5", "'a b' is not a jump host", "ops@bastion:22"),
        (HEAD + "  ssh: {jump: 'h:0'}\n", ":5", "'h:0' is not a jump host", "none to go straight"),
        (HEAD + "  ssh: {password: 1234}\n", ":5", "not the given value", ""),
        (HEAD + "  distribution: {bandwidth: fast}\n", ":5", "'fast' is not a rate", ""),
        (HEAD + "  env: {A: [1]}\n", ":5", "spec.env.A: expected", "quote it"),
        (HEAD + "  env: {A-B: x}\n", ":5", "spec.env.A-B: this cannot be the name of a variable", "letters"),
        (HEAD + '  env: {A: "x\\0"}\n', ":5", "this text holds a NUL", "take it out"),
        (HEAD + '  env: {"A\\0": x}\n', ":5", "this text holds a NUL", "take it out"),
        (HEAD.replace("site-a", "Site A"), ":3", "metadata.name", "lower-case"),
        (HEAD + "  image: x\n  image: y\n", ":6", "spec.image stands here twice", "keep one"),
    ],
)  # fmt: skip
def test_mistakes_name_line_field_and_what_is_valid(text: str, where: str, words: str, hint: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load(text)
    assert caught.value.where == f"c.yaml{where}"
    assert words in caught.value.message
    assert hint in caught.value.hint
