"""Command lines that cannot be meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from support.situations.place import Place, Words


def unknown_command(place: Place) -> Words:
    return ("aply",)


def unknown_option(place: Place) -> Words:
    return place.plan(place.on("one"), "--sett", "level=1")


def missing_option(place: Place) -> Words:
    return ("plan", place.delivery.bundle)


def missing_argument(place: Place) -> Words:
    return ("verify",)


def wrong_choice(place: Place) -> Words:
    return place.plan(place.on("one"), "--become", "doas")


def nothing_to_compare(place: Place) -> Words:
    bundle = place.delivery.bundle
    return ("show", bundle, "docs", "--against", bundle, "--trust", place.delivery.root)


def set_without_value(place: Place) -> Words:
    return place.plan(place.on("one"), "--set", "level")


def hosts_without_role(place: Place) -> Words:
    return ("run", place.delivery.bundle, "--hosts", "10.0.0.1")


def no_host_named(place: Place) -> Words:
    return ("run", place.delivery.bundle)


def not_confirmed(place: Place) -> Words:
    place.install()
    return ("reset", "site-a")


def bad_range(place: Place) -> Words:
    return ("scan", "10.0.0.1-10.0.0.0")


def range_too_large(place: Place) -> Words:
    return ("scan", "10.0.0.0/8")


def home_is_a_file(place: Place) -> Words:
    return ("--home", place.write("file", ""), "runs")


def password_file_missing(place: Place) -> Words:
    return place.plan(place.on("one"), "--ssh-password-file", place.folder / "none")


def password_file_empty(place: Place) -> Words:
    return place.plan(place.on("one"), "--become-password-file", place.write("empty", "\n"))


def password_with_two_lines(place: Place) -> Words:
    ssh = {"user": "guest"}
    return place.plan(place.on("one", ssh=ssh), *place.known("--become-password-file", place.write("two", "a\nb\n")))
