"""`Mirror`: another place for a registry's images, as the packager names it: ``docker.io=https://cache.example/hub``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from appliance.errors import RecipeError
from appliance.image.reference import Reference

_URL = re.compile(r"(?:(?P<scheme>https?)://)?(?P<host>[^/\s]+)(?:/(?P<path>[^\s?#]*))?")


@dataclass(frozen=True, slots=True)
class Mirror:
    """A mirror of `registry`: there, `prefix` stands before the names of repositories."""

    registry: str
    host: str
    prefix: str = ""
    plain_http: bool = False

    @classmethod
    def parse(cls, text: str) -> Mirror:
        """Read ``HOST=URL``; without a scheme, the URL is one of https. `RecipeError` for anything else."""
        registry, _, url = text.partition("=")
        match = _URL.fullmatch(url)
        if match is None:
            raise _refuse(text, "there is no URL in it")
        path = (match["path"] or "").strip("/")
        prefix = f"{path}/" if path else ""
        if _registry(f"{match['host']}/{prefix}name") != match["host"] or not _registry(f"{registry}/a/name"):
            raise _refuse(text, "a registry has a host with a dot or a port, or is localhost")
        return cls(_registry(f"{registry}/a/name"), match["host"], prefix, match["scheme"] == "http")


def _registry(name: str) -> str:
    """The registry in an image's name; empty when it is none."""
    try:
        found = Reference.parse(name).registry
    except RecipeError:
        return ""
    return found if found == name.partition("/")[0] or name.startswith("index.docker.io/") else ""


def _refuse(text: str, why: str) -> RecipeError:
    hint = "write HOST=URL, like docker.io=https://cache.example/hub"
    return RecipeError(f"{text[:200]!r} names no mirror: {why}", where="--mirror", hint=hint)
