"""What runs once the cluster is up: which steps a site with apps, manifests, Config and Plugin documents gets.

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

from appliance.errors import RecipeError
from appliance.inventory.facts import Receipt
from appliance.plan.planner import prune
from appliance.plan.runtime import TextFile
from appliance.plan.steps import PutText, Run
from appliance.recipe.apps import App, AppKind
from appliance.recipe.bundlefile import BundleSpec, SecretSpec
from appliance.recipe.documents import PassedDocument
from appliance.recipe.yamltext import load_documents
from appliance.runtimes.kubernetes import applications
from appliance.runtimes.kubernetes.applications_steps import LAUNCH
from appliance.runtimes.kubernetes.applications_texts import site_texts

if TYPE_CHECKING:
    from appliance.plan.runtime import Site
    from appliance.plan.steps import Stage, Step

HELLO = Path(__file__).parents[2] / "bundles/hello"
GOLDEN = Path(__file__).parents[1] / "data/plans/applications.txt"
POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: one}\n"
HOSTS = (*sites.hosts(1, "control-plane"), sites.host("worker-1", "worker", address="10.0.0.21"))
WEB = App("web", AppKind.HELM, env={"COLOUR": "red", "SIZE": "1"})
STORE = App("store", AppKind.SHELL, files=("install it.sh",))


def site(
    *texts: TextFile,
    apps: tuple[App, ...] = (),
    commands: tuple[str, ...] = (),
    documents: tuple[PassedDocument, ...] = (),
    env: dict[str, str] | None = None,
    programs: frozenset[str] = frozenset({"bin/helm", "bin/kubectl"}),
) -> Site:
    spec = BundleSpec("thing", "1.0.0", secrets=(SecretSpec("word", "password"),))
    made = sites.site(HOSTS, spec=spec, texts=texts, env=env)
    config = replace(made.config, apps=apps, launch=tuple(app.name for app in apps), commands=commands)
    parts = {name: replace(part, programs=programs) for name, part in made.parts.items()}
    return replace(made, config=config, parts=parts, documents=documents, secrets=frozenset({"word"}))


def document(kind: str, name: str = "one", **spec: object) -> PassedDocument:
    return PassedDocument("sealer.io", kind, {"metadata": {"name": name}, "spec": spec}, f"site.yaml: {name}")


def stages(made: Site) -> tuple[Stage, ...]:
    return (*applications.before(made), *applications.stages(made, made.hosts[0]))


def steps(made: Site) -> list[Step]:
    return [step for stage in stages(made) for step in stage.steps]


def ids(made: Site) -> list[str]:
    return [step.id for step in steps(made)]


_EXPORTS = 10
"""Among the words of what launches: before the lines."""


def launched(made: Site) -> dict[str, tuple[str, ...]]:
    """The lines of each launch, by its name."""
    runs = [(step, step.action.command.argv) for step in steps(made) if isinstance(step.action, Run)]
    return {step.id.partition(":")[2]: argv[_EXPORTS + 1 :] for step, argv in runs if argv[:3] == ("sh", "-c", LAUNCH)}


def environment(made: Site, name: str) -> list[str]:
    (argv,) = (
        step.action.command.argv
        for step in steps(made)
        if step.id.endswith(f"/launch:{name}") and isinstance(step.action, Run)
    )
    return argv[_EXPORTS].splitlines()


def key(made: Site) -> str:
    (copy,) = (step for step in steps(made) if step.id == "control-plane-1/working-copy")
    assert isinstance(copy.action, Run)
    return copy.action.command.argv[7]


def test_a_site_with_all_of_it_is_this_plan() -> None:
    made = site(
        TextFile("manifests/20-net.yaml", POD),
        TextFile("manifests/10-crd.yaml", POD),
        TextFile("manifests/30-web.yaml.j2", POD + "# {{ env.A }}\n"),
        TextFile("etc/values.yaml.j2", "password: {{ secret('word') }}\n"),
        apps=(WEB, STORE),
        env={"A": "two words"},
        documents=(
            document("Config", path="application/apps/web/values.yaml", data="a: 1\n"),
            document("Plugin", "clean", type="SHELL", action="PreInit", data="rm -rf /var/old"),
            document("Plugin", "disks", type="LABEL", action="PreGuest", data="10.0.0.21 ssd=true,zone=b"),
            document("Plugin", "check", type="CLUSTERCHECK", action="PreGuest"),
            document("Plugin", "said", type="SHELL", action="PostInstall", on="master", data="kubectl get nodes"),
        ),
    )
    text = plan_text(stages(made))
    if os.environ.get("APPLIANCE_WRITE_GOLDENS"):
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()


def test_an_image_that_launches_nothing_gets_no_step() -> None:
    made = site(TextFile("manifests/imageList", "docker.io/x:1\n"), TextFile("manifests/values.yaml", "replicas: 1\n"))
    assert stages(made) == ()


NOT_APPLIED = {
    "a file of values": ("manifests/values.yaml", "replicas: 1\napp: {apiVersion: v1}\n"),
    "a kustomization": ("manifests/kustomization.yaml", "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: K\n"),
    "a folder further down": ("manifests/more/pod.yaml", POD),
    "a list of images": ("manifests/imageList", POD),
    "another folder": ("etc/pod.yaml", POD),
}


@pytest.mark.parametrize(("path", "text"), NOT_APPLIED.values(), ids=NOT_APPLIED.keys())
def test_what_is_no_manifest_is_not_applied(path: str, text: str) -> None:
    assert ids(site(TextFile(path, text))) == []


@pytest.mark.parametrize(
    ("line", "applied"),
    [
        ("kubectl apply -f manifests/pod.yaml", False),
        ("kubectl apply -f ./manifests/", False),
        ("cd manifests && kubectl apply -f .", False),
        ("kubectl apply -f manifests", False),
        ("kubectl apply -f manifests/pod.yaml.more", True),
        ("kubectl apply -f my-manifests/pod.yaml", True),
        ("kubectl apply -f manifests/other.yaml", True),
    ],
)
def test_a_manifest_that_a_command_names_is_left_to_it(line: str, *, applied: bool) -> None:
    found = launched(site(TextFile("manifests/pod.yaml", POD), commands=(line,)))
    assert ("manifest-pod.yaml" in found) is applied
    assert found["command-1"] == (line,)


def test_commands_are_waited_for_together_and_apps_one_by_one() -> None:
    def order(made: Site) -> list[str]:
        return [name.partition("/")[2] for name in ids(made)]

    assert order(site(commands=("a", "b"))) == ["working-copy", "launch:command-1", "launch:command-2", "well:commands"]
    assert order(site(apps=(WEB, STORE))) == [
        "working-copy",
        "launch:app-web",
        "well:app-web",
        "launch:app-store",
        "well:app-store",
    ]


def test_an_app_gets_the_images_values_then_its_own_then_the_sites() -> None:
    made = site(apps=(WEB, STORE), env={"SIZE": "9", "HOME_PAGE": "x", "COLOUR": "blue"})
    made = replace(made, config=replace(made.config, env={"HOME_PAGE": "x", "COLOUR": "blue"}))
    assert environment(made, "app-web") == ["export COLOUR=red", "export HOME_PAGE=x", "export SIZE=9"]
    assert environment(made, "app-store") == ["export COLOUR=blue", "export HOME_PAGE=x", "export SIZE=9"]


def test_a_change_of_anything_but_a_secret_is_another_key() -> None:
    base = site(TextFile("etc/a.j2", "{{ env.A }}"), commands=("x",), env={"A": "1"})
    others = [
        site(TextFile("etc/a.j2", "{{ env.A }}!"), commands=("x",), env={"A": "1"}),
        site(TextFile("etc/a.j2", "{{ env.A }}"), commands=("x",), env={"A": "2"}),
        replace(base, image=sites.LAYER.diff_id),
        replace(base, documents=(document("Config", path="etc/b", data="b"),)),
        replace(base, documents=(document("Plugin", type="SHELL", action="PostInstall", data="date"),)),
    ]
    assert key(base) == key(site(TextFile("etc/a.j2", "{{ env.A }}"), commands=("x",), env={"A": "1"}))
    assert len({key(made) for made in (base, *others)}) == len(others) + 1


def test_what_stays_as_it_is_is_not_run_again_and_what_is_laid_out_anew_is() -> None:
    made = site(TextFile("etc/a.j2", "a"), apps=(WEB, STORE))
    found = stages(made)
    everything = {step.id for stage in found for step in stage.steps}
    assert prune(found, everything) == ()
    written = next(name for name in everything if "/write:" in name)
    assert [step.id for stage in prune(found, everything - {written}) for step in stage.steps] == ids(made)
    again = prune(found, everything - {"control-plane-1/launch:app-store"})
    assert [step.id for stage in again for step in stage.steps] == [
        "control-plane-1/launch:app-store",
        "control-plane-1/well:app-store",
    ]


def test_a_text_with_a_secret_is_for_root_alone() -> None:
    made = site(TextFile("etc/values.yaml.j2", "password: {{ secret('word') }}\n", 0o755), commands=("x",))
    (put,) = (step.action for step in steps(made) if isinstance(step.action, PutText))
    assert put.mode == 0o600
    assert put.path == "/var/lib/appliance/node/clusters/site-a/applications/texts/etc/values.yaml"


def test_a_config_changes_what_a_template_gave_and_what_the_image_has() -> None:
    texts = (TextFile("etc/a.yaml.j2", "a: {{ env.A }}\n", 0o640), TextFile("application/b.yaml", "b: {c: 1}\n"))
    overlays = (
        document("Config", path="etc/a.yaml", data="z: 1\n", strategy="merge"),
        document("Config", path="application/b.yaml", data="b: {d: 2}\n", strategy="merge"),
    )
    made = site(*texts, commands=("x",), env={"A": "1"}, documents=overlays)
    puts = {
        step.action.path.rpartition("/texts/")[2]: (step.action.parts, step.action.mode)
        for step in steps(made)
        if isinstance(step.action, PutText)
    }
    assert puts == {
        "application/b.yaml": (("b:\n  c: 1\n  d: 2\n",), 0o644),
        "etc/a.yaml": (("a: 1\nz: 1\n",), 0o640),
    }


def test_plugins_of_the_image_run_before_those_of_the_site() -> None:
    image = "kind: Plugin\nmetadata: {name: own}\nspec: {action: PostInstall, data: date}\n"
    theirs = document("Plugin", "theirs", type="SHELL", action="PostInstall", on="10.0.0.21", data="date")
    made = site(TextFile("plugins/shell.yaml", image), TextFile("plugins/README", "{"), documents=(theirs,))
    assert ids(made) == [
        "control-plane-1/working-copy",
        "worker-1/working-copy",
        "control-plane-1/plugin:own.after",
        "worker-1/plugin:own.after",
        "worker-1/plugin:theirs.after",
    ]


REFUSED = {
    "a chart without helm": (
        site(apps=(WEB,), programs=frozenset({"bin/kubectl"})),
        "Launch web (helm): this takes helm, which the image has not",
    ),
    "a command without helm": (
        site(commands=("cd x && helm upgrade --install a .",), programs=frozenset()),
        "Run cd x && helm upgrade --install a .: this takes helm",
    ),
    "a merge into a secret": (
        site(
            TextFile("etc/v.j2", "{{ secret('word') }}"),
            commands=("x",),
            documents=(document("Config", path="etc/v", data="a: 1", strategy="merge"),),
        ),
        "etc/v holds a secret, so nothing is merged into it",
    ),
    "a plugin on a stranger": (
        site(documents=(document("Plugin", "far", action="PostInstall", on="10.9.9.9", data="date"),)),
        "the plugin far names 10.9.9.9, which is no host",
    ),
    "a plugin of an unknown type": (
        site(documents=(document("Plugin", "odd", type="ODD", action="PostInstall", data="x"),)),
        "the plugin odd is of type ODD, which is not carried out",
    ),
}


@pytest.mark.parametrize(("made", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_done_is_refused_when_planning(made: Site, words: str) -> None:
    with pytest.raises(RecipeError) as caught:
        stages(made)
    assert words in caught.value.message


def test_a_site_chooses_apps_and_changes_how_they_are_launched() -> None:
    chosen = document(
        "Application",
        "mine",
        launchApps=["store", "web"],
        configs=[
            {
                "name": "web",
                "launch": {"cmds": ["kubectl create ns web", "helm upgrade --install web . -n web"]},
                "env": ["COLOUR=blue", "NEW = a=b"],
                "files": [{"path": "values.yaml", "strategy": "merge", "data": "a: 2\n"}],
            }
        ],
    )
    plain = site(TextFile("application/apps/web/values.yaml", "a: 1\nb: 1\n"), apps=(WEB, STORE), env={"SIZE": "9"})
    made = replace(plain, documents=(chosen,))
    assert list(launched(made)) == ["app-store", "app-web"]
    assert launched(made)["app-web"] == ("kubectl create ns web", "helm upgrade --install web . -n web")
    assert launched(made)["app-store"] == launched(plain)["app-store"]
    assert environment(made, "app-web") == ["export COLOUR=blue", "export NEW=a=b", "export SIZE=9"]
    (values,) = site_texts(made, made.hosts[0])
    assert (values.path, values.text) == ("application/apps/web/values.yaml", "a: 2\nb: 1\n")
    assert key(made) != key(plain)


@pytest.mark.parametrize(
    ("spec", "names"),
    [
        ({"launchApps": ["store"]}, ["app-store"]),
        ({"launchApps": [""]}, []),
        ({"launchApps": []}, ["app-web", "app-store"]),
        ({"cmds": ["kubectl get nodes", "date"]}, ["command-1", "command-2"]),
    ],
)
def test_a_site_launches_less_nothing_or_its_own_commands(spec: dict[str, object], names: list[str]) -> None:
    assert list(launched(site(apps=(WEB, STORE), documents=(document("Application", **spec),)))) == names


@pytest.mark.parametrize(
    "spec",
    [
        {"launchApps": [""]},
        {"cmds": ["date"]},
        {"configs": [{"name": "pod", "launch": {"cmds": ["date"]}}]},
    ],
)
def test_a_manifest_of_an_app_that_the_site_leaves_out_or_launches_otherwise_is_not_applied(
    spec: dict[str, object],
) -> None:
    pod = App("pod", AppKind.SHELL, commands=("kubectl apply -f manifests/pod.yaml",))
    made = site(TextFile("manifests/pod.yaml", POD), apps=(pod,), documents=(document("Application", **spec),))
    assert "manifest-pod.yaml" not in launched(made)


def test_another_command_of_the_site_s_is_another_key() -> None:
    keys = {key(site(apps=(WEB,), documents=(document("Application", cmds=[one]),))) for one in ("date", "date -u")}
    assert len(keys) == 2


def test_what_a_site_launches_of_its_cluster_says_nothing_of_an_application_that_is_added() -> None:
    added = site(apps=(STORE,), documents=(document("Application", launchApps=["web"]),))
    spec = replace(added.config.spec, kind="App")
    first = sites.stamped(added.hosts[0], Receipt())
    added = replace(added, config=replace(added.config, spec=spec), hosts=(first, *added.hosts[1:]))
    assert list(launched(added)) == ["app-store"]


@pytest.mark.parametrize(
    ("spec", "words", "hint"),
    [
        ({"launchApps": ["shop"]}, "the image has no app 'shop'", "it has web, store"),
        ({"configs": [{"name": "shop"}]}, "the image has no app 'shop'", "it has web, store"),
        ({"cmds": ["a"], "launchApps": ["web"]}, "spec.cmds and spec.launchApps of an Application exclude", "write"),
        ({"launchapps": ["web"]}, "spec.launchapps of an Application is not known", "launchApps"),
        ({"launchApps": "web"}, "launchApps of an Application is a list", "begin each member with -"),
        ({"cmds": [1]}, "spec.cmds of an Application is a list of texts", "quotes"),
        ({"configs": [{"env": []}]}, "spec.configs[0].name of an Application is missing", "name an app"),
        ({"configs": [{"name": "web", "env": ["A"]}]}, "spec.configs[0].env: 'A' has no value", "NAME=VALUE"),
        ({"configs": [{"name": "web", "launch": {"helm": {}}}]}, "launch.helm of an Application is not known", "cmds"),
        ({"configs": [{"name": "web", "files": [{"path": "a"}]}]}, "a Config has spec.path and spec.data", "see"),
        ({"configs": [{"name": "web", "env": ["A B=1"]}]}, "'A B' cannot be the name of a variable", "letters"),
        ({"configs": [{"name": "web", "env": ["1A=1"]}]}, "'1A' cannot be the name of a variable", "letters"),
        ({"launchApps": False}, "launchApps of an Application is a list", "begin each member with -"),
        ({"configs": [{"name": "web"}, {"name": "web"}]}, "spec.configs of an Application names web twice", "one"),
        ({"configs": [{"name": "web", "files": [{"path": ".", "data": ""}]}]}, "'.' is no path in the image", "write"),
        ({"configs": ["web"]}, "spec.configs[0] of an Application has fields", "name, env, files, launch"),
    ],
)
def test_an_application_that_means_nothing_here_is_refused(spec: dict[str, object], words: str, hint: str) -> None:
    with pytest.raises(RecipeError) as refused:
        stages(site(apps=(WEB, STORE), documents=(document("Application", **spec),)))
    assert words in refused.value.message
    assert hint in refused.value.hint
    assert refused.value.where == "site.yaml: one"


def test_an_application_comes_once() -> None:
    with pytest.raises(RecipeError, match="Application comes twice") as refused:
        stages(site(apps=(WEB,), documents=(document("Application"), document("Application", "other"))))
    assert refused.value.where == "site.yaml: other"


def test_helm_is_a_program_and_no_part_of_a_word() -> None:
    found = launched(site(commands=("bash helm/install.sh", "./overhelm x"), programs=frozenset()))
    assert len(found) == len(("bash helm/install.sh", "./overhelm x"))


@pytest.mark.parametrize(
    ("parameters", "values"),
    [({}, None), ({"greeting": 'a "b": c', "replicas": 4}, {"greeting": 'a "b": c', "replicas": 4})],
)
def test_hello_s_chart_gets_what_the_site_sets_and_nothing_else(
    parameters: dict[str, object], values: dict[str, object] | None
) -> None:
    template = (HELLO / "etc/hello.yaml.j2").read_text()
    made = replace(site(TextFile("etc/hello.yaml.j2", template)), parameters=parameters)
    (text,) = site_texts(made, made.hosts[0])
    assert [document.value for document in load_documents(text.text, source="values")] == ([values] if values else [])
