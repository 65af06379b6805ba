"""Bundles that are none, or that nobody here trusts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from support.situations.place import Place, Words


def bundle_missing(place: Place) -> Words:
    return ("verify", place.folder / "none.run")


def not_a_bundle(place: Place) -> Words:
    other = place.write("x.run", b"#!/bin/sh\n" * 200_000)
    return ("plan", other, "--trust", place.delivery.root, "-f", place.write("c.yaml", place.on("one")))


def bundle_truncated(place: Place) -> Words:
    with place.delivery.bundle.open("rb") as source:
        cut = place.write("x.run", source.read(8 << 20))
    return ("plan", cut, "--trust", place.delivery.root, "-f", place.write("c.yaml", place.on("one")))


def no_anchor(place: Place) -> Words:
    return ("plan", place.delivery.bundle, "-f", place.write("c.yaml", place.on("one")))


def signed_by_a_stranger(place: Place) -> Words:
    strangers = place.protected_keys().with_name("root.pem")
    return ("plan", place.delivery.bundle, "--trust", strangers, "-f", place.write("c.yaml", place.on("one")))


def anchor_missing(place: Place) -> Words:
    return ("verify", place.delivery.bundle, "--trust", place.folder / "none.pem")


def anchor_is_nothing(place: Place) -> Words:
    return ("verify", place.delivery.bundle, "--trust", place.write("root.pem", "nothing"))


def policy_missing(place: Place) -> Words:
    return ("verify", place.delivery.bundle, "--trust", place.delivery.root, "--policy", place.folder / "none.json")
