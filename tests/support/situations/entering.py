"""Hosts that cannot be entered."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from support.keeper import clusterfile
from support.lab import GUEST_PASSWORD
from support.sshd import fingerprint, free_port, keygen

if TYPE_CHECKING:
    from support.situations.place import Place, Words


def nothing_listens(place: Place) -> Words:
    return place.plan(place.on("one"), "--port", str(free_port()))


def host_is_dead(place: Place) -> Words:
    address = place.lab.host("one").address.rpartition(".")[0] + ".250"
    return place.plan(clusterfile([address]))


def one_of_two_is_dead(place: Place) -> Words:
    dead = place.lab.host("one").address.rpartition(".")[0] + ".250"
    text = json.loads(place.on("one"))
    text["spec"]["hosts"][0]["addresses"].append(dead)
    return place.plan(json.dumps(text), *place.known())


def host_key_unknown(place: Place) -> Words:
    return place.plan(place.on("one"))


def host_key_changed(place: Place) -> Words:
    other = keygen(place.folder / "other").with_name("other.pub").read_text()
    place.write("pins", f"{place.lab.host('one').address} {other}")
    pins = place.home / "clusters" / "site-a" / "known_hosts"
    pins.parent.mkdir(parents=True)
    pins.write_text(f"{place.lab.host('one').address} {other}")
    return place.plan(place.on("one"), "--accept-new-host-keys")


def host_key_unlike_the_inventory(place: Place) -> Words:
    other = fingerprint(keygen(place.folder / "other").with_name("other.pub"))
    text = json.loads(place.on("one"))
    text["spec"]["hosts"][0]["hostKeys"] = {place.lab.host("one").address: other}
    return place.plan(json.dumps(text), "--accept-new-host-keys")


def ssh_key_missing(place: Place) -> Words:
    return place.plan(place.on("one", ssh={"key": str(place.folder / "none")}), *place.known())


def ssh_key_protected(place: Place) -> Words:
    key = keygen(place.folder / "key", passphrase="open sesame")
    return place.plan(place.on("one", ssh={"key": str(key)}), *place.known())


def ssh_key_wrong_passphrase(place: Place) -> Words:
    key = keygen(place.folder / "key", passphrase="open sesame")
    wrong = place.write("wrong", "open barley")
    return place.plan(place.on("one", ssh={"key": str(key)}), *place.known("--key-passphrase-file", wrong))


def ssh_password_wrong(place: Place) -> Words:
    text = clusterfile([place.lab.host("one").address], ssh={"user": "guest"})
    return place.plan(text, *place.known("--ssh-password-file", place.write("wrong", "no")))


def sudo_password_wrong(place: Place) -> Words:
    wrong = place.write("wrong", "no")
    return place.plan(place.on("one", ssh={"user": "guest"}), *place.known("--become-password-file", wrong))


def sudo_password_missing(place: Place) -> Words:
    return place.plan(place.on("one", ssh={"user": "guest"}), *place.known())


def sudo_not_allowed(place: Place) -> Words:
    right = place.write("right", GUEST_PASSWORD)
    return place.plan(place.on("one", ssh={"user": "guest"}), *place.known("--become-password-file", right))


def su_password_missing(place: Place) -> Words:
    return place.plan(place.on("one", ssh={"user": "guest"}), *place.known("--become", "su"))


def jump_host_malformed(place: Place) -> Words:
    return place.plan(place.on("one"), *place.known("--jump", "a b"))


def jump_host_down(place: Place) -> Words:
    return place.plan(place.on("one"), *place.known("--jump", f"127.0.0.1:{free_port()}"))


def ssh_config_broken(place: Place) -> Words:
    return place.plan(place.on("one"), *place.known("--ssh-config", place.write("config", "Host *\n Port many\n")))


def not_root(place: Place) -> Words:
    return place.plan(place.on("one", ssh={"user": "ops"}), *place.known("--become", "none"))
