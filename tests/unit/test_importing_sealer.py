"""Sealer's Clusterfiles of every age: what is honoured, and that the rest is said by name."""

import pytest

from appliance.errors import RecipeError
from appliance.recipe import clusterfile
from appliance.recipe.clusterfile import Clusterfile, HostGroup, SshSettings
from appliance.recipe.importing import clusterfiles

V1_CLOUD = """\
apiVersion: zlink.aliyun.com/v1alpha1
kind: Cluster
metadata:
  annotations:
    sea.aliyun.com/ClusterEIP: 198.51.100.7
  creationTimestamp: null
  name: my-cluster
spec:
  certSANS: [aliyun-inc.com, 10.0.0.2]
  image: registry.example.com/kubernetes:v1.19.9
  masters: {count: "3", cpu: 4, dataDisks: ["100"], memory: "4", ipList: [172.16.0.194, 172.16.0.195]}
  network: {podCIDR: 100.64.0.0/10, svcCIDR: 10.96.0.0/22, interface: eth0}
  nodes: {count: 3}
  provider: ALI_CLOUD
  ssh: {passwd: Seadent123, pk: /etc/keys/site-a, pkPasswd: zzz, user: root}
"""
V1_BARE_METAL = """\
apiVersion: sealer.aliyun.com/v1alpha1
kind: Cluster
metadata: {name: bare}
spec:
  provider: BAREMETAL
  masters: {ipList: [192.168.0.2-192.168.0.4]}
  nodes: {ipList: [192.168.0.5]}
  ssh: {user: ops, port: "2222"}
"""
V2 = """\
apiVersion: sealer.io/v1
kind: Plugin
metadata: {name: MyHostname}
spec: {type: HOSTNAME, action: PreInit, data: "192.168.0.2 master-0"}
---
apiVersion: sealer.cloud/v2
kind: Cluster
metadata: {name: my-cluster}
spec:
  env: [Network=calico, "CertSANS=10.0.0.1;10.0.0.2", Empty=]
  ssh: {passwd: hunter-1, port: 2222}
  hosts:
    - ips: [192.168.0.2, 192.168.0.3]
      roles: [master]
      env: [etcd-dir=/data/etcd]
      ssh: {passwd: hunter-2, port: "22"}
      labels: {zone: a}
      taints: [key=value:NoSchedule]
    - ips: [192.168.0.4]
      role: Node
    - {ips: [192.168.0.5], roles: [node, db], ssh: {passwd: hunter-1}}
  hostAliases: [{ip: 192.168.0.9, hostnames: [hub, hub.local]}]
  registry: {localRegistry: {domain: sea.hub, port: 5000}}
  containerRuntime: {type: containerd}
  cmd: [kubectl get nodes]
status: {}
---
apiVersion: sealer.io/v2
kind: Plugin
metadata: {name: pre_init}
spec: {type: SHELL, action: pre-init-host, scope: master, data: echo}
---
apiVersion: sealer.com/v1alpha1
kind: Config
metadata: {name: mysql-config}
spec: {path: etc/mysql.yaml, data: "user: root"}
---
apiVersion: sealer.io/v2
kind: Application
metadata: {name: my-apps}
spec: {launchApps: [app1]}
---
apiVersion: kubeadm.k8s.io/v1beta2
kind: InitConfiguration
localAPIEndpoint: {bindPort: 6443}
---
apiVersion: sealer.io/v2
kind: KubeadmConfig
metadata: {name: default}
"""


def load(text: str) -> Clusterfile:
    return clusterfiles.load(text, source="c.yaml")


def named(read: Clusterfile) -> list[str]:
    """What each warning is about."""
    about = [warning.partition(": ")[2] for warning in read.warnings]
    return [" ".join(text.split()[2:4]) if text.startswith("the document") else text.split()[0] for text in about]


