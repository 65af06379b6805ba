"""What goes wrong with container images and with the registries that they come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.containers import container, docker_archive, publish
from support.registry import registry

from appliance.image.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from support.registry import Registry
    from support.situations.place import Place, Words

_POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  containers: [{name: web, image: %s}]\n"


def _needs(place: Place, image: str) -> Path:
    """A context whose only manifest names the image."""
    place.write("tree/Kubefile", "FROM scratch\nCOPY manifests manifests\n")
    place.write("tree/manifests/web.yaml", _POD % image)
    return place.folder / "tree"


def _registry(place: Place, *, tls: bool = False, basic: bool = False) -> Registry:
    return place.later.enter_context(registry(place.folder.parent / "registry", tls=tls, basic=basic))


def _pull(place: Place, *more: str | Path) -> Words:
    return ("--store", place.folder / "store", "pull", *more)


def image_unreachable(place: Place) -> Words:
    return place.build(_needs(place, "127.0.0.1:1/web:1.0"))


def image_not_there(place: Place) -> Words:
    there = _registry(place)
    return (*place.build(_needs(place, f"{there.host}/web:1.0")), "--plain-http")


def image_for_another_platform(place: Place) -> Words:
    context = _needs(place, "127.0.0.1:1/web:1.0")
    docker_archive(context / "images/web.tar", "127.0.0.1:1/web:1.0", "web", "arm64")
    return (*place.build(context), "--platform", "linux/amd64")


def image_archive_damaged(place: Place) -> Words:
    context = _needs(place, "web:1.0")
    archive = context / "images/web.tar"
    docker_archive(archive, "web:1.0", "web")
    archive.write_bytes(archive.read_bytes().replace(b'"RepoTags"', b'"RepoTags '))
    return place.build(context)


def image_list_missing(place: Place) -> Words:
    return (*place.build(_needs(place, "web:1.0")), "--image-list", place.folder / "none")


def image_list_with_no_image(place: Place) -> Words:
    file = place.write("images.txt", "nginx:1.27.3\nnot an image\n")
    return (*place.build(_needs(place, "web:1.0")), "--image-list", file)


def mirror_without_url(place: Place) -> Words:
    return (*place.build(_needs(place, "web:1.0")), "--mirror", "docker.io")


def registry_unreachable(place: Place) -> Words:
    return _pull(place, "127.0.0.1:1/app:1.0.0")


def registry_without_tls(place: Place) -> Words:
    return _pull(place, f"{_registry(place).host}/app:1.0.0")


def registry_of_an_unknown_authority(place: Place) -> Words:
    return _pull(place, f"{_registry(place, tls=True).host}/app:1.0.0")


def registry_wants_a_user(place: Place) -> Words:
    return _pull(place, f"{_registry(place, basic=True).host}/app:1.0.0", "--plain-http")


def registry_refuses_the_user(place: Place) -> Words:
    there = _registry(place, basic=True)
    password = place.write("password", "wrong")
    return ("login", there.host, "--plain-http", "--username", "ci", "--password-file", password)


def image_not_at_registry(place: Place) -> Words:
    return _pull(place, f"{_registry(place).host}/app:1.0.0", "--plain-http")


def not_a_cluster_image(place: Place) -> Words:
    there, published = _registry(place), Store(place.folder.parent / "published")
    image = publish(there, "web:1.0", published, container(published, "web"), config=place.folder)
    return _pull(place, str(image), "--plain-http")


def authority_unreadable(place: Place) -> Words:
    return _pull(place, "127.0.0.1:1/app:1.0.0", "--ca-file", place.write("ca.pem", "nothing"))


def saved_image_is_none(place: Place) -> Words:
    return ("--store", place.folder / "store", "load", place.write("x.tar", bytes(1024)))
