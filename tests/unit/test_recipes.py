"""The recipes of `bundles/` as they stand: each can be read, and says of itself what it must."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from appliance.recipe import bundlefile, clusterfile, kubefile

BUNDLES = Path(__file__).parents[2] / "bundles"
RECIPES = sorted(path.parent.name for path in BUNDLES.glob("*/Kubefile"))


def read(name: str) -> kubefile.Kubefile:
    path = BUNDLES / name / "Kubefile"
    return kubefile.parse(path.read_text(), source=f"{name}/Kubefile")


@pytest.mark.parametrize("name", RECIPES)
def test_its_kubefile_is_read_without_a_warning(name: str) -> None:
    assert read(name).warnings == ()


@pytest.mark.parametrize("name", [name for name in RECIPES if (BUNDLES / name / "bundle.yaml").exists()])
def test_its_example_of_a_site_is_one_for_the_roles_that_it_has(name: str) -> None:
    spec = bundlefile.load((BUNDLES / name / "bundle.yaml").read_text(), source="bundle.yaml")
    text = (BUNDLES / name / "Clusterfile.yaml").read_text()
    cluster = clusterfile.load(text, source="Clusterfile.yaml").cluster
    if spec.kind == bundlefile.APP:
        assert [app.image for app in cluster.apps] == [f"{spec.name}:{spec.version}"]
        return
    roles = {role for group in cluster.hosts for role in group.roles}
    assert roles <= {role.name for role in spec.roles}
    assert cluster.image == f"{spec.name}:{spec.version}"


@pytest.mark.parametrize("name", ["kubernetes", "dashboard"])
def test_whatever_it_fetches_can_come_from_elsewhere_and_its_readme_says_how(name: str) -> None:
    recipe, readme = read(name), (BUNDLES / name / "README.md").read_text()
    sources = {
        word for i in recipe.instructions if i.keyword == "ADD" for word in re.findall(r"\$\{(\w+_FROM)\}/", i.text)
    }
    given = {i.text.partition("=")[0]: i.text.partition("=")[2] for i in recipe.instructions if i.keyword == "ARG"}
    assert sources == {argument for argument in given if argument.endswith("_FROM")}
    assert all(given[argument].startswith("https://") for argument in sources)
    assert all(argument.removesuffix("_FROM") in given for argument in sources)
    assert all(f"{argument}=parts" in readme for argument in sources)
