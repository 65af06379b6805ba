"""Clusterfiles and parameters that do not fit."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from support.keeper import clusterfile

if TYPE_CHECKING:
    from support.situations.place import Place, Words


def clusterfile_missing(place: Place) -> Words:
    return place.plan(place.folder / "none.yaml")


def clusterfile_not_utf8(place: Place) -> Words:
    return place.plan(b"apiVersion: appliance/v1\nname: \xff\n")


def clusterfile_too_large(place: Place) -> Words:
    return place.plan(b"#" * (5 << 20))


def clusterfile_empty(place: Place) -> Words:
    return place.plan("")


def clusterfile_not_yaml(place: Place) -> Words:
    return place.plan("apiVersion: appliance/v1\n  kind: Cluster\n")


def clusterfile_bomb(place: Place) -> Words:
    bomb = "".join(
        f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in itertools.pairwise("abcdefghi")
    )
    return place.plan(f"a: &a [x, x, x, x, x, x, x, x, x]\n{bomb}")


def clusterfile_duplicate_key(place: Place) -> Words:
    return place.plan("apiVersion: appliance/v1\nkind: Cluster\nkind: Cluster\n")


def clusterfile_of_another_program(place: Place) -> Words:
    return place.plan("apiVersion: cluster.x-k8s.io/v1beta1\nkind: Cluster\nmetadata: {name: x}\nspec: {}\n")


def unknown_field(place: Place) -> Words:
    return place.plan(place.on("one", parametres={}))


def wrong_type_of_field(place: Place) -> Words:
    return place.plan(place.on("one", ssh={"port": "22"}))


def cluster_name(place: Place) -> Words:
    return place.plan(place.on("one", name="Site_A"))


def duplicate_address(place: Place) -> Words:
    return place.plan(clusterfile(["10.0.0.11-10.0.0.13", "10.0.0.12"]))


def bad_address(place: Place) -> Words:
    return place.plan(clusterfile(["10.0.0.256"]))


def no_host_written(place: Place) -> Words:
    return place.plan("apiVersion: appliance/v1\nkind: Cluster\nmetadata: {name: site-a}\nspec: {}\n")


def unknown_provider(place: Place) -> Words:
    return place.plan(place.on("one", provider="cloud"))


def application_without_version(place: Place) -> Words:
    return place.plan(place.on("one", apps=["hello"]))


def method_not_there(place: Place) -> Words:
    return place.plan(place.on("one", distribution={"method": "swarm"}))


def unknown_role(place: Place) -> Words:
    return place.plan(place.on("one", role="keper"))


def too_many_of_a_role(place: Place) -> Words:
    return place.plan(clusterfile(["10.0.0.11-10.0.0.15"]))


def too_few_of_a_role(place: Place) -> Words:
    return place.plan(place.on("one", role="visitor"))


def unknown_parameter(place: Place) -> Words:
    return place.plan(place.on("one"), "--set", "levle=1")


def wrong_type_of_parameter(place: Place) -> Words:
    return place.plan(place.on("one"), "--set", "level=high")


def parameter_out_of_bounds(place: Place) -> Words:
    return place.plan(place.on("one", parameters={"level": 99}))


def missing_parameter(place: Place) -> Words:
    return place.plan(place.on("one"), token="")


def secret_as_argument(place: Place) -> Words:
    return place.plan(place.on("one"), "--set", "token=hunter2hunter2", token="")


def secret_not_allowed(place: Place) -> Words:
    return place.plan(place.on("one"), token="hunter2")


def set_file_missing(place: Place) -> Words:
    return place.plan(place.on("one"), "--set-file", f"token={place.folder / 'none'}", token="")
