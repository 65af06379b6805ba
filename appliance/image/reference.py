"""`Reference`: the name of an image, as docker and every registry client write it. Pure.

Source: distribution/reference, and the OCI distribution-spec's grammar of names, tags and digests.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from appliance.digest import Digest
from appliance.errors import RecipeError

DEFAULT_REGISTRY = "docker.io"
DEFAULT_TAG = "latest"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_REGISTRY = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{{1,5}})?")
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_MAX_NAME = 255


@dataclass(frozen=True, slots=True)
class Reference:
    """An image's name in full: ``docker.io/library/etcd:1.0``; `tag` is empty only when there is a `digest`."""

    registry: str
    repository: str
    tag: str = ""
    digest: Digest | None = None

    def __str__(self) -> str:
        return f"{self.registry}/{self.repository}" + self._suffix

    @property
    def familiar(self) -> str:
        """As people write it: without the default registry and its ``library/``."""
        name = self.repository.removeprefix("library/")
        repository = self.repository if "/" in name else name
        return repository + self._suffix if _split(repository) == (self.registry, self.repository) else str(self)

    @property
    def _suffix(self) -> str:
        return (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Read a reference; docker.io, ``library/`` and ``latest`` are put where nothing is said.

        Raises `RecipeError` for what no registry would take.
        """
        name, at, digest = text.partition("@")
        slash = name.rfind("/")
        colon = name.find(":", slash + 1)
        tag = name[colon + 1 :] if colon >= 0 else ""
        registry, repository = _split(name[:colon] if colon >= 0 else name)
        if not _REPOSITORY.fullmatch(repository):
            raise _refuse(text, "a name has lower-case letters, digits, and single . _ - between them")
        if not _REGISTRY.fullmatch(registry):
            raise _refuse(text, f"{registry!r} is not a registry's host and port")
        if len(registry) + 1 + len(repository) > _MAX_NAME:
            raise _refuse(text, f"a name has at most {_MAX_NAME} characters")
        if colon >= 0 and not _TAG.fullmatch(tag):
            raise _refuse(text, "a tag has letters, digits, . _ - and at most 128 characters")
        return cls(registry, repository, tag or ("" if at else DEFAULT_TAG), _digest(text, digest) if at else None)


def _split(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    if slash and (any(mark in first for mark in ".:") or first == "localhost" or first != first.lower()):
        if first in (DEFAULT_REGISTRY, "index.docker.io"):
            return DEFAULT_REGISTRY, rest if "/" in rest else f"library/{rest}"
        return first, rest
    return DEFAULT_REGISTRY, name if slash else f"library/{name}"


def _digest(text: str, digest: str) -> Digest:
    try:
        return Digest.parse(digest)
    except ValueError as error:
        raise _refuse(text, "a digest is sha256: and 64 hexadecimal digits") from error


def _refuse(text: str, why: str) -> RecipeError:
    return RecipeError(f"{text[:200]!r} is not an image reference: {why}", hint="write it like etcd-cluster:1.0.0")
