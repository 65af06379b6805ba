"""Applications that are added to a cluster: which steps bring one there and take it away, and what stays untouched.

``APPLIANCE_WRITE_GOLDENS=1`` writes the golden plan anew; read the diff before committing it.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support import sites
from support.plantext import plan_text

from appliance.digest import Digest
from appliance.errors import PlanError
from appliance.image.blobs import Blob
from appliance.inventory import appstamp
from appliance.inventory.appstamp import AppStamp
from appliance.inventory.facts import Receipt, stamp_from_text
from appliance.plan import planner
from appliance.plan.changes import changes
from appliance.plan.runtime import CarriedImage, SiteHost, TakesApplications, TextFile
from appliance.plan.steps import Plan, PutText
from appliance.recipe.apps import App, AppKind
from appliance.recipe.bundlefile import APP, BundleSpec
from appliance.runtimes.kubernetes.runtime import KubernetesRuntime

if TYPE_CHECKING:
    from appliance.plan.runtime import Site
    from appliance.plan.steps import Stage

GOLDENS = Path(__file__).parents[1] / "data/plans"
BASE = Digest.of(b"the cluster's own image")
WEB = App("web", AppKind.HELM)
CRDS = App("crds", AppKind.KUBE, files=("one.yaml", "two.yaml"))
IMAGE = CarriedImage(
    "quay.io/one/web:1", Blob(Digest.of(b"manifest"), 300), "application/x", (Blob(Digest.of(b"layer"), 4000),)
)
STAMP = AppStamp("hello", "1.0.0", 3, str(sites.IMAGE), ("app-web",), ("helm uninstall web",))


def check_golden(name: str, text: str) -> None:
    if os.environ.get("APPLIANCE_WRITE_GOLDENS"):
        (GOLDENS / name).write_text(text)
    assert text == (GOLDENS / name).read_text()


def node(host: SiteHost) -> SiteHost:
    return sites.stamped(host, Receipt(files=("/etc/containerd/config.toml",), trees=("/opt/x/y",)), image=BASE)


def site(*apps: App, carried: tuple[CarriedImage, ...] = (), texts: tuple[TextFile, ...] = ()) -> Site:
    hosts = (*sites.hosts(1, "control-plane"), sites.host("worker-1", "worker", address="10.0.0.21"))
    spec = BundleSpec("hello", "1.0.0", epoch=3, runtime="kubernetes", kind=APP)
    made = sites.site(tuple(map(node, hosts)), spec=spec, texts=texts)
    parts = {name: replace(part, carried=carried) for name, part in made.parts.items()}
    config = replace(made.config, apps=apps, launch=tuple(app.name for app in apps))
    return replace(made, config=config, parts=parts)


def added(made: Site) -> tuple[Stage, ...]:
    runtime = KubernetesRuntime()
    assert isinstance(runtime, TakesApplications)
    return planner.addition(made, runtime)


def test_an_application_with_an_image_of_its_own_is_this_plan() -> None:
    check_golden("application-add.txt", plan_text(added(site(WEB, CRDS, carried=(IMAGE,)))))


def test_taking_it_away_is_this_plan() -> None:
    check_golden("application-remove.txt", plan_text(KubernetesRuntime().take_away(site(), STAMP)))


def test_the_cluster_s_own_image_and_files_stay_in_the_hosts_stamps() -> None:
    made = site(WEB, carried=(IMAGE,))
    for host in made.hosts:
        (stamp,) = (
            stamp_from_text("".join(map(str, step.action.parts)))
            for stage in added(made)
            for step in stage.steps
            if step.id == f"{host.name}/stamp" and isinstance(step.action, PutText)
        )
        assert stamp.image == str(BASE)
        assert stamp.version == "1.0.0"
        assert stamp.receipt.files == ("/etc/containerd/config.toml", "/etc/containerd/certs.d/quay.io/hosts.toml")
        assert stamp.receipt.trees == ("/opt/x/y",)


def test_one_without_images_leaves_stamps_and_registry_alone() -> None:
    ids = [step.id for stage in added(site(WEB)) for step in stage.steps]
    assert not [name for name in ids if "stamp" in name or "registry" in name or name.startswith("worker-1")]
    assert "control-plane-1/launch:app-web" in ids


def test_its_stamp_says_how_it_is_undone_the_last_first() -> None:
    texts = (TextFile("manifests/a.yaml", "apiVersion: v1\nkind: Pod\n"),)
    shell = App("shell", AppKind.SHELL, files=("x.sh",))
    (stamp,) = (
        appstamp.from_text("".join(map(str, step.action.parts)))
        for stage in added(site(CRDS, WEB, shell, texts=texts))
        for step in stage.steps
        if isinstance(step.action, PutText) and step.action.path.endswith("/app.json")
    )
    assert stamp == AppStamp(
        "hello",
        "1.0.0",
        3,
        str(sites.IMAGE),
        launches=("manifest-a.yaml", "app-crds", "app-web", "app-shell"),
        undo=(
            "helm uninstall web",
            "kubectl delete --ignore-not-found -f application/apps/crds/two.yaml",
            "kubectl delete --ignore-not-found -f application/apps/crds/one.yaml",
            "kubectl delete --ignore-not-found -f manifests/a.yaml",
        ),
    )


def test_it_is_asked_whether_it_is_well_as_before_it_is_launched_again() -> None:
    (guard,) = (
        step.unless for stage in added(site(WEB)) for step in stage.steps if step.id.startswith("control-plane-1/well:")
    )
    stamp = site(WEB).hosts[0].stamp
    assert stamp is not None
    assert KubernetesRuntime().is_well(stamp, STAMP) == guard


def test_one_that_launches_nothing_is_refused() -> None:
    with pytest.raises(PlanError, match="the application hello launches nothing"):
        added(site())


def test_what_it_changes_is_said_as_an_addition() -> None:
    made = site(WEB)
    told = changes(made, Plan(made.cluster, str(made.image), added(made)))
    assert ("add", "control-plane-1", "programs of hello 1.0.0") in [(one.verb, one.host, one.what) for one in told]


def test_a_stamp_reads_back_and_what_is_none_is_passed_over() -> None:
    other = replace(STAMP, name="another")
    output = f"{appstamp.to_text(STAMP)}\nnonsense\n[1]\n{{}}\n{appstamp.to_text(other)}\n"
    assert appstamp.parse(output) == (other, STAMP)


@pytest.mark.parametrize(
    "text", ["", "{}", '{"format": 2}', '{"format":1,"name":1}', appstamp.to_text(STAMP).replace('["app-web"]', "[1]")]
)
def test_what_is_no_stamp_of_an_application_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        appstamp.from_text(text)