def test_v1_of_a_cloud_gives_its_hosts_and_names_what_is_left() -> None:
    read = load(V1_CLOUD)
    assert read.cluster.hosts == (HostGroup(("172.16.0.194", "172.16.0.195"), ("control-plane",)),)
    assert read.cluster.ssh == SshSettings("root", 0, "/etc/keys/site-a", password_secret="ssh-password-1")
    assert read.secrets == {"ssh-password-1": "Seadent123"}
    assert sorted(named(read)) == sorted(
        ["metadata.annotations", "spec.certSANS", "spec.image"]
        + [f"spec.masters.{name}" for name in ("count", "cpu", "dataDisks", "memory")]
        + ["spec.network.interface", "spec.nodes.count", "spec.provider:", "spec.ssh.passwd", "spec.ssh.pkPasswd"]
    )
    lines = [int(warning.split(":")[1]) for warning in read.warnings]
    assert lines == sorted(lines)


def test_v1_on_bare_metal_is_honoured_whole() -> None:
    read = load(V1_BARE_METAL)
    assert read.cluster.hosts == (
        HostGroup(("192.168.0.2", "192.168.0.3", "192.168.0.4"), ("control-plane",)),
        HostGroup(("192.168.0.5",), ("worker",)),
    )
    assert read.cluster.ssh == SshSettings("ops", 2222)
    assert read.warnings == ()


def test_v2_has_groups_with_roles_labels_and_ways_in() -> None:
    read = load(V2)
    assert read.cluster.hosts == (
        HostGroup(
            ("192.168.0.2", "192.168.0.3"),
            ("control-plane",),
            {"zone": "a"},
            SshSettings(port=22, password_secret="ssh-password-2"),
        ),
        HostGroup(("192.168.0.4",), ("worker",)),
        HostGroup(("192.168.0.5",), ("worker", "db"), ssh=SshSettings(password_secret="ssh-password-1")),
    )
    assert read.cluster.env == {"Network": "calico", "CertSANS": "10.0.0.1;10.0.0.2", "Empty": ""}
    assert read.cluster.host_aliases == (("192.168.0.9", ("hub", "hub.local")),)
    assert read.secrets == {"ssh-password-1": "hunter-1", "ssh-password-2": "hunter-2"}


def test_each_document_and_field_of_v2_that_is_not_honoured_is_named() -> None:
    assert sorted(named(load(V2))) == sorted(
        [
            "Plugin MyHostname", "KubeadmConfig default",
            "spec.env:", "spec.ssh.passwd",
            "spec.hosts[0].env", "spec.hosts[0].taints", "spec.hosts[0].ssh.passwd", "spec.hosts[2].ssh.passwd",
            "spec.registry.localRegistry", "spec.containerRuntime", "spec.cmd",
        ]
    )  # fmt: skip


def test_documents_that_a_runtime_reads_are_handed_on() -> None:
    kinds = [document.kind for document in load(V2).cluster.documents]
    assert kinds == ["Plugin", "Config", "Application", "InitConfiguration"]


KUBEADM = """\
---
apiVersion: kubeadm.k8s.io/v1beta2
kind: ClusterConfiguration
networking: {podSubnet: 100.64.0.0/10, serviceSubnet: 10.98.0.0/22}
"""


@pytest.mark.parametrize(
    ("text", "networks"),
    [
        (V1_CLOUD, ("100.64.0.0/10", "10.96.0.0/22")),
        (V1_CLOUD + KUBEADM, ("100.64.0.0/10", "10.98.0.0/22")),
        (V2 + KUBEADM, ("100.64.0.0/10", "10.98.0.0/22")),
        (V2, ("10.244.0.0/16", "10.96.0.0/12")),
    ],
    ids=["of the cluster", "of both", "of kubeadm", "of nobody"],
)
def test_networks_are_those_of_the_cluster_or_of_kubeadm(text: str, networks: tuple[str, str]) -> None:
    network = load(text).cluster.network
    assert (network.pods, network.services) == networks


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [("100.64.0.0/10", "all", "podSubnet: 'all' is not a network"), ("10.98.0.0/22", "100.65.0.0/16", "overlap")],
)
def test_networks_that_cannot_be_are_refused_with_their_document(old: str, new: str, where: str) -> None:
    with pytest.raises(RecipeError, match=where) as refused:
        load(V2 + KUBEADM.replace(old, new))
    assert refused.value.where == f"c.yaml:{(V2 + KUBEADM).splitlines().index('kind: ClusterConfiguration')}"


