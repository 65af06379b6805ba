"""Images in parts, as chart values and custom resources have them: ``repository``, ``tag``, ``registry`` … Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.image.discovery.found import Confidence
from appliance.image.discovery.names import Look, look
from appliance.image.discovery.nodes import Mapping, Scalar

if TYPE_CHECKING:
    from collections.abc import Iterator

_REPOSITORY = re.compile(
    r"(?P<stem>.*?)(?:[._-]?(?:repository|repo|image[._-]?(?:name|repository|repo)|baseImage|image|name))",
    re.IGNORECASE,
)
_TAGS = ("tag", "imageTag", "image_tag", "version", "imageVersion", "defaultImageVersion", "defaultTag")
_DIGESTS = ("digest", "sha", "imageDigest")
_REGISTRIES = ("registry", "imageRegistry", "image_registry", "hub", "host")
_BEFORE = ("repository", "repo")


@dataclass(frozen=True, slots=True)
class Group:
    """An image put together of fields of one mapping: the keys that were `used`, the first of them with its line."""

    text: str
    confidence: Confidence
    key: str
    line: int
    used: tuple[str, ...]


def find(value: Mapping, *, version: str = "", tag: str = "") -> tuple[Group, ...]:
    """The images that fields of one mapping make together; a ``baseImage`` alone has the `version` around it.

    `tag` is what an empty one stands for.
    """
    return tuple(_groups(value, version, tag))


def _groups(value: Mapping, version: str, tag: str) -> Iterator[Group]:
    for key, child in value.fields.items():
        if not isinstance(child, Scalar) or look(child.text) is not Look.UNTAGGED:
            continue
        if not (match := _REPOSITORY.fullmatch(key)):
            continue
        tag_key = _partner(value, match["stem"], _TAGS)
        digest_key = _partner(value, match["stem"], _DIGESTS)
        based = "" if tag_key or digest_key else _implied(key, value, version=version, tag=tag)
        if not (tag_key or digest_key or based) or not (based or _means_image(key, value, tag_key)):
            continue
        if key == "repository" and look(value.text("image")) is Look.UNTAGGED:
            continue  # it is what comes before the image's name
        before = _BEFORE if key.lower().endswith("image") else ()
        registry_key = _partner(value, match["stem"], (*_REGISTRIES, *before))
        text = _together(
            value.text(registry_key), child.text, tag=value.text(tag_key) or based, digest=value.text(digest_key)
        )
        if look(text) >= Look.WEAK:
            used = tuple(filter(None, (key, tag_key, digest_key, registry_key)))
            yield Group(text, Confidence.LIKELY, key, child.line, used)


def _implied(key: str, value: Mapping, *, version: str, tag: str) -> str:
    """The tag of an image that is written without one."""
    if key.lower().endswith("baseimage"):
        return version
    return tag if key.lower() in _BEFORE and "tag" in value.fields else ""


def _partner(value: Mapping, stem: str, names: tuple[str, ...]) -> str:
    """The key of a group's other part: ``tag``, or with the same stem ``serverTag``, ``server_image_tag``."""
    for name in names:
        for key in (f"{stem}{name}", f"{stem}{name[0].upper()}{name[1:]}", f"{stem}_{name}", f"{stem}-{name}"):
            if value.text(key):
                return key
    return "" if not stem else next((name for name in names[:2] if value.text(name)), "")


def _means_image(key: str, value: Mapping, tag_key: str) -> bool:
    """Charts, dependencies and git sources have names, repositories and versions, too."""
    lower = key.lower()
    if lower.endswith("name") and "image" not in lower:
        return bool(tag_key.lower().endswith("tag") and (value.text("registry") or "pullPolicy" in value.fields))
    if tag_key.lower().endswith("version"):
        return "image" in lower
    return True


def _together(registry: str, repository: str, *, tag: str, digest: str) -> str:
    name = (
        f"{registry.strip('/')}/{repository}" if registry and not repository.startswith(f"{registry}/") else repository
    )
    if digest:
        return f"{name}@{digest if ':' in digest else f'sha256:{digest}'}"
    return f"{name}:{tag}"
