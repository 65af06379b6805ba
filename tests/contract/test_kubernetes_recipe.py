"""`bundles/kubernetes` and `bundles/dashboard` are built from a folder of stand-ins, named as the releases are."""

from __future__ import annotations

import io
import shutil
import tarfile
from pathlib import Path

import pytest
from support.building import Bench

from appliance.image.reference import Reference

BUNDLES = Path(__file__).parents[2] / "bundles"
BASE, DASHBOARD = Reference.parse("kubernetes:1.31.4"), Reference.parse("dashboard:2.7.0")
PODS = "apiVersion: v1\nkind: Pod\nmetadata: {name: pod}\nspec: {containers: [{name: one, image: quay.io/one/pod:1}]}\n"
KUBEADM = "#!/bin/sh\necho registry.k8s.io/kube-proxy:$5\n"


def archive(*names: str) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as tar:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = len(name)
            tar.addfile(info, io.BytesIO(name.encode()))
    return data.getvalue()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    shutil.copy(BUNDLES / "kubernetes" / "bundle.yaml", bench.context)
    parts: dict[str, str | bytes] = {
        "kubeadm": KUBEADM,
        "kubelet": "kubelet",
        "kubectl": "kubectl",
        "runc.amd64": "runc",
        "kube-flannel.yml": PODS,
        "recommended.yaml": PODS,
        "crictl-v1.31.1-linux-amd64.tar.gz": archive("crictl"),
        "containerd-1.7.24-linux-amd64.tar.gz": archive("bin/containerd", "bin/ctr"),
        "cni-plugins-linux-amd64-v1.6.1.tgz": archive("bridge", "portmap"),
        "etcd-v3.5.16-linux-amd64.tar.gz": archive("etcd-v3.5.16/etcd", "etcd-v3.5.16/etcdctl"),
        "registry_2.8.3_linux_amd64.tar.gz": archive("registry", "README.md"),
    }
    for name, data in parts.items():
        bench.write(f"parts/{name}", data)
    bench.write("tools/bin/haproxy", "haproxy", mode=0o755)
    bench.write("tools/lib/libssl.so.3", "libssl")
    return bench


def from_parts(bench: Bench, recipe: str, reference: Reference) -> None:
    text = (BUNDLES / recipe / "Kubefile").read_text()
    names = [line.split("=")[0].removeprefix("ARG ") for line in text.splitlines() if "_FROM=" in line]
    bench.build(text, reference, arguments=dict.fromkeys(names, "parts"))


def test_kubernetes_has_its_programs_and_names_the_images_that_kubeadm_needs(bench: Bench) -> None:
    from_parts(bench, "kubernetes", BASE)
    tree = bench.tree(BASE)
    programs = "kubeadm kubelet kubectl runc crictl containerd ctr etcd etcdctl docker-registry haproxy"
    assert {path.removeprefix("bin/") for path in tree if path.startswith("bin/")} == set(programs.split())
    assert {"libexec/cni/bridge", "libexec/cni/portmap", "lib/libssl.so.3"} <= set(tree)
    assert tree["manifests/imageList"] == "registry.k8s.io/kube-proxy:v1.31.4\n"
    assert tree["manifests/cni/kube-flannel.yml"] == PODS
    config = bench.config(BASE)
    assert config.spec.runtime == "kubernetes"


def test_the_dashboard_inherits_what_kubernetes_has_and_is_applied_to_it(bench: Bench) -> None:
    from_parts(bench, "kubernetes", BASE)
    (bench.context / "bundle.yaml").unlink()
    from_parts(bench, "dashboard", DASHBOARD)
    tree, config = bench.tree(DASHBOARD), bench.config(DASHBOARD)
    assert tree["manifests/dashboard.yaml"] == PODS
    assert tree["bin/kubelet"] == "kubelet"
    assert config.spec.runtime == "kubernetes"
    assert config.launch_lines == ("kubectl apply -f manifests/dashboard.yaml",)
