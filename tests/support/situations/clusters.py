"""Clusters of Kubernetes that cannot be made as they are written."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from support.images import fake_pythons

from appliance.clock import SystemClock
from appliance.image.reference import Reference
from appliance.image.store import Store
from appliance.operations import publish
from appliance.trust.keys import load_signer

if TYPE_CHECKING:
    from pathlib import Path

    from support.situations.place import Place, Words

_BUNDLE = """\
apiVersion: appliance/v1
kind: Bundle
name: cluster
version: 1.0.0
runtime: {type: kubernetes, version: VERSION}
"""


def kubernetes_unknown(place: Place) -> Words:
    return _plan(place, place.on("one", role="control-plane"), version="1.9.11")


def kubernetes_without_control_plane(place: Place) -> Words:
    return _plan(place, place.on("one", role="worker"))


def kubernetes_role(place: Place) -> Words:
    return _plan(place, place.on("one", role="master"))


def kubernetes_field_decided(place: Place) -> Words:
    return _plan(place, _followed(place, "ClusterConfiguration", "networking: {podSubnet: 172.16.0.0/16}"))


def kubernetes_document_twice(place: Place) -> Words:
    one = _followed(place, "InitConfiguration", "skipPhases: []")
    return _plan(place, f"{one}---\napiVersion: kubeadm.k8s.io/v1beta3\nkind: InitConfiguration\n")


def kubernetes_document_unread(place: Place) -> Words:
    return _plan(place, _followed(place, "ResetConfiguration", "force: true"))


def kubernetes_vip(place: Place) -> Words:
    return _plan(place, place.on("one", role="control-plane", network={"vip": "10.99.0.1"}))


def _followed(place: Place, kind: str, field: str) -> str:
    document = f"apiVersion: kubeadm.k8s.io/v1beta3\nkind: {kind}\n{field}\n"
    return f"{place.on('one', role='control-plane')}\n---\n{document}"


def _plan(place: Place, file: str, *, version: str = "1.20.2") -> Words:
    """Plan that Clusterfile with a bundle of Kubernetes, in which nothing is but its name; made once."""
    folder = place.delivery.store.parent / f"kubernetes-{version}"
    if not folder.exists():
        _publish(place, folder, version)
    (bundle,) = (folder / "out").glob("*.run")
    place = replace(place, delivery=replace(place.delivery, bundle=bundle))
    return place.plan(file, *place.known(), token="")


def _publish(place: Place, folder: Path, version: str) -> None:
    for name, text in (
        ("bundle.yaml", _BUNDLE.replace("VERSION", version)),
        ("Kubefile", "FROM scratch\nCOPY note bin/note\n"),
        ("note", "kubeadm would be here\n"),
    ):
        place.write(f"cluster/{name}", text)
    store = folder / "store"
    place.quietly("--store", store, "build", "-t", "cluster:1.0.0", place.folder / "cluster")
    signer = load_signer(place.delivery.keys / "signer-key.pem")
    request = publish.PublishRequest(Reference.parse("cluster:1.0.0"), folder / "out", (signer,))
    publish.publish(request, store=Store(store), pythons=fake_pythons(folder), clock=SystemClock())