def test_a_document_that_cannot_be_carried_out_is_named_with_the_reason() -> None:
    (said,) = (warning for warning in load(V2).warnings if "MyHostname" in warning)
    assert said.endswith("is not used: the plugin MyHostname is of type HOSTNAME, which is not carried out")


@pytest.mark.parametrize("text", [V1_CLOUD, V1_BARE_METAL, V2])
def test_what_was_read_is_a_clusterfile_of_ours_without_secrets(text: str) -> None:
    read = load(text)
    written = clusterfile.dump(read.cluster)
    assert clusterfile.load(written, source="").cluster == read.cluster
    for secret in read.secrets.values():
        assert secret not in written
        assert secret not in " ".join(read.warnings)


def test_a_password_sealed_by_sealer_is_not_taken_for_one() -> None:
    read = load(V1_BARE_METAL.replace("user: ops", "user: ops, passwd: AbC9/x==, encrypted: true"))
    assert read.secrets == {}
    assert named(read) == ["spec.ssh.passwd"]


V2_HEAD = "apiVersion: sealer.io/v2\nkind: Cluster\nmetadata: {name: a}\nspec:\n"


@pytest.mark.parametrize(
    ("text", "where", "message"),
    [
        (V2_HEAD + "  ssh: {passwd: 012345}\n", "c.yaml:5", "not a text"),
        (V2_HEAD + "  ssh: {port: none}\n", "c.yaml:5", "'none' is not a port"),
        (V2_HEAD + "  ssh:\n    user: a b\n", "c.yaml:6", "'a b' is not a user's name"),
        (V2_HEAD + "  ssh: root\n", "c.yaml:5", "expected fields"),
        (V2_HEAD + "  hosts: {ips: [10.0.0.1]}\n", "c.yaml:5", "expected a list"),
        (V2_HEAD + "  hosts:\n    - ips: [10.0.0.1]\n", "c.yaml:6", "has no role"),
        (V2_HEAD + "  hosts:\n    - ips: [{a: 1}]\n      roles: [node]\n", "c.yaml:6", "expected a text"),
        (V2_HEAD + "  hosts:\n    - ips: [10.0.0.x]\n      roles: [node]\n", "c.yaml:6", "not an address"),
        (V2_HEAD + "  hosts:\n    - {ips: [10.0.0.1], roles: [node]}\n    - {ips: [10.0.0.1], roles: [db]}\n",
         "c.yaml:7", "comes twice"),
        (V2_HEAD + "  env: [novalue]\n", "c.yaml:5", "has no value"),
        (V2_HEAD + "  env: [A-B=1]\n", "c.yaml:5", "cannot be the name of a variable"),
        (V2_HEAD.replace("{name: a}", "{name: A_b}"), "c.yaml:3", "'A_b' is not a name"),
        (V2_HEAD.replace("{name: a}", "[a]"), "c.yaml:3", "expected fields"),
        (f"{V2_HEAD}---\n{V2_HEAD}", "c.yaml:6", "a second cluster"),
        (f"{V2_HEAD}---\n- a\n", "c.yaml:6", "expected fields"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_with_its_line(text: str, where: str, message: str) -> None:
    with pytest.raises(RecipeError) as refused:
        load(text)
    assert refused.value.where == where
    assert message in refused.value.message
    assert refused.value.hint


def test_a_clusterfile_of_ours_is_read_as_one() -> None:
    text = "apiVersion: appliance/v1\nkind: Cluster\nmetadata: {name: a}\nspec: {image: 'x:1'}\n"
    assert load(text) == clusterfile.load(text, source="c.yaml")
