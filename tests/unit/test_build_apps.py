"""Apps, commands and what a config inherits."""

from pathlib import Path

import pytest
from support.building import Bench

from appliance.errors import RecipeError
from appliance.image.reference import Reference
from appliance.recipe.apps import App, AppKind, AppRole, kind_of

BASE = Reference.parse("base:1.0.0")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    bench.write("chart/Chart.yaml", "name: c")
    bench.write("chart/templates/x.tpl", "x")
    bench.write("yaml/b.yml", "b")
    bench.write("yaml/sub/a.yaml", "a")
    bench.write("one.yaml", "1")
    bench.write("install.sh", "i")
    bench.write("after.sh", "a")
    return bench


@pytest.mark.parametrize(
    ("sources", "kind", "launched"),
    [
        ([["Chart.yaml", "values.yaml"]], AppKind.HELM, ()),
        ([["a.yaml"], ["b.yml", "c/d.YAML"]], AppKind.KUBE, ("a.yaml", "b.yml", "c/d.YAML")),
        ([["a.sh"], ["b.sh"]], AppKind.SHELL, ("a.sh",)),
        ([["a.sh"], ["b.yaml"]], AppKind.OTHER, ()),
        ([["a.yaml", "README.md"]], AppKind.OTHER, ()),
        ([["charts/x/Chart.yaml"]], AppKind.KUBE, ("charts/x/Chart.yaml",)),
        ([[]], AppKind.OTHER, ()),
    ],
)
def test_files_say_what_an_app_is(sources: list[list[str]], kind: AppKind, launched: tuple[str, ...]) -> None:
    assert kind_of(sources) == (kind, launched)


def test_apps_lie_in_their_folders_and_are_launched_as_sealer_does(bench: Bench) -> None:
    bench.build(
        "FROM scratch\nARG WHAT=yaml\n"
        "APP web local://chart\nAPP crds local://one.yaml local://${WHAT}\nAPP mixed local://install.sh local://yaml\n"
        'APPCMDS mixed ["bash install.sh $TARGETOS", "kubectl apply -f b.yml"]\n'
        'APPENV crds A=1 B="two words"\nAPPENV crds A=2\n'
        "CNI calico local://install.sh local://after.sh\nCSI disk local://yaml\n"
        'LAUNCH ["calico", "crds", "mixed", "web"]\n'
    )
    config = bench.config()
    assert [(app.name, app.kind, app.role, app.files) for app in config.apps] == [
        ("web", AppKind.HELM, AppRole.APP, ()),
        ("crds", AppKind.KUBE, AppRole.APP, ("one.yaml", "b.yml", "sub/a.yaml")),
        ("mixed", AppKind.OTHER, AppRole.APP, ()),
        ("calico", AppKind.SHELL, AppRole.CNI, ("install.sh",)),
        ("disk", AppKind.KUBE, AppRole.CSI, ("b.yml", "sub/a.yaml")),
    ]
    assert config.apps[1].env == {"A": "2", "B": "two words"}
    assert config.launch_lines == (
        "bash application/apps/calico/install.sh",
        "kubectl apply -f application/apps/crds/one.yaml",
        "kubectl apply -f application/apps/crds/b.yml",
        "kubectl apply -f application/apps/crds/sub/a.yaml",
        "cd application/apps/mixed/ && bash install.sh linux && kubectl apply -f b.yml",
        "helm upgrade --install web application/apps/web/",
    )
    tree = bench.tree()
    assert tree["application/apps/calico/after.sh"] == "a"
    assert tree["application/apps/web/templates/x.tpl"] == "x"


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("APP a local://yaml local://install.sh", "the app a is no chart, not all YAML, not all .sh"),
        ("APP a one.yaml", "'one.yaml' has no scheme"),
        ("APP a local://nothing", "there is no 'nothing' in the context"),
        ("APP a local://../x", "outside the context"),
        ("APP ../a local://one.yaml", "'../a' cannot be an app's name"),
        ("APP a https://x/y.git", "a git repository is not fetched"),
    ],
)
def test_an_app_that_cannot_be_is_refused_at_its_line(bench: Bench, lines: str, words: str) -> None:
    with pytest.raises(RecipeError) as caught:
        bench.build(f"FROM scratch\n{lines}")
    assert caught.value.where == f"{bench.context}/Kubefile:2"
    assert words in caught.value.message
    assert caught.value.hint


