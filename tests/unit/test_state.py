from __future__ import annotations

import dataclasses
import json
import stat
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from support.signing import NOW

from appliance import state
from appliance.digest import Digest
from appliance.errors import ApplianceError, RecipeError, StateError
from appliance.state import ClusterState, Home, InstalledHost

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.of(tmp_path / "home")


def test_everything_lies_below_the_given_root_and_is_private(home: Home) -> None:
    cluster = home.cluster("site-a")
    run = cluster.new_run("apply", now=NOW)
    folders = [home.root, home.blobs, cluster.path, cluster.runs, cluster.backups, run.path, run.log("h").parent]

    assert all(p.is_dir() and stat.S_IMODE(p.stat().st_mode) == 0o700 for p in folders)
    assert home.blobs == home.root / "blobs" / "sha256"
    assert cluster.path == home.root / "clusters" / "site-a"
    assert cluster.vault_key.parent != cluster.path
    assert home.clusters() == ("site-a",)


def test_without_a_root_it_is_the_systems_or_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    for name in ("STATE", "DATA", "CACHE", "CONFIG"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name.lower()))

    assert Home.of().root == tmp_path / "state" / "appliance"
    assert state.packager_store() == tmp_path / "data" / "appliance" / "store"
    assert state.cache("lab", "roots") == tmp_path / "cache" / "appliance" / "lab" / "roots"
    assert state.keys() == tmp_path / "config" / "appliance" / "keys"
    assert state.packager_store(tmp_path / "mine") == tmp_path / "mine"


@pytest.mark.parametrize("name", ["", "A", "-a", "a-", "a.b", "a/b", "..", "a" * 64, "é", "a\n"])
def test_a_cluster_is_named_by_a_dns_label(home: Home, name: str) -> None:
    with pytest.raises(RecipeError, match="cannot name a cluster"):
        home.cluster(name)
    assert home.clusters() == ()


def test_runs_are_unique_and_listed_newest_first(home: Home) -> None:
    cluster = home.cluster("a")
    first = cluster.new_run("apply", now=NOW)
    second = cluster.new_run("apply", now=NOW)
    third = cluster.new_run("reset", now=NOW + timedelta(milliseconds=1))
    (cluster.runs / "notes").mkdir()

    assert [run.name for run in cluster.list_runs()] == [third.name, second.name, first.name]
    assert first.name == "20261101T120000.000Z-apply"
    assert (first.started, first.operation, second.number) == (NOW, "apply", 2)
    assert cluster.run("latest") == third
    assert cluster.run(second.name) == second


def test_an_unknown_run_is_refused_naming_the_newest(home: Home) -> None:
    cluster = home.cluster("a")
    with pytest.raises(StateError) as none_yet:
        cluster.run("latest")
    newest = cluster.new_run("apply", now=NOW)
    with pytest.raises(StateError) as unknown:
        cluster.run("x")

    assert "none yet" in none_yet.value.hint
    assert newest.name in unknown.value.hint


def test_a_root_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(ApplianceError, match="cannot"):
        Home.of(tmp_path / "file" / "home")


STATE = ClusterState(
    cluster="a",
    bundle="etcd-cluster",
    version="1.0.0",
    epoch=3,
    image=Digest.of(b"image"),
    run="20261101T120000.000Z-apply",
    applied=NOW,
    hosts=(InstalledHost("etcd-1", "10.0.0.1", ("etcd",)), InstalledHost("etcd-2", "10.0.0.2", ("etcd", "lb"))),
)


def test_state_comes_back_as_written(home: Home) -> None:
    path = home.cluster("a").state

    assert state.read_state(path) is None
    state.write_state(path, STATE)
    assert state.read_state(path) == STATE
    state.write_state(path, dataclasses.replace(STATE, hosts=()))
    assert state.read_state(path) == dataclasses.replace(STATE, hosts=())


def test_a_newer_format_is_refused_with_a_hint(home: Home) -> None:
    path = home.cluster("a").state
    state.write_state(path, STATE)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 2}))

    with pytest.raises(StateError, match="format 2") as refused:
        state.read_state(path)
    assert "update" in refused.value.hint


@pytest.mark.parametrize(
    "change",
    [{"hosts": 1}, {"hosts": [{}]}, {"image": "x"}, {"applied": "yesterday"}, {"epoch": None}, {"cluster": 1}],
)
def test_damaged_state_is_refused(home: Home, change: dict[str, object]) -> None:
    path = home.cluster("a").state
    state.write_state(path, STATE)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))

    with pytest.raises(StateError, match="damaged"):
        state.read_state(path)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format":1}', "\x00"])
def test_what_is_no_state_is_refused(home: Home, text: str) -> None:
    path = home.cluster("a").state
    path.write_text(text)

    with pytest.raises(StateError, match="damaged"):
        state.read_state(path)
