"""What a packager gets wrong, and disks of his that are full."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from support.situations.place import Place, Words


def context_missing(place: Place) -> Words:
    return place.build(place.folder / "none")


def context_empty(place: Place) -> Words:
    (place.folder / "empty").mkdir()
    return place.build(place.folder / "empty")


def kubefile_not_utf8(place: Place) -> Words:
    return place.build(place.write("recipe/Kubefile", b"FROM scratch\nLABEL a=\xff\n").parent)


def unknown_instruction(place: Place) -> Words:
    return place.build(place.recipe(Kubefile="FROM scratch\nCOPPY bin bin\n"))


def copy_source_outside(place: Place) -> Words:
    return place.build(place.recipe(Kubefile="FROM scratch\nCOPY ../secrets .\n"))


def copy_source_missing(place: Place) -> Words:
    return place.build(place.recipe(Kubefile="FROM scratch\nCOPY sbin .\n"))


def ignore_file_with_a_broken_range(place: Place) -> Words:
    recipe = place.recipe()
    (recipe / ".dockerignore").write_text("bin/[z-a]\n")
    return place.build(recipe)


def base_image_missing(place: Place) -> Words:
    return place.build(place.recipe(Kubefile="FROM 127.0.0.1:1/other:1.0.0\nCOPY bin bin\n"))


def run_fails(place: Place) -> Words:
    return place.build(place.recipe(Kubefile="FROM scratch\nCOPY bin bin\nRUN echo why >&2; exit 3\n"))


def launch_of_no_app(place: Place) -> Words:
    return place.build(place.recipe(Kubefile="FROM scratch\nAPP web local://bin\nLAUNCH wep\n"))


def app_without_commands(place: Place) -> Words:
    return place.build(place.recipe(Kubefile="FROM scratch\nAPP web local://bin\nLAUNCH web\n"))


def url_not_in_the_lock(place: Place) -> Words:
    return (*place.build(place.recipe(Kubefile="FROM scratch\nADD http://127.0.0.1:1/x bin/\n")), "--locked")


def url_out_of_reach(place: Place) -> Words:
    return place.build(place.recipe(Kubefile="FROM scratch\nADD http://127.0.0.1:1/x bin/\n"))


def mount_of_a_secret(place: Place) -> Words:
    return place.build(place.recipe(Kubefile="FROM scratch\nRUN --mount=type=secret,id=x true\n"))


def bundle_yaml_unknown_field(place: Place) -> Words:
    return place.build(
        place.recipe(bundle="apiVersion: appliance/v1\nkind: Bundle\nname: x\nversion: 1.0.0\nrolls: {}\n")
    )


def bundle_yaml_secret_with_default(place: Place) -> Words:
    head = "apiVersion: appliance/v1\nkind: Bundle\nname: x\nversion: 1.0.0\n"
    return place.build(
        place.recipe(bundle=f"{head}parameters: {{properties: {{a: {{writeOnly: true, default: b}}}}}}\n")
    )


def bundle_yaml_app_with_roles(place: Place) -> Words:
    return place.build(
        place.recipe(bundle="apiVersion: appliance/v1\nkind: App\nname: x\nversion: 1.0.0\nroles: {one: {}}\n")
    )


def bad_tag(place: Place) -> Words:
    return ("build", "-t", "Not A Name", place.recipe())


def store_on_a_full_disk(place: Place) -> Words:
    context = place.recipe()
    (context / "bin" / "large").write_bytes(os.urandom(1 << 20))
    return ("--store", place.disk("256k"), "build", "-t", "x:1.0.0", context)


def image_not_in_store(place: Place) -> Words:
    return place.bundle("-O", place.folder / "out", reference="keeper:2.0.0")


def signing_key_missing(place: Place) -> Words:
    return place.bundle("-O", place.folder / "out", key=place.folder / "none.pem")


def signing_key_is_no_key(place: Place) -> Words:
    key = place.write("key.pem", "nothing")
    key.chmod(0o600)
    return place.bundle("-O", place.folder / "out", key=key)


def signing_key_open_to_others(place: Place) -> Words:
    return place.bundle("-O", place.folder / "out", key=place.write("key.pem", "nothing"))


def signing_key_protected(place: Place) -> Words:
    return place.bundle("-O", place.folder / "out", key=place.protected_keys())


def signing_key_wrong_passphrase(place: Place) -> Words:
    wrong = place.write("wrong", "open barley")
    return place.bundle("-O", place.folder / "out", "--key-passphrase-file", wrong, key=place.protected_keys())


def output_is_a_file(place: Place) -> Words:
    return place.bundle("-O", place.write("out", ""), "--lock-or-latest")


def output_read_only(place: Place) -> Words:
    return place.bundle("-O", place.disk("1m", writable=False), "--lock-or-latest")


def output_on_a_full_disk(place: Place) -> Words:
    return place.bundle("-O", place.disk("1m"), "--lock-or-latest")


def keys_there_already(place: Place) -> Words:
    return ("key", "generate", "-O", place.write("keys/root.pem", "").parent)


def keys_on_a_full_disk(place: Place) -> Words:
    return ("key", "generate", "-O", place.disk("16k", ballast=12 << 10))
