"""Sites of a Kubernetes image for tests of its runtime: no host is asked, public parts are fixed texts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from support.sites import hosts, site

from appliance.digest import Digest
from appliance.image.blobs import Blob
from appliance.plan.runtime import CarriedImage, TextFile
from appliance.recipe.bundlefile import BundleSpec
from appliance.recipe.documents import PassedDocument
from appliance.runtimes.kubernetes.runtime import KubernetesRuntime

if TYPE_CHECKING:
    from collections.abc import Mapping

    from appliance.plan.runtime import Site

CLUSTER_CA = (Path(__file__).parents[1] / "data/kubernetes-ca.crt").read_text()
NETWORK = TextFile("manifests/cni/network.yaml", '{"kind": "DaemonSet"}\n')
PARAMETERS = '{"properties": {"containerd": {"type": "object"}}}'


def kube_site(
    control_planes: int,
    workers: int,
    *,
    version: str = "1.20.2",
    documents: tuple[PassedDocument, ...] = (),
    parameters: Mapping[str, object] | None = None,
    images: tuple[str, ...] = ("k8s.gcr.io/pause:3.2", "docker.io/library/busybox:1.35"),
) -> Site:
    """The site ``site-a`` of so many control planes and workers, with a network, and container images if any."""
    spec = BundleSpec("kubernetes", version, runtime="kubernetes", runtime_version=version, parameters=PARAMETERS)
    control = hosts(control_planes, "control-plane") if control_planes else ()
    others = tuple(
        replace(each, host=replace(each.host, endpoint=replace(each.host.endpoint, address=f"10.0.0.{20 + number}")))
        for number, each in enumerate(hosts(workers, "worker") if workers else (), start=1)
    )
    made = site((*control, *others), spec=spec, texts=[NETWORK], parameters=parameters)
    part = replace(made.parts["amd64"], carried=tuple(map(carried, images)))
    made = replace(made, parts={"amd64": part}, documents=documents, public={})
    if not made.hosts or not control_planes:
        return made
    names = [request.name for request in KubernetesRuntime().secrets(made)]
    public = {f"{name}.{suffix}": f"‹public {name}›\n" for name in names for suffix in ("crt", "pub")}
    return replace(made, public={**public, "kubernetes-ca.crt": CLUSTER_CA})


def carried(reference: str) -> CarriedImage:
    """A container image of one layer."""
    blobs = tuple(Blob(Digest.of(f"{reference} {what}".encode()), 1000) for what in ("manifest", "config", "layer"))
    return CarriedImage(reference, blobs[0], "application/vnd.oci.image.manifest.v1+json", blobs[1:])


def document(kind: str, line: int = 1, **fields: object) -> PassedDocument:
    """A further document of a Clusterfile, at a line of ``Clusterfile``."""
    groups = {"KubeletConfiguration": "kubelet.config.k8s.io", "KubeProxyConfiguration": "kubeproxy.config.k8s.io"}
    group = groups.get(kind, "kubeadm.k8s.io")
    return PassedDocument(group, kind, {"apiVersion": f"{group}/v1", "kind": kind, **fields}, f"Clusterfile:{line}")
