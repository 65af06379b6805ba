"""What kubeadm is told, by version and by what a Clusterfile's documents say."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from support.kubesites import carried, document, kube_site

from appliance.errors import PlanError, RecipeError
from appliance.plan.steps import SecretRef
from appliance.recipe.bundlefile import BundleSpec
from appliance.recipe.networking import Network
from appliance.runtimes.kubernetes import configuration, containerd, secrets
from appliance.runtimes.kubernetes.versions import version_of

if TYPE_CHECKING:
    from appliance.plan.runtime import Site
    from appliance.recipe.documents import PassedDocument


def documents(parts: configuration.Parts) -> dict[str, Any]:
    text = "".join("TOKEN" if isinstance(part, SecretRef) else part for part in parts)
    return {found["kind"]: found for found in map(json.loads, text.split("---\n"))}


def init(site: Site) -> dict[str, Any]:
    return documents(configuration.init_parts(site, site.hosts[0]))


def join(site: Site, number: int = 1) -> Any:
    return documents(configuration.join_parts(site, site.hosts[number]))["JoinConfiguration"]


@pytest.mark.parametrize(
    ("version", "name", "api", "pause"),
    [
        ("1.20.2", "v1.20.2", "v1beta2", "k8s.gcr.io/pause:3.2"),
        ("v1.21.14", "v1.21.14", "v1beta2", "k8s.gcr.io/pause:3.4.1"),
        ("1.22.0", "v1.22.0", "v1beta3", "k8s.gcr.io/pause:3.5"),
        ("1.24.17", "v1.24.17", "v1beta3", "k8s.gcr.io/pause:3.7"),
        ("1.25.16", "v1.25.16", "v1beta3", "registry.k8s.io/pause:3.8"),
        ("1.30.1", "v1.30.1", "v1beta3", "registry.k8s.io/pause:3.9"),
        ("1.31.4", "v1.31.4", "v1beta4", "registry.k8s.io/pause:3.10"),
        ("1.34.0-rc.1", "v1.34.0-rc.1", "v1beta4", "registry.k8s.io/pause:3.10.1"),
    ],
)
def test_a_version_has_its_api_and_its_images(version: str, name: str, api: str, pause: str) -> None:
    site = kube_site(1, 1, version=version, images=())
    found = init(site)
    assert found["ClusterConfiguration"]["kubernetesVersion"] == name
    assert {kind: found[kind]["apiVersion"] for kind in ("InitConfiguration", "ClusterConfiguration")} == {
        "InitConfiguration": f"kubeadm.k8s.io/{api}",
        "ClusterConfiguration": f"kubeadm.k8s.io/{api}",
    }
    assert join(site)["apiVersion"] == f"kubeadm.k8s.io/{api}"
    assert containerd.pause_image(site, site.hosts[0]) == pause


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("1.19.16", "Kubernetes 1.19.16 is not known"),
        ("1.99.0", "is not known"),
        ("1.20", "not a version of Kubernetes"),
        ("2.0.0", "not a version of Kubernetes"),
        ("latest", "not a version of Kubernetes"),
    ],
)
def test_an_unknown_version_is_refused(version: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said) as refused:
        version_of(BundleSpec("kubernetes", "1.0.0", runtime_version=version))
    assert refused.value.where == "bundle.yaml: runtime.version"
    assert refused.value.hint


def test_a_bundle_s_own_version_counts_where_the_runtime_s_is_not_said() -> None:
    assert version_of(BundleSpec("kubernetes", "1.20.2")).name == "v1.20.2"


def test_arguments_are_an_object_until_v1beta4_and_a_list_since() -> None:
    def arguments(version: str) -> object:
        return init(kube_site(1, 1, version=version))["InitConfiguration"]["nodeRegistration"]["kubeletExtraArgs"]

    assert arguments("1.30.0") == {"node-ip": "10.0.0.11"}
    assert arguments("1.31.0") == [{"name": "node-ip", "value": "10.0.0.11"}]


@pytest.mark.parametrize(
    "written", [{"v": 4, "profiling": False}, [{"name": "v", "value": "4"}, {"name": "profiling", "value": "false"}]]
)
@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("1.20.2", {"v": "4", "profiling": "false"}),
        ("1.31.4", [{"name": "v", "value": "4"}, {"name": "profiling", "value": "false"}]),
    ],
)
def test_arguments_may_be_written_in_either_form(written: object, version: str, expected: object) -> None:
    given = document("ClusterConfiguration", apiServer={"extraArgs": written})
    found = init(kube_site(1, 1, version=version, documents=(given,)))["ClusterConfiguration"]
    assert found["apiServer"]["extraArgs"] == expected


def test_a_repeated_argument_is_for_versions_that_take_it() -> None:
    twice = [{"name": "service-account-issuer", "value": one} for one in ("a", "b")]
    given = (document("ClusterConfiguration", 7, apiServer={"extraArgs": twice}),)
    found = init(kube_site(1, 1, version="1.31.4", documents=given))["ClusterConfiguration"]
    assert found["apiServer"]["extraArgs"] == twice
    with pytest.raises(RecipeError, match="comes twice in extraArgs") as refused:
        init(kube_site(1, 1, documents=given))
    assert refused.value.where == "Clusterfile:7"


def test_what_a_clusterfile_says_wins_field_by_field() -> None:
    given = (
        document("ClusterConfiguration", networking={"dnsDomain": "site.local"}, imageRepository="mirror.example/k8s"),
        document("KubeletConfiguration", cgroupDriver="cgroupfs", maxPods=50),
        document("KubeProxyConfiguration", mode="iptables", conntrack={"maxPerCore": 0}),
        document("InitConfiguration", nodeRegistration={"taints": [], "kubeletExtraArgs": {"node-ip": "192.0.2.1"}}),
    )
    site = kube_site(1, 1, documents=given, images=())
    found = init(site)
    cluster = found["ClusterConfiguration"]
    assert cluster["networking"] == {
        "podSubnet": "10.244.0.0/16",
        "serviceSubnet": "10.96.0.0/12",
        "dnsDomain": "site.local",
    }
    assert found["KubeletConfiguration"]["maxPods"] == 50
    assert found["KubeProxyConfiguration"]["conntrack"] == {"maxPerCore": 0}
    assert found["InitConfiguration"]["nodeRegistration"] == {
        "name": "control-plane-1",
        "criSocket": "unix:///run/containerd/containerd.sock",
        "taints": [],
        "kubeletExtraArgs": {"node-ip": "192.0.2.1"},
    }
    assert configuration.cgroup_driver(site) == "cgroupfs"
    assert containerd.pause_image(site, site.hosts[0]) == "mirror.example/k8s/pause:3.2"


def test_names_of_the_api_server_are_added_to_ours() -> None:
    given = (document("ClusterConfiguration", apiServer={"certSANs": ["api.example", "10.0.0.11"]}),)
    site = replace(kube_site(2, 1, documents=given), network=Network(endpoint="[fd00::1]:6443"))
    names = init(site)["ClusterConfiguration"]["apiServer"]["certSANs"]
    assert names == [
        *("127.0.0.1", "::1", "localhost"),
        *("10.0.0.11", "control-plane-1", "10.0.0.12", "control-plane-2"),
        *("fd00::1", "api.example"),
    ]


@pytest.mark.parametrize(
    ("given", "said", "instead"),
    [
        (document("ClusterConfiguration", 4, kubernetesVersion="v1.21.0"), "kubernetesVersion", "take it out"),
        (document("ClusterConfiguration", 4, etcd={"local": {}}), "etcd", "take it out"),
        (
            document("ClusterConfiguration", 4, networking={"podSubnet": "100.64.0.0/10"}),
            "networking.podSubnet",
            "say it as spec.network.podSubnet",
        ),
        (
            document("ClusterConfiguration", 4, controlPlaneEndpoint="api:6443"),
            "controlPlaneEndpoint",
            "say it as spec.network.controlPlaneEndpoint",
        ),
        (document("InitConfiguration", 4, bootstrapTokens=[]), "bootstrapTokens", "take it out"),
        (
            document("InitConfiguration", 4, localAPIEndpoint={"bindPort": 7443}),
            "localAPIEndpoint.bindPort",
            "take it out",
        ),
        (document("InitConfiguration", 4, nodeRegistration={"name": "a"}), "nodeRegistration.name", "take it out"),
        (document("KubeletConfiguration", 4, staticPodPath="/x"), "staticPodPath", "take it out"),
    ],
)
def test_what_the_plan_decides_is_refused(given: PassedDocument, said: str, instead: str) -> None:
    with pytest.raises(RecipeError, match=rf"{given.kind}\.{said} is decided by the plan") as refused:
        init(kube_site(1, 1, documents=(given,)))
    assert refused.value.where == "Clusterfile:4"
    assert refused.value.hint == instead


def test_what_the_plan_decides_may_be_said_as_it_is() -> None:
    same = document("ClusterConfiguration", kubernetesVersion="v1.20.2", networking={"podSubnet": "10.244.0.0/16"})
    assert init(kube_site(1, 1, documents=(same,))) == init(kube_site(1, 1))


def test_how_a_node_joins_is_decided_by_the_plan() -> None:
    given = (document("JoinConfiguration", 9, discovery={"tlsBootstrapToken": "a.b"}),)
    with pytest.raises(RecipeError, match="discovery is decided") as refused:
        join(kube_site(1, 1, documents=given))
    assert refused.value.where == "Clusterfile:9"


def test_a_document_comes_once() -> None:
    twice = (document("KubeletConfiguration", 3), document("KubeletConfiguration", 8))
    with pytest.raises(RecipeError, match="KubeletConfiguration comes twice") as refused:
        init(kube_site(1, 1, documents=twice))
    assert refused.value.where == "Clusterfile:8"


def test_a_kind_that_nobody_reads_is_refused() -> None:
    with pytest.raises(RecipeError, match="ResetConfiguration is not read"):
        configuration.check(kube_site(1, 1, documents=(document("ResetConfiguration", 3),)))


def test_arguments_of_another_form_are_refused() -> None:
    given = (document("ClusterConfiguration", 5, scheduler={"extraArgs": "v=4"}),)
    with pytest.raises(RecipeError, match="neither an object nor a list of arguments"):
        init(kube_site(1, 1, documents=given))


def test_a_cgroup_driver_is_one_of_two() -> None:
    site = kube_site(1, 1, documents=(document("KubeletConfiguration", cgroupDriver="system"),))
    with pytest.raises(RecipeError, match="'system' is not a cgroup driver"):
        configuration.cgroup_driver(site)


def test_the_one_secret_is_the_token() -> None:
    site = kube_site(1, 1)
    for parts in (configuration.init_parts(site, site.hosts[0]), configuration.join_parts(site, site.hosts[1])):
        assert [part for part in parts if isinstance(part, SecretRef)] == [SecretRef("kubernetes-bootstrap-token")]
    assert init(site)["InitConfiguration"]["bootstrapTokens"][0]["token"] == "TOKEN"
    assert join(site)["discovery"]["bootstrapToken"]["token"] == "TOKEN"


def test_a_node_that_joins_knows_the_authority_by_its_key() -> None:
    """The pin is what ``openssl x509 -pubkey | openssl pkey -pubin -outform der | sha256sum`` says of the file."""
    site = kube_site(1, 1)
    pin = "sha256:d1a78ced7c09cc82ce033773642086f0882cc258299efd3525981a1a06d40326"
    assert join(site)["discovery"]["bootstrapToken"]["caCertHashes"] == [pin]
    with pytest.raises(PlanError, match="is no certificate"):
        secrets.authority_pin(replace(site, public={"kubernetes-ca.crt": "nothing"}))


def test_only_control_planes_join_as_such() -> None:
    site = kube_site(2, 1)
    assert join(site, 1)["controlPlane"] == {
        "localAPIEndpoint": {"advertiseAddress": "10.0.0.12", "bindPort": 6443},
    }
    assert "controlPlane" not in join(site, 2)


def test_the_pause_image_that_travels_is_taken() -> None:
    site = kube_site(1, 0, images=("docker.io/library/pause:9", "registry.k8s.io/pause:3.2"))
    assert containerd.pause_image(site, site.hosts[0]) == "registry.k8s.io/pause:3.2"
    part = replace(site.parts["amd64"], carried=(carried("example.com/a/pause:1"),))
    assert containerd.pause_image(replace(site, parts={"amd64": part}), site.hosts[0]) == "example.com/a/pause:1"


def config_toml(parameters: dict[str, object], *, cgroup_driver: str = "systemd") -> tuple[str, str]:
    given = (document("KubeletConfiguration", cgroupDriver=cgroup_driver),)
    site = kube_site(1, 0, parameters={"containerd": parameters}, documents=given)
    service = containerd.service(site, site.hosts[0], "/opt/programs")
    return "".join(map(str, service.files[0].parts)), service.text


def test_parameters_change_containerd_s_settings() -> None:
    usual, unit = config_toml({})
    assert 'snapshotter = "overlayfs"' in usual
    assert "restrict_oom_score_adj = false" in usual
    assert "SystemdCgroup = true" in usual
    assert "OOMScoreAdjust=-999" in unit
    changed, unit = config_toml({"snapshotter": "native", "restrictOomScoreAdj": True}, cgroup_driver="cgroupfs")
    assert 'snapshotter = "native"' in changed
    assert "restrict_oom_score_adj = true" in changed
    assert "SystemdCgroup = false" in changed
    assert "OOMScoreAdjust" not in unit


@pytest.mark.parametrize(
    ("parameters", "said"),
    [({"snapshoter": "x"}, "there is no 'snapshoter'"), ({"snapshotter": True}, "snapshotter is a text")],
)
def test_a_parameter_of_containerd_is_one_that_there_is(parameters: dict[str, object], said: str) -> None:
    with pytest.raises(RecipeError, match=said) as refused:
        config_toml(parameters)
    assert refused.value.where == "parameters.containerd"
