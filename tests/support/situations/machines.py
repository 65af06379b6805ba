"""Hosts that can be entered and are not fit."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from support.images import fake_pythons
from support.keeper import RECIPE

from appliance.clock import SystemClock
from appliance.image.reference import Reference
from appliance.image.store import Store
from appliance.lab import host as machines
from appliance.operations import publish
from appliance.trust.keys import load_signer

if TYPE_CHECKING:
    from support.situations.place import Place, Words


def no_room_on_a_host(place: Place) -> Words:
    return place.plan(place.on("small"), *place.known())


def host_of_another_cluster(place: Place) -> Words:
    place.stamp(cluster="site-b")
    return place.plan(place.on("one"), *place.known())


def cluster_of_another_product(place: Place) -> Words:
    place.stamp(cluster="site-a", product="ledger")
    return place.plan(place.on("one"), *place.known())


def stamp_unreadable(place: Place) -> Words:
    place.inside("one", "mkdir -p /etc/appliance; echo {} >/etc/appliance/node.json", "rm -r /etc/appliance")
    return place.plan(place.on("one"), *place.known())


def stamp_unreadable_at_reset(place: Place) -> Words:
    place.install()
    place.inside("one", "echo {} >/etc/appliance/node.json", "true")
    return ("reset", "site-a", "--yes", *place.known())


def cloned_machine_id(place: Place) -> Words:
    ids = {
        name: machines.run_inside(place.lab.host(name), ("cat", "/etc/machine-id")).stdout for name in ("one", "two")
    }
    place.inside("two", f"echo {ids['one'].strip()} >/etc/machine-id", f"echo {ids['two'].strip()} >/etc/machine-id")
    return place.plan(place.on("one", "two"), *place.known())


def copied_disk(place: Place) -> Words:
    place.stamp(cluster="site-b", machine="0" * 32)
    return ("preflight", *place.plan(place.on("one"), *place.known())[1:])


def even_number_of_members(place: Place) -> Words:
    return ("preflight", *place.plan(place.on("one", "two"), *place.known())[1:])


def other_architecture(place: Place) -> Words:
    store, out = place.folder.parent / "arm", place.folder.parent / "arm-out"
    place.quietly("--store", store, "build", "-t", "keeper:1.0.0", "--platform", "linux/arm64", RECIPE)
    signer = load_signer(place.delivery.keys / "signer-key.pem")
    request = publish.PublishRequest(Reference.parse("keeper:1.0.0"), out, (signer,))
    published = publish.publish(request, store=Store(store), pythons=fake_pythons(store), clock=SystemClock())
    place = replace(place, delivery=replace(place.delivery, bundle=published.files[0].path))
    return place.plan(place.on("one"), *place.known())


def leased_host(place: Place) -> Words:
    lease = json.dumps(
        {
            "cluster": "site-b", "home": "elsewhere", "operator": "eve@laptop", "run": "20261101T120000.000Z-apply",
            "started": "2026-11-01T12:00:00.000Z",
        },
        separators=(",", ":"), sort_keys=True,
    )  # fmt: skip
    folder = "/run/appliance/lease"
    place.inside("one", f"mkdir -p {folder}; echo '{lease}' >{folder}/owner", "rm -r /run/appliance")
    return ("apply", *place.plan(place.on("one"), *place.known("--yes"))[1:])
