"""Sealer's Config documents: what becomes of a file of the image's tree."""

from __future__ import annotations

import pytest

from appliance.errors import RecipeError
from appliance.recipe import overlays
from appliance.recipe.documents import PassedDocument
from appliance.recipe.overlays import Overlay
from appliance.recipe.yamltext import load_documents


def config(**spec: object) -> PassedDocument:
    return PassedDocument("sealer.io", "Config", {"spec": {"path": "etc/a.yaml", "data": "a: 1\n", **spec}}, "site:7")


def test_a_config_is_a_file_in_the_image_or_in_an_app() -> None:
    kubeadm = PassedDocument("kubeadm.k8s.io", "InitConfiguration", {})
    found = overlays.read([kubeadm, config(), config(path="./values.yaml", appName="web", strategy="merge")])
    assert found == (
        Overlay("etc/a.yaml", "a: 1\n", where="site:7"),
        Overlay("application/apps/web/values.yaml", "a: 1\n", merge=True, where="site:7"),
    )


def test_it_takes_a_files_place_or_is_merged_into_each_of_its_documents() -> None:
    data = "image: {tag: new}\nlist: [3]\n"
    below = "image: {name: web, tag: old}\nlist: [1, 2]\nmore: yes\n---\nother: 1\n"
    assert Overlay("etc/a.yaml", data).onto(below) == data
    assert Overlay("etc/a.yaml", data, merge=True).onto(None) == data
    assert Overlay("etc/a.yaml", "# nothing\n", merge=True).onto(below) == below
    merged = load_documents(Overlay("etc/a.yaml", data, merge=True).onto(below), source="merged")
    assert [document.value for document in merged] == [
        {"image": {"name": "web", "tag": "new"}, "list": [3], "more": "yes"},
        {"other": 1, "image": {"tag": "new"}, "list": [3]},
    ]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"path": ""}, "no path in the image"),
        ({"path": "../etc/passwd"}, "no path in the image"),
        ({"path": "/etc/passwd"}, "no path in the image"),
        ({"path": 1}, "spec.path and spec.data"),
        ({"data": {"a": 1}}, "spec.path and spec.data"),
        ({"strategy": "mix"}, "'mix' is not known"),
        ({"process": "value|toSecret"}, "'value|toSecret' is not carried out here"),
        ({"paths": "x"}, "spec.paths of a Config is not known"),
        ({"path": "etc/kubeadm.yml"}, "not what kubeadm is given here"),
    ],
)
def test_what_cannot_be_honoured_is_refused_where_it_stands(spec: dict[str, object], words: str) -> None:
    with pytest.raises(RecipeError, match=r".") as caught:
        overlays.read([config(**spec)])
    assert words in caught.value.message
    assert caught.value.where == "site:7"


@pytest.mark.parametrize(("data", "below"), [("[1]\n", "a: 1\n"), ("a: 1\n", "- 1\n"), ("a: [\n", "a: 1\n")])
def test_only_fields_are_merged(data: str, below: str) -> None:
    with pytest.raises(RecipeError) as caught:
        Overlay("etc/a.yaml", data, merge=True, where="site:7").onto(below)
    assert caught.value.where.startswith("site:7")
