"""Clusterfiles of sealer's, inventories and tables that cannot be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from support.situations.place import Place, Words

SEALER = "apiVersion: sealer.io/v2\nkind: Cluster\nmetadata: {name: site-a}\nspec:\n"


def sealer_host_without_role(place: Place) -> Words:
    return place.plan(f"{SEALER}  hosts:\n    - ips: [10.0.0.1]\n")


def sealer_password_is_a_number(place: Place) -> Words:
    return place.plan(f"{SEALER}  ssh: {{passwd: 012345}}\n")


def sealer_makes_the_hosts(place: Place) -> Words:
    return place.plan(f"{SEALER}  provider: ALI_CLOUD\n  masters: {{count: '3'}}\n")


def inventory_missing(place: Place) -> Words:
    return ("scan", "--inventory", place.folder / "none.ini")


def inventory_empty(place: Place) -> Words:
    return ("scan", "--inventory", place.write("hosts.ini", "[keeper]\n"))


def inventory_is_a_clusterfile(place: Place) -> Words:
    return ("scan", "--inventory", place.write("c.yaml", place.on("one")))


def inventory_and_hosts(place: Place) -> Words:
    return place.run("hosts.ini", "10.0.0.1\n", "--hosts", "keeper=10.0.0.1")


def inventory_with_a_template(place: Place) -> Words:
    return place.run("hosts.ini", "[keeper]\none ansible_host='{{ prefix }}.1'\n")


def inventory_name_without_address(place: Place) -> Words:
    return place.run("hosts.ini", "[keeper]\nnowhere.invalid\n")


def inventory_without_a_role(place: Place) -> Words:
    return place.run("hosts.ini", "[stores]\n10.0.0.1\n")


def table_without_addresses(place: Place) -> Words:
    return place.run("hosts.csv", "role,user\nkeeper,ops\n")


def nothing_to_scan(place: Place) -> Words:
    return ("scan",)
