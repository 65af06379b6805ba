"""Plans, state and disks of the operator."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from support.situations.place import Place, Words


def plan_is_no_plan(place: Place) -> Words:
    words = place.plan(place.on("one"), *place.known("--yes", "--plan", place.write("plan.json", "{}")))
    return ("apply", *words[1:])


def site_changed_since_the_plan(place: Place) -> Words:
    saved = place.folder / "plan.json"
    place.quietly(*place.plan(place.on("one"), *place.known("-O", saved, "--set", "level=4")))
    return ("apply", *place.plan(place.on("one"), *place.known("--yes", "--plan", saved))[1:])


def plan_to_a_full_disk(place: Place) -> Words:
    disk = place.disk("16k", ballast=16 << 10)
    return place.plan(place.on("one"), *place.known("-O", disk / "plan.json"))


def state_on_a_full_disk(place: Place) -> Words:
    words = place.plan(place.on("one"), *place.known("--yes"))
    return ("--home", place.disk("1m"), "apply", *words[1:])


def vault_key_missing(place: Place) -> Words:
    place.quietly(*place.plan(place.on("one"), *place.known()))
    (place.home / "keys" / "site-a.key").unlink()
    return place.plan(place.on("one"), *place.known())


def vault_key_open(place: Place) -> Words:
    place.quietly(*place.plan(place.on("one"), *place.known()))
    (place.home / "keys" / "site-a.key").chmod(0o644)
    return place.plan(place.on("one"), *place.known())


def no_cluster_known(place: Place) -> Words:
    return ("reset", "--yes")


def cluster_unknown(place: Place) -> Words:
    return ("status", "site-z")


def run_unknown(place: Place) -> Words:
    place.quietly(*place.plan(place.on("one"), *place.known()))
    return ("report", "20200101T000000.000Z-apply", "--name", "site-a")


def inventory_to_a_full_disk(place: Place) -> Words:
    disk = place.disk("16k", ballast=16 << 10)
    return ("scan", place.lab.host("one").address, "--write-inventory", disk / "cluster.yaml")


def inventory_there_already(place: Place) -> Words:
    return ("scan", place.lab.host("one").address, "--write-inventory", place.write("cluster.yaml", ""))