def test_the_environment_of_an_app_has_names_that_a_shell_can_have(bench: Bench) -> None:
    with pytest.raises(RecipeError, match="'B-C' cannot be the name of a variable") as caught:
        bench.build("FROM scratch\nAPP a local://one.yaml\nAPPENV a B-C=1")
    assert caught.value.where == f"{bench.context}/Kubefile:3"


def test_apps_launch_and_versions_are_inherited_until_replaced(bench: Bench) -> None:
    bench.build(
        "FROM scratch\nKUBEVERSION 1.22.15\nENV A=1\nLABEL l=base\nCNI net local://install.sh\n"
        "APP b local://one.yaml\nLAUNCH net",
        BASE,
    )
    bench.build("FROM base:1.0.0\nAPP c local://yaml\n")
    config = bench.config()
    assert [app.name for app in config.apps] == ["net", "b", "c"]
    assert (config.launch, config.kube_version, config.env, config.labels) == (
        ("net",), "1.22.15", {"A": "1"}, {"l": "base"},
    )  # fmt: skip
    bench.build("FROM base:1.0.0\nAPP b local://install.sh\nAPPENV net X=1\nLAUNCH b")
    config = bench.config()
    assert config.launch_lines == ("bash application/apps/b/install.sh",)
    assert {app.name: app.env for app in config.apps} == {"net": {"X": "1"}, "b": {}}


def test_an_app_that_neither_the_file_nor_its_base_has_is_refused_before_anything_is_built(bench: Bench) -> None:
    bench.build("FROM scratch\nAPP a local://one.yaml", BASE)
    with pytest.raises(RecipeError, match="there is no app b") as caught:
        bench.build('FROM base:1.0.0\nRUN touch /tmp/never\nAPPCMDS b ["x"]')
    assert caught.value.where.endswith("Kubefile:3")
    assert caught.value.hint == "there are: a"


COMMANDS = {
    "shell forms run after the base's": ("CMD a\nCMD b c", ("base", "a", "b c")),
    "a list replaces all before it": ('CMD a\nCMD ["b c", "d"]', ("b c", "d")),
    "the last list wins": ('CMD ["a b"]\nCMD ["c d"]', ("c d",)),
    "a list before shell forms is one of them": ('CMD ["a b", "c"]\nCMD d', ("base", "a b", "c", "d")),
    "CMDS is all there is": ('CMDS ["a", "b c"]', ("a", "b c")),
    "the platform's names are in place, the site's stay": (
        "CMD x-${ARCH} $TARGETOS $ARCHIVE $(NAME) ${V}", ("base", "x-amd64 linux $ARCHIVE $(NAME) ${V}"),
    ),
    "a LAUNCH replaces commands": ("APP x local://install.sh\nLAUNCH x", ("bash application/apps/x/install.sh",)),
}  # fmt: skip


@pytest.mark.parametrize(("lines", "launched"), COMMANDS.values(), ids=COMMANDS.keys())
def test_what_is_launched_follows_the_dialect(bench: Bench, lines: str, launched: tuple[str, ...]) -> None:
    bench.build("FROM scratch\nCMD base", BASE)
    bench.build(f"FROM base:1.0.0\nARG V=1\n{lines}")
    assert bench.config().launch_lines == launched


def test_commands_of_a_base_that_are_lost_are_told(bench: Bench) -> None:
    bench.build("FROM scratch\nCMD base one", BASE)
    report = bench.build('FROM base:1.0.0\nCMD ["a b"]')
    assert report.warnings == (f"{bench.context}/Kubefile:2: this replaces the base image's commands: base one",)


def test_an_app_without_a_kind_launches_nothing_but_its_commands() -> None:
    assert App("a", AppKind.OTHER).launch == ()
    assert App("a", AppKind.HELM, commands=("x y",)).launch == ("cd application/apps/a/ && x y",)
    assert App("a", AppKind.SHELL, files=("b c.sh",)).launch == ("bash 'application/apps/a/b c.sh'",)
