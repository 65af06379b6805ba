"""Sealer's Plugin documents: what is understood of them, and what is refused by name."""

from __future__ import annotations

import pytest

from appliance.errors import RecipeError
from appliance.recipe import siteplugins
from appliance.recipe.documents import PassedDocument
from appliance.recipe.siteplugins import Phase, PluginType, SitePlugin


def plugin(name: str = "one", **spec: object) -> PassedDocument:
    value = {"metadata": {"name": name}, "spec": {"action": "PostInstall", "data": "date", **spec}}
    return PassedDocument("sealer.io", "Plugin", value, "site:9")


@pytest.mark.parametrize(
    ("spec", "phases", "on"),
    [
        ({}, (Phase.AFTER,), ()),
        ({"action": "PreInit|PreJoin"}, (Phase.BEFORE,), ()),
        ({"action": "PreGuest | PostJoin"}, (Phase.UP, Phase.AFTER), ()),
        ({"action": "pre-init-host", "scope": "master|node"}, (Phase.BEFORE,), ("control-plane", "worker")),
        ({"on": "master"}, (Phase.AFTER,), ("control-plane",)),
        ({"on": "10.0.0.1-10.0.0.2,10.0.0.9"}, (Phase.AFTER,), ("10.0.0.1", "10.0.0.2", "10.0.0.9")),
    ],
)
def test_both_dialects_say_when_and_where(
    spec: dict[str, object], phases: tuple[Phase, ...], on: tuple[str, ...]
) -> None:
    assert siteplugins.read([plugin(**spec)]) == (SitePlugin("one", PluginType.SHELL, phases, "date", on, "site:9"),)


def test_lines_of_labels_and_taints_name_addresses() -> None:
    data = "10.0.0.1-10.0.0.2 ssd=true,hdd=false\n\n10.0.0.3 key=:NoSchedule-\n"
    (found,) = siteplugins.read([plugin(type="TAINT", data=data)])
    assert found.lines() == ((("10.0.0.1", "10.0.0.2"), "ssd=true,hdd=false"), (("10.0.0.3",), "key=:NoSchedule-"))


@pytest.mark.parametrize(
    ("spec", "words", "hint"),
    [
        ({"type": "HOSTNAME"}, "the plugin one is of type HOSTNAME", "hosts keep their names"),
        ({"type": "ETCD"}, "the plugin one is of type ETCD", "etcd is backed up"),
        ({"type": "LABEL_TEST_SO"}, "of type LABEL_TEST_SO", ""),
        ({"action": "PreClean"}, "the phase PreClean", "there are Originally"),
        ({"action": ""}, "the phase of no name", "PostInstall"),
        ({"type": "LABEL", "action": "PreInit", "data": "10.0.0.1 a=b"}, "needs a cluster", "PreGuest"),
        ({"type": "TAINT", "data": "10.0.0.1"}, "'10.0.0.1' is no line of a TAINT", "ADDRESSES"),
        ({"data": " "}, "has no data", "spec.data"),
        ({"on": "node-role.kubernetes.io/master="}, "for nodes of a label", "roles"),
        ({"on": "everywhere"}, "'everywhere' is not an address", ""),
        ({"when": "now"}, "spec.when of a Plugin is not known", ""),
    ],
)
def test_what_is_not_carried_out_is_refused_by_name(spec: dict[str, object], words: str, hint: str) -> None:
    with pytest.raises(RecipeError) as caught:
        siteplugins.read([plugin(**spec)])
    assert words in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.where == "site:9"


@pytest.mark.parametrize("name", ["", "a b", "../x"])
def test_a_plugin_has_a_name_that_a_file_can_have(name: str) -> None:
    with pytest.raises(RecipeError, match=r"metadata\.name"):
        siteplugins.read([plugin(name)])
