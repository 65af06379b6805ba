"""What a text looks like: a reference, and how clearly; a key that means an image. Pure."""

from __future__ import annotations

import enum
import re
from typing import TYPE_CHECKING

from appliance.errors import RecipeError
from appliance.image.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Iterator

_KEY = re.compile(r"(?:.*[a-z0-9._-])?image(?:s|name|ref|reference|spec|url|uri|tag_url)?|.*Image(?:Name|Ref|URL|Uri)?")
_VERSION = re.compile(r".*[0-9].*|latest|stable|edge|nightly|main|master|alpine|slim|debian|ubuntu", re.ASCII)
_NO_IMAGE = re.compile(
    r"(?i).*(?:policy|secrets?|format|features?|pull|size|gc|path|dir|file|prefix|suffix|width|height|icon|logo|type)$"
)
_HOST = re.compile(r"(?:[A-Za-z0-9-]+\.)+[A-Za-z][A-Za-z0-9-]*(?::[0-9]+)?|localhost(?::[0-9]+)?|[A-Za-z0-9.-]+:[0-9]+")
_SPLIT = re.compile(r"[\s\"'`,;|()\[\]{}<>=]+")
_NUMBERS = re.compile(r"[0-9.]+")
_HASH = re.compile(r"sha(?:256|512):.*|[0-9a-f]{40,}(?::.*)?")
_FILE = re.compile(
    r".*\.(?:ya?ml|json|sh|txt|conf|md|html?|svc|local|png|jpe?g|svg|gif|tar|gz|tgz|so|py|go|js)", re.ASCII
)


class Look(enum.IntEnum):
    """How clearly a text is a reference."""

    NONE = 0
    UNTAGGED = 1
    """``nginx``, ``bitnami/nginx``: could be any word or path."""
    WEAK = 2
    """``redis:7``: could be a host and port, a time, a key and value."""
    MEDIUM = 3
    """``bitnami/redis:7.0``."""
    STRONG = 4
    """``quay.io/x/y:1.2``, or any name with a digest."""


def look(text: str) -> Look:
    """How clearly a whole text is a reference."""
    if not text or len(text) > 512 or not text.isascii() or "://" in text or text[0] in "./-$" or _HASH.fullmatch(text):  # noqa: PLR2004
        return Look.NONE
    try:
        reference = Reference.parse(text)
    except RecipeError:
        return Look.NONE
    name, colon, tag = text.rpartition(":")
    if not colon or "/" in tag:
        return Look.UNTAGGED
    return Look.STRONG if reference.digest else _look_tagged(name, tag)


def _look_tagged(name: str, tag: str) -> Look:
    first, slash, _ = name.partition("/")
    if not slash:
        return Look.NONE if _NUMBERS.fullmatch(name) or (_HOST.fullmatch(name) and tag.isdecimal()) else Look.WEAK
    if not _VERSION.fullmatch(tag):
        return Look.WEAK
    return Look.STRONG if _HOST.fullmatch(first) else Look.MEDIUM


def is_image_key(key: str) -> bool:
    """Whether a key says that its value is an image: ``image``, ``initImage``, ``X_IMAGE``, ``sidecar-image``."""
    if _NO_IMAGE.fullmatch(key):
        return False
    return bool(_KEY.fullmatch(key) or _KEY.fullmatch(key.lower().replace("-", "_")))


def mentions_image(key: str) -> bool:
    """Whether a variable's or flag's name has the word image in it, and means no policy or secret of it."""
    return "image" in key.lower() and not _NO_IMAGE.fullmatch(key)


def is_file(text: str) -> bool:
    """Whether a text without a tag names a file or a host rather than an image."""
    return bool(_FILE.fullmatch(text))


def tokens(text: str) -> Iterator[tuple[int, str]]:
    """The words of a free text, each with the number of its line from 0."""
    for number, line in enumerate(text.splitlines()):
        for word in _SPLIT.split(line):
            if word:
                yield number, word.strip(".:\\")
